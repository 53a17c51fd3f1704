"""Everything the console shows, folded from events by one pure function.

``reduce`` never looks at the clock or the world, folds an event that it has seen before to the same state, and
keeps every part bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from console.slices import AgentSlice, ApprovalRow, ControlSlice, Drift, Objective, Service, TicketRow
from console.steps import fold_approval, fold_delta, fold_entry, turn_to
from console.timefmt import moment
from monitor.events import Event

MAX_CLOSED = 500
MAX_DECIDED = 50
MAX_HISTORY = 120


@dataclass(frozen=True, slots=True)
class ConsoleState:
    services: Mapping[str, Service] = field(default_factory=dict)
    tickets: Mapping[int, TicketRow] = field(default_factory=dict)
    approvals: Mapping[int, ApprovalRow] = field(default_factory=dict)
    control: ControlSlice = field(default_factory=ControlSlice)
    agent: AgentSlice = field(default_factory=AgentSlice)
    loops: Mapping[str, str] = field(default_factory=dict)
    """Loops that failed and have not resumed, each with the reason."""

    def waiting(self) -> list[ApprovalRow]:
        """Approvals that wait for a person, first come first."""
        return [row for row in self.approvals.values() if row.status == "pending"]

    def subject(self, name: str) -> Service:
        return self.services.get(name) or Service(name)

    def any_fault(self) -> bool:
        return any(service.faults for service in self.services.values())


def reduce(state: ConsoleState, event: Event) -> ConsoleState:
    """The state after ``event``; an event it does not know, or a malformed one, changes nothing."""
    fold = _FOLDS.get(event.kind)
    if fold is None:
        return state
    try:
        return fold(state, event)
    except (KeyError, TypeError, ValueError, AttributeError):
        return state


def reduce_all(state: ConsoleState, events: Iterable[Event]) -> ConsoleState:
    for event in events:
        state = reduce(state, event)
    return state


def _ticket(state: ConsoleState, event: Event) -> ConsoleState:
    raw = event.data["ticket"]
    row = TicketRow(
        id=int(raw["id"]),
        subject=str(raw.get("subject") or ""),
        source=str(raw.get("source") or ""),
        priority=str(raw.get("priority") or "medium"),
        status=str(raw.get("status") or "pending"),
        outcome=str(raw.get("outcome") or ""),
        objective=str(raw.get("objective") or ""),
        criteria=tuple(str(item) for item in raw.get("criteria") or ()),
        created_at=moment(raw.get("created_at")),
        updated_at=moment(raw.get("updated_at")) or 0.0,
        closed_at=moment(raw.get("closed_at")),
        occurrences=int(raw.get("occurrences") or 1),
        attempts=int(raw.get("attempts") or 0),
    )
    known = state.tickets.get(row.id)
    if known is not None and row.updated_at < known.updated_at:
        return state
    agent = state.agent
    if event.data.get("what") == "claimed":
        agent = turn_to(agent, row.id)
    elif agent.ticket_id == row.id and (not row.is_open or row.status == "pending"):
        agent = replace(agent, live=None, waiting="", waiting_until=None)
    if known == row:
        return state if agent is state.agent else replace(state, agent=agent)
    tickets = {**state.tickets, row.id: row}
    if len(tickets) > MAX_CLOSED:
        closed = sorted(
            (item for item in tickets.values() if not item.is_open), key=lambda item: (item.closed_at or 0.0, item.id)
        )
        for item in closed[: max(0, len(closed) - MAX_CLOSED)]:
            del tickets[item.id]
    return replace(state, tickets=tickets, agent=agent)


def _approval(state: ConsoleState, event: Event) -> ConsoleState:
    raw = event.data["approval"]
    status = str(raw.get("status") or "pending")
    edited = raw.get("edited_arguments")
    row = ApprovalRow(
        id=int(raw["id"]),
        ticket_id=int(raw.get("ticket_id") or 0),
        action_id=str(raw.get("action_id") or ""),
        tool=str(raw.get("tool") or ""),
        arguments=dict(edited if status == "edited" and edited else raw.get("arguments") or {}),
        effect=str(raw.get("effect") or ""),
        target=str(raw.get("target") or ""),
        rule=str(raw.get("rule") or ""),
        why=str(raw.get("why") or ""),
        diff=str(raw.get("diff") or ""),
        undo=str(raw.get("undo") or ""),
        status=status,
        requested_at=moment(raw.get("requested_at")),
        expires_at=moment(raw.get("expires_at")),
        decided_by=str(raw.get("decided_by") or ""),
        reason=str(raw.get("reason") or ""),
    )
    known = state.approvals.get(row.id)
    if known == row or (known is not None and known.status != "pending" and status == "pending"):
        return state
    approvals = dict(sorted({**state.approvals, row.id: row}.items()))
    decided = [item.id for item in approvals.values() if item.status != "pending"]
    for gone in decided[: max(0, len(decided) - MAX_DECIDED)]:
        del approvals[gone]
    return replace(state, approvals=approvals, agent=fold_approval(state.agent, row))


def _journal(state: ConsoleState, event: Event) -> ConsoleState:
    return replace(state, agent=fold_entry(state.agent, event.data["entry"]))


def _control(state: ConsoleState, event: Event) -> ConsoleState:
    raw = event.data["control"]
    control = ControlSlice(
        mode=str(raw.get("mode") or "supervised"),
        stopped=bool(raw.get("stopped")),
        reason=str(raw.get("stop_reason") or ""),
        by=str(raw.get("stopped_by") or ""),
        at=moment(raw.get("stopped_at")),
    )
    return replace(state, control=control)


def _with_service(state: ConsoleState, service: Service) -> ConsoleState:
    return replace(state, services={**state.services, service.subject: service})


def _observed(state: ConsoleState, event: Event) -> ConsoleState:
    raw = event.data["observed"]
    service = state.subject(str(raw.get("subject") or event.subject))
    process = str(raw.get("state") or "")
    shown = service.state
    if process in ("backoff", "failed", "blocked"):
        shown = "down"
    elif process in ("starting", "stopping", "stopped"):
        shown = "stopped" if process != "starting" else "starting"
    return _with_service(
        state,
        replace(
            service,
            state=shown,
            process=process,
            pid=raw.get("pid"),
            port=raw.get("port"),
            restarts=int(raw.get("restarts") or 0),
            started_at=moment(raw.get("started_at")),
            detail=str(raw.get("detail") or ""),
        ),
    )


def _tick(state: ConsoleState, event: Event) -> ConsoleState:
    raw = event.data["snapshot"]
    service = state.subject(str(raw.get("subject") or event.subject))
    latency, traffic = raw.get("latency") or {}, raw.get("traffic") or {}
    updated = replace(
        service,
        state=str(raw.get("state") or "unknown"),
        process=str(raw.get("process_state") or service.process),
        pid=raw.get("pid"),
        port=raw.get("port"),
        restarts=int(raw.get("restarts") or 0),
        started_at=moment(raw.get("started_at")),
        detail=str(raw.get("detail") or ""),
        last_ms=latency.get("last_ms"),
        p50_ms=latency.get("p50_ms"),
        p95_ms=latency.get("p95_ms"),
        history=tuple(latency.get("history") or ())[-MAX_HISTORY:],
        requests=traffic.get("requests_per_second"),
        denied=traffic.get("denied_per_second"),
        drift=tuple(
            Drift(str(item.get("key")), str(item.get("committed")), str(item.get("live")))
            for item in raw.get("config_drift") or ()
        ),
        faults=tuple((str(item.get("name")), moment(item.get("since"))) for item in raw.get("faults") or ()),
        sampled_at=moment(raw.get("at")) or event.at,
        objectives=tuple(
            Objective(
                str(item.get("name")),
                str(item.get("state") or "unknown"),
                str(item.get("value") or ""),
                str(item.get("condition") or ""),
                str(item.get("severity") or ""),
                str(item.get("reason") or ""),
                moment(item.get("since")),
            )
            for item in raw.get("invariants") or ()
        ),
    )
    return _with_service(state, updated)


def _probe(state: ConsoleState, event: Event) -> ConsoleState:
    service = state.subject(str(event.subject))
    value = event.data.get("response_ms")
    number = float(value) if isinstance(value, int | float) else None
    return _with_service(
        state,
        replace(
            service,
            last_ms=number,
            history=(*service.history, number)[-MAX_HISTORY:],
            sampled_at=moment(event.data.get("at")) or event.at,
        ),
    )


def _invariant(state: ConsoleState, event: Event) -> ConsoleState:
    service = state.subject(str(event.subject))
    name = str(event.data["name"])
    known = {item.name: item for item in service.objectives}
    known[name] = replace(
        known.get(name) or Objective(name),
        state=str(event.data.get("state") or "unknown"),
        value=str(event.data.get("value") or ""),
        reason=str(event.data.get("reason") or ""),
        since=event.at,
    )
    shown = service.state
    if known[name].state == "violated" and shown == "healthy":
        shown = "down" if known[name].severity == "critical" else "degraded"
    return _with_service(state, replace(service, state=shown, objectives=tuple(known.values())))


def _fault(state: ConsoleState, event: Event) -> ConsoleState:
    raw = event.data["fault"]
    service = state.subject(str(raw.get("subject") or event.subject))
    name = str(raw["name"])
    others = tuple(item for item in service.faults if item[0] != name)
    if raw.get("active"):
        others = (*others, (name, moment(raw.get("injected_at")) or event.at))
    return _with_service(state, replace(service, faults=others))


def _loop(state: ConsoleState, event: Event) -> ConsoleState:
    loops = dict(state.loops)
    name = str(event.data["loop"])
    if event.kind == "loop.failed":
        loops[name] = str(event.data.get("reason") or "no reason given")
    else:
        loops.pop(name, None)
    return replace(state, loops=loops)


def _delta(state: ConsoleState, event: Event) -> ConsoleState:
    data = event.data
    ticket = data.get("ticket_id", event.ticket_id)
    agent = fold_delta(state.agent, int(ticket or 0), int(data["step"]), str(data["channel"]), str(data["text"]))
    return replace(state, agent=agent)


def _waiting(state: ConsoleState, event: Event) -> ConsoleState:
    agent = replace(
        state.agent, waiting=str(event.data.get("reason") or "waiting"), waiting_until=moment(event.data.get("until"))
    )
    return replace(state, agent=agent)


_FOLDS: Mapping[str, Callable[[ConsoleState, Event], ConsoleState]] = {
    "ticket.filed": _ticket,
    "ticket.changed": _ticket,
    "approval.requested": _approval,
    "approval.decided": _approval,
    "journal.appended": _journal,
    "control.changed": _control,
    "service.observed": _observed,
    "tick.completed": _tick,
    "probe.sampled": _probe,
    "invariant.changed": _invariant,
    "fault.changed": _fault,
    "loop.failed": _loop,
    "loop.resumed": _loop,
    "brain.delta": _delta,
    "brain.waiting": _waiting,
}
