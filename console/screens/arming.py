"""Keys that count only after a quiet moment, so that what is typed for something else answers nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    Host = Screen[str]
else:
    Host = object

ARM_SECONDS = 0.4


class Arming(Host):
    """Mix-in of a screen: ``armed`` turns true ``ARM_SECONDS`` after the last ``wait_for_quiet``."""

    armed: bool = False
    _arming: Timer | None = None

    def wait_for_quiet(self) -> None:
        """Disarm, and arm again when nothing was pressed for a moment."""
        self.disarm()
        self._arming = self.set_timer(ARM_SECONDS, self._arm)

    def disarm(self) -> None:
        if self._arming is not None:
            self._arming.stop()
            self._arming = None
        self._set(False)

    def _arm(self) -> None:
        self._arming = None
        self._set(True)

    def _set(self, armed: bool) -> None:
        self.armed = armed
        self.set_class(armed, "-armed")
        self.armed_changed()

    def armed_changed(self) -> None:
        """Show whether the keys count."""
