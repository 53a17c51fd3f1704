"""The service's own output: follow, filter, copy."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from console.keymap import bindings
from console.paint import Piece, assemble, piece
from console.plain import plain
from console.screens.base import HarnessScreen
from console.state import ConsoleState
from console.widgets.banners import StoppedLine
from console.widgets.key_hints import KeyHints
from console.widgets.lines import Lines

LIMIT = 2_000
COPY_BYTES = 64 * 1024


class LogScreen(HarnessScreen):
    CSS_PATH = "log.tcss"
    AUTO_FOCUS = "#log-lines"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("log"), Binding("escape", "back", show=False)]

    def __init__(self, subject: str) -> None:
        super().__init__()
        self._subject = subject
        self._lines = Lines(id="log-lines")
        self._filter = Input(placeholder="filter: every word must be in the line", id="log-filter", compact=True)
        self._asking = False
        self._stopped = StoppedLine()
        self._hints = KeyHints(id="log-hints")

    def compose(self) -> ComposeResult:
        yield self._stopped
        yield self._lines
        yield self._filter
        yield self._hints

    def on_mount(self) -> None:
        self._filter.display = False
        self._lines.placeholder = "reading …"
        self.watch(self._lines, "following", self._titles)
        self._titles()
        self.tick(self.harness.now())

    def show_state(self, state: ConsoleState) -> None:
        stopped = state.control.stopped
        self._stopped.show(state.control, self.harness.now())
        self._hints.show(
            [
                ("esc", "back", "screen.back"),
                ("/", "filter", "screen.filter"),
                ("s", "follow", "screen.follow"),
                ("y", "copy", "screen.copy"),
                ("K", "resume" if stopped else "STOP", "app.stop_resume"),
                ("?", "help", "app.help"),
            ]
        )

    def tick(self, now: float) -> None:
        self.show_state(self.harness.state)
        if self._asking:
            return
        self._asking = True

        def put(lines: list[str]) -> None:
            self._asking = False
            if self.is_attached:
                self._lines.placeholder = "no line matches" if lines else "nothing was written yet"
                self._lines.put(lines)
                self._titles()

        def failed(message: str) -> None:
            self._asking = False
            self._lines.placeholder = plain(message)
            self._lines.put([])

        self.harness.ask(
            "reading the log", lambda operator: operator.log_lines(self._subject, LIMIT), then=put, failed=failed
        )

    def _titles(self) -> None:
        count = f"{len(self._lines.shown)} of {self._lines.total} lines"
        follow: Piece = ("follows", "$success") if self._lines.following else ("held — end follows", "bold $warning")
        self._lines.border_title = assemble([piece(f"Log of {self._subject}", "bold")])
        self._lines.border_subtitle = assemble([(f"{count} · ", "$muted"), follow])

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._lines.narrow(event.value)
        self._titles()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._lines.focus()

    def action_filter(self) -> None:
        self._filter.display = True
        self._filter.focus()

    def action_follow(self) -> None:
        if self._lines.following:
            self._lines.following = False
        else:
            self._lines.action_follow()

    def action_copy(self) -> None:
        text = "\n".join(self._lines.shown)
        cut = text.encode()[-COPY_BYTES:].decode(errors="ignore")
        self.app.copy_to_clipboard(cut)
        self.harness.say(f"copied {len(cut.splitlines())} lines")

    def action_back(self) -> None:
        if self._filter.display:
            self._filter.value = ""
            self._filter.display = False
            self._lines.focus()
            return
        self.dismiss(None)
