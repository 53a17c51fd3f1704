"""A stream cut or reset at any byte is never a turn, however complete what came before it looks."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.brains.brain import BrainError, Turn
from agent.brains.claude import ClaudeBrain
from agent.brains.claude_json import strict_object
from tests.agent import claude_bench
from tests.agent.claude_bench import Seen, brain, brief
from tests.agent.messages_script import Reply, Text, Thinking, ToolUse, encode
from tests.agent.messages_server import MessagesServer

no_anthropic_environment = claude_bench.no_anthropic_environment

RECORDED = {
    "one call": Reply((ToolUse("scale", {"replicas": 10}),), piece=7),
    "thinking and two calls": Reply(
        (Thinking("hm"), ToolUse("look"), ToolUse("set", {"a": {"b": [1, "é"]}})), piece=16
    ),
    "text that ends": Reply((Text("All is well — nothing to do."),), stop_reason="end_turn", piece=12),
}


class Body(httpx2.AsyncByteStream):
    """The first ``end`` bytes of a response, then a clean end or a reset."""

    def __init__(self, data: bytes, *, reset: bool) -> None:
        self._data = data
        self._reset = reset

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._data:
            yield self._data
        if self._reset:
            raise httpx2.ReadError("connection reset by peer")


class Wire:
    """A brain over the real SDK whose transport answers with whatever ``body`` is now."""

    def __init__(self) -> None:
        self.body: httpx2.AsyncByteStream = Body(b"", reset=False)

    def client(self) -> Any:
        transport = httpx2.MockTransport(self._answer)
        return anthropic.AsyncAnthropic(api_key="k", max_retries=0, http_client=httpx2.AsyncClient(transport=transport))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=self.body)


def recorded(name: str) -> bytes:
    return b"".join(encode(RECORDED[name], model="claude-test-1", number=1))


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("name", RECORDED)
async def test_no_byte_offset_gives_a_turn(name: str, reset: bool) -> None:
    data, wire = recorded(name), Wire()
    mind = ClaudeBrain(api_key="k", base_url=None, model="m", client_factory=wire.client)
    told = brief()
    turns: list[tuple[int, Turn]] = []
    said: list[tuple[str, float | None]] = []
    for end in range(len(data)):
        wire.body = Body(data[:end], reset=reset)
        with pytest.raises(BrainError) as caught:
            turns.append((end, await mind.next(told, [], _nothing)))
        said.append((str(caught.value).partition("(")[0], caught.value.retry_after))
    assert [end for end, _ in turns] == []
    reasons = {
        True: {"the connection to https://api.anthropic.com broke in the middle of an answer "},
        False: {
            "the answer was cut off before its end; nothing of it is used",
            "the answer was malformed: it is not UTF-8; nothing of it is used",  # cut within a character
        },
    }[reset]
    assert {reason for reason, _ in said} <= reasons
    assert None not in {wait for _, wait in said}
    wire.body = Body(data, reset=reset)
    whole = await mind.next(told, [], _nothing)
    assert whole.stop_reason == RECORDED[name].stop_reason
    await mind.aclose()


def _nothing(delta: object) -> None:
    pass


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_over_a_real_socket_too(how: Any) -> None:
    reply = RECORDED["thinking and two calls"]
    length = len(recorded("thinking and two calls"))
    ends = [*range(0, length, 97), length - 1]
    script = [Reply(reply.blocks, piece=16, cut=end, how=how) for end in ends]
    async with MessagesServer(script) as server, brain(server.url) as mind:
        for end in ends:
            with pytest.raises(BrainError) as caught:
                await mind.next(brief(), [], Seen())
            assert caught.value.retry_after is not None, end
    assert len(server.requests) == len(ends)


class Chopped(httpx2.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(sorted(RECORDED)), marks=st.sets(st.integers(1, 1400), max_size=30))
def test_how_the_bytes_are_chopped_does_not_matter(name: str, marks: set[int]) -> None:
    data = recorded(name)
    edges = [0, *sorted(mark for mark in marks if mark < len(data)), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]

    async def turn(body: httpx2.AsyncByteStream) -> Turn:
        wire = Wire()
        wire.body = body
        mind = ClaudeBrain(api_key="k", base_url=None, model="m", client_factory=wire.client)
        try:
            return await mind.next(brief(), [], _nothing)
        finally:
            await mind.aclose()

    assert asyncio.run(turn(Chopped(pieces))) == asyncio.run(turn(Body(data, reset=False)))


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=6),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_strict_json_takes_every_object_whole_and_no_part_of_one(value: dict[str, Any]) -> None:
    raw = json.dumps(value, ensure_ascii=False)
    assert strict_object(raw) == value
    for end in range(len(raw)):
        with pytest.raises(ValueError):
            strict_object(raw[:end])
