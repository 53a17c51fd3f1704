"""Streams that no sound server sends, and loose ones that some do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent import claude_bench
from tests.agent.claude_bench import Seen, brain, brief, failure
from tests.agent.messages_script import Reply, record
from tests.agent.messages_server import MessagesServer

no_anthropic_environment = claude_bench.no_anthropic_environment

START = {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}
OPEN = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "tool_use", "id": "t1", "name": "update_config", "input": {}},
}
SHUT = {"type": "content_block_stop", "index": 0}
END = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}
STOP = {"type": "message_stop"}


def wire(*events: dict[str, Any]) -> Reply:
    return Reply(wire=b"".join(record(event["type"], event) for event in events))


MALFORMED = {
    "no message_start": wire(OPEN, SHUT, END, STOP),
    "no block stop": wire(START, OPEN, END, STOP),
    "no stop reason": wire(START, OPEN, SHUT, STOP),
    "stop reason null": wire(START, OPEN, SHUT, END | {"delta": {"stop_reason": None}}, STOP),
    "no message_stop": wire(START, OPEN, SHUT, END),
    "two starts": wire(START, START, OPEN, SHUT, END, STOP),
    "block twice": wire(START, OPEN, OPEN, SHUT, END, STOP),
    "block closed twice": wire(START, OPEN, SHUT, SHUT, END, STOP),
    "block never began": wire(START, SHUT, END, STOP),
    "no name": wire(START, OPEN | {"content_block": {"type": "tool_use", "id": "t"}}, SHUT, END, STOP),
    "same id twice": wire(START, OPEN, SHUT, OPEN | {"index": 1}, SHUT | {"index": 1}, END, STOP),
    "tool_use without a call": wire(START, END, STOP),
    "delta of another kind": wire(
        START, OPEN, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
        SHUT, END, STOP,
    ),
    "delta after close": wire(
        START, OPEN, SHUT,
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        END, STOP,
    ),
    "input given twice": wire(
        START, OPEN | {"content_block": dict(OPEN["content_block"]) | {"input": {"a": 1}}},  # type: ignore[call-overload]
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a": 2}'}},
        SHUT, END, STOP,
    ),
    "not JSON": Reply(wire=b"event: message_start\ndata: {oops\n\n"),
    "not an object": Reply(wire=b"event: message_start\ndata: [1]\n\n"),
    "not UTF-8": Reply(wire=b"event: message_start\ndata: \xff\xfe\n\n"),
    "empty": Reply(wire=b""),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_stream_is_no_turn(name: str) -> None:
    error = await failure(MALFORMED[name])
    assert "nothing of it is used" in str(error)
    assert error.retry_after is not None


async def test_streams_of_loose_servers_are_understood() -> None:
    """Data-only events, a whole input at the start, an empty JSON delta for text, a closing [DONE]."""
    text = {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "hi"}}
    empty = {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}}
    whole = OPEN | {"content_block": {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}}
    events: list[dict[str, Any]] = [
        START,
        whole,
        SHUT,
        text,
        empty,
        SHUT | {"index": 1},
        {"type": "brand_new"},
        END,
        STOP,
    ]
    body = b"".join(record(event["type"], event).split(b"\n", 1)[1] for event in events) + b"data: [DONE]\n\n"
    async with MessagesServer([Reply(wire=body)]) as server, brain(server.url) as mind:
        turn = await mind.next(brief(), [], Seen())
    assert dict(turn.calls[0].arguments) == {"a": 1}
    assert turn.text == "hi"
