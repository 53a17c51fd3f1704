"""From the events of one streamed message to a complete turn, or to a reason why there is none.

Pure: no clock, no transport. The SDK's own accumulator takes a stream that simply ends for a finished message and
fills in half-received tool input; this one believes a message only when every part of it was closed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.brains.brain import BrainError, Delta, ToolCall, Usage
from agent.brains.claude_json import strict_object

CUT_RETRY = 1.0
"""Seconds to wait after a turn that came damaged or in part: asking again is cheap and usually helps."""
SIZE_LIMIT = 4 * 1024 * 1024
"""Characters of content one turn may stream before it is given up."""

ABANDONED = ("max_tokens", "model_context_window_exceeded", "refusal")
"""Stop reasons after which no tool call of the message counts, however complete it looks."""

_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}
_JSON_BLOCKS = ("tool_use", "server_tool_use")


class StreamedError(Exception):
    """The endpoint said mid-stream that it cannot go on."""

    def __init__(self, kind: str, message: str, code: str | None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code


@dataclass(slots=True)
class _Block:
    kind: str
    start: Mapping[str, Any]
    text: list[str] = field(default_factory=list)
    signature: list[str] = field(default_factory=list)
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message seen to its end. After an ``ABANDONED`` stop reason it holds no calls."""

    calls: tuple[ToolCall, ...]
    text: str
    thinking: str
    stop_reason: str
    stop_details: Mapping[str, Any]
    usage: Usage
    blocks: tuple[Mapping[str, Any], ...]


class Assembler:
    """Feed it every event in order; ``message()`` gives the result once ``done`` is True."""

    def __init__(self) -> None:
        self.done = False
        self._started = False
        self._blocks: dict[int, _Block] = {}
        self._stop_reason: str | None = None
        self._stop_details: Mapping[str, Any] = {}
        self._usage: dict[str, int] = {}
        self._size = 0

    def feed(self, event: Any) -> Delta | None:
        """Take one event; returns what of it can be shown.

        Raises:
            BrainError: the event cannot be part of a sound message.
            StreamedError: the event is the endpoint's own error.
        """
        if not isinstance(event, Mapping):
            raise damaged("an event is not an object")
        kind = event.get("type")
        if kind == "error":
            raise _streamed_error(event)
        if self.done:
            return None
        if kind == "message_start":
            self._start(event)
            return None
        if not self._started:
            if kind in (None, "ping"):
                return None
            raise damaged(f"{kind} came before message_start")
        if kind == "content_block_start":
            return self._open(event)
        if kind == "content_block_delta":
            return self._grow(event)
        if kind == "content_block_stop":
            self._block(event).closed = True
        elif kind == "message_delta":
            self._message_delta(event)
        elif kind == "message_stop":
            self.done = True
        return None

    def message(self) -> Message:
        """The finished message.

        Raises:
            BrainError: it is not complete, or a tool's input is not strict JSON.
        """
        if not self.done:
            raise BrainError("the answer was cut off before its end; nothing of it is used", retry_after=CUT_RETRY)
        if self._stop_reason is None:
            raise damaged("the message ended without a stop reason")
        unclosed = [index for index, block in self._blocks.items() if not block.closed]
        abandoned = self._stop_reason in ABANDONED
        if unclosed and not abandoned:
            raise damaged(f"content block {unclosed[0]} was never closed")
        calls: list[ToolCall] = []
        sent_back: list[Mapping[str, Any]] = []
        for _, block in sorted(self._blocks.items()):
            if abandoned and (block.kind == "tool_use" or not block.closed):
                continue
            finished = _finished(block)
            if block.kind == "tool_use":
                calls.append(ToolCall(str(finished["id"]), str(finished["name"]), finished["input"]))
            if block.kind != "text" or str(finished["text"]).strip():
                # The API refuses an empty text block in a history it wrote itself.
                sent_back.append(finished)
        if len({call.id for call in calls}) != len(calls):
            raise damaged("two tool calls have the same id")
        return Message(
            calls=tuple(calls),
            text=self._joined("text", "\n\n"),
            thinking=self._joined("thinking", "\n\n"),
            stop_reason=self._stop_reason,
            stop_details=self._stop_details,
            usage=Usage(**self._usage),
            blocks=tuple(sent_back),
        )

    def _joined(self, kind: str, between: str) -> str:
        texts = ("".join(block.text) for _, block in sorted(self._blocks.items()) if block.kind == kind)
        return between.join(text for text in texts if text.strip())

    def _start(self, event: Mapping[str, Any]) -> None:
        if self._started:
            raise damaged("message_start came twice")
        self._started = True
        message = event.get("message")
        if isinstance(message, Mapping):
            self._count(message.get("usage"))

    def _message_delta(self, event: Mapping[str, Any]) -> None:
        delta = event.get("delta")
        if isinstance(delta, Mapping):
            reason = delta.get("stop_reason")
            if isinstance(reason, str) and reason:
                self._stop_reason = reason
            if isinstance(delta.get("stop_details"), Mapping):
                self._stop_details = delta["stop_details"]
        self._count(event.get("usage"))

    def _count(self, usage: Any) -> None:
        """Usage is cumulative: a later figure replaces an earlier one, and one that is left out stands."""
        if not isinstance(usage, Mapping):
            return
        for theirs, ours in _USAGE.items():
            value = usage.get(theirs)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                self._usage[ours] = value

    def _open(self, event: Mapping[str, Any]) -> Delta | None:
        index, start = event.get("index"), event.get("content_block")
        if not isinstance(index, int) or not isinstance(start, Mapping):
            raise damaged("a content block began without index or content")
        if index in self._blocks:
            raise damaged(f"content block {index} began twice")
        kind = str(start.get("type"))
        block = _Block(kind, dict(start))
        self._blocks[index] = block
        if kind == "tool_use":
            name, call = start.get("name"), start.get("id")
            if not (isinstance(name, str) and name and isinstance(call, str) and call):
                raise damaged("a tool call came without id or name")
            earlier = any(other.kind == "tool_use" for other in self._blocks.values() if other is not block)
            return Delta("call", f"\n{name} " if earlier else f"{name} ")
        if kind in ("text", "thinking"):
            return self._add(block, start.get(kind), kind)
        return None

    def _grow(self, event: Mapping[str, Any]) -> Delta | None:
        block, delta = self._block(event), event.get("delta")
        if not isinstance(delta, Mapping):
            raise damaged("a delta is not an object")
        kind = delta.get("type")
        if kind == "text_delta" and block.kind == "text":
            return self._add(block, delta.get("text"), "text")
        if kind == "thinking_delta" and block.kind == "thinking":
            return self._add(block, delta.get("thinking"), "thinking")
        if kind == "signature_delta" and block.kind == "thinking":
            block.signature.append(str(delta.get("signature") or ""))
            return None
        if kind == "input_json_delta":
            piece = delta.get("partial_json")
            if block.kind in _JSON_BLOCKS:
                shown = self._add(block, piece, "call")
                return shown if block.kind == "tool_use" else None
            if not piece:  # some compatible servers send an empty one for plain text
                return None
        if kind in ("text_delta", "thinking_delta", "signature_delta", "input_json_delta"):
            raise damaged(f"a {kind} came for a {block.kind} block")
        return None

    def _block(self, event: Mapping[str, Any]) -> _Block:
        index = event.get("index")
        block = self._blocks.get(index) if isinstance(index, int) else None
        if block is None:
            raise damaged(f"{event.get('type')} names content block {index!r}, which never began")
        if block.closed:
            raise damaged(f"{event.get('type')} came for content block {index}, which was closed")
        return block

    def _add(self, block: _Block, piece: Any, channel: str) -> Delta | None:
        if piece is None or piece == "":
            return None
        if not isinstance(piece, str):
            raise damaged("a piece of content is not text")
        self._size += len(piece)
        if self._size > SIZE_LIMIT:
            raise damaged(f"it is longer than {SIZE_LIMIT // (1024 * 1024)} MiB")
        block.text.append(piece)
        if channel == "thinking":
            return Delta("thinking", piece)
        return Delta("call" if channel == "call" else "text", piece)


