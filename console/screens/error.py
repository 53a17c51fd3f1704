"""Something cannot go on: what, why and the mend, and the key that leaves."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from console.plain import plain
from console.screens.base import HarnessModal


class ErrorScreen(HarnessModal[None]):
    CSS_PATH = "error.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,escape,enter", "leave", show=False)]

    def __init__(self, title: str, message: str) -> None:
        super().__init__()
        self._title, self._message = title, message

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="error") as dialog:
            dialog.border_title = Content.assemble(("✗ ", "$error"), plain(self._title))
            yield Static(plain(self._message, lines=True), markup=False, id="error-message")
            yield Static(Content.assemble(("q", "bold $accent"), (" quit", "$muted")))

    def action_leave(self) -> None:
        self.harness.leave_now(1)
