"""The Claude brain: one streamed request to a Messages API per turn, and a turn only when all of it arrived.

The one file that imports ``anthropic``, and only when the first turn is asked for: the import costs about a second.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

from agent.brains import claude_errors
from agent.brains.brain import BrainError, Brief, Delta, Exchange, Turn
from agent.brains.claude_endpoint import Endpoint, endpoint
from agent.brains.claude_request import Options, reduced, request
from agent.brains.claude_stream import CUT_RETRY, Assembler, Message, StreamedError, damaged
from agent.brains.claude_turn import AnswerTooLong, joined, judge

PAUSES = 4
"""How often one turn may pause and be asked to go on."""
LARGEST_ANSWER = 32_768
"""Tokens up to which the room for an answer grows after one was cut for lack of it."""
DRAIN_SECONDS = 0.25
PINNED = 32
"""Tickets whose opening is remembered."""


@dataclass(frozen=True, slots=True)
class Client:
    """A ready SDK client and the SDK's names that are needed beside it."""

    sdk: Any
    raw_events: Callable[[Any], AsyncGenerator[Any, None]]
    failures: tuple[type[Exception], ...]
    timeouts: tuple[type[Exception], ...]
    api_error: type[Exception]


class ClaudeBrain:
    """Claude, or any endpoint that speaks the Messages API.

    ``turn_deadline_seconds`` bounds a whole turn, ``stall_seconds`` the silence within one. ``client_factory`` makes
    the ``AsyncAnthropic`` to use instead of the default one.
    """

    name = "claude"

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str | None,
        model: str,
        turn_deadline_seconds: float = 180,
        stall_seconds: float = 60,
        max_tokens: int = 8192,
        client_factory: Callable[[], Any] | None = None,
    ) -> None:
        self.endpoint = endpoint(api_key, base_url, model)
        self.label = f"compatible endpoint: {model}" if self.endpoint.compatible else model
        self.options = Options()
        self._deadline = turn_deadline_seconds
        self._stall = stall_seconds
        self._max_tokens = max_tokens
        self._factory = client_factory
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._pinned: dict[int, Brief] = {}

    async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
        """The next turn, seen to its very end.

        Raises:
            BrainError: there is no complete turn; ``retry_after`` says in how many seconds to try again, if at all.
        """
        try:
            async with asyncio.timeout(self._deadline) as deadline:
                client = await self._connect()
                return await self._turn(client, self._pin(brief, history), history, emit)
        except TimeoutError:
            if not deadline.expired():
                raise BrainError(f"{self.endpoint.who} timed out", retry_after=CUT_RETRY) from None
            raise BrainError(
                f"{self.endpoint.who} did not finish the turn within {self._deadline:g} s", retry_after=2.0
            ) from None

    async def aclose(self) -> None:
        """Close every connection. The brain can be used again afterwards."""
        client, self._client = self._client, None
        if client is not None:
            await client.sdk.close()

    def _pin(self, brief: Brief, history: Sequence[Exchange]) -> Brief:
        """The brief this ticket's conversation began with: live values in a later one would change its first bytes."""
        if not history:
            self._pinned.pop(brief.ticket_id, None)
        pinned = self._pinned.setdefault(brief.ticket_id, brief)
        while len(self._pinned) > PINNED:
            self._pinned.pop(next(iter(self._pinned)))
        return pinned

    async def _connect(self) -> Client:
        async with self._connecting:
            if self._client is None:
                # Import and construction take up to a second: not on the event loop.
                self._client = await asyncio.to_thread(connect, self.endpoint, self._stall, self._factory)
            return self._client

    async def _turn(
        self, client: Client, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]
    ) -> Turn:
        parts: list[Message] = []
        while True:
            message = await self._message(client, brief, history, parts, emit)
            parts.append(message)
            if message.stop_reason != "pause_turn":
                break
            if message.calls or not message.blocks or len(parts) > PAUSES:
                raise damaged("it paused where it cannot be resumed")
        try:
            judge(message, self.endpoint)
        except AnswerTooLong:
            given, self._max_tokens = self._max_tokens, max(self._max_tokens, min(self._max_tokens * 2, LARGEST_ANSWER))
            raise BrainError(
                f"the answer needed more than {given} tokens and was cut; nothing of it is used",
                retry_after=CUT_RETRY if self._max_tokens > given else None,
            ) from None
        return joined(parts, self.endpoint.model)

    async def _message(
        self,
        client: Client,
        brief: Brief,
        history: Sequence[Exchange],
        parts: Sequence[Message],
        emit: Callable[[Delta], None],
    ) -> Message:
        """One message, asked for with fewer options each time the endpoint refuses one; what worked is remembered."""
        options = self.options
        while True:
            asked = request(
                self.endpoint, options, brief, history, max_tokens=self._max_tokens, paused=[p.blocks for p in parts]
            )
            try:
                message = await stream(client, self.endpoint, asked, emit)
            except client.api_error as error:
                fewer = None
                if getattr(error, "status_code", None) in (400, 422):
                    fewer = reduced(options, _complaint(error), compatible=self.endpoint.compatible)
                if fewer is None:
                    raise self._failed(client, error) from None
                options = fewer
            except client.failures as error:
                raise self._failed(client, error) from None
            else:
                self.options = options
                return message

    def _failed(self, client: Client, error: Exception) -> BrainError:
        """What a failed request means, in our words."""
        where = self.endpoint
        if isinstance(error, client.timeouts):
            return BrainError(f"{where.who} sent nothing for {self._stall:g} s; check {where.setting}", retry_after=2.0)
        if isinstance(error, StreamedError):
            return claude_errors.from_status(
                where, status=200, kind=error.kind, code=error.code, message=error.message, headers={}, now=time.time()
            )
        response = getattr(error, "response", None)
        if isinstance(error, client.api_error) and response is not None:
            return claude_errors.from_status(
                where,
                status=response.status_code,
                kind=getattr(error, "type", None),
                code=getattr(error, "error_code", None),
                message=_complaint(error),
                headers=response.headers,
                now=time.time(),
            )
        if isinstance(error, client.api_error):
            cause = claude_errors.one_line(error.__cause__ or error, where, 80)
            return BrainError(f"{where.who} cannot be reached ({cause}); check {where.setting}", retry_after=5.0)
        cause = claude_errors.one_line(error, where, 80)
        return BrainError(
            f"the connection to {where.where} broke in the middle of an answer ({cause}); nothing of it is used",
            retry_after=CUT_RETRY,
        )


