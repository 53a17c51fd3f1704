"""The texts of an approval: a coloured diff, and labelled facts with a hanging indent."""

from __future__ import annotations

import textwrap

from console.glyphs import EFFECT, INVARIANT, sign
from console.paint import NEWLINE, Piece, fit, piece
from console.plain import plain
from console.slices import ApprovalRow, Service
from console.timefmt import age, milliseconds, span

LABEL = 8
"""Width of the column of labels."""
_ENDED = {
    "approved": "approved",
    "edited": "edited and approved",
    "rejected": "rejected",
    "timed_out": "expired: nobody answered in time",
    "withdrawn": "withdrawn: it is no longer needed",
}


def diff_pieces(diff: str, *, limit: int = 400) -> list[Piece]:
    """A unified diff or a command as coloured lines."""
    pieces: list[Piece] = []
    lines = plain(diff, lines=True).rstrip("\n").split("\n")
    for line in lines[:limit]:
        style = ""
        if line.startswith(("+++", "---")):
            style = "$muted"
        elif line.startswith("@@"):
            style = "$accent"
        elif line.startswith("+"):
            style = "$added"
        elif line.startswith("-"):
            style = "$removed"
        pieces += [*([NEWLINE] if pieces else []), (line, style)]
    if len(lines) > limit:
        pieces.append((f"\n… {len(lines) - limit} more lines", "bold $warning"))
    return pieces


def hanging(name: str, value: str, width: int, rows: int) -> list[Piece]:
    """A labelled text with a hanging indent, at most ``rows`` lines long."""
    if not value.strip():
        return [(name.ljust(LABEL), "$muted"), ("not said\n", "$warning")]
    lines = textwrap.wrap(
        plain(value), max(20, width - LABEL), max_lines=rows, placeholder=" … (all of it in the ticket)"
    )
    pieces: list[Piece] = [(name.ljust(LABEL), "$muted")]
    for index, line in enumerate(lines):
        pieces.append((f"{' ' * LABEL if index else ''}{line}\n", ""))
    return pieces


def facts_pieces(row: ApprovalRow, width: int, *, tight: bool) -> list[Piece]:
    """Why, by which rule, with what effect, and how it is undone."""
    effect = sign(EFFECT, row.effect)
    named = plain(row.effect).replace("_", " ")
    facts = [
        *hanging("why", row.why, width, 3 if tight else 6),
        *hanging("rule", row.rule, width, 2),
        ("effect".ljust(LABEL), "$muted"),
        (f"{effect.glyph} {named}", f"bold {effect.style}"),
        (f", {effect.word}\n", "$muted"),
        *hanging("undo", row.undo, width, 2),
    ]
    return [*facts[:-1], (facts[-1][0].rstrip("\n"), facts[-1][1])]


def live_pieces(service: Service, width: int) -> list[Piece]:
    """What is measured now, what is violated first."""
    groups: list[list[Piece]] = []
    for item in sorted(service.objectives, key=lambda item: item.state != "violated"):
        shown = sign(INVARIANT, item.state)
        groups.append(
            [
                (f"{shown.glyph} ", f"bold {shown.style}"),
                piece(item.name, "", 30),
                piece(f" {item.value}", f"bold {shown.style}", 14),
            ]
        )
    if service.p95_ms is not None:
        groups.append([("p95 ", "$muted"), (milliseconds(service.p95_ms), "")])
    return [("now".ljust(LABEL), "$muted"), *fit(groups, width - LABEL)]


def clock_pieces(row: ApprovalRow, now: float) -> list[Piece]:
    """How long ago it was asked, and how long there is to answer."""
    pieces: list[Piece] = []
    if row.requested_at is not None:
        pieces.append((f"asked {age(now - row.requested_at)} ago", "$muted"))
    if row.expires_at is not None:
        seconds = row.expires_at - now
        text = f" · {span(seconds)} left" if seconds > 0 else " · time is up"
        pieces.append((text, "bold $error" if seconds < 30 else "bold $warning"))
    return pieces


def keys_pieces(*keys: tuple[str, str]) -> list[Piece]:
    """Keys and what they do, on one line."""
    return [item for key, what in keys for item in ((key, "bold $accent"), (f" {what}   ", "$muted"))]


def ended_text(row: ApprovalRow) -> str:
    """How an approval ended, by whom, and why."""
    by_person = row.decided_by and row.status in ("approved", "edited", "rejected")
    who = f" by {plain(row.decided_by)}" if by_person else ""
    told = f" ({plain(row.reason, limit=80)})" if row.reason else ""
    return f"{_ENDED.get(row.status, plain(row.status))}{who}{told}"
