"""Text from outside, made safe to show: control, bidirectional and invisible characters become visible escapes."""

from __future__ import annotations

import json
import re
from typing import Any

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain(value: object, *, lines: bool = False, limit: int | None = None) -> str:
    """``value`` as text in which every character is one that can be seen.

    Args:
        value: anything; shown as ``str``.
        lines: keep line breaks; otherwise they become spaces.
        limit: at most this many characters, the last one an ellipsis when something was cut.
    """
    text = value if isinstance(value, str) else str(value)
    if limit is not None and len(text) > limit * 4:
        text = text[: limit * 4]
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    if not lines:
        text = text.replace("\n", " ")
    text = _HIDDEN.sub(_escape, text)
    if limit is not None and len(text) > limit:
        text = text[: max(0, limit - 1)] + "…"
    return text


def _json_escape(match: re.Match[str]) -> str:
    return json.dumps(match.group())[1:-1]


def visible_json(value: Any) -> str:
    """``value`` as indented JSON in which every hidden character is a JSON escape: what is read is what is sent."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return "\n".join(_HIDDEN.sub(_json_escape, line) for line in text.split("\n"))
