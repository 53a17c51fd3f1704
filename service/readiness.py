"""One HTTP GET that says whether a process answers; no client library, so it costs nothing at start."""

from __future__ import annotations

import asyncio
import contextlib

from service.ports import LOOPBACK


class NotReady(RuntimeError):
    """Why not, in a few words."""


async def ask(port: int, path: str, timeout_seconds: float) -> int:
    """The status of ``GET path``, 200..399. Raises NotReady for any other answer, or none in time."""
    try:
        async with asyncio.timeout(timeout_seconds):
            status = await _get(port, path)
    except TimeoutError:
        raise NotReady(f"no answer within {timeout_seconds:g} s") from None
    except OSError as error:
        raise NotReady(error.strerror or "no connection") from None
    if not 200 <= status < 400:
        raise NotReady(f"GET {path} answers {status}")
    return status


async def _get(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=16_384)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    words = line.split()
    if len(words) < 2 or not words[1].isdigit():
        raise NotReady("the answer is not HTTP")
    return int(words[1])
