"""Lines to standard output from an event loop that must not wait for whoever reads them."""

from __future__ import annotations

import asyncio
import os
import threading


class ReaderGone(Exception):
    """Nobody reads standard output any more."""


class LinesOut:
    """Writes lines to a file descriptor in a thread of its own; a reader that stalls holds up only its writer.

    The descriptor is written past Python's buffers, so that a stalled write cannot hold up the interpreter's end.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor

    async def write(self, line: str) -> None:
        """Return when the line has been taken.

        Raises:
            ReaderGone: the other end is closed, or the output cannot be written at all.
        """
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[bool] = loop.create_future()
        data = (line + "\n").encode("utf-8", "backslashreplace")

        def settle(good: bool) -> None:
            if not taken.done():
                taken.set_result(good)

        def put() -> None:
            rest = memoryview(data)
            good = True
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                good = False
            try:
                loop.call_soon_threadsafe(settle, good)
            except RuntimeError:
                return  # the loop ended while the reader stalled

        threading.Thread(target=put, name="lines-out", daemon=True).start()
        if not await taken:
            raise ReaderGone
