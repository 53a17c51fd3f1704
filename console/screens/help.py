"""Help, made from the keymap."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from console.keymap import groups
from console.paint import NEWLINE, Painted, Piece
from console.screens.base import HarnessModal

_LEFT = ("Chaos", "Work", "Control", "Console")


def help_column(names: list[str], width: int) -> list[Piece]:
    """Groups of keys as text of at most ``width`` columns."""
    pieces: list[Piece] = []
    table = groups()
    for name in names:
        if pieces:
            pieces += [NEWLINE, NEWLINE]
        pieces.append((name, "bold $accent"))
        for key in table[name]:
            first, *rest = textwrap.wrap(key.description, max(20, width - 12))
            pieces += [NEWLINE, (f"  {key.label:<9}", "bold"), (first, "$muted")]
            for line in rest:
                pieces += [NEWLINE, (" " * 11 + line, "$muted")]
    return pieces


class HelpScreen(HarnessModal[None]):
    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "close", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
        Binding("K", "app.stop_resume", show=False),
    ]
    AUTO_FOCUS = "#help-scroll"

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="help") as dialog:
            dialog.border_title = Content.assemble(("Keys", "bold"))
            dialog.border_subtitle = Content("esc closes · the mouse works everywhere · shift-drag selects text")
            with VerticalScroll(id="help-scroll"), Horizontal(id="help-columns"):
                yield Painted(classes="help-column")
                yield Painted(classes="help-column")

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        left, right = self.query(Painted)
        width = 49 if self.size.width >= 100 else max(30, self.size.width - 6)
        left.paint(help_column(list(_LEFT), width))
        right.paint(help_column([name for name in groups() if name not in _LEFT], width))

    def action_close(self) -> None:
        self.dismiss(None)

    def action_scroll(self, by: int) -> None:
        self.query_one("#help-scroll").scroll_relative(y=by * 2, animate=False)
