"""What a service prints: always taken from it, kept as recent lines and in a log file of bounded size."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

RING_LINES = 2000
MAX_LINE_BYTES = 16 * 1024
FILE_BYTES = 1024 * 1024
FILES = 5
WRITE_SECONDS = 0.2
MAX_WAITING_BYTES = 1024 * 1024


class Output:
    """Fed with bytes as they come; never refuses them.

    Lines longer than 16 KiB are cut into several. Bytes that the disk cannot take in time (over 1 MiB
    waiting) or at all are counted and left out of the file, never out of ``tail``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring: deque[str] = deque(maxlen=RING_LINES)
        self._partial = b""
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._lost_bytes = 0
        self.error: str | None = None
        """Why the log file cannot be written; None while it can."""

    def feed(self, data: bytes) -> None:
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            self._add(line)
        while len(self._partial) > MAX_LINE_BYTES:
            self._add(self._partial[:MAX_LINE_BYTES])
            self._partial = self._partial[MAX_LINE_BYTES:]

    def end(self) -> None:
        """The writer has ended: what it left of a line counts as one."""
        if self._partial:
            self._add(self._partial)
            self._partial = b""

    def tail(self, count: int) -> list[str]:
        """The last lines, newest last; 2000 are kept."""
        lines = list(self._ring)
        return lines[-count:] if count > 0 else []

    async def keep_written(self) -> None:
        """Bring what waits to the file, every 0.2 s, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            if self._waiting:
                await asyncio.to_thread(self.write_out)

    def write_out(self) -> None:
        """Append what waits to the file; blocks. A refusing disk is noted in ``error``, never raised."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        lost, self._lost_bytes = self._lost_bytes, 0
        if lost:
            waiting.append(f"[{lost} bytes of output left out: the disk could not keep up]\n".encode())
        if not waiting:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            data = b"".join(waiting)
            if self._size() + len(data) > FILE_BYTES:
                self._rotate()
            with self._path.open("ab") as file:
                file.write(data)
            self.error = None
        except OSError as error:
            self.error = f"{self._path}: {error.strerror or error}"
            self._lost_bytes += sum(map(len, waiting))

    def _add(self, line: bytes) -> None:
        for start in range(0, max(len(line), 1), MAX_LINE_BYTES):
            part = line[start : start + MAX_LINE_BYTES]
            self._ring.append(part.decode("utf-8", "replace").rstrip("\r"))
            if self._waiting_bytes + len(part) < MAX_WAITING_BYTES:
                self._waiting.append(part + b"\n")
                self._waiting_bytes += len(part) + 1
            else:
                self._lost_bytes += len(part) + 1

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _rotate(self) -> None:
        """log → log.1 → … → log.4; the eldest goes."""
        for number in range(FILES - 1, 0, -1):
            younger = self._path if number == 1 else self._numbered(number - 1)
            if younger.exists():
                younger.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
