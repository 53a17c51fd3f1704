"""A small yes or no, with Cancel focused."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from console.plain import plain
from console.screens.base import HarnessModal


class Confirm(HarnessModal[bool]):
    CSS_PATH = "confirm.tcss"
    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", show=False),
        Binding("y", "answer(True)", show=False),
        Binding("left,right", "app.focus_next", show=False),
        Binding("K", "stop", show=False),
    ]

    def __init__(self, question: str, body: str, yes: str) -> None:
        super().__init__()
        self._question, self._body, self._yes = question, body, yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="confirm") as dialog:
            dialog.border_title = Content(plain(self._question))
            yield Static(plain(self._body), markup=False)
            with Horizontal(classes="buttons"):
                yield Button(Content("Cancel"), id="cancel")
                yield Button(Content(f"{self._yes} (y)"), id="yes")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes")

    def action_stop(self) -> None:
        """Stopping never waits for an answer; resuming is asked for elsewhere."""
        if not self.harness.state.control.stopped:
            self.harness.action_stop_resume()

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)
