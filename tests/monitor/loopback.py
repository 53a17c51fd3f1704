"""A real HTTP server on a free loopback port whose behaviour a test changes while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field


@dataclass
class Loopback:
    status: int = 200
    body: bytes = b'{"status":"ok","limits":{"capacity":100},"items":[{"id":7}]}'
    delay: float = 0.0
    mode: str = "answer"
    """``answer``, ``reset``, ``garbage``, ``hang``, ``drip`` (headers at once, the body never ends)."""
    headers: tuple[str, ...] = ()
    pages: dict[str, bytes] = field(default_factory=dict)
    """Other bodies for some paths; always 200."""
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    failures: int = 0
    """So many requests to /health get a 503 before ``status`` counts again."""
    port: int = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not await self._answer(head.split(b" ")[1].decode(), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> bool:
        self.requests.append(path)
        body, status = self.pages.get(path), 200
        if body is None:
            body, status = self.body, self.status
            if self.mode == "hang":
                await asyncio.sleep(3600)
            if self.mode == "reset":
                writer.transport.abort()
                return False
            if self.mode == "garbage":
                writer.write(b"\x00\x01 this is not HTTP\r\n\r\n")
                return False
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.failures > 0:
                self.failures -= 1
                status = 503
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *self.headers, "", ""]
        if self.mode == "drip":
            lines[1] = f"content-length: {len(body) + 60}"
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        if self.mode == "drip":
            for _ in range(50):
                await asyncio.sleep(0.05)
                writer.write(b"x")
        return True
