"""The token bucket: exact, safe in every interval, honest about the wait."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ratelimiter.bucket import NANOSECONDS, Buckets, KeyTableFull, Policy, TooManyTokens


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_007

    def __call__(self) -> int:
        return self.now


RATES = st.one_of(
    st.integers(1, 50).map(float), st.sampled_from([0.1, 0.3, 1 / 3, 2.5, 7.77, 1000.0, 0.000_001, 123_456.789])
)
POLICIES = st.builds(Policy, st.integers(1, 30), RATES)
STEPS = st.lists(st.tuples(st.integers(0, 3 * NANOSECONDS), st.integers(0, 30)), min_size=1, max_size=60)


@given(POLICIES, STEPS)
def test_no_interval_admits_more_than_capacity_plus_refill(policy: Policy, steps: list[tuple[int, int]]) -> None:
    clock = Clock()
    buckets = Buckets(policy, clock_ns=clock)
    admitted: list[tuple[int, int]] = []
    for pause, tokens in steps:
        clock.now += pause
        if tokens <= policy.capacity and buckets.take("k", tokens).allowed:
            admitted.append((clock.now, tokens))
    for first, (start, _) in enumerate(admitted):
        total = 0
        for at, tokens in admitted[first:]:
            total += tokens
            assert total <= policy.capacity + policy.rate * Fraction(at - start, NANOSECONDS)


@given(POLICIES, STEPS)
def test_decides_exactly_as_a_rational_bucket(policy: Policy, steps: list[tuple[int, int]]) -> None:
    clock = Clock()
    buckets = Buckets(policy, clock_ns=clock)
    level, seen = Fraction(policy.capacity), clock.now
    for pause, tokens in steps:
        clock.now += pause
        level = min(Fraction(policy.capacity), level + policy.rate * Fraction(clock.now - seen, NANOSECONDS))
        seen = clock.now
        if tokens > policy.capacity:
            continue
        decision = buckets.take("k", tokens)
        assert decision.allowed is (tokens <= level)
        level -= tokens if decision.allowed else 0
        assert decision.remaining == int(level)


@given(POLICIES, st.data())
def test_waiting_as_told_is_enough_and_one_nanosecond_less_is_not(policy: Policy, data: st.DataObject) -> None:
    clock = Clock()
    buckets = Buckets(policy, clock_ns=clock)
    buckets.take("k", policy.capacity)
    clock.now += data.draw(st.integers(0, NANOSECONDS))
    tokens = data.draw(st.integers(1, policy.capacity))
    denied = buckets.take("k", tokens)
    if denied.allowed:
        return
    clock.now += denied.retry_after_ns - 1
    assert not buckets.take("k", tokens).allowed
    clock.now += 1
    assert buckets.take("k", tokens).allowed


@given(POLICIES, POLICIES, STEPS, st.integers(0, 59))
def test_a_change_of_policy_gives_nobody_free_tokens(
    before: Policy, after: Policy, steps: list[tuple[int, int]], when: int
) -> None:
    clock = Clock()
    buckets = Buckets(before, clock_ns=clock)
    capacity, rate = max(before.capacity, after.capacity), max(before.rate, after.rate)
    admitted: list[tuple[int, int]] = []
    for number, (pause, tokens) in enumerate(steps):
        clock.now += pause
        if number == when:
            buckets.change(after)
            buckets.change(before)
            buckets.change(after)
        if tokens <= buckets.policy.capacity and buckets.take("k", tokens).allowed:
            admitted.append((clock.now, tokens))
    for first, (start, _) in enumerate(admitted):
        total = 0
        for at, tokens in admitted[first:]:
            total += tokens
            assert total <= capacity + rate * Fraction(at - start, NANOSECONDS)


def test_a_raised_capacity_keeps_what_was_spent_as_spent() -> None:
    clock = Clock()
    buckets = Buckets(Policy(100, 10), clock_ns=clock)
    buckets.take("k", 90)
    buckets.change(Policy(200, 10))
    assert buckets.take("k", 0).remaining == 10
    assert buckets.take("new", 0).remaining == 200


def test_a_clock_that_runs_backwards_refills_nothing() -> None:
    clock = Clock()
    buckets = Buckets(Policy(5, 1), clock_ns=clock)
    buckets.take("k", 5)
    clock.now -= 500 * NANOSECONDS
    assert not buckets.take("k").allowed
    clock.now += 500 * NANOSECONDS
    assert not buckets.take("k").allowed


def test_idle_keys_are_forgotten_and_live_ones_never() -> None:
    clock = Clock()
    buckets = Buckets(Policy(10, 1), clock_ns=clock)
    for number in range(100):
        buckets.take(f"idle-{number}")
    for _ in range(40):
        clock.now += NANOSECONDS
        buckets.take("live", 1)
    assert len(buckets) == 1
    buckets.take("live", 9)
    assert not buckets.take("live", 2).allowed


def test_a_full_table_refuses_new_keys_rather_than_forget_spent_ones() -> None:
    clock = Clock()
    buckets = Buckets(Policy(1, 1), clock_ns=clock, max_keys=3)
    for key in "abc":
        assert buckets.take(key).allowed
    with pytest.raises(KeyTableFull, match="3 keys"):
        buckets.take("d")
    assert not buckets.take("a").allowed
    clock.now += 2 * NANOSECONDS
    assert buckets.take("a").allowed
    clock.now += NANOSECONDS
    assert buckets.take("d").allowed


def test_more_than_a_bucket_holds_is_an_error() -> None:
    buckets = Buckets(Policy(5, 1))
    with pytest.raises(TooManyTokens, match="at most 5"):
        buckets.take("k", 6)
    with pytest.raises(ValueError, match="negative"):
        buckets.take("k", -1)
