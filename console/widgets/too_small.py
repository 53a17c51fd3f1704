"""What stands where nothing fits: the size that is needed and the size there is."""

from __future__ import annotations

from textual import events

from console.paint import Painted

MIN_WIDTH, MIN_HEIGHT = 60, 18


class TooSmall(Painted):
    def __init__(self) -> None:
        super().__init__(id="too-small")

    def on_resize(self, event: events.Resize) -> None:
        size = self.screen.size
        self.paint(
            [
                ("needs ", ""),
                (f"{MIN_WIDTH}×{MIN_HEIGHT}", "bold"),
                (f", now {size.width}×{size.height} · ", ""),
                ("q", "bold"),
                (" quits", ""),
            ]
        )
