"""A loopback server that speaks the Messages API: the double that the claude brain is tested against.

It is a real HTTP server on a real socket, so that cuts, resets, stalls and cancelled requests are real too. Run it for
a person with ``python -m tests.agent.messages_server --scenario incident`` and set ANTHROPIC_BASE_URL to what it
prints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from tests.agent.messages_rules import Invalid, check
from tests.agent.messages_script import Answer, Refuse, Reply, encode

Script = Callable[["Request"], Answer]
_BODY_LIMIT = 32 * 1024 * 1024


@dataclass
class Request:
    """One request as it came in. ``gone`` is set when the client let go before the answer was complete."""

    headers: Mapping[str, str]
    body: dict[str, Any]
    raw: bytes
    number: int
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first byte of the answer was sent."""


class MessagesServer:
    """``script`` is a sequence of answers, used in turn, or a callable that makes the answer to a request.

    ``key`` is the only key it accepts (None: any). ``header`` names the one header the key may come in, as some
    compatible servers have it. ``unknown`` are request fields it answers 400 to, as an older server would.
    """

    def __init__(
        self,
        script: Sequence[Answer] | Script,
        *,
        key: str | None = None,
        header: str | None = None,
        unknown: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        self._script = script
        self._key = key
        self._header = header
        self._unknown = tuple(unknown)
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        self.refused: list[str] = []
        """Why requests were answered 400 by the server's own checks."""
        self.connections = 0

    @property
    def url(self) -> str:
        assert self._server is not None, "the server is not running"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            with suppress(Exception):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection can take another."""
        line = await reader.readline()
        if not line:
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := await reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        raw = await reader.readexactly(min(length, _BODY_LIMIT))
        answer, request = self._judge(method, path.partition("?")[0], headers, raw)
        if isinstance(answer, Refuse):
            await _send(writer, answer.status, "application/json", answer.body(), answer.headers)
            return True
        watch = asyncio.create_task(reader.read(1))
        try:
            return await self._reply(answer, request, writer, watch)
        except ConnectionError:
            request.gone.set()
            return False
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    def _judge(self, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> tuple[Answer, Request]:
        request = Request(headers, {}, raw, len(self.requests) + 1)
        if (method, path) != ("POST", "/v1/messages"):
            return Refuse(404, "not_found_error", f"no {method} {path}"), request
        keys = {"authorization": headers.get("authorization", "").removeprefix("Bearer ")}
        keys["x-api-key"] = headers.get("x-api-key", "")
        given = keys[self._header] if self._header else (keys["authorization"] or keys["x-api-key"])
        if not given or (self._key is not None and given != self._key):
            return Refuse(401, "authentication_error", f"invalid {self._header or 'bearer token'}"), request
        try:
            request.body = json.loads(raw)
            if "anthropic-version" not in headers:
                raise Invalid("anthropic-version: header is required")
            for name in self._unknown:
                if name in request.body or _mentions(request.body, name):
                    raise Invalid(f"{name}: Extra inputs are not permitted")
            check(request.body)
        except (Invalid, ValueError) as error:
            self.refused.append(str(error))
            return Refuse(400, "invalid_request_error", str(error)), request
        self.requests.append(request)
        if callable(self._script):
            return self._script(request), request
        if request.number > len(self._script):
            return Refuse(500, "api_error", "the script has no more answers"), request
        return self._script[request.number - 1], request

    async def _reply(
        self, reply: Reply, request: Request, writer: asyncio.StreamWriter, watch: asyncio.Task[bytes]
    ) -> bool:
        # A cut ends the body by closing, which only a body without a length or chunks can pass off as its end.
        chunked = reply.cut is None
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {reply.content_type}\r\nrequest-id: req_{request.number}\r\n"
        head += "transfer-encoding: chunked\r\n\r\n" if chunked else "connection: close\r\n\r\n"
        writer.write(head.encode())
        left = reply.cut
        for event in encode(reply, model=str(request.body.get("model")), number=request.number):
            if watch.done():
                request.gone.set()
                return False
            piece = event if left is None else event[:left]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
            request.answered.set()
            if left is not None:
                left -= len(piece)
                if left == 0:
                    return await self._cut(reply, request, writer, watch)
            if reply.pace and b"_delta" in event:
                await asyncio.wait([watch], timeout=reply.pace)
        if left is not None:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not watch.done()

    async def _cut(
        self, reply: Reply, request: Request, writer: asyncio.StreamWriter, watch: asyncio.Task[bytes]
    ) -> bool:
        if reply.how == "stall":
            await watch
            request.gone.set()
        elif reply.how == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        return False


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        return name in value or any(_mentions(item, name) for item in value.values())
    return isinstance(value, list) and any(_mentions(item, name) for item in value)


async def _send(writer: asyncio.StreamWriter, status: int, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
    lines = [f"HTTP/1.1 {status} Answer", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
    await writer.drain()


async def _stand(port: int, pace: float) -> None:
    from tests.agent.messages_incident import incident

    async with MessagesServer(incident(pace=pace), port=port) as server:
        print(f"ANTHROPIC_BASE_URL={server.url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A loopback Messages API server with a scripted answer.")
    parser.add_argument("--scenario", choices=["incident"], default="incident")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--pace", type=float, default=0.04, help="seconds between two streamed pieces")
    given = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(_stand(given.port, given.pace))


if __name__ == "__main__":
    main()
