"""Every state as a shape, a word and a colour role, so that none of the three is needed alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

ASCII = os.environ.get("HARNESS_ASCII", "") not in ("", "0")


class Sign(NamedTuple):
    """How a state is shown. ``role`` names a colour variable of the theme."""

    fancy: str
    ascii: str
    word: str
    role: str

    @property
    def glyph(self) -> str:
        return self.ascii if ASCII else self.fancy

    @property
    def style(self) -> str:
        return f"${self.role}"


SUBJECT: Mapping[str, Sign] = {
    "healthy": Sign("●", "*", "healthy", "success"),
    "degraded": Sign("◐", "~", "degraded", "warning"),
    "down": Sign("✗", "X", "down", "error"),
    "starting": Sign("◌", "o", "starting", "accent"),
    "stopped": Sign("■", "#", "stopped", "muted"),
    "unknown": Sign("?", "?", "unknown", "muted"),
}
INVARIANT: Mapping[str, Sign] = {
    "holding": Sign("✓", "+", "holding", "success"),
    "violated": Sign("✗", "X", "violated", "error"),
    "unknown": Sign("?", "?", "unknown", "muted"),
}
TICKET: Mapping[str, Sign] = {
    "pending": Sign("○", "o", "pending", "muted"),
    "in_progress": Sign("▶", ">", "working", "accent"),
    "awaiting_approval": Sign("◆", "!", "needs you", "warning"),
    "verifying": Sign("◎", "@", "verifying", "accent"),
    "completed": Sign("✓", "+", "done", "success"),
    "failed": Sign("✗", "X", "failed", "error"),
    "cancelled": Sign("–", "-", "cancelled", "muted"),
}
PRIORITY: Mapping[str, Sign] = {
    "critical": Sign("‼", "!!", "critical", "error"),
    "high": Sign("▲", "^", "high", "warning"),
    "medium": Sign("▪", "=", "medium", "ink"),
    "low": Sign("▽", "v", "low", "muted"),
}
MODE: Mapping[str, Sign] = {
    "observe": Sign("◇", "o", "observe", "muted"),
    "supervised": Sign("◈", "&", "supervised", "accent"),
    "autonomous": Sign("»", ">", "autonomous", "warning"),
}
CALL: Mapping[str, Sign] = {
    "": Sign("·", ".", "", "muted"),
    "allowed": Sign("✓", "+", "allowed", "success"),
    "asking": Sign("◆", "!", "waiting for you", "warning"),
    "approved": Sign("✔", "Y", "approved", "success"),
    "refused": Sign("✗", "X", "refused", "error"),
}
EFFECT: Mapping[str, Sign] = {
    "read_only": Sign("◦", ".", "only looks", "muted"),
    "reversible": Sign("↺", "<", "can be undone", "success"),
    "disruptive": Sign("▲", "^", "interrupts the service", "warning"),
    "destructive": Sign("‼", "!!", "cannot be undone", "error"),
    "external": Sign("↗", "/", "reaches outside this machine", "warning"),
}
_UNKNOWN = Sign("?", "?", "unknown", "muted")

SPARKS = (" ", ".", ":", "-", "=", "+", "*", "#", "@") if ASCII else (" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█")
DOT, ARROW, RULE, MORE, BOLT, STOP, PROMPT, GAP = (
    ("-", "->", "-", "...", "!", "#", ">", "x") if ASCII else ("·", "→", "─", "…", "↯", "■", "❯", "×")
)


def sign(table: Mapping[str, Sign], state: str | None) -> Sign:
    """The sign of ``state``; a state this version does not know keeps its own word."""
    found = table.get(state or "unknown")
    if found is not None:
        return found
    return Sign(_UNKNOWN.fancy, _UNKNOWN.ascii, (state or "unknown").replace("_", " "), _UNKNOWN.role)
