"""A program on a pseudo-terminal, driven and read as a person's terminal would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from types import TracebackType

_QUERIES = {b"\x1b[c": b"\x1b[?62;c", b"\x1b[6n": b"\x1b[1;1R"}


class Terminal:
    """Starts ``argv`` on a pty of the given size; everything it writes is drained and kept."""

    def __init__(self, argv: list[str], environment: dict[str, str], columns: int = 120, rows: int = 36) -> None:
        self.output = bytearray()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.set_blocking(self.fd, False)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid == 0:
            os.close(self.fd)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.read(0.02)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                break
        else:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def forget(self) -> None:
        """The program has been waited for elsewhere."""
        self.pid = 0

    def read(self, seconds: float) -> bytes:
        """What arrives within ``seconds``; empty when nothing did or the program has ended."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return b""
        try:
            chunk = os.read(self.fd, 65536)
        except (BlockingIOError, OSError):
            return b""
        self.output += chunk
        for query, answer in _QUERIES.items():
            if query in chunk:
                self.write(answer)
        return chunk

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)

    def wait_for(self, text: bytes, seconds: float, start: int = 0) -> float:
        """Read until ``text`` has been painted after position ``start``; when it was seen.

        Raises:
            TimeoutError: it was not, with the end of what was.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if text in plain(bytes(self.output[start:])):
                return time.perf_counter()
            self.read(0.005)
        raise TimeoutError(f"{text!r} was not painted within {seconds} s: {plain(bytes(self.output[-2000:]))!r}")

    def drain(self, quiet: float = 0.3, limit: float = 10.0) -> None:
        """Read until nothing has come for ``quiet`` seconds."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and self.read(quiet):
            pass


_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?<>=]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>])")


def plain(data: bytes) -> bytes:
    """Terminal output without its escape sequences."""
    return _ESCAPES.sub(b"", data)
