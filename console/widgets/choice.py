"""An answer that can be focused, clicked or taken with Enter; whether it counts is for the screen to say."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static


class Choice(Static, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "take", show=False)]

    class Taken(Message):
        def __init__(self, choice: str, by_key: bool) -> None:
            super().__init__()
            self.choice = choice
            self.by_key = by_key

    def __init__(self, key: str, word: str, choice: str, *, id: str) -> None:
        super().__init__(Content.assemble((f" {key} ", "bold"), (f"{word} ", "")), markup=False, id=id)
        self._choice = choice

    def action_take(self) -> None:
        self.post_message(self.Taken(self._choice, True))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(self.Taken(self._choice, False))
