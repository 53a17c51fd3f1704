"""Small helpers for drawing: safe text pieces, a two-row sparkline, and a widget that repaints only on change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from textual.content import Content
from textual.widgets import Static

from console.glyphs import GAP, SPARKS, Sign
from console.plain import plain

Piece = tuple[str, str]
NEWLINE: Piece = ("\n", "")


def piece(value: object, style: str = "", limit: int | None = None) -> Piece:
    """Text from outside with a style, made safe to show."""
    return plain(value, limit=limit), style


def signed(sign: Sign, *, bold: bool = True) -> Piece:
    """Glyph and word of a state in its colour."""
    return f"{sign.glyph} {sign.word}", f"bold {sign.style}" if bold else sign.style


def assemble(pieces: Sequence[Piece]) -> Content:
    return Content.assemble(*[item for item in pieces if item[0]])


def width_of(pieces: Sequence[Piece]) -> int:
    return Content("".join(text for text, _ in pieces)).cell_length


def fit(groups: Sequence[Sequence[Piece]], width: int, gap: str = "  ") -> list[Piece]:
    """As many ``groups`` as fit into ``width``, in order, ``gap`` between them; the first is always there."""
    line: list[Piece] = []
    used = 0
    for group in groups:
        size = width_of(group)
        if line and used + len(gap) + size > width:
            break
        if line:
            line.append((gap, ""))
            used += len(gap)
        line += group
        used += size
    return line


class Painted(Static):
    """A line or block of text that is drawn again only when it says something else."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("", markup=False, **arguments)
        self._shown: tuple[Piece, ...] | None = None

    def paint(self, pieces: Sequence[Piece]) -> bool:
        """Show ``pieces``; True when something changed."""
        frozen = tuple(pieces)
        if frozen == self._shown:
            return False
        before, self._shown = self._shown, frozen
        same_shape = (
            before is not None
            and len(before) == len(frozen)
            and all(
                len(a[0]) == len(b[0]) and a[0].count("\n") == b[0].count("\n")
                for a, b in zip(before, frozen, strict=True)
            )
        )
        self.update(assemble(frozen), layout=not same_shape)
        return True


def spark(
    history: Sequence[float | None], width: int, rows: int, decades: float, limit: float | None
) -> list[list[Piece]]:
    """``history`` (ms) as ``rows`` lines of blocks; at or above ``limit`` in alarm colour, no answer as a gap.

    The scale is fixed and logarithmic, from 1 ms over ``decades`` powers of ten, so that a service that answers
    in 3 ms and one that answers in 500 ms are both legible, and two pictures can be compared.
    """
    values = list(history[-width:])
    padding = width - len(values)
    lines: list[list[Piece]] = []
    for row in range(rows):
        floor = rows - 1 - row
        line: list[Piece] = [(" " * padding, "")] if padding > 0 else []
        for value in values:
            if value is None:
                line.append((GAP if floor == 0 else " ", "$error"))
                continue
            height = math.log10(max(value, 1.0)) / decades
            eighths = max(1, min(rows * 8, round(height * rows * 8)))
            level = max(0, min(8, eighths - floor * 8))
            style = "$warning" if limit is not None and value >= limit else "$accent"
            line.append((SPARKS[level], style))
        merged: list[Piece] = []
        for text, style in line:
            if merged and merged[-1][1] == style:
                merged[-1] = (merged[-1][0] + text, style)
            else:
                merged.append((text, style))
        lines.append(merged)
    return lines
