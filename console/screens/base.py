"""What every screen has in common: it can be handed the newest state, and it knows its app."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from textual.screen import ModalScreen, Screen

if TYPE_CHECKING:
    from console.app import HarnessApp
    from console.state import ConsoleState

Result = TypeVar("Result")


class HarnessScreen(Screen[None]):
    """A full screen."""

    @property
    def harness(self) -> HarnessApp:
        return cast("HarnessApp", self.app)

    def show_state(self, state: ConsoleState) -> None:
        """Take what this screen shows out of ``state``."""

    def tick(self, now: float) -> None:
        """Once a second: redraw what depends on the clock."""


class HarnessModal(ModalScreen[Result]):
    """A dialog over a screen. Every way out of it gives a result."""

    @property
    def harness(self) -> HarnessApp:
        return cast("HarnessApp", self.app)

    def show_state(self, state: ConsoleState) -> None:
        """Take what this dialog shows out of ``state``."""

    def tick(self, now: float) -> None:
        """Once a second: redraw what depends on the clock."""
