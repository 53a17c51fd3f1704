"""The bottom line: the keys that matter here, each of which can be clicked; rebuilt only when it changes."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

Hint = tuple[str, str, str]
"""(key as written, word, action as Textual writes it)."""


class KeyHints(Static):
    def __init__(self, hints: Sequence[Hint] = (), *, id: str | None = "key-hints") -> None:
        super().__init__("", markup=False, id=id)
        self._hints = tuple(hints)
        self._drawn: tuple[object, ...] = ()

    def show(self, hints: Sequence[Hint]) -> None:
        if tuple(hints) != self._hints:
            self._hints = tuple(hints)
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.size.width
        if width <= 0 or (self._hints, width) == self._drawn:
            return
        self._drawn = (self._hints, width)
        content = Content(" ")
        for key, word, action in self._hints:
            piece = Content.assemble((key, "bold $accent"), (f" {word}", "$muted"))
            if content.cell_length + piece.cell_length + 2 > width:
                break
            content = content + piece.stylize(Style.from_meta({"hint": action})) + Content("  ")
        self.update(content, layout=False)

    async def on_click(self, event: events.Click) -> None:
        action = event.style.meta.get("hint")
        if action:
            event.stop()
            await self.run_action(str(action))
