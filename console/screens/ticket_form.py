"""A ticket from a person: what is wanted, and how the harness will see that it holds."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Label, Select, TextArea

from console.glyphs import INVARIANT
from console.keymap import bindings
from console.paint import NEWLINE, Painted, Piece, piece
from console.plain import plain
from console.screens.base import HarnessModal
from monitor.records import PRIORITIES

_EXAMPLE = "rate_limiter_healthy"


class TicketForm(HarnessModal[None]):
    CSS_PATH = "ticket_form.tcss"
    AUTO_FOCUS = "#form-objective"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("form"),
        Binding("escape", "cancel", show=False),
        Binding("K", "app.stop_resume", show=False),
    ]

    def __init__(self, subjects: list[str]) -> None:
        super().__init__()
        self._subjects = subjects or [""]
        self._sending = False
        self._subject: Select[str] = Select(
            [(Content(plain(name)), name) for name in self._subjects],
            value=self._subjects[0],
            allow_blank=False,
            id="form-subject",
            compact=True,
        )
        self._priority: Select[str] = Select(
            [(name, name) for name in PRIORITIES], value="medium", allow_blank=False, id="form-priority", compact=True
        )
        self._objective = Input(placeholder="what should be so", id="form-objective", compact=True, max_length=300)
        self._criteria = TextArea(
            "",
            id="form-criteria",
            tab_behavior="focus",
            compact=True,
            soft_wrap=True,
            placeholder=f"one per line, for example\n{_EXAMPLE}\nconfig.capacity == 200",
        )
        self._notes = TextArea(
            "",
            id="form-context",
            tab_behavior="focus",
            compact=True,
            soft_wrap=True,
            placeholder="what the agent should know (data, never permission)",
        )
        self._checked = Painted(id="form-checked")
        self._message = Painted(id="form-message")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="form") as dialog:
            dialog.border_title = Content.assemble(("New ticket", "bold"))
            with Horizontal(classes="form-row"):
                yield Label("subject", classes="form-label")
                yield self._subject
                yield Label("priority", classes="form-label short")
                yield self._priority
            with Horizontal(classes="form-row"):
                yield Label("objective", classes="form-label")
                yield self._objective
            with Horizontal(classes="form-area"):
                yield Label("success\ncriteria", classes="form-label")
                yield self._criteria
            yield self._checked
            with Horizontal(classes="form-area"):
                yield Label("context", classes="form-label")
                yield self._notes
            yield self._message

    def on_mount(self) -> None:
        self._check()
        self._say([])

    def _say(self, pieces: list[Piece]) -> None:
        keys: list[Piece] = [
            ("ctrl+s", "bold $accent"),
            (" files it   ", "$muted"),
            ("tab", "bold $accent"),
            (" next field   ", "$muted"),
            ("esc", "bold $accent"),
            (" close", "$muted"),
        ]
        self._message.paint(pieces or keys)

    @property
    def criteria(self) -> list[str]:
        return [line.strip() for line in self._criteria.text.split("\n") if line.strip()]

    def _problems(self) -> list[tuple[int, str]]:
        operator = self.harness.operator
        if operator is None:
            return []
        found = []
        for number, line in enumerate(self.criteria, 1):
            problem = operator.check_criterion(line)
            if problem is not None:
                found.append((number, problem))
        return found

    def _check(self) -> None:
        problems = self._problems()
        shown: list[Piece] = []
        if not self.criteria:
            shown = [("each line is checked as you type", "$faint")]
        elif not problems:
            good = INVARIANT["holding"]
            shown = [(f"{good.glyph} ", f"bold {good.style}"), (f"{len(self.criteria)} understood", good.style)]
        else:
            bad = INVARIANT["violated"]
            for number, problem in problems[:2]:
                shown += [
                    *([NEWLINE] if shown else []),
                    (f"{bad.glyph} line {number}: ", f"bold {bad.style}"),
                    piece(problem, "$warning", 110),
                ]
        self._checked.paint(shown)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._check()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._say([])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._criteria.focus()

    @property
    def dirty(self) -> bool:
        """Something was typed that closing would lose."""
        return bool(self._objective.value.strip() or self._criteria.text.strip() or self._notes.text.strip())

    def action_file(self) -> None:
        if self._sending:
            return
        objective = self._objective.value.strip()
        if not objective:
            self._say([("an objective is needed: what should be so?", "bold $warning")])
            self._objective.focus()
            return
        if not self.criteria:
            self._say([(f"one success criterion at least, for example {_EXAMPLE}", "bold $warning")])
            self._criteria.focus()
            return
        if self._problems():
            self._say([("a criterion is not understood; see above", "bold $warning")])
            self._criteria.focus()
            return
        subject, priority = str(self._subject.value), str(self._priority.value)
        criteria, context = self.criteria, self._notes.text.strip()
        self._sending = True
        self._say([("filing …", "$accent")])

        def done(number: Any) -> None:
            self.harness.say(f"ticket #{number} filed")
            if self.is_attached:
                self.dismiss(None)

        def failed(message: str) -> None:
            self._sending = False
            self._say([piece(message, "bold $error", 200)])

        self.harness.ask(
            "filing the ticket",
            lambda operator: operator.file_ticket(subject, objective, criteria, priority, context),
            then=done,
            failed=failed,
        )

    def action_cancel(self) -> None:
        """Close; asks only when something was typed."""
        if self._sending:
            return
        if not self.dirty:
            self.dismiss(None)
            return
        from console.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self.dismiss(None)

        self.app.push_screen(Confirm("Throw the ticket away?", "What you typed is not kept.", "Throw away"), answered)
