"""The one screen: service, objectives, tickets and the agent, with what needs a person above the keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Input

from console.keymap import bindings
from console.screens.base import HarnessScreen
from console.timefmt import span
from console.widgets.agent_view import AgentPanel
from console.widgets.banners import Banners
from console.widgets.key_hints import Hint, KeyHints
from console.widgets.objectives import ObjectivesPanel
from console.widgets.service_panel import ServicePanel, silence
from console.widgets.status_bar import Overview, StatusBar
from console.widgets.ticket_table import TicketsPanel
from console.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from console.state import ConsoleState

DEBOUNCE_SECONDS = 0.3
PANELS = ("service", "objectives", "tickets", "agent")


def silence_line(seconds: float, *, owner: bool) -> str:
    """What it means that nothing was measured for ``seconds``, and the mend."""
    said = f"nothing was measured for {span(seconds)}"
    if owner:
        return f"{said}: what is shown is old"
    return f"{said}: the console this one looks at has ended or hangs; q and harness-tui again takes over"


class MainScreen(HarnessScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("main")]
    AUTO_FOCUS = "#ticket-table"

    def __init__(self) -> None:
        super().__init__()
        self._bar = StatusBar()
        self._banners = Banners()
        self._service = ServicePanel()
        self._objectives = ObjectivesPanel()
        self._tickets = TicketsPanel()
        self._agent = AgentPanel()
        self._hints = KeyHints()
        self._last_toggle: dict[str, float] = {}
        self._zoomed: str | None = None

    def compose(self) -> ComposeResult:
        yield TooSmall()
        yield self._bar
        yield self._banners
        with Container(id="body"):
            with Container(id="left"):
                with Container(id="top"):
                    yield self._service
                    yield self._objectives
                yield self._tickets
            yield self._agent
        yield self._hints

    def on_mount(self) -> None:
        self.draw()

    # --- attributes down

    def show_state(self, state: ConsoleState) -> None:
        self.draw()

    def tick(self, now: float) -> None:
        self.draw()

    def draw(self) -> None:
        """Hand every panel its slice; a panel that has it already does nothing."""
        app = self.harness
        now, session = app.now(), app.session
        if session is None:
            self._draw_placeholders()
            return
        state = app.state
        service = state.subject(app.subject)
        waiting = state.waiting()
        ticket = state.tickets.get(state.agent.ticket_id or 0)
        silent = silence(service, now)
        with app.batch_update():
            self._bar.show(
                Overview(
                    service=service,
                    control=state.control,
                    brain=session.brain_label,
                    viewer=not session.owner,
                    sandbox=session.sandbox,
                    waiting=len(waiting),
                    loops=tuple(state.loops),
                    busy=app.busy,
                    stale=silent is not None,
                )
            )
            told = "" if silent is None else silence_line(silent, owner=session.owner)
            self._banners.show(state.control, state.loops, waiting, now, told)
            self._service.show(service, now)
            self._objectives.show(service.objectives, stale=silent is not None)
            self._tickets.show(state.tickets, now)
            self._agent.show(state.agent, ticket, state.control, now)
            dead, slow = service.has_fault("play_dead"), service.has_fault("latency")
            self._hints.show(self._key_hints(len(waiting), state.control.stopped, dead, slow))

    def _draw_placeholders(self) -> None:
        """Before the session is there: every panel stands, calm, and the keys are shown."""
        self._bar.show(Overview(busy=self.harness.busy))
        self._service.show(None, 0.0)
        self._objectives.show(None)
        self._hints.show(self._key_hints(0, False, False, False))

    def _key_hints(self, waiting: int, stopped: bool, dead: bool, slow: bool) -> list[Hint]:
        found: list[Hint] = []
        if waiting:
            found.append(("a", f"review {waiting}", "screen.approvals"))
        found += [
            ("space", "revive" if dead else "play dead", "screen.play_dead"),
            ("z", "remove latency" if slow else "latency", "screen.latency"),
            ("c", "chaos", "screen.chaos"),
            ("n", "ticket", "screen.new_ticket"),
            ("K", "resume" if stopped else "STOP", "app.stop_resume"),
            ("m", "mode", "screen.mode"),
            ("?", "help", "app.help"),
            ("q", "quit", "app.leave"),
            ("/", "filter", "screen.filter"),
            ("l", "logs", "screen.logs"),
            ("f", "maximise", "screen.maximise"),
            ("ctrl+p", "all actions", "app.command_palette"),
        ]
        return found

    def restyle(self) -> None:
        """The theme changed: draw what holds colours of its own."""
        self._tickets.restyle()

    @property
    def typing(self) -> bool:
        """True while a text field has the focus."""
        return isinstance(self.focused, Input)

    # --- actions

    def _debounced(self, name: str) -> bool:
        now = time.monotonic()
        before = self._last_toggle.get(name)
        self._last_toggle[name] = now
        return before is not None and now - before < DEBOUNCE_SECONDS

    def _toggle(self, fault: str) -> None:
        if self._debounced(fault):
            return
        self.harness.toggle_fault(fault)

    def action_play_dead(self) -> None:
        self._toggle("play_dead")

    def action_latency(self) -> None:
        self._toggle("latency")

    def action_chaos(self) -> None:
        self.harness.open_chaos()

    def action_new_ticket(self) -> None:
        self.harness.open_form()

    def action_approvals(self) -> None:
        self.harness.review(asked=True)

    def action_mode(self) -> None:
        self.harness.next_mode()

    def action_logs(self) -> None:
        self.harness.open_logs()

    def action_filter(self) -> None:
        if self._zoomed not in (None, "tickets"):
            self._zoom(None)
        self._tickets.open_filter()

    def action_open(self) -> None:
        """Enter where nothing of its own takes it: the chosen ticket."""
        if self._tickets.selected is not None:
            self.harness.open_ticket(self._tickets.selected)

    def on_tickets_panel_opened(self, event: TicketsPanel.Opened) -> None:
        event.stop()
        self.harness.open_ticket(event.ticket_id)

    def action_back(self) -> None:
        if self._tickets.close_filter():
            return
        if self._zoomed is not None:
            self._zoom(None)

    def _panel(self, name: str) -> Widget:
        return {
            "service": self._service,
            "objectives": self._objectives,
            "tickets": self._tickets,
            "agent": self._agent,
        }[name]

    def action_panel(self, name: str) -> None:
        if self._zoomed is not None:
            self._zoom(name)
        if name == "tickets":
            self._tickets.focus_table()
        else:
            self._panel(name).focus()

    def action_maximise(self) -> None:
        if self._zoomed is not None:
            self._zoom(None)
            return
        focused = self.focused
        for name in PANELS:
            panel = self._panel(name)
            if focused is not None and (focused is panel or panel in focused.ancestors):
                self._zoom(name)
                return

    def _zoom(self, name: str | None) -> None:
        self._zoomed = name
        for panel in PANELS:
            self.set_class(panel == name, f"-zoom-{panel}")
        self.set_class(name is not None, "-zoomed")

    def on_descendant_blur(self) -> None:
        """A text field was left: an approval that waited for that may open now."""
        self.call_after_refresh(self.harness.review)

    def on_screen_resume(self) -> None:
        """A dialog was closed: the same."""
        self.call_after_refresh(self.harness.review)
