"""The frame that every panel of the main screen shares."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from console.paint import Piece, assemble

MOVES: list[BindingType] = [
    Binding("j", "scroll_down", show=False),
    Binding("k", "scroll_up", show=False),
    Binding("g", "scroll_home", show=False),
    Binding("G", "scroll_end", show=False),
]


class Panel(VerticalScroll):
    """A bordered, focusable area with a numbered title; the number is the key that focuses it."""

    BINDINGS: ClassVar[list[BindingType]] = MOVES

    def __init__(self, number: int, title: str, *, id: str) -> None:
        super().__init__(id=id, classes="panel", can_focus=True, can_maximize=False)
        self._number, self._title = number, title
        self._aside: tuple[Piece, ...] = ()
        self._foot: tuple[Piece, ...] = ()
        self.border_title = Content.assemble((f"{number} ", "$faint"), (title, "bold"))

    def head(self, *aside: Piece) -> None:
        """Show ``aside`` after the title."""
        if aside != self._aside:
            self._aside = aside
            gap: list[Piece] = [("  ", "")] if aside else []
            self.border_title = assemble([(f"{self._number} ", "$faint"), (self._title, "bold"), *gap, *aside])

    def foot(self, *pieces: Piece) -> None:
        """Show ``pieces`` in the lower border."""
        if pieces != self._foot:
            self._foot = pieces
            self.border_subtitle = assemble(pieces)
