"""What the loopback Messages API server can be told to answer, and how an answer looks on the wire."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Thinking:
    text: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class ToolUse:
    """``raw`` is what is streamed as the input's JSON; by default it is ``input`` encoded."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    raw: str | None = None


Block = Thinking | Text | ToolUse


@dataclass(frozen=True)
class Usage:
    input: int = 1200
    output: int = 80
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True)
class Reply:
    """One streamed message. ``pace`` is seconds between two deltas, ``piece`` the characters of each.

    ``cut`` ends the stream after that many bytes; ``how`` says whether the connection is closed as if all were well,
    reset, or left open in silence. ``error_after`` sends an SSE ``error`` event of that kind after that many events.
    ``wire`` replaces the whole body.
    """

    blocks: tuple[Block, ...] = ()
    stop_reason: str = "tool_use"
    usage: Usage = Usage()
    stop_details: Mapping[str, Any] | None = None
    pace: float = 0.0
    piece: int = 24
    cut: int | None = None
    how: Literal["close", "reset", "stall"] = "close"
    error_after: int | None = None
    error_kind: str = "overloaded_error"
    wire: bytes | None = None
    content_type: str = "text/event-stream; charset=utf-8"


@dataclass(frozen=True)
class Refuse:
    """An HTTP error instead of a message."""

    status: int
    kind: str = "api_error"
    message: str = "it went wrong"
    headers: Mapping[str, str] = field(default_factory=dict)
    error_code: str | None = None

    def body(self) -> bytes:
        error: dict[str, Any] = {"type": self.kind, "message": self.message}
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code}
        return json.dumps({"type": "error", "error": error}).encode()


Answer = Reply | Refuse


def sign(thinking: str) -> str:
    """The signature of a thinking text: any change of either is noticed, also by a server started anew."""
    return base64.b64encode(hashlib.sha256(f"double:{thinking}".encode()).digest()).decode()


def calls(*uses: ToolUse, thinking: str = "", text: str = "", **more: Any) -> Reply:
    """A reply that thinks, says something and calls tools, whichever of it is given."""
    blocks: list[Block] = []
    if thinking:
        blocks.append(Thinking(thinking))
    if text:
        blocks.append(Text(text))
    blocks += uses
    return Reply(tuple(blocks), stop_reason="tool_use" if uses else "end_turn", **more)


def record(event: str, data: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def encode(reply: Reply, *, model: str, number: int) -> list[bytes]:
    """The events of a reply in the order the real API sends them, one entry for each."""
    if reply.wire is not None:
        return [reply.wire]
    start: dict[str, Any] = {
        "id": f"msg_{number:06d}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.usage.input,
            "cache_creation_input_tokens": reply.usage.cache_write,
            "cache_read_input_tokens": reply.usage.cache_read,
            "output_tokens": 1,
        },
    }
    events = [record("message_start", {"type": "message_start", "message": start})]
    events.append(record("ping", {"type": "ping"}))
    for index, block in enumerate(reply.blocks):
        events += _block(block, index, reply.piece, f"toolu_{number:06d}_{index}")
    delta: dict[str, Any] = {"stop_reason": reply.stop_reason, "stop_sequence": None}
    if reply.stop_details is not None:
        delta["stop_details"] = dict(reply.stop_details)
    end = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": reply.usage.output}}
    events.append(record("message_delta", end))
    events.append(record("message_stop", {"type": "message_stop"}))
    if reply.error_after is not None:
        error = {"type": "error", "error": {"type": reply.error_kind, "message": "Overloaded"}}
        events = [*events[: reply.error_after], record("error", error)]
    return events


def _block(block: Block, index: int, piece: int, fallback_id: str) -> list[bytes]:
    deltas: list[dict[str, Any]]
    if isinstance(block, Thinking):
        start: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": part} for part in _pieces(block.text, piece)]
        deltas.append({"type": "signature_delta", "signature": sign(block.text)})
    elif isinstance(block, Text):
        start = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": part} for part in _pieces(block.text, piece)]
    else:
        start = {"type": "tool_use", "id": block.id or fallback_id, "name": block.name, "input": {}}
        raw = json.dumps(dict(block.input), ensure_ascii=False) if block.raw is None else block.raw
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ["", *_pieces(raw, piece)]]
    events = [record("content_block_start", {"type": "content_block_start", "index": index, "content_block": start})]
    for delta in deltas:
        body = {"type": "content_block_delta", "index": index, "delta": delta}
        events.append(record("content_block_delta", body))
    events.append(record("content_block_stop", {"type": "content_block_stop", "index": index}))
    return events


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]
