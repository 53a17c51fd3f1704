"""What the Messages API refuses about a request, as far as a client of ours could get it wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.agent.messages_script import sign

_FIELDS = {
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", "thinking", "cache_control",
    "metadata", "stop_sequences", "output_config", "diagnostics", "service_tier",
}  # fmt: skip
_TOOL_FIELDS = {"name", "description", "input_schema", "strict", "cache_control", "type", "eager_input_streaming"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


class Invalid(Exception):
    """The request is refused with 400; the message is the API's."""


def check(body: Any) -> None:
    """Refuse a request the real API would refuse.

    Raises:
        Invalid: with what is wrong.
    """
    _need(isinstance(body, dict), "the body must be an object")
    for name in body:
        _need(name in _FIELDS, f"{name}: Extra inputs are not permitted")
    _need(isinstance(body.get("model"), str) and body["model"] != "", "model: Field required")
    tokens = body.get("max_tokens")
    _need(isinstance(tokens, int) and 0 < tokens <= 128_000, "max_tokens: must be between 1 and 128000")
    _need(body.get("stream") is True, "stream: only streaming is served")
    choice = body.get("tool_choice", {"type": "auto"})
    _need(choice.get("type") in ("auto", "none"), "tool_choice: forced tool use is not supported with thinking")
    _thinking(body.get("thinking"))
    markers = _markers(body)
    _need(len(markers) <= 4, f"A maximum of 4 blocks with cache_control may be provided. Found {len(markers)}.")
    for marker in markers:
        sound = marker.get("type") == "ephemeral" and marker.get("ttl", "5m") in ("5m", "1h")
        _need(sound, "cache_control: unknown type or ttl")
    for tool in body.get("tools", ()):
        _need(set(tool) <= _TOOL_FIELDS, f"tools: Extra inputs are not permitted: {sorted(set(tool) - _TOOL_FIELDS)}")
        _need(_NAME.fullmatch(str(tool.get("name"))) is not None, "tools.name: does not match the pattern")
        _need(tool.get("input_schema", {}).get("type") == "object", "tools.input_schema.type: must be object")
    _messages(body.get("messages"))
    for block in body["system"] if isinstance(body.get("system"), list) else ():
        _content_block(block, "system")


def _need(sound: bool, message: str) -> None:
    if not sound:
        raise Invalid(message)


def _thinking(value: Any) -> None:
    if value is None:
        return
    _need(value.get("type") == "adaptive", "thinking.type: only adaptive is supported on this model")
    _need(value.get("display", "omitted") in ("summarized", "omitted"), "thinking.display: unknown value")
    _need(set(value) <= {"type", "display"}, "thinking: Extra inputs are not permitted")


def _markers(value: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "cache_control" and isinstance(item, dict):
                found.append(item)
            elif name not in ("input", "input_schema"):
                found += _markers(item)
    elif isinstance(value, list):
        for item in value:
            found += _markers(item)
    return found


def _messages(messages: Any) -> None:
    _need(isinstance(messages, list) and bool(messages), "messages: at least one message is required")
    _need(messages[0].get("role") == "user", "messages.0: the first message must use the user role")
    asked: list[str] = []
    for number, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        where = f"messages.{number}"
        expected = "user" if number % 2 == 0 else "assistant"
        _need(role == expected, f"{where}.role: roles must alternate, expected {expected}")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        _need(isinstance(content, list) and bool(content), f"{where}.content: must not be empty")
        for block in content:
            _content_block(block, where)
        answered = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        if role == "user":
            _answers(where, asked, answered, content)
        else:
            _need(not answered, f"{where}: tool_result blocks can only be in user messages")
        asked = [block["id"] for block in content if block["type"] == "tool_use"]
        _need(len(set(asked)) == len(asked), f"{where}: `tool_use` ids must be unique")
    _need(not asked, "messages: the last message holds tool_use without tool_result")


def _answers(where: str, asked: Sequence[str], answered: Sequence[str], content: Sequence[Mapping[str, Any]]) -> None:
    missing = [call for call in asked if call not in answered]
    _need(not missing, f"{where}: `tool_use` ids were found without `tool_result` blocks immediately after: {missing}")
    unknown = [call for call in answered if call not in asked]
    _need(not unknown, f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {unknown}")
    _need(len(set(answered)) == len(answered), f"{where}: each `tool_use` must have a single result")
    first = [block["type"] for block in content[: len(answered)]]
    _need(all(kind == "tool_result" for kind in first), f"{where}: tool_result blocks must come first")


def _content_block(block: Any, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text":
        _need(str(block.get("text", "")).strip() != "", f"{where}: text content blocks must be non-empty")
    elif kind == "thinking":
        same = sign(str(block.get("thinking"))) == block.get("signature")
        _need(same, f"{where}: Invalid `signature` in `thinking` block")
    elif kind == "tool_use":
        sound = bool(block.get("id")) and bool(block.get("name")) and isinstance(block.get("input"), dict)
        _need(sound, f"{where}: tool_use needs id, name and input")
    elif kind == "tool_result":
        _need(bool(block.get("tool_use_id")), f"{where}: tool_result needs tool_use_id")
        _need(set(block) <= {"type", "tool_use_id", "content", "is_error", "cache_control"}, f"{where}: extra inputs")
    else:
        raise Invalid(f"{where}: unknown content block type {kind!r}")
