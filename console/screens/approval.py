"""One approval: what exactly will happen, why, and the four answers a person can give.

The keys arm only after a quiet moment, so that a key meant for something else cannot answer; Reject has the
focus and Enter does nothing until something was chosen; whatever is decided elsewhere in the meantime is said
and never sent a second time.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input, TextArea

from console.glyphs import STOP
from console.keymap import bindings
from console.paint import Painted, Piece, assemble, piece
from console.plain import visible_json
from console.screens.approval_text import clock_pieces, diff_pieces, ended_text, facts_pieces, keys_pieces, live_pieces
from console.screens.arming import Arming
from console.screens.base import HarnessModal
from console.slices import ApprovalRow
from console.state import ConsoleState
from console.widgets.choice import Choice

CLOSE_SECONDS = 3.2


class ApprovalModal(Arming, HarnessModal[str]):
    """Dismissed with ``approved``, ``edited``, ``rejected``, ``later`` or ``gone``."""

    CSS_PATH = "approval.tcss"
    AUTO_FOCUS = "#reject"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("approval"),
        Binding("ctrl+s", "submit", show=False),
        Binding("left,up", "step(-1)", show=False),
        Binding("right,down,tab", "step(1)", show=False),
        Binding("shift+tab", "step(-1)", show=False),
        Binding("pagedown,j", "page(1)", show=False),
        Binding("pageup,k", "page(-1)", show=False),
        Binding("K", "app.stop_resume", show=False),
    ]

    def __init__(self, approval_id: int) -> None:
        super().__init__()
        self.approval_id = approval_id
        self._row: ApprovalRow | None = None
        self.chosen = False
        """The operator has moved to an answer; until then Enter does nothing."""
        self._mode = "review"
        self._sending = False
        self._ended = ""
        self._hinting = False
        """The message line only says how to go on, so it may be written anew."""
        self._dialog = Vertical(classes="dialog", id="approval")
        self._target = Painted(id="approval-target")
        self._diff = Painted(id="approval-diff")
        self._facts = Painted(id="approval-facts")
        self._live = Painted(id="approval-live")
        self._message = Painted(id="approval-message")
        self._reason = Input(placeholder="why not? the agent reads this", id="approval-reason", compact=True)
        # tab_behavior "indent" would make the editor keep esc for itself, and esc is the way back.
        self._editor = TextArea("", id="approval-editor", soft_wrap=True, tab_behavior="focus", compact=True)

    def compose(self) -> ComposeResult:
        with self._dialog:
            yield self._target
            with VerticalScroll(id="approval-exact", can_focus=False):
                yield self._diff
            yield self._editor
            yield self._facts
            yield self._live
            yield self._reason
            yield self._message
            with Horizontal(id="approval-keys"):
                yield Choice("a", "Approve", "approve", id="approve")
                yield Choice("r", "Reject", "reject", id="reject")
                yield Choice("e", "Edit", "edit", id="edit")
                yield Choice("esc", "Later", "later", id="later")

    def on_mount(self) -> None:
        self._reason.display = self._editor.display = False
        self._row = self.harness.state.approvals.get(self.approval_id)
        self._draw_once()
        self.show_state(self.harness.state)
        self.wait_for_quiet()

    def armed_changed(self) -> None:
        if self._mode == "review" and not self._sending and not self._ended:
            more = self.query_one("#approval-exact", VerticalScroll).max_scroll_y > 0
            rest = keys_pieces(("pgdn", "shows the rest")) if more else []
            self._say(rest if self.armed else [("keys arm in a moment …", "$muted")])
            self._hinting = True

    def on_key(self, event: events.Key) -> None:
        if self._ended:
            event.stop()
            event.prevent_default()
            self.dismiss("gone")
        elif not self.armed:
            self.wait_for_quiet()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Answers count only when armed, and not while a text is being written."""
        if self._ended:
            return None
        if action in ("choose", "step"):
            return True if self.armed and self._mode == "review" and not self._sending else None
        if action == "submit":
            return self._mode == "edit" and not self._sending
        return True

    # --- what is shown

    def show_state(self, state: ConsoleState) -> None:
        row = state.approvals.get(self.approval_id)
        if row is not None and row.status != "pending" and not self._ended and not self._sending:
            self._end(row)
        self._draw_live(state)

    def tick(self, now: float) -> None:
        row = self._row
        late = row is not None and row.expires_at is not None and now >= row.expires_at
        if row is not None and late and not self._ended and not self._sending:
            self._end(replace(row, status="timed_out"))
        self._draw_live(self.harness.state)

    def _end(self, row: ApprovalRow) -> None:
        self._ended = ended_text(row)
        self.disarm()
        self.add_class("-ended")
        self._reason.display = self._editor.display = False
        self.set_focus(None)
        self._say(
            [
                ("■ ", "bold $warning"),
                (f"{self._ended}. ", "bold $warning"),
                ("Nothing was sent; any key closes.", "$muted"),
            ]
        )
        self.set_timer(CLOSE_SECONDS, self._gone)

    def _gone(self) -> None:
        if self.is_current:
            self.dismiss("gone")

    def _draw_once(self) -> None:
        row = self._row
        if row is None:
            self._end(ApprovalRow(self.approval_id, status="withdrawn"))
            return
        waiting = [item.id for item in self.harness.state.waiting()]
        ticket = self.harness.state.tickets.get(row.ticket_id)
        place = f"{waiting.index(row.id) + 1} of {len(waiting)}" if row.id in waiting else ""
        self._dialog.border_title = assemble(
            [
                ("◆ ", "bold $warning"),
                (f"Approval {place}", "bold"),
                piece(f"  #{row.ticket_id} {ticket.objective if ticket else ''}", "$muted", 60),
            ]
        )
        self._target.paint(
            [piece(row.target or row.tool, "bold $accent", 160), ("  ", ""), piece(row.tool, "bold", 40)]
        )
        exact = row.diff or visible_json(dict(row.arguments))
        self._diff.paint(diff_pieces(exact))
        self._draw_facts()

    def _draw_facts(self) -> None:
        width = self._facts.size.width
        if self._row is not None and width > 0:
            self._facts.paint(facts_pieces(self._row, width, tight=self.size.height < 30))

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        self._draw_facts()
        self._draw_live(self.harness.state)
        if self._hinting:
            self.armed_changed()

    def _draw_live(self, state: ConsoleState) -> None:
        row, now = self._row, self.harness.now()
        if row is None:
            return
        service = state.subject(self.harness.subject)
        self._live.paint(live_pieces(service, max(20, self._live.size.width)))
        stopped = [(f" {STOP} STOPPED, K resumes ", "bold $alarm-ink on $alarm"), ("  ", "")]
        self._dialog.border_subtitle = assemble([*(stopped if state.control.stopped else []), *clock_pieces(row, now)])

    def _say(self, pieces: list[Piece]) -> None:
        self._hinting = False
        self._message.paint(pieces)

    # --- answers

    def action_step(self, by: int) -> None:
        """Move between the answers; from now on Enter means the one that is marked."""
        choices = list(self.query(Choice))
        focused = self.focused
        place = choices.index(focused) if isinstance(focused, Choice) else 1
        self.chosen = True
        choices[(place + by) % len(choices)].focus()

    def action_page(self, by: int) -> None:
        exact = self.query_one("#approval-exact", VerticalScroll)
        if by > 0:
            exact.scroll_page_down(animate=False)
        else:
            exact.scroll_page_up(animate=False)

    def on_choice_taken(self, event: Choice.Taken) -> None:
        """Enter on an answer, or a click; Enter before anything was chosen does nothing."""
        event.stop()
        if not self.armed or self._mode != "review" or self._sending or self._ended:
            return
        if event.by_key and not self.chosen:
            self._say([("nothing is chosen: press a, r, e or esc", "$muted")])
            return
        if event.choice == "later":
            self.action_later()
        else:
            self.action_choose(event.choice)

    def action_choose(self, choice: str) -> None:
        if choice == "approve":
            self._send("approved", lambda operator: operator.approve(self.approval_id))
        elif choice == "reject":
            self._enter("reject")
        else:
            self._enter("edit")

    def _enter(self, mode: str) -> None:
        self._mode = mode
        self.set_class(mode == "edit", "-editing")
        self.set_class(mode != "review", "-writing")
        self._reason.display = mode == "reject"
        self._editor.display = mode == "edit"
        if mode == "reject":
            self._reason.focus()
            self._say(keys_pieces(("enter", "sends the refusal"), ("esc", "back")))
        elif mode == "edit":
            if self._row is not None:
                self._editor.text = visible_json(dict(self._row.arguments))
            self._editor.focus()
            self._say(keys_pieces(("ctrl+s", "approves these arguments"), ("esc", "back")))
        else:
            self.chosen = False
            self.query_one("#reject", Choice).focus()
            self.wait_for_quiet()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        reason = event.value.strip()
        if not reason:
            self._say([("a refusal needs a reason: the agent learns from it", "bold $warning")])
            return
        self._send("rejected", lambda operator: operator.reject(self.approval_id, reason))

    def action_submit(self) -> None:
        """Approve the edited arguments."""
        try:
            arguments = json.loads(self._editor.text)
        except json.JSONDecodeError as error:
            self._say([(f"not valid JSON: {error.msg}, line {error.lineno} column {error.colno}", "bold $error")])
            return
        if not isinstance(arguments, dict):
            self._say([("the arguments must be a JSON object: { … }", "bold $error")])
            return
        self._send("edited", lambda operator: operator.edit(self.approval_id, arguments))

    def action_later(self) -> None:
        """One level back: out of a text, else decide later."""
        if self._sending:
            return
        if self._mode != "review":
            self._enter("review")
            return
        self.dismiss("later")

    def _send(self, answer: str, request: Any) -> None:
        row = self.harness.state.approvals.get(self.approval_id)
        if self._sending or self._ended or row is None or row.status != "pending":
            return
        self._sending = True
        self._say([("sending …", "$accent")])

        def done(_: Any) -> None:
            if self.is_attached and not self._closing:
                self.dismiss(answer)

        def failed(message: str) -> None:
            self._sending = False
            current = self.harness.state.approvals.get(self.approval_id)
            if current is not None and current.status != "pending":
                self._end(current)
                return
            self._say([piece(message, "bold $error", 200)])

        self.harness.ask("sending the decision", request, then=done, failed=failed)
