"""Keeps one service's process as it is desired to be: started, stopped, restarted, never orphaned.

Ready is what the readiness probe says once; whether a running service is *healthy* is for the monitor to
judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random as randomness
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from service.guarded import Exit, GuardedProcess, StartFailed
from service.output import Output
from service.ports import any_free_port, is_free
from service.processes import HOME_TAG, RUN_TAG, kill_tagged
from service.readiness import NotReady, ask
from service.subject import Subject
from service.tidings import last_words
from service.workspace import Workspace, WorkspaceError

BLOCKED_RETRY_SECONDS = 5.0
STABLE_SECONDS = 60.0
LATE_PERIOD_SECONDS = 1.0
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor last saw. ``started_at`` is seconds since the epoch."""

    state: str = "stopped"
    """stopped, starting, running, backoff, blocked, failed or stopping."""
    ready: bool = False
    pid: int | None = None
    start_ticks: int | None = None
    port: int | None = None
    generation: int = 0
    commit: str | None = None
    restarts: int = 0
    started_at: float | None = None
    exit_code: int | None = None
    """Of the last run that ended; negative for a signal."""
    detail: str = ""


@dataclass(frozen=True)
class _Desired:
    running: bool = False
    generation: int = 0
    commit: str | None = None


class Supervisor:
    """Supervises the process of one subject from its deployed copy.

    ``port`` 0 means any free one, chosen once. ``run_tag`` is shown to the service in its environment, beside
    a tag of the copy itself by which the next run finds what a crash may have left; so one copy has one
    supervisor at a time. ``clock`` gives seconds since the epoch, ``random`` a number in 0..1.
    """

    def __init__(
        self,
        subject: Subject,
        workspace_root: Path,
        *,
        port: int,
        log_path: Path,
        on_state: Callable[[ProcessState], None],
        run_tag: str,
        clock: Callable[[], float] = time.time,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self._process = subject.process
        self._root = workspace_root
        self._wanted_port = port
        self._port: int | None = port or None
        self._on_state = on_state
        self._run_tag = run_tag
        self._home_tag = hashlib.sha256(str(workspace_root.resolve()).encode()).hexdigest()[:16]
        self._clock = clock
        self._random = random
        self._output = Output(log_path)
        self._desired = _Desired()
        self._wake = asyncio.Event()
        self._running: GuardedProcess | None = None
        self._state = ProcessState(port=self._port)
        self._starts = 0
        self._failures = 0

    @property
    def state(self) -> ProcessState:
        return self._state

    def desire(self, running: bool, generation: int, commit: str | None = None) -> None:
        """Say what is wanted; a higher generation restarts at once, whatever wait is on."""
        self._desired = _Desired(running, generation, commit)
        self._wake.set()

    def tail(self, count: int) -> list[str]:
        """The service's last lines of output, newest last."""
        return self._output.tail(count)

    async def run(self) -> None:
        """Supervise until cancelled; the service is stopped before this returns."""
        writing = asyncio.create_task(self._output.keep_written())
        try:
            # Nothing was started yet, so whatever carries the tag was left by a run that was killed.
            await asyncio.to_thread(kill_tagged, self._home_tag)
            while True:
                await self._step()
        finally:
            await self._stop_for_good()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            self._output.end()
            await asyncio.to_thread(self._output.write_out)

    async def _step(self) -> None:
        """From one wait for something to do to the next."""
        self._wake.clear()
        desired = self._desired
        if not desired.running:
            self._show(state="stopped", ready=False, generation=desired.generation, detail="")
            await self._wake.wait()
            return
        port = self._find_port()
        if port is None:
            detail = f"port {self._port} is taken by another process; free it or set HARNESS_SERVICE_PORT=0"
            self._show(state="blocked", ready=False, generation=desired.generation, detail=detail)
            await self._pause(BLOCKED_RETRY_SECONDS)
            return
        try:
            ended = await self._run_once(desired, port)
        except StartFailed as error:
            self._output.feed(f"[not started: {error}]\n".encode())
            await self._after_end(desired, Exit(127), f"not started: {error}", 0.0)
            return
        if ended is not None:
            lasted = self._clock() - (self._state.started_at or 0.0)
            await self._after_end(desired, ended, last_words(ended, self._output.tail(5)), lasted)

    async def _run_once(self, desired: _Desired, port: int) -> Exit | None:
        """One run; None when it was stopped because something else is desired now."""
        commit = await asyncio.to_thread(self._head) or desired.commit
        self._show(state="starting", generation=desired.generation, commit=commit, port=port, detail="")
        self._running = process = GuardedProcess(
            [self._fill(word, port) for word in self._process.command],
            cwd=self._root,
            environment=self._environment(port),
            shutdown_seconds=self._process.shutdown.timeout_seconds,
            on_output=self._output.feed,
        )
        try:
            await process.started()
        except StartFailed:
            await process.stop()
            await self._bury(process)
            raise
        self._show(
            pid=process.pid,
            start_ticks=process.start_ticks,
            started_at=self._clock(),
            restarts=self._starts,
        )
        self._starts += 1
        process.exited.add_done_callback(lambda _: self._wake.set())
        probing = asyncio.create_task(self._await_ready(port))
        try:
            while not self._is_overtaken(desired):
                await self._pause(None)
                if process.exited.done():
                    return await self._bury(process)
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
        self._failures = 0
        self._show(state="stopping", ready=False)
        await process.stop()
        await self._bury(process)
        return None

    async def _bury(self, process: GuardedProcess) -> Exit:
        """Note the end of a run; whatever of it a lost guard could not end is killed by its tag."""
        ended = process.exited.result()
        if ended.code is None and ended.signal is None:
            await asyncio.to_thread(kill_tagged, self._home_tag)
        self._running = None
        self._output.end()
        code = ended.code if ended.signal is None else -ended.signal
        self._state = replace(self._state, pid=None, start_ticks=None, ready=False, exit_code=code)
        return ended

    async def _after_end(self, desired: _Desired, ended: Exit, words: str, lasted: float) -> None:
        """What the restart policy says after a run that ended unasked."""
        restart = self._process.restart
        gone = {"pid": None, "start_ticks": None, "ready": False}
        if self._port and not is_free(self._port):
            self._show(**gone, detail=words)
            return
        if restart.policy == "never" or (restart.policy == "on_failure" and ended.code == 0):
            state = "stopped" if ended.code == 0 else "failed"
            self._show(**gone, state=state, detail=f"{words}; restart policy {restart.policy}")
            while not self._is_overtaken(desired):
                await self._pause(None)
            return
        self._failures = 0 if lasted >= STABLE_SECONDS else self._failures
        wait = restart.initial_backoff_seconds * restart.backoff_factor ** min(self._failures, 64)
        wait = min(wait, restart.max_backoff_seconds) * (1 + restart.jitter * (2 * self._random() - 1))
        self._failures += 1
        self._show(**gone, state="backoff", detail=f"{words}; next start in {wait:.0f} s")
        until = time.monotonic() + wait
        while not self._is_overtaken(desired) and time.monotonic() < until:
            await self._pause(until - time.monotonic())
        if self._is_overtaken(desired):
            self._failures = 0

    async def _await_ready(self, port: int) -> None:
        """Probe until the first good answer; late is told of, but the process is left to go on."""
        probe = self._process.readiness_probe
        await asyncio.sleep(probe.initial_delay_seconds)
        period, failures = probe.period_seconds, 0
        while True:
            try:
                await ask(probe.http_get.port or port, probe.http_get.path, probe.timeout_seconds)
            except NotReady as error:
                failures += 1
                if failures >= probe.failure_threshold:
                    period = max(period, LATE_PERIOD_SECONDS)
                    self._show(state="running", detail=f"running but not ready: {error}")
            else:
                self._show(state="running", ready=True, detail="")
                return
            await asyncio.sleep(period)

    async def _stop_for_good(self) -> None:
        """Stop the service even while being cancelled; a further cancellation only hastens it."""
        process = self._running
        if process is None:
            return
        self._show(state="stopping", ready=False)
        stopping = asyncio.create_task(process.stop())
        while not stopping.done():
            try:
                await asyncio.shield(stopping)
            except asyncio.CancelledError:
                process.let_go()
        burying = asyncio.create_task(self._bury(process))
        while not burying.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(burying)
        self._show(state="stopped", detail="")

    def _is_overtaken(self, desired: _Desired) -> bool:
        now = self._desired
        return not now.running or now.generation > desired.generation

    async def _pause(self, seconds: float | None) -> None:
        """Until something is desired, at most so long."""
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _find_port(self) -> int | None:
        """The port to use, None when it is taken. One chosen freely is kept while it can be had."""
        if self._port and is_free(self._port):
            return self._port
        if self._wanted_port == 0:
            self._port = any_free_port()
            return self._port
        return None

    def _head(self) -> str | None:
        try:
            return Workspace(self._root).head()
        except WorkspaceError:
            return None

    def _fill(self, word: str, port: int) -> str:
        return word.replace("{python}", sys.executable).replace("{port}", str(port))

    def _environment(self, port: int) -> dict[str, str]:
        """Named variables only, so that no key or token of the harness reaches a service."""
        declared = {name: self._fill(value, port) for name, value in self._process.environment.items()}
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        tags = {HOME_TAG: self._home_tag, RUN_TAG: self._run_tag}
        return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"} | declared | tags

    def _show(self, **changes: object) -> None:
        state = replace(self._state, **changes)  # type: ignore[arg-type]
        if state != self._state:
            self._state = state
            self._on_state(state)
