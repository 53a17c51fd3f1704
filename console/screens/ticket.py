"""One ticket, whole: criteria with live values, timeline, steps, diffs, approvals."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from console.keymap import bindings
from console.paint import Painted, assemble, piece
from console.screens.base import HarnessScreen
from console.state import ConsoleState
from console.ticket_text import head_pieces, ticket_content
from console.widgets.banners import StoppedLine
from console.widgets.key_hints import KeyHints
from console.widgets.panel import MOVES

REFRESH_SECONDS = 0.5


class TicketScreen(HarnessScreen):
    CSS_PATH = "ticket.tcss"
    AUTO_FOCUS = "#ticket-scroll"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("ticket"), Binding("escape", "back", show=False)]

    def __init__(self, ticket_id: int) -> None:
        super().__init__()
        self.ticket_id = ticket_id
        self._detail: Mapping[str, Any] | None = None
        self._seen: tuple[object, ...] = ()
        self._scroll = TicketScroll(id="ticket-scroll")
        self._head = Painted(id="ticket-head")
        self._body = Static("", markup=False, id="ticket-body")
        self._stopped = StoppedLine()
        self._hints = KeyHints(id="ticket-hints")

    def compose(self) -> ComposeResult:
        yield self._stopped
        yield self._head
        with self._scroll:
            yield self._body
        yield self._hints

    def on_mount(self) -> None:
        self._body.update(assemble([("reading …", "$muted")]))
        self._draw_head()
        self.show_state(self.harness.state)

    def show_state(self, state: ConsoleState) -> None:
        steps = state.agent.steps if state.agent.ticket_id == self.ticket_id else ()
        approvals = tuple(row for row in state.approvals.values() if row.ticket_id == self.ticket_id)
        seen = (state.tickets.get(self.ticket_id), steps, approvals)
        self._draw_head()
        if seen != self._seen:
            self._seen = seen
            self.run_worker(
                self._reload(),
                group="ticket",
                exclusive=True,
                exit_on_error=False,
                description=f"reading ticket #{self.ticket_id}",
            )
        elif self._detail is not None:
            self._draw()

    async def _reload(self) -> None:
        if self._detail is not None:
            await asyncio.sleep(REFRESH_SECONDS)
        self.harness.ask(
            f"reading ticket #{self.ticket_id}",
            lambda operator: operator.ticket_detail(self.ticket_id),
            then=self._take,
            failed=self._fail,
        )

    def _take(self, detail: Mapping[str, Any]) -> None:
        self._detail = detail
        if self.is_attached:
            self._draw()

    def _fail(self, message: str) -> None:
        if self.is_attached:
            self._body.update(assemble([piece(message, "bold $error", 400)]))

    def tick(self, now: float) -> None:
        self._draw_head()

    def _draw_head(self) -> None:
        row = self.harness.state.tickets.get(self.ticket_id)
        now, control = self.harness.now(), self.harness.state.control
        self._head.paint(head_pieces(self.ticket_id, row, now))
        self._stopped.show(control, now)
        self._hints.show(
            [
                ("esc", "back", "screen.back"),
                ("R", "retry", "screen.retry"),
                ("x", "cancel", "screen.cancel"),
                ("K", "resume" if control.stopped else "STOP", "app.stop_resume"),
                ("?", "help", "app.help"),
            ]
        )

    def _draw(self) -> None:
        self._draw_head()
        if self._detail is None:
            return
        service = self.harness.state.subject(self.harness.subject)
        content = ticket_content(self._detail, service.objectives, max(40, self.size.width - 6))
        if not isinstance(self._body.content, type(content)) or content.plain != getattr(
            self._body.content, "plain", None
        ):
            self._body.update(content)

    def on_resize(self) -> None:
        self._draw()

    def action_back(self) -> None:
        self.dismiss(None)

    def action_retry(self) -> None:
        self.harness.ask(
            f"retrying #{self.ticket_id}",
            lambda operator: operator.retry_ticket(self.ticket_id),
            done=f"ticket #{self.ticket_id} is in the queue again",
        )

    def action_cancel(self) -> None:
        from console.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self.harness.ask(
                    f"cancelling #{self.ticket_id}",
                    lambda operator: operator.cancel_ticket(self.ticket_id),
                    done=f"ticket #{self.ticket_id} cancelled",
                )

        self.app.push_screen(
            Confirm(
                f"Cancel ticket #{self.ticket_id}?",
                "The agent stops working on it; what waits for approval is withdrawn. What was changed stays.",
                "Cancel the ticket",
            ),
            answered,
        )


class TicketScroll(VerticalScroll, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = MOVES
