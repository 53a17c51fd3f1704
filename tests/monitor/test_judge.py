"""When a failure is believed: tables, and whole timelines driven over grid and judge with no clock but ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.conditions import VerdictState
from monitor.grid import Grid
from monitor.judge import JudgeState, Rule, feed, restored

RULE = Rule()
GOOD: VerdictState = "holding"
BAD: VerdictState = "violated"
UNKNOWN: VerdictState = "unknown"
Timeline = Callable[[float], VerdictState]


@dataclass
class Run:
    """What a timeline brought about; times in seconds from the first tick."""

    violated_at: list[float] = field(default_factory=list)
    recovered_at: list[float] = field(default_factory=list)
    probes: list[tuple[float, VerdictState]] = field(default_factory=list)
    end: JudgeState = field(default_factory=JudgeState)


def simulate(timeline: Timeline, until: float, rule: Rule = RULE, hang: float = 0.0, answer: float = 0.002) -> Run:
    """Drive grid and judge as the watch does: a tick or the next confirmation, whichever is due first.

    A failing probe takes ``hang`` seconds, another one ``answer``.
    """
    run, grid, judge, now = Run(), Grid(5.0, 0.0), JudgeState(), 0.0
    confirm_at: float | None = None
    while True:
        due = grid.next_at if confirm_at is None else min(confirm_at, grid.next_at)
        now = max(now, due)
        if now > until:
            run.end = judge
            return run
        tick = now >= grid.next_at
        verdict = timeline(now)
        finished = now + (hang if hang and verdict == BAD else answer)
        step = feed(rule, judge, verdict, started=now, tick=tick)
        run.probes.append((now, verdict))
        if step.violated:
            run.violated_at.append(finished)
        if step.recovered:
            run.recovered_at.append(finished)
        judge, confirm_at, now = step.state, step.probe_at, finished
        if tick:
            grid.advance(now)


def failing(start: float, end: float = math.inf) -> Timeline:
    return lambda at: BAD if start <= at < end else GOOD


def test_a_failure_is_looked_at_again_after_one_and_three_seconds() -> None:
    run = simulate(failing(4.0), 12.0)
    assert [at for at, _ in run.probes[:4]] == pytest.approx([0.0, 5.0, 6.0, 8.0])
    assert run.violated_at == pytest.approx([8.002])


@given(st.floats(0.001, 600))
def test_a_lasting_refusal_is_found_within_eight_and_a_half_seconds(start: float) -> None:
    run = simulate(failing(start), start + 20)
    assert len(run.violated_at) == 1
    assert 3.0 <= run.violated_at[0] - start <= 8.5


@given(st.floats(0.001, 600))
def test_a_lasting_hang_is_found_within_eleven_and_a_half_seconds_and_probes_never_overlap(start: float) -> None:
    run = simulate(failing(start), start + 30, hang=2.0)
    assert len(run.violated_at) == 1
    assert run.violated_at[0] - start <= 11.5
    times = [at for at, verdict in run.probes if verdict == BAD]
    assert all(later - earlier >= 2.0 - 1e-9 for earlier, later in pairwise(times))


@given(st.lists(st.tuples(st.floats(3.0, 60), st.floats(0.01, 2.9)), max_size=8), st.sampled_from([0.0, 0.4]))
def test_blips_shorter_than_the_confirmation_never_count(blips: list[tuple[float, float]], hang: float) -> None:
    spans, at = [], 0.0
    for gap, length in blips:
        spans.append((at + gap, at + gap + length))
        at += gap + length
    run = simulate(lambda now: BAD if any(a <= now < b for a, b in spans) else GOOD, at + 20, hang=hang)
    assert run.violated_at == []
    assert run.end.state == GOOD


@given(st.floats(6.1, 60), st.floats(0.2, 0.8))
def test_alternation_opens_no_more_than_one_violation_per_period(period: float, share: float) -> None:
    run = simulate(lambda at: BAD if at % period < period * share else GOOD, 600)
    assert len(run.violated_at) <= 600 / period + 1
    assert all(later - earlier >= 3.0 for earlier, later in pairwise(run.violated_at))


@given(st.lists(st.sampled_from([GOOD, BAD, UNKNOWN]), max_size=80))
def test_violated_and_recovered_take_turns_and_unknown_decides_nothing(verdicts: list[VerdictState]) -> None:
    judge, now, open_violation = JudgeState(), 0.0, False
    for verdict in verdicts:
        before = judge
        step = feed(RULE, judge, verdict, started=now)
        judge, now = step.state, now + 5.0
        if verdict == UNKNOWN:
            assert not step.violated
            assert not step.recovered
            assert judge.state == (BAD if before.state == BAD else UNKNOWN)
            assert judge.good_ticks == 0
        if step.violated:
            assert verdict == BAD
            assert step.reopened == open_violation
            open_violation = True
        if step.recovered:
            open_violation = False
        assert judge.episode == open_violation
        assert step.changed == (judge.state != before.state)


def test_early_failures_in_a_row_do_not_stand_for_a_lasting_one() -> None:
    judge = JudgeState()
    for at in (0.0, 0.1, 0.2, 0.3, 0.9):  # someone pokes
        step = feed(RULE, judge, BAD, started=at)
        judge = step.state
        assert not step.violated
        assert step.probe_at == pytest.approx(1.0)
    assert judge.confirmations == 0


def test_one_good_confirmation_ends_the_suspicion() -> None:
    run = simulate(failing(5.0, 7.0), 30.0)
    assert [verdict for _, verdict in run.probes][:4] == [GOOD, BAD, BAD, GOOD]
    assert run.violated_at == []


def test_an_unknown_in_between_starts_the_confirmation_over() -> None:
    step = feed(RULE, JudgeState("holding"), BAD, started=0)
    step = feed(RULE, step.state, UNKNOWN, started=1)
    assert step.probe_at is None
    step = feed(RULE, step.state, BAD, started=5)
    assert step.probe_at == 6
    assert not step.violated


def test_what_is_certain_needs_no_confirmation() -> None:
    step = feed(RULE, JudgeState("holding"), BAD, started=0, certain=True)
    assert step.violated
    assert step.changed
    assert step.probe_at is None


def test_only_two_good_ticks_are_a_recovery_and_confirmations_are_no_ticks() -> None:
    judge = JudgeState("violated", True)
    step = feed(RULE, judge, GOOD, started=0, tick=False)
    assert step.state.state == GOOD
    assert step.state.episode
    step = feed(RULE, step.state, GOOD, started=5)
    assert not step.recovered
    step = feed(RULE, step.state, GOOD, started=10)
    assert step.recovered
    assert not step.state.episode
    step = feed(RULE, step.state, GOOD, started=15)
    assert not step.recovered


def test_a_relapse_within_the_episode_is_told_as_one() -> None:
    judge = JudgeState("violated", True)
    judge = feed(RULE, judge, GOOD, started=0).state
    step = feed(RULE, judge, BAD, started=5, certain=True)
    assert step.violated
    assert step.reopened


@pytest.mark.parametrize(("lasting", "expected"), [(30.0, [35.002]), (2.0, [8.002])])
def test_for_seconds_must_pass_too(lasting: float, expected: list[float]) -> None:
    run = simulate(failing(4.0), 60.0, Rule(for_seconds=lasting))
    assert run.violated_at == pytest.approx(expected)


def test_a_good_tick_during_for_seconds_starts_it_over() -> None:
    def timeline(at: float) -> VerdictState:
        return GOOD if at < 4 or 19 < at < 21 else BAD

    assert simulate(timeline, 70.0, Rule(for_seconds=30)).violated_at == pytest.approx([55.002])


def test_no_confirmation_asked_for_means_at_once() -> None:
    run = simulate(failing(4.0), 20.0, Rule(confirm_after=()))
    assert run.violated_at == pytest.approx([5.002])


def test_restored_states_report_nothing_twice() -> None:
    step = feed(RULE, restored("violated", True), BAD, started=0)
    assert step.state.state == BAD
    assert not step.violated
    assert not step.changed
    assert restored("nonsense", False) == JudgeState()


@given(st.lists(st.floats(0, 40), min_size=1, max_size=40))
def test_the_grid_never_drifts_and_counts_what_it_missed(busy: list[float]) -> None:
    grid, now = Grid(5.0, 0.0), 0.0
    for taken, seconds in enumerate(busy):
        now = max(now, grid.next_at)
        assert grid.next_at == pytest.approx(5.0 * (taken + grid.missed))
        now += seconds
        grid.advance(now)
        assert now < grid.next_at <= now + 5.0 + 1e-6


def test_a_poke_moves_the_grid() -> None:
    grid = Grid(5.0, 0.0)
    grid.advance(0.1)
    grid.reanchor(2.0)
    grid.advance(2.1)
    assert (grid.next_at, grid.missed) == (7.0, 0)


def test_a_grid_without_an_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than zero"):
        Grid(0, 0)