def _finished(block: _Block) -> dict[str, Any]:
    """The block as it goes back to the endpoint: exactly what was received, in the order it was received."""
    body = "".join(block.text)
    made = dict(block.start)
    if block.kind in ("text", "thinking"):
        made[block.kind] = body
        if block.signature or "signature" in made:
            made["signature"] = str(made.get("signature") or "") + "".join(block.signature)
    elif block.kind in _JSON_BLOCKS:
        made["input"] = _input(block, body)
    return made


def _input(block: _Block, raw: str) -> dict[str, Any]:
    name = block.start.get("name")
    whole = block.start.get("input")
    if not raw:
        # A call without arguments streams no JSON at all; some compatible servers send the whole input at the start.
        raw = json.dumps(whole) if whole else "{}"
    elif whole and whole != _parsed(name, raw):
        raise damaged(f"the input of {name} was given twice and differs")
    return _parsed(name, raw)


def _parsed(name: Any, raw: str) -> dict[str, Any]:
    try:
        return strict_object(raw)
    except ValueError as error:
        raise damaged(f"the input of {name} is not usable: {error}") from None


def damaged(why: str) -> BrainError:
    """The error for an answer that did not arrive sound; worth asking again."""
    return BrainError(f"the answer was malformed: {why}; nothing of it is used", retry_after=CUT_RETRY)


def _streamed_error(event: Mapping[str, Any]) -> StreamedError:
    error = event.get("error")
    error = error if isinstance(error, Mapping) else {}
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else None
    return StreamedError(
        str(error.get("type") or "api_error"),
        str(error.get("message") or "no reason given"),
        code if isinstance(code, str) else None,
    )
