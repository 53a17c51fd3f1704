"""The chaos menu: every fault with what it does, and whether it is on."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from console.glyphs import BOLT, DOT
from console.paint import Painted, Piece, assemble, piece
from console.screens.base import HarnessModal
from console.state import ConsoleState

ALL = "*"


class ChaosMenu(HarnessModal[None]):
    CSS_PATH = "chaos.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,c,q", "close", show=False),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
        Binding("x", "clear_all", show=False),
        Binding("K", "app.stop_resume", show=False),
    ]
    AUTO_FOCUS = "#chaos-list"

    def __init__(self) -> None:
        super().__init__()
        self._faults: list[dict[str, Any]] = []
        self._list = OptionList(id="chaos-list", compact=True)
        self._foot = Painted(id="chaos-foot")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="chaos") as dialog:
            dialog.border_title = Content.assemble((f"{BOLT} ", "$error"), ("Chaos", "bold"))
            yield self._list
            yield self._foot

    def on_mount(self) -> None:
        self._foot.paint([("asking …", "$muted")])
        self.refresh_faults()

    def refresh_faults(self) -> None:
        self.harness.ask("reading the faults", lambda operator: operator.faults(), then=self._filled)

    def _filled(self, faults: list[dict[str, Any]]) -> None:
        if not self.is_attached:
            return
        held = self._list.highlighted
        self._faults = faults
        self._list.clear_options()
        for fault in faults:
            self._list.add_option(Option(self._row(fault), id=str(fault["name"])))
        if faults:
            self._list.highlighted = held if held is not None and held < len(faults) else 0
        self._foot.paint(
            [
                ("enter", "bold $accent"),
                (" inject or clear   ", "$muted"),
                ("x", "bold $accent"),
                (" clear all   ", "$muted"),
                ("esc", "bold $accent"),
                (" close", "$muted"),
            ]
        )

    def _row(self, fault: dict[str, Any]) -> Content:
        active = bool(fault.get("active"))
        mark: Piece = (f"{BOLT} on   ", "bold $error") if active else (f"{DOT} off  ", "$muted")
        key = str(fault.get("key") or "")
        return assemble(
            [
                mark,
                piece(f"{fault.get('title', fault['name'])!s:<22}", "bold", 22),
                piece(f"{key:<6} ", "$accent", 7),
                piece(fault.get("description") or "", "$muted", 58),
            ]
        )

    def on_key(self, event: events.Key) -> None:
        """A digit that stands beside a fault does what Enter on it does."""
        if event.character is None or not event.character.isdigit():
            return
        for fault in self._faults:
            if str(fault.get("key")) == event.character:
                event.stop()
                self._toggle(fault)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        fault = next((item for item in self._faults if item["name"] == event.option.id), None)
        if fault is not None:
            self._toggle(fault)

    def _toggle(self, fault: dict[str, Any]) -> None:
        name = str(fault["name"])
        if fault.get("active"):
            self.harness.ask(
                f"clearing {name}",
                lambda operator: operator.clear(name),
                done=f"{name} cleared",
                then=lambda _: self.refresh_faults(),
            )
        else:
            self.harness.ask(
                f"injecting {name}",
                lambda operator: operator.inject(name, {}),
                done=f"{name} injected",
                then=lambda _: self.refresh_faults(),
            )

    def show_state(self, state: ConsoleState) -> None:
        faults = {name for name, _ in state.subject(self.harness.subject).faults}
        if self._faults and {str(item["name"]) for item in self._faults if item.get("active")} != faults & {
            str(item["name"]) for item in self._faults
        }:
            for item in self._faults:
                item["active"] = item["name"] in faults
            self._filled(self._faults)

    def action_move(self, by: int) -> None:
        if by > 0:
            self._list.action_cursor_down()
        else:
            self._list.action_cursor_up()

    def action_clear_all(self) -> None:
        self.harness.ask(
            "clearing every fault",
            lambda operator: operator.clear(None),
            done="every fault cleared",
            then=lambda _: self.refresh_faults(),
        )

    def action_close(self) -> None:
        self.dismiss(None)
