"""The palette: every action of the keymap by name, with its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from console.keymap import KEYMAP
from monitor.records import MODES

if TYPE_CHECKING:
    from console.app import HarnessApp


class HarnessCommands(Provider):
    """Actions of the screen that the palette was opened over, and those that work everywhere."""

    def _found(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        app = cast("HarnessApp", self.app)
        screen = self.screen
        on_main = screen is app.main
        for key in KEYMAP:
            if key.palette and (key.scope == "app" or (key.scope == "main" and on_main)):
                name = key.description.split(":")[0].split(";")[0]
                action = f"app.{key.action}" if key.scope == "app" else f"screen.{key.action}"
                yield f"{key.group.lower()}: {name}", key.label, partial(app.run_action, action, screen)
        if on_main:
            for mode in MODES:
                if mode != app.state.control.mode:
                    yield f"mode: {mode}", "m", partial(app.set_mode, mode)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, label, callback in self._found():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), callback, help=f"key: {label}")

    async def discover(self) -> Hits:
        for name, label, callback in self._found():
            yield DiscoveryHit(name, callback, help=f"key: {label}")