async def stream(
    client: Client, endpoint: Endpoint, asked: Mapping[str, Any], emit: Callable[[Delta], None]
) -> Message:
    """Send one request and read its answer to the end. The SDK's own errors pass through.

    Raises:
        BrainError: the answer is not a complete message.
        StreamedError: the endpoint gave up within the stream.
    """
    assembler = Assembler()
    async with client.sdk.messages.with_streaming_response.create(**asked) as response:
        kind = response.http_response.headers.get("content-type", "")
        if "event-stream" not in kind:
            raise BrainError(
                f"{endpoint.who} answered {claude_errors.one_line(kind, limit=60)} instead of an event stream; "
                "point ANTHROPIC_BASE_URL at a Messages API"
            )
        try:
            async with aclosing(client.raw_events(response.http_response)) as events:
                async for event in events:
                    if event.event == "ping" or not event.data or event.data == "[DONE]":
                        continue
                    shown = assembler.feed(_decoded(event.data))
                    if shown is not None:
                        emit(shown)
                    if assembler.done:
                        await _drain(events)
                        break
        except UnicodeDecodeError:
            raise damaged("it is not UTF-8") from None
    return assembler.message()


def connect(endpoint: Endpoint, stall_seconds: float, factory: Callable[[], Any] | None = None) -> Client:
    """Import the SDK and make a client. Slow; call it in a thread.

    Raises:
        BrainError: the settings cannot work, or the SDK is not installed.
    """
    if factory is None:
        endpoint.check()
    try:
        import anthropic
        import httpx2
    except ImportError as error:
        raise BrainError(f"anthropic cannot be imported ({error}); pip install 'anthropic>=2.11'") from None
    if factory is not None:
        sdk = factory()
    else:
        sdk = anthropic.AsyncAnthropic(
            api_key=endpoint.key,
            base_url=endpoint.where,
            max_retries=0,  # waits are the agent loop's: visible and cancellable
            timeout=httpx2.Timeout(stall_seconds, connect=min(10.0, stall_seconds)),
            # Anthropic reads the Bearer header; some compatible servers know only the older one.
            default_headers={"x-api-key": endpoint.key} if endpoint.compatible else None,
            open_telemetry=False,
            # A proxy from the environment cannot reach our own loopback.
            http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False) if endpoint.loopback else None,
        )
    with suppress(AttributeError):
        _ = sdk.messages  # imports the SDK's resource modules here rather than on the event loop
    return Client(
        sdk=sdk,
        raw_events=cast(Any, anthropic.AsyncStream.raw_events),
        failures=(StreamedError, httpx2.HTTPError, httpx2.StreamError, OSError),
        timeouts=(anthropic.APITimeoutError, httpx2.TimeoutException),
        api_error=anthropic.APIError,
    )


def _complaint(error: Exception) -> str:
    return str(getattr(error, "api_message", None) or error)


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read to the end of the response, so that its connection serves the next turn too. Failing is no matter."""
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in events:
                pass


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise damaged("an event is not JSON") from None
