"""A ticket as text: pure, from what the ledger says of it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from console.glyphs import INVARIANT, PRIORITY, TICKET, sign
from console.paint import NEWLINE, Piece, assemble, piece
from console.plain import plain
from console.slices import Objective, TicketRow
from console.steps import chip, one_line
from console.timefmt import age, moment, wall

MAX_ENTRIES = 300
MAX_RESULT_LINES = 12


def head_pieces(ticket_id: int, row: TicketRow | None, now: float) -> list[Piece]:
    """Two lines: what it is, and how it stands."""
    if row is None:
        return [(f"#{ticket_id}", "bold $accent")]
    status, priority = sign(TICKET, row.status), sign(PRIORITY, row.priority)
    outcome = f" {row.outcome.replace('_', ' ')}" if row.outcome else ""
    opened = f"opened {age(now - row.created_at)} ago" if row.created_at is not None else ""
    return [
        (f"#{row.id} ", "bold $accent"),
        piece(row.objective, "bold", 200),
        NEWLINE,
        (f"{status.glyph} {status.word}", f"bold {status.style}"),
        piece(outcome, f"bold {status.style}", 40),
        ("  ", ""),
        (f"{priority.glyph} {priority.word}", priority.style),
        piece(f"  {row.subject}  from {row.source}  {opened}", "$muted", 100),
        *([(f"  ×{row.occurrences}", "$warning")] if row.occurrences > 1 else []),
        *([(f"  attempt {row.attempts}", "$muted")] if row.attempts > 1 else []),
    ]


def _section(pieces: list[Piece], title: str) -> None:
    if pieces:
        pieces += [NEWLINE, NEWLINE]
    pieces += [(title, "bold $accent")]


def _criteria(
    pieces: list[Piece],
    ticket: Mapping[str, Any],
    objectives: Sequence[Objective],
    verified: Mapping[str, Mapping[str, Any]],
) -> None:
    _section(pieces, "Success criteria")
    live = {item.name: item for item in objectives}
    for raw in ticket.get("criteria") or ():
        text = str(raw)
        item, seen = live.get(text.strip()), verified.get(text.strip())
        if item is not None:
            state, value, when = item.state, item.value, "now"
        elif seen is not None:
            state, value, when = str(seen.get("state") or "unknown"), str(seen.get("value") or ""), "when last verified"
        else:
            state, value, when = "unknown", "", "not checked yet"
        shown = sign(INVARIANT, state)
        pieces += [
            NEWLINE,
            (f"  {shown.glyph} ", f"bold {shown.style}"),
            piece(text, "", 160),
            ("  ", ""),
            piece(f"{shown.word} {value}".strip(), f"bold {shown.style}", 60),
            (f"  {when}", "$faint"),
        ]


def _lines(pieces: list[Piece], text: str, indent: str, style: str, width: int, rows: int = MAX_RESULT_LINES) -> None:
    room = max(24, width - len(indent))
    lines = []
    for line in plain(text, lines=True).strip("\n").split("\n")[: rows * 4]:
        lines += [line] if len(line) <= room else textwrap.wrap(line, room, replace_whitespace=False)
    for line in lines[:rows]:
        tint = style
        if line.startswith("+") and not line.startswith("+++"):
            tint = "$added"
        elif line.startswith("-") and not line.startswith("---"):
            tint = "$removed"
        pieces += [NEWLINE, (indent, ""), (line, tint)]
    if len(lines) > rows:
        pieces += [NEWLINE, (f"{indent}… {len(lines) - rows} more lines", "$faint")]


def _entry(pieces: list[Piece], row: Mapping[str, Any], width: int) -> None:
    payload = row.get("payload")
    payload = payload if isinstance(payload, Mapping) else {}
    kind, step = str(row.get("kind") or ""), row.get("step")
    number = f"[{step}]" if kind == "turn" else ""
    pieces += [
        NEWLINE,
        (f"  {wall(moment(row.get('recorded_at')))}  ", "$faint"),
        (f"{kind:<13}", "$muted"),
        (f"{number} " if number else "", "$accent"),
    ]
    if kind == "turn":
        pieces.append(piece(f"# {row.get('summary', '')}", "bold", 200))
        for call in payload.get("calls") or ():
            if isinstance(call, Mapping):
                name = str(call.get("name") or call.get("tool") or "?")
                pieces += [
                    NEWLINE,
                    (" " * 25, ""),
                    piece(name, "$accent"),
                    piece(f"({one_line(call.get('arguments'))})", "$muted", 300),
                ]
        if payload.get("text"):
            _lines(pieces, str(payload["text"]), " " * 25, "", width)
        return
    if kind == "decision":
        verdict, words = chip(
            str(payload.get("outcome") or payload.get("status") or ""),
            str(payload.get("rule") or ""),
            str(payload.get("by") or payload.get("decided_by") or ""),
            str(payload.get("reason") or ""),
        )
        style = {"allowed": "$success", "approved": "$success", "refused": "$error", "asking": "$warning"}.get(
            verdict, ""
        )
        pieces.append(piece(words or row.get("summary", ""), style, 200))
        return
    pieces.append(piece(row.get("summary") or payload.get("status") or "", "", 300))
    if kind in ("result", "settled") and payload.get("text"):
        _lines(pieces, str(payload["text"]), " " * 25, "$muted", width)
    if payload.get("diff"):
        _lines(pieces, str(payload["diff"]), " " * 25, "$muted", width, 60)


def _approval(pieces: list[Piece], row: Mapping[str, Any], width: int) -> None:
    verdict, words = chip(
        str(row.get("status") or "pending"),
        str(row.get("rule") or ""),
        str(row.get("decided_by") or ""),
        str(row.get("reason") or ""),
    )
    style = {"approved": "$success", "refused": "$error", "asking": "$warning"}.get(verdict, "")
    pieces += [
        NEWLINE,
        (f"  {wall(moment(row.get('requested_at')))}  ", "$faint"),
        piece(row.get("tool", ""), "bold", 40),
        ("  ", ""),
        piece(row.get("target", ""), "", 120),
        ("  ", ""),
        piece(words, f"bold {style}", 160),
    ]
    if row.get("why"):
        _lines(pieces, str(row["why"]), " " * 12, "$muted", width)
    for name in ("rule", "undo"):
        if row.get(name):
            _lines(pieces, f"{name} {row[name]}", " " * 12, "$muted", width)
    if row.get("edited_arguments"):
        edited = json.dumps(row["edited_arguments"], ensure_ascii=False, default=str)
        _lines(pieces, f"edited to {edited}", " " * 12, "$warning", width)
    if row.get("diff"):
        _lines(pieces, str(row["diff"]), " " * 12, "$muted", width, 60)


def _of(row: Mapping[str, Any]) -> Any:
    payload = row.get("payload")
    return payload.get("of") if isinstance(payload, Mapping) else None


def ticket_content(detail: Mapping[str, Any], objectives: Sequence[Objective], width: int) -> Content:
    """Everything on record about a ticket, wrapped to ``width`` columns."""
    ticket = detail.get("ticket") or {}
    journal = list(detail.get("journal") or ())
    verified: dict[str, Mapping[str, Any]] = {}
    for row in journal:
        payload = row.get("payload") if row.get("kind") == "verification" else None
        for item in (payload or {}).get("criteria") or ():
            if isinstance(item, Mapping):
                verified[str(item.get("criterion") or item.get("text") or item.get("name"))] = item
    pieces: list[Piece] = []
    _criteria(pieces, ticket, objectives, verified)
    if ticket.get("context"):
        _section(pieces, "Context")
        _lines(pieces, str(ticket["context"]), "  ", "", width, 40)
    if ticket.get("evidence"):
        _section(pieces, "Evidence")
        evidence = json.dumps(ticket["evidence"], indent=2, ensure_ascii=False, default=str)
        _lines(pieces, evidence, "  ", "$muted", width, 30)
    approvals = list(detail.get("approvals") or ())
    if approvals:
        _section(pieces, "Approvals")
        for row in approvals:
            _approval(pieces, row, width)
    _section(pieces, "Timeline")
    skipped = len(journal) - MAX_ENTRIES
    if skipped > 0:
        pieces += [
            NEWLINE,
            (f"  … {skipped} earlier entries; `harness audit show {ticket.get('id')}` has them all", "$faint"),
        ]
    better = {_of(row): row.get("summary") for row in journal if row.get("kind") == "summary"}
    for row in journal[-MAX_ENTRIES:]:
        if row.get("kind") == "summary":
            continue
        if row.get("kind") == "turn" and better.get(row.get("id")):
            row = {**row, "summary": better[row.get("id")]}
        _entry(pieces, row, width)
    if not journal:
        pieces += [NEWLINE, ("  nothing was done yet", "$muted")]
    return assemble(pieces)
