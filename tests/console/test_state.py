"""The reducer: pure, idempotent, bounded; and text from outside made visible."""

from __future__ import annotations

import pytest

from console.plain import plain, visible_json
from console.slices import Live
from console.state import MAX_CLOSED, MAX_DECIDED, ConsoleState, reduce, reduce_all
from console.steps import MAX_LIVE, MAX_STEPS
from console.timefmt import age, moment, span
from monitor.events import Event
from monitor.records import iso
from tests.console import happenings, scenes


def fold(*events: Event) -> ConsoleState:
    return reduce_all(ConsoleState(), events)


def test_a_tick_fills_the_service_slice() -> None:
    service = fold(happenings.snapshot("degraded", last=503.0)).subject("ratelimiter")
    assert (service.state, service.pid, service.port, service.last_ms) == ("degraded", 48213, 8001, 503.0)
    assert service.requests == 20.1
    assert [(item.name, item.state) for item in service.objectives] == [
        ("rate_limiter_healthy", "holding"),
        ("rate_limiter_latency", "violated"),
    ]


def test_the_process_exit_shows_before_the_next_tick() -> None:
    observed = {"subject": "ratelimiter", "state": "backoff", "pid": None, "port": 8001, "restarts": 1, "detail": "-9"}
    state = fold(happenings.snapshot(), Event("service.observed", 1.0, {"observed": observed}, subject="ratelimiter"))
    assert (state.subject("ratelimiter").state, state.subject("ratelimiter").pid) == ("down", None)


def test_a_violation_shows_before_the_next_tick() -> None:
    violated = {"name": "rate_limiter_latency", "state": "violated", "value": "503 ms", "reason": "slow"}
    state = fold(happenings.snapshot(), Event("invariant.changed", 9.0, violated, subject="ratelimiter"))
    service = state.subject("ratelimiter")
    assert service.state == "degraded"
    assert [(item.state, item.since) for item in service.objectives][1] == ("violated", 9.0)


def test_faults_come_and_go() -> None:
    fault = {"subject": "ratelimiter", "name": "latency", "active": True, "injected_at": iso(5.0)}
    on = fold(Event("fault.changed", 5.0, {"fault": fault}))
    assert on.subject("ratelimiter").faults == (("latency", 5.0),)
    assert on.any_fault()
    off = reduce(on, Event("fault.changed", 6.0, {"fault": {**fault, "active": False}}))
    assert not off.any_fault()


def test_an_older_ticket_row_never_replaces_a_newer_one() -> None:
    new = happenings.ticket(1, "x", status="completed", updated_at=iso(200.0))
    old = happenings.ticket(1, "x", status="pending", updated_at=iso(100.0))
    assert fold(new, old).tickets[1].status == "completed"


def test_closed_tickets_are_bounded_and_open_ones_are_kept() -> None:
    closed = [happenings.ticket(n, "x", status="completed", closed=1000 - n) for n in range(2, MAX_CLOSED + 50)]
    state = fold(happenings.ticket(1, "open one"), *closed)
    assert 1 in state.tickets
    assert sum(not row.is_open for row in state.tickets.values()) == MAX_CLOSED
    assert 2 not in state.tickets
    assert MAX_CLOSED + 49 in state.tickets


def test_a_decision_is_never_undone_by_a_late_request() -> None:
    state = fold(happenings.approval(1, status="rejected", reason="no"), happenings.approval(1))
    assert state.approvals[1].status == "rejected"
    assert state.waiting() == []


def test_waiting_approvals_are_first_in_first_out_and_decided_ones_bounded() -> None:
    state = fold(
        happenings.approval(9),
        happenings.approval(3),
        *[happenings.approval(100 + n, status="approved") for n in range(80)],
    )
    assert [row.id for row in state.waiting()] == [3, 9]
    assert sum(row.status != "pending" for row in state.approvals.values()) == MAX_DECIDED


def test_steps_carry_calls_decisions_and_results() -> None:
    state = fold(*scenes.asking())
    steps = {step.number: step for step in state.agent.steps if step.kind == "turn"}
    assert state.agent.ticket_id == 12
    assert steps[2].summary == "Reading the deployed configuration"
    assert steps[2].calls[0].chip == "allowed by read-only"
    assert steps[2].calls[0].outcome == "ok"
    assert steps[3].calls[0].verdict == "asking"
    decided = reduce(state, happenings.approval(1, status="approved", decided_by="you"))
    assert decided.agent.steps[-1].calls[0].chip == "approved by you"


def test_what_a_rule_allowed_is_told_by_the_result() -> None:
    turn = happenings.entry(5, 1, "turn", "Looking", {"calls": [{"id": "x", "name": "read_file", "arguments": {}}]})
    told = {"call_id": "x", "tool": "read_file", "decision": "allow", "rule": "read-only", "status": "ok", "text": "t"}
    call = fold(turn, happenings.entry(5, 1, "result", "read", told)).agent.steps[0].calls[0]
    assert (call.chip, call.outcome, call.result) == ("allowed by read-only", "ok", "t")
    settled = fold(turn, happenings.entry(5, 1, "settled", "read", told)).agent.steps
    assert [step.calls[0].outcome for step in settled] == ["ok"]


