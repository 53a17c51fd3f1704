"""Invariants with their live values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult

from console.glyphs import INVARIANT, sign
from console.paint import NEWLINE, Painted, Piece, piece
from console.widgets.panel import Panel

if TYPE_CHECKING:
    from console.slices import Objective


class ObjectivesPanel(Panel):
    def __init__(self) -> None:
        super().__init__(2, "Objectives", id="objectives")
        self._objectives: Sequence[Objective] | None = None
        self._stale = False
        self._body = Painted(id="objectives-body")

    def compose(self) -> ComposeResult:
        yield self._body

    def show(self, objectives: Sequence[Objective] | None, *, stale: bool = False) -> None:
        """None is a placeholder; an empty sequence says that none are declared; ``stale`` values are faded."""
        self._objectives, self._stale = objectives, stale
        self.set_class(stale, "-stale")
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.size.width
        if width <= 0:
            return
        if not self._objectives:
            self._body.paint([("starting …" if self._objectives is None else "no sample yet", "$muted")])
            return
        pieces: list[Piece] = []
        value_width = max(len(item.value) for item in self._objectives) + 1
        name_width = min(max(len(item.name) for item in self._objectives), max(10, width - 2 - value_width))
        for index, item in enumerate(self._objectives):
            if index:
                pieces.append(NEWLINE)
            shown = sign(INVARIANT, item.state)
            word = f" {shown.word:<8}" if width >= 56 else ""
            pieces += [
                (f"{shown.glyph} ", f"bold {shown.style}"),
                piece(item.name.ljust(name_width), "", name_width),
                (word, shown.style),
            ]
            left = width - 2 - name_width - len(word)
            value = item.value or "–"
            pieces.append(
                piece(f" {value}", f"bold {shown.style}" if item.state == "violated" else "bold", max(4, left))
            )
            left -= len(value) + 1
            if left >= 8 and item.condition:
                pieces.append(piece(f"  {item.condition}", "$faint", left))
        self._body.paint(pieces)
        violated = sum(item.state == "violated" for item in self._objectives)
        if self._stale:
            self.foot(("STALE", "bold $warning"))
        else:
            self.foot(*([(f"{violated} violated", "bold $error")] if violated else []))
