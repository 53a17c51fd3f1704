"""The agent's reasoning as it happens: finished steps, then the step that is being made.

Live text goes into one cheap block that shows only its last lines; a finished step becomes a folded widget.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console.glyphs import MORE, PROMPT
from console.paint import NEWLINE, Painted, Piece, piece
from console.plain import plain
from console.timefmt import span
from console.widgets.panel import Panel

if TYPE_CHECKING:
    from console.slices import AgentSlice, ControlSlice, Live, TicketRow
    from console.widgets.step_view import StepView

MAX_VIEWS = 80
LIVE_LINES = 8
_LIVE_TAIL = 2_400


def live_lines(live: Live, width: int, rows: int = LIVE_LINES) -> list[Piece]:
    """The tail of what streams, wrapped to ``width`` and at most ``rows`` lines long."""
    channel, style = "writing", ""
    text = live.text
    if live.call:
        channel, text, style = "calling a tool", live.call, "$accent"
    elif not text:
        channel, text, style = "thinking", live.thinking, "$muted italic"
    wrapped: list[str] = []
    for line in plain(text[-_LIVE_TAIL:], lines=True).split("\n"):
        wrapped += textwrap.wrap(line, max(10, width - 4), drop_whitespace=True) or [""]
    while wrapped and not wrapped[-1].strip():
        wrapped.pop()
    pieces: list[Piece] = [
        (f"[{live.step}] ", "$faint"),
        (f"{PROMPT} ", "bold $accent"),
        (f"{channel} {MORE}", "$accent"),
    ]
    for line in wrapped[-rows:]:
        pieces += [NEWLINE, (f"    {line}", style)]
    return pieces


class AgentPanel(Panel):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "choose(1)", show=False),
        Binding("k", "choose(-1)", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G,end", "follow", show=False),
        Binding("enter", "unfold", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(4, "Agent", id="agent")
        self._idle = Painted(id="agent-idle")
        self._live = Painted(id="agent-live")
        self._views: dict[int, StepView] = {}
        self._agent: AgentSlice | None = None
        self._chosen: int | None = None
        self.following = True
        """The newest line is kept in view; scrolling up holds, End or scrolling to the end follows again."""

    def compose(self) -> ComposeResult:
        yield self._idle
        yield self._live

    def on_mount(self) -> None:
        self._idle.paint([("starting …", "$muted")])
        self._live.display = False

    def show(self, agent: AgentSlice | None, ticket: TicketRow | None, control: ControlSlice, now: float) -> None:
        if agent is not None and agent is not self._agent:
            self._agent = agent
            self._reconcile(agent)
        self._head(agent, ticket, control, now)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        at_end = new_value >= self.max_scroll_y
        if new_value < old_value:
            self.following = at_end
        elif at_end:
            self.following = True
        self._held()

    def _to_end(self) -> None:
        if self.following and self.is_attached:
            self.scroll_to(y=self.max_scroll_y, animate=False)

    def on_resize(self, event: events.Resize) -> None:
        if self._agent is not None and self._agent.live is not None:
            self._live.paint(live_lines(self._agent.live, self.size.width))

    def _head(self, agent: AgentSlice | None, ticket: TicketRow | None, control: ControlSlice, now: float) -> None:
        if agent is None:
            return
        word, style = activity(agent, ticket, control)
        aside: list[Piece] = []
        if agent.ticket_id is not None:
            aside.append((f"#{agent.ticket_id} ", "bold $accent"))
        if word == "waiting" and agent.waiting_until is not None:
            word = f"waiting {span(agent.waiting_until - now)}"
        aside.append((word, style))
        self.head(*aside)
        if agent.steps or agent.live is not None:
            self._idle.display = False
            return
        self._idle.display = True
        if agent.ticket_id is not None and ticket is not None:
            said = "waiting in the queue" if ticket.status == "pending" else "reading the ticket …"
            self._idle.paint([piece(ticket.objective, "bold"), (f"\n\n{said}", "$muted")])
            return
        self._idle.paint(
            [
                ("No ticket is being worked.\n\n", "$muted"),
                ("space", "bold $accent"),
                (" play dead   ", "$muted"),
                ("z", "bold $accent"),
                (" add latency\n", "$muted"),
                ("c", "bold $accent"),
                ("     every fault ", "$muted"),
                ("n", "bold $accent"),
                (" ask for something", "$muted"),
            ]
        )

    def _reconcile(self, agent: AgentSlice) -> None:
        from console.widgets.step_view import StepView

        steps = agent.steps[-MAX_VIEWS:]
        wanted = {step.key for step in steps}
        for key in [key for key in self._views if key not in wanted]:
            self._views.pop(key).remove()
            if self._chosen == key:
                self._chosen = None
        fresh = []
        for step in steps:
            view = self._views.get(step.key)
            if view is None:
                view = self._views[step.key] = StepView(step)
                fresh.append(view)
            else:
                view.show(step)
        if fresh:
            self.mount(*fresh, before=self._live)
        live = agent.live
        self._live.display = live is not None or bool(agent.waiting)
        if live is not None:
            self._live.paint(live_lines(live, self.size.width))
        elif agent.waiting:
            self._live.paint([(f"    {MORE} ", "$warning"), piece(agent.waiting, "$warning", 200)])
        if self.following:
            self.call_after_refresh(self._to_end)

    def _held(self) -> None:
        if not self.is_attached:
            return
        if self.following or self.max_scroll_y <= 0:
            self.foot()
        else:
            self.foot(("held ", "bold $warning"), ("end follows again", "$muted"))

    def action_follow(self) -> None:
        """Follow the live text again."""
        self._choose(None)
        self.following = True
        self._to_end()
        self._held()

    def action_choose(self, by: int) -> None:
        keys = list(self._views)
        if not keys:
            return
        place = keys.index(self._chosen) + by if self._chosen in keys else (len(keys) - 1 if by < 0 else 0)
        self._choose(keys[max(0, min(len(keys) - 1, place))])

    def _choose(self, key: int | None) -> None:
        self._chosen = key
        for step, view in self._views.items():
            view.set_class(step == key, "-chosen")
        if key is not None:
            self.following = False
            self._views[key].scroll_visible(animate=False)
        self._held()

    async def action_unfold(self) -> None:
        key = self._chosen if self._chosen in self._views else next(reversed(self._views), None)
        if key is not None:
            await self._views[key].toggle()

    async def on_step_view_toggled(self, event: StepView.Toggled) -> None:
        event.stop()
        self._choose(event.view.step.key)
        await event.view.toggle()


def activity(agent: AgentSlice, ticket: TicketRow | None, control: ControlSlice) -> tuple[str, str]:
    """What the agent does now, in one word, and its style."""
    if control.stopped:
        return "stopped", "bold $error"
    status = ticket.status if ticket is not None else ""
    if agent.waiting:
        return "waiting", "$warning"
    if status == "awaiting_approval":
        return "waiting for you", "bold $warning"
    if status == "verifying":
        return "verifying", "$accent"
    if status == "in_progress":
        return "working", "$accent"
    if ticket is not None and not ticket.is_open:
        return plain(ticket.outcome or ticket.status).replace("_", " "), "$muted"
    return "idle", "$muted"