def test_a_person_who_decided_is_not_overwritten_by_the_rule() -> None:
    events = [
        happenings.entry(5, 1, "turn", "Fix", {"calls": [{"id": "x", "name": "edit_file", "arguments": {}}]}),
        happenings.entry(5, 1, "decision", "", {"call_id": "x", "outcome": "approved", "by": "ada"}),
        happenings.entry(
            5, 1, "result", "", {"call_id": "x", "decision": "ask", "rule": "r", "status": "ok", "text": "t"}
        ),
    ]
    assert fold(*events).agent.steps[0].calls[0].chip == "approved by ada"


def test_a_better_summary_replaces_the_first() -> None:
    turn = happenings.entry(5, 1, "turn", "update_config")
    better = happenings.entry(5, 1, "summary", "Removing the delay", {"of": turn.data["entry"]["id"]})
    elsewhere = happenings.entry(6, 1, "summary", "other", {"of": 1})
    steps = fold(turn, better, elsewhere).agent.steps
    assert [step.summary for step in steps] == ["Removing the delay"]


def test_folding_an_entry_twice_changes_nothing() -> None:
    events = scenes.asking()
    assert (
        reduce_all(fold(*events), [event for event in events if event.kind == "journal.appended"]).agent.steps
        == fold(*events).agent.steps
    )


def test_another_ticket_takes_the_view() -> None:
    state = fold(*scenes.working(), happenings.ticket(20, "next", status="in_progress", what="claimed"))
    assert (state.agent.ticket_id, state.agent.steps) == (20, ())


def test_a_note_on_another_ticket_does_not_take_the_view() -> None:
    assert fold(*scenes.working(), happenings.entry(7, 0, "note", "remember")).agent.ticket_id == 12


def test_deltas_join_and_only_the_tail_is_kept() -> None:
    state = fold(
        happenings.delta(5, 1, "text", "ab"),
        happenings.delta(5, 1, "text", "cd"),
        happenings.delta(5, 1, "thinking", "t"),
    )
    assert state.agent.live == Live(5, 1, thinking="t", text="abcd")
    long = reduce(state, happenings.delta(5, 1, "text", "x" * (MAX_LIVE * 2) + "end"))
    assert long.agent.live is not None
    assert len(long.agent.live.text) == MAX_LIVE
    assert long.agent.live.text.endswith("end")


def test_a_finished_turn_ends_the_live_block() -> None:
    state = fold(happenings.delta(5, 1, "text", "ab"), happenings.entry(5, 1, "turn", "Looked"))
    assert state.agent.live is None
    assert [step.summary for step in state.agent.steps] == ["Looked"]


def test_steps_are_bounded() -> None:
    state = fold(*[happenings.entry(5, n, "turn", f"s{n}") for n in range(MAX_STEPS + 30)])
    assert len(state.agent.steps) == MAX_STEPS
    assert state.agent.steps[-1].summary == f"s{MAX_STEPS + 29}"


def test_failed_loops_show_until_they_resume() -> None:
    failed = fold(Event("loop.failed", 1.0, {"loop": "monitor", "reason": "disk full"}))
    assert failed.loops == {"monitor": "disk full"}
    assert reduce(failed, Event("loop.resumed", 2.0, {"loop": "monitor"})).loops == {}


@pytest.mark.parametrize(
    "event",
    [
        Event("ticket.filed", 1.0, {}),
        Event("ticket.filed", 1.0, {"ticket": {"id": "nonsense"}}),
        Event("journal.appended", 1.0, {"entry": None}),
        Event("tick.completed", 1.0, {"snapshot": 3}),
        Event("brain.delta", 1.0, {"step": None, "channel": "text", "text": "x"}),
        Event("something.new", 1.0, {}),
    ],
)
def test_a_malformed_or_unknown_event_changes_nothing(event: Event) -> None:
    before = scenes.scene("working")
    assert reduce(before, event) is before


def test_an_unchanged_panel_keeps_its_slice() -> None:
    before = fold(*scenes.working())
    after = reduce(before, happenings.snapshot())
    assert after.tickets is before.tickets
    assert after.agent is before.agent


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("bell\x07", "bell\\x07"),
        ("two\nlines", "two lines"),
        ("[bold red]markup[/]", "[bold red]markup[/]"),
    ],
)
def test_text_from_outside_is_made_visible(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown


def test_arguments_shown_for_editing_parse_to_what_they_were() -> None:
    import json

    arguments = {"path": "a\u202eb", "text": "x\x9fy\n\x1b[0m", "tag": "\U000e0041", "word": "naïve"}
    text = visible_json(arguments)
    assert "\u202e" not in text
    assert "\U000e0041" not in text
    assert "naïve" in text
    assert json.loads(text) == arguments


def test_times() -> None:
    assert [age(value) for value in (None, 3, 75, 7300, 200_000)] == ["–", "3s", "1m", "2h", "2d"]
    assert span(3700) == "1h 01m"
    assert moment("2026-01-01T00:00:00.000Z") == 1767225600.0
    assert moment("nonsense") is None
