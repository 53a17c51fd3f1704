"""The application: themes, keys that work everywhere, start and stop, and requests to the operator.

Before the first frame only Textual, the standard library and light modules of ours are imported; screens other
than the main one are imported when they are first opened (a thread warms them up after the start).
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from console.bridge import StateUpdated, pump
from console.keymap import bindings
from console.lifecycle import close_within, end_for_certain, install_signal_handlers, warm_up
from console.operator import OperatorError
from console.plain import plain
from console.requests import Requests
from console.screens.base import HarnessModal, HarnessScreen
from console.screens.main import MainScreen
from console.themes import EXTRA_VARIABLES, HARNESS, MONO, THEMES

if TYPE_CHECKING:
    from console.boot import Boot, Session
    from console.operator import Operator
    from console.state import ConsoleState

HORIZONTAL: list[tuple[int, str]] = [(0, "-tiny"), (60, "-narrow"), (100, "-wide")]
VERTICAL: list[tuple[int, str]] = [(0, "-flat"), (18, "-short"), (30, "-tall")]
CLOSE_SECONDS = 8.0
SLOW_SECONDS = 1.0


def _palette() -> type[Any]:
    from console.commands import HarnessCommands

    return HarnessCommands


class HarnessApp(Requests, App[int]):
    """The console. ``boot`` starts and stops the harness; ``clock`` gives epoch seconds for ages on screen."""

    TITLE = "harness"
    CSS_PATH = ["styles/base.tcss", "screens/main.tcss"]  # noqa: RUF012 - declared by the base class
    COMMANDS = {_palette}  # noqa: RUF012 - declared by the base class
    HORIZONTAL_BREAKPOINTS = HORIZONTAL
    VERTICAL_BREAKPOINTS = VERTICAL
    NOTIFICATION_TIMEOUT = 4
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("app"),
        Binding("ctrl+q", "leave", "quit", show=False),
        Binding("ctrl+c", "interrupt", "copy the selection, or quit", show=False, priority=True),
    ]

    def __init__(self, boot: Boot, *, clock: Callable[[], float] = time.time, theme: str = "harness") -> None:
        super().__init__()
        self.boot = boot
        self.now = clock
        self.session: Session | None = None
        self._state: ConsoleState | None = None
        self.busy = ""
        self.subject = ""
        self.failure: str | None = None
        self._session_closed = False
        self._leaving = False
        self._interrupted = False
        self.main = MainScreen()
        for house in (*THEMES, MONO):
            self.register_theme(house)
        self.theme = MONO.name if self.no_color else theme if theme in self.available_themes else HARNESS.name

    @property
    def state(self) -> ConsoleState:
        """What is known now; empty until the session is there."""
        if self._state is None:
            from console.state import ConsoleState

            self._state = ConsoleState()
        return self._state

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return EXTRA_VARIABLES

    def get_default_screen(self) -> Screen[Any]:
        """The main screen, already in the shape that fits the terminal: it is laid out once, not twice."""
        for length, points in ((self.size.width, HORIZONTAL), (self.size.height, VERTICAL)):
            self.main.add_class(next(name for least, name in reversed(points) if length >= least))
        return self.main

    # --- start and stop

    def on_load(self) -> None:
        """A collection in the middle of the first frame would cost a tenth of it; ``_begin`` allows them again."""
        gc.disable()

    def on_mount(self) -> None:
        install_signal_handlers(self._signalled)
        self.theme_changed_signal.subscribe(self, lambda theme: self.main.restyle())
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        gc.enable()
        self.run_worker(self._run(), name="session", group="session", description="starting", exit_on_error=False)

    async def _run(self) -> None:
        try:
            session = await self.boot.start()
        except OperatorError as error:
            self._fail(str(error))
            return
        self.session = session
        self.subject = next(iter(session.subjects), "")
        self.main.draw()
        gc.freeze()
        self.run_worker(asyncio.to_thread(warm_up), group="warm", exit_on_error=False)
        await pump(session, self.post_message)

    def _fail(self, message: str) -> None:
        from console.screens.error import ErrorScreen

        self.failure = message
        self.push_screen(ErrorScreen("The harness could not start", message))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """One place for a worker that broke: said on screen, never silent, never the end of the console."""
        if event.state is not WorkerState.ERROR:
            return
        error = event.worker.error
        text = f"{event.worker.description or event.worker.name}: {type(error).__name__}: {error}"
        self.log.error(text)
        if event.worker.group == "session":
            self._fail(text)
        else:
            self.say(text, severity="error")

    def _signalled(self, number: int) -> None:
        self.leave_now(128 + number)

    def leave_now(self, code: int = 0) -> None:
        """Close the session within a deadline, then exit with ``code``."""
        if self._leaving:
            return
        self._leaving = True
        if not self.is_headless:
            end_for_certain(code, CLOSE_SECONDS + 5)
        self.busy = "stopping the service"
        self.main.draw()
        self.run_worker(self._leave(code), group="leave", description="leaving", exit_on_error=False)

    async def _leave(self, code: int) -> None:
        await self._close()
        if not self.is_headless:
            end_for_certain(code, 3)
        self.exit(code, return_code=code)

    async def _close(self) -> None:
        if not self._session_closed:
            self._session_closed = True
            for worker in list(self.workers):
                if worker.group in ("session", "request"):
                    worker.cancel()
            await close_within(self.boot.close(), CLOSE_SECONDS)

    async def on_unmount(self) -> None:
        gc.enable()
        await self._close()

    # --- state down

    def on_state_updated(self, event: StateUpdated) -> None:
        before, self._state = self.state, event.state
        fresh = [row for row in event.state.waiting() if row.id not in before.approvals]
        with self.batch_update():
            for screen in self.screen_stack:
                if isinstance(screen, HarnessScreen | HarnessModal):
                    screen.show_state(self.state)
        if fresh and self.session is not None:
            self.bell()
        self.review()

    def _tick(self) -> None:
        now = self.now()
        for screen in self.screen_stack:
            if isinstance(screen, HarnessScreen | HarnessModal):
                screen.tick(now)

    # --- requests

    @property
    def operator(self) -> Operator | None:
        return self.session.operator if self.session is not None else None

    def say(self, message: str, *, severity: SeverityLevel = "information", title: str = "") -> None:
        """One line to the operator, shown as plain text."""
        self.notify(plain(message, lines=True, limit=400), title=title, severity=severity, markup=False)

    def ask(
        self,
        label: str,
        request: Callable[[Operator], Awaitable[Any]],
        *,
        done: str = "",
        then: Callable[[Any], None] | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Carry out ``request`` in a worker; after a second the status bar shows ``label``; an error is a toast."""
        operator = self.operator
        if operator is None:
            self.say("still starting — try again in a moment", severity="warning")
            return

        async def work() -> None:
            timer = self.set_timer(SLOW_SECONDS, lambda: self._busy(label))
            try:
                answer = await request(operator)
            except OperatorError as error:
                if failed is not None:
                    failed(str(error))
                else:
                    self.say(str(error), severity="error")
                return
            finally:
                timer.stop()
                if self.busy == label:
                    self._busy("")
            if done:
                self.say(done)
            if then is not None:
                then(answer)

        self.run_worker(work(), name=label, group="request", description=label, exit_on_error=False)

    def _busy(self, label: str) -> None:
        if not self._leaving:
            self.busy = label
            self.main.draw()

    # --- leaving

    def action_leave(self) -> None:
        """Quit; asks only when an approval waits or a fault is on."""
        if self._leaving:
            return
        waiting = len(self.state.waiting())
        if not waiting and not self.state.any_fault():
            self.leave_now()
            return
        from console.screens.confirm import Confirm

        why = []
        if waiting:
            why.append(
                f"{waiting} approval{'s' if waiting > 1 else ''} still wait{'s' if waiting == 1 else ''} for you."
            )
        if self.state.any_fault():
            why.append("A fault is still injected.")
        self.push_screen(Confirm("Quit the harness?", " ".join(why), "Quit"), self._left)

    def _left(self, yes: bool | None) -> None:
        self._interrupted = False
        if yes:
            self.leave_now()

    async def action_quit(self) -> None:
        self.action_leave()

    def action_interrupt(self) -> None:
        """ctrl+c: copy what is selected; else leave as ``q`` does, and at once when pressed again."""
        focused = self.screen.focused
        selected = self.screen.get_selected_text() or str(getattr(focused, "selected_text", ""))
        if selected:
            self.copy_to_clipboard(selected)
            self.say("copied")
            return
        if self._interrupted:
            self.leave_now(130)
            return
        self._interrupted = True
        self.set_timer(3.0, self._forget_interrupt)
        self.action_leave()

    def _forget_interrupt(self) -> None:
        self._interrupted = False
