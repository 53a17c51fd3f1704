"""What keys and the palette ask for: faults, mode, stop, and the screens that are opened.

A mix-in of the application, so that every way to ask for something ends in the same method.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

    from console.app import HarnessApp
    from console.operator import Operator

    Host = App[int]
else:
    Host = object


class Requests(Host):
    """Actions of the console; ``ask`` carries them out."""

    _reviewing: bool = False

    @property
    def _harness(self) -> HarnessApp:
        return self  # type: ignore[return-value]

    def _ask(self, label: str, request: Callable[[Operator], Awaitable[Any]], done: str = "") -> None:
        self._harness.ask(label, request, done=done)

    # --- chaos

    def toggle_fault(self, name: str) -> None:
        """Inject ``name``, or clear it when it is on now."""
        app = self._harness
        if app.state.subject(app.subject).has_fault(name):
            done = {"play_dead": "revived", "latency": "latency removed"}.get(name, f"{name} cleared")
            self._ask(f"clearing {name}", lambda operator: operator.clear(name), done)
        else:
            done = {
                "play_dead": "playing dead — SPACE revives",
                "latency": "latency added — z removes it",
            }.get(name, f"{name} injected")
            self._ask(f"injecting {name}", lambda operator: operator.inject(name, {}), done)

    def open_chaos(self) -> None:
        from console.screens.chaos import ChaosMenu

        if self._harness.operator is None:
            self._ask("", _nothing)
            return
        self._harness.push_screen(ChaosMenu())

    # --- control

    def action_stop_resume(self) -> None:
        """One press stops everything at once; resuming asks first."""
        app = self._harness
        if not app.state.control.stopped:
            self._ask("stopping", lambda operator: operator.stop("stopped from the console"), "STOPPED — K resumes")
            return
        from console.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self._ask("resuming", lambda operator: operator.resume(), "resumed")

        app.push_screen(
            Confirm("Resume?", "The agent goes on with its tickets; nothing runs that needs your approval.", "Resume"),
            answered,
        )

    def next_mode(self) -> None:
        """observe → supervised → autonomous → observe; autonomous is confirmed."""
        from monitor.records import MODES

        app = self._harness
        current = app.state.control.mode
        following = MODES[(MODES.index(current) + 1) % len(MODES)] if current in MODES else MODES[1]
        self.set_mode(following)

    def set_mode(self, mode: str) -> None:
        if mode != "autonomous":
            self._ask(f"mode {mode}", lambda operator: operator.mode_set(mode), f"mode: {mode}")
            return
        from console.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self._ask(f"mode {mode}", lambda operator: operator.mode_set(mode), f"mode: {mode}")

        self._harness.push_screen(
            Confirm(
                "Autonomous mode?",
                "What can be undone then runs without asking; everything else still asks.",
                "Go autonomous",
            ),
            answered,
        )

    # --- screens

    def review(self, *, asked: bool = False) -> None:
        """Open the next approval when one waits and nothing would be interrupted by it.

        Args:
            asked: the operator asked for it, so one that was put off counts as well.
        """
        app = self._harness
        if self._reviewing or app.session is None or app.screen is not app.main or app.main.typing:
            return
        waiting = app.state.waiting()
        fresh = [row for row in waiting if row.id not in self._parked]
        if asked:
            if not waiting:
                app.say("nothing waits for your approval")
                return
            self._parked.clear()
            self._show_approval(waiting[0].id)
        elif fresh:
            self._show_approval(fresh[0].id)

    @property
    def _parked(self) -> set[int]:
        parked: set[int] = self.__dict__.setdefault("_parked_ids", set())
        return parked

    def _show_approval(self, approval_id: int) -> None:
        from console.screens.approval import ApprovalModal

        app = self._harness
        self._reviewing = True

        def decided(answer: str | None) -> None:
            self._reviewing = False
            self._parked.add(approval_id)
            if answer in (None, "later"):
                self._parked.update(row.id for row in app.state.waiting())
                return
            others = [row for row in app.state.waiting() if row.id != approval_id and row.id not in self._parked]
            if others:
                self._show_approval(others[0].id)
            elif answer in ("approved", "edited", "rejected"):
                app.say(f"{answer} — nothing else waits")

        app.push_screen(ApprovalModal(approval_id), decided)

    def open_form(self) -> None:
        from console.screens.ticket_form import TicketForm

        app = self._harness
        if app.session is None:
            self._ask("", _nothing)
            return
        app.push_screen(TicketForm(list(app.session.subjects)))

    def open_ticket(self, ticket_id: int) -> None:
        from console.screens.ticket import TicketScreen

        self._harness.push_screen(TicketScreen(ticket_id))

    def open_logs(self) -> None:
        from console.screens.log import LogScreen

        app = self._harness
        if app.operator is None:
            self._ask("", _nothing)
            return
        app.push_screen(LogScreen(app.subject))

    def action_help(self) -> None:
        from console.screens.help import HelpScreen

        app = self._harness
        if not isinstance(app.screen, HelpScreen):
            app.push_screen(HelpScreen())

    def action_next_theme(self) -> None:
        """Calm, high contrast, and round again."""
        from console.themes import THEMES

        names = [house.name for house in THEMES]
        place = names.index(self.theme) + 1 if self.theme in names else 0
        self.theme = names[place % len(names)]


async def _nothing(operator: Operator) -> None:
    """Asked for only to be told that the start is not over."""
