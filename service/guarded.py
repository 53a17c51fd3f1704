"""One run of a service under its guard, as the event loop sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from service.processes import start_ticks

GUARD = Path(__file__).with_name("guard.py")
CHUNK_BYTES = 64 * 1024
START_SECONDS = 10.0
MARGIN_SECONDS = 3.0


class StartFailed(RuntimeError):
    """The command could not be executed; one line."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended: by an exit code, by a signal, or with its guard lost (both None)."""

    code: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        if self.signal is not None:
            return f"ended by {signal.Signals(self.signal).name}"
        return "its guard was lost" if self.code is None else f"ended with code {self.code}"


class GuardedProcess:
    """A started service; when this process goes, however that happens, the guard ends the service.

    Starts the guard at once (about 2 ms, not awaited, so that no cancellation falls between the fork and its
    bookkeeping); ``await started()`` next. Raises StartFailed.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        shutdown_seconds: float,
        on_output: Callable[[bytes], None],
    ) -> None:
        receiving, reporting = os.pipe()
        try:
            self._popen = _spawn(argv, reporting, cwd, environment, shutdown_seconds)
        except OSError as error:
            os.close(receiving)
            raise StartFailed(f"cannot start in {cwd}: {error.strerror or error}") from None
        finally:
            os.close(reporting)
        self._shutdown_seconds = shutdown_seconds
        loop = asyncio.get_running_loop()
        self._started: asyncio.Future[int] = loop.create_future()
        self.exited: asyncio.Future[Exit] = loop.create_future()
        """Done when the service and all its descendants have ended and their output has been read."""
        self.pid = 0
        self.start_ticks: int | None = None
        self._following = asyncio.create_task(self._follow(receiving, on_output))

    async def started(self) -> None:
        """Wait until the command has been executed; sets ``pid``. Raises StartFailed when it cannot be."""
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes with the result.
            async with asyncio.timeout(START_SECONDS):
                self.pid = await asyncio.shield(self._started)
        except TimeoutError:
            raise StartFailed(f"the guard did not answer within {START_SECONDS:g} s") from None
        self.start_ticks = start_ticks(self.pid)

    async def stop(self) -> Exit:
        """Stop the service: CONT, TERM, then KILL after its shutdown time. May be cancelled and repeated."""
        with contextlib.suppress(OSError, ValueError):
            if self._popen.stdin is not None:
                os.write(self._popen.stdin.fileno(), b"x")
        try:
            async with asyncio.timeout(self._shutdown_seconds + MARGIN_SECONDS):
                await asyncio.shield(self.exited)
        except TimeoutError:
            # The guard itself does not react: on Linux the kernel kills the service with it.
            self._popen.kill()
            with contextlib.suppress(ProcessLookupError):
                if self.pid:
                    os.kill(self.pid, signal.SIGKILL)
        return await asyncio.shield(self.exited)

    def let_go(self) -> None:
        """Cut the lifeline without waiting: the guard stops the service within a second."""
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    async def _follow(self, receiving: int, on_output: Callable[[bytes], None]) -> None:
        """Take the output and read the guard's reports until it has gone."""
        ended = Exit()
        try:
            assert self._popen.stdout is not None
            output = await _reader(self._popen.stdout)
            drained = asyncio.create_task(_drain(output, on_output))
            reports = await _reader(os.fdopen(receiving, "rb", 0))
            while line := await reports.readline():
                report: dict[str, Any] = json.loads(line)
                if report["event"] == "started":
                    self._started.set_result(report["pid"])
                elif report["event"] == "failed":
                    self._started.set_exception(StartFailed(report["error"]))
                else:
                    ended = Exit(report["code"], report["signal"])
            # What a killed guard could not end may hold the pipe open: do not wait for it long.
            await asyncio.wait({drained}, timeout=1.0)
            drained.cancel()
        finally:
            self.let_go()
            await asyncio.to_thread(self._popen.wait)
            if not self._started.done():
                self._started.set_exception(StartFailed("the guard ended before the service had started"))
                self._started.exception()
            self.exited.set_result(ended)


def _spawn(
    argv: Sequence[str], reporting: int, cwd: Path, environment: Mapping[str, str], shutdown_seconds: float
) -> subprocess.Popen[bytes]:
    guard = [sys.executable, "-I", "-S", str(GUARD), "--report-fd", str(reporting)]
    return subprocess.Popen(
        [*guard, "--deadline", str(shutdown_seconds), "--", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        cwd=cwd,
        env=dict(environment),
        pass_fds=(reporting,),
        start_new_session=True,
    )


async def _reader(pipe: IO[bytes]) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=CHUNK_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _drain(output: asyncio.StreamReader, on_output: Callable[[bytes], None]) -> None:
    while data := await output.read(CHUNK_BYTES):
        on_output(data)
        if len(data) > CHUNK_BYTES // 2:
            # A flood waits a little in the pipe (about 6 MB/s get through) rather than starve the event loop.
            await asyncio.sleep(0.01)
