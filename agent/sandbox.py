"""Where commands run: bubblewrap where it works, else a clean environment, limits and a process group.

The level really obtained is probed once with a real forbidden write, not read from a version:
``L3`` namespaces (no network, read-only file system but for the deployed copy), ``L1`` limits and a guard that
ends whatever was started, no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from service.guarded import GUARD

OUTPUT_LIMIT = 64 * 1024
GUARD_SECONDS = 4.0
"""How long a guard has to end what it guards before it is killed itself."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/ld.so.cache", "/opt")
PROTECTED = (".git", "subject.toml", "runbooks", "AGENTS.md")
"""Parts of the deployed copy that say what the harness does with it: never writable from inside."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    exit_code: int | None
    """None when it was killed at the deadline."""
    output: str
    truncated: bool
    level: str
    seconds: float


class Sandbox:
    """Runs argument vectors for the agent and can kill all it started at once (the kill switch)."""

    def __init__(self, writable: Path, readable: Sequence[Path] = ()) -> None:
        self._writable = writable.resolve()
        self._readable = tuple(path.resolve() for path in readable)
        self._running: set[asyncio.subprocess.Process] = set()
        self._starting = 0
        self._kills = 0
        self._level: str | None = None

    async def level(self) -> str:
        """``L3`` or ``L1``, probed at the first call."""
        if self._level is None:
            self._level = "L3" if await self._probe() else "L1"
        return self._level

    async def _probe(self) -> bool:
        if shutil.which("bwrap") is None:
            return False
        with tempfile.TemporaryDirectory(prefix="harness-probe-") as folder:
            witness = Path(folder) / "witness"
            script = f"echo escaped > {witness}; test -d /proc/1 && echo inside"
            try:
                result = await self._spawn(self._bwrap(["/bin/sh", "-c", script]), 5.0, "L3")
            except OSError:
                return False
            return not witness.exists() and "inside" in result.output

    def _bwrap(self, argv: Sequence[str], *, may_write: bool = True) -> list[str]:
        command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        for system in _SYSTEM:
            command += ["--ro-bind-try", system, system]
        command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - inside the sandbox
        for path in self._readable:
            command += ["--ro-bind-try", str(path), str(path)]
        command += ["--bind" if may_write else "--ro-bind", str(self._writable), str(self._writable)]
        for name in PROTECTED if may_write else ():
            path = self._writable / name
            if path.exists() and not path.is_symlink():
                command += ["--ro-bind", str(path), str(path)]
        command += ["--chdir", str(self._writable)]
        for name, value in _environment().items():
            command += ["--setenv", name, value]
        return [*command, "--", *argv]

    async def run(self, argv: Sequence[str], *, deadline: float, may_write: bool = True) -> CommandResult:
        """Run ``argv`` in the deployed copy for at most ``deadline`` seconds.

        ``may_write`` False makes the copy read-only too, where the level allows it.

        Raises:
            OSError: the program cannot be started.
        """
        level = await self.level()
        if level == "L3":
            return await self._spawn(self._bwrap(argv, may_write=may_write), deadline, level)
        reports, reporting = os.pipe()
        try:
            # The guard ends it, with all it started, also when this process is killed.
            guard = [sys.executable, "-I", "-S", str(GUARD), "--report-fd", str(reporting), "--deadline", "1", "--"]
            result = await self._spawn([*guard, *argv], deadline, level, reporting)
        finally:
            os.close(reporting)
            with os.fdopen(reports, "rb") as pipe:
                told = [json.loads(line) for line in pipe.read().splitlines()]
        for report in told:
            if report["event"] == "failed":
                raise OSError(report["error"])
        if result.exit_code is None:
            return result
        ended = told[-1] if told else {}
        code = ended.get("code")
        return replace(result, exit_code=-int(ended.get("signal") or signal.SIGKILL) if code is None else code)

    async def _spawn(
        self, command: Sequence[str], deadline: float, level: str, report_to: int | None = None
    ) -> CommandResult:
        loop = asyncio.get_running_loop()
        began = loop.time()
        kills = self._kills
        self._starting += 1
        try:
            process = await self._start(command, level, report_to)
        finally:
            self._starting -= 1
        self._running.add(process)
        try:
            if kills != self._kills:  # everything was killed while this one started
                await _kill(process)
            output, truncated, ended = await self._collect(process, deadline)
        finally:
            self._running.discard(process)
            await _kill(process)
        text = output.decode("utf-8", "replace")
        return CommandResult(
            process.returncode if ended else None, text, truncated, level, round(loop.time() - began, 3)
        )

    async def _start(self, command: Sequence[str], level: str, report_to: int | None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command,
            # A guard's lifeline, or nothing to read.
            stdin=asyncio.subprocess.DEVNULL if report_to is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._writable,
            # bwrap itself keeps its environment where a process inside can read it, so it gets none of ours.
            env={"PATH": _environment()["PATH"]} if level == "L3" else _environment(),
            start_new_session=True,
            preexec_fn=_limits,
            pass_fds=() if report_to is None else (report_to,),
        )

    async def _collect(self, process: asyncio.subprocess.Process, deadline: float) -> tuple[bytes, bool, bool]:
        assert process.stdout is not None
        kept = bytearray()
        truncated = False
        try:
            async with asyncio.timeout(deadline):
                while chunk := await process.stdout.read(16384):
                    room = OUTPUT_LIMIT - len(kept)
                    kept += chunk[:room]
                    truncated = truncated or len(chunk) > room
                await process.wait()
        except TimeoutError:
            return bytes(kept), truncated, False
        return bytes(kept), truncated, True

    async def kill_all(self) -> int:
        """Kill everything that is still running; how many there were."""
        self._kills += 1
        running = list(self._running)
        count = len(running) + self._starting
        await asyncio.gather(*(_kill(process) for process in running))
        return count


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None and process.returncode is None:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GUARD_SECONDS):
                await process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        await process.wait()
