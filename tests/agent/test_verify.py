"""What counts as holding for three ticks."""

from __future__ import annotations

import asyncio

from agent.verify import Verifier
from tests.agent.conftest import World


async def write(world: World, *ticks: tuple[float, str]) -> None:
    """Ticks at offsets from the clock's start, all but latency holding."""
    world.ticks = [
        {
            "n": number,
            "at": world.clock.now + offset,
            "verdicts": {"rate_limiter_healthy": "holding", "rate_limiter_latency": state},
        }
        for number, (offset, state) in enumerate(ticks, 1)
    ]
    await world.ledger.put_snapshot("ratelimiter", {"at": world.clock.now, "invariants": [], "ticks": world.ticks})


async def held(world: World, patience: float = 5.0) -> bool:
    world.clock.step = 0.5
    verifier = Verifier(world.bench, world.clock, poll_seconds=0.001)
    return (await verifier.hold(["rate_limiter_latency"], since=world.clock.now, patience=patience)).held


async def test_three_spaced_ticks_hold(world: World) -> None:
    await write(world, (1, "holding"), (6, "holding"), (11, "holding"))
    assert await held(world)


async def test_looking_three_times_at_once_is_not_three_ticks(world: World) -> None:
    await write(world, (1, "holding"), (1.1, "holding"), (1.2, "holding"), (6, "holding"))
    assert not await held(world)


async def test_ticks_from_before_the_change_do_not_count(world: World) -> None:
    await write(world, (-10, "holding"), (-5, "holding"), (1, "holding"))
    assert not await held(world)


async def test_a_bad_tick_starts_the_count_again_and_the_next_good_one_counts_at_once(world: World) -> None:
    await write(world, (1, "holding"), (6, "holding"), (11, "violated"), (12, "holding"), (17, "holding"))
    assert not await held(world)
    await write(world, (1, "violated"), (2, "holding"), (7, "holding"), (12, "holding"))
    assert await held(world)


async def test_unknown_is_not_holding(world: World) -> None:
    await write(world, (1, "unknown"), (6, "unknown"), (11, "unknown"))
    assert not await held(world)


async def test_a_lasting_violation_is_told_without_waiting_for_the_deadline(world: World) -> None:
    await write(world, (1, "violated"), (6, "violated"), (11, "violated"))
    verifier = Verifier(world.bench, world.clock, poll_seconds=0.001)
    async with asyncio.timeout(5):
        result = await verifier.hold(["rate_limiter_latency"], since=world.clock.now, patience=10_000)
    assert not result.held
    assert "rate_limiter_latency: violated" in result.reason


async def test_a_silent_monitor_is_not_a_pass(world: World) -> None:
    world.clock.step = 0.5
    verifier = Verifier(world.bench, world.clock, poll_seconds=0.001)
    result = await verifier.hold(["rate_limiter_latency"], since=world.clock.now, patience=5)
    assert not result.held
    assert "is it running" in result.reason


async def test_criteria_beyond_the_invariants_are_looked_at_in_the_world(world: World) -> None:
    await write(world, (1, "holding"), (6, "holding"), (11, "holding"))
    world.clock.step = 0.5
    verifier = Verifier(world.bench, world.clock, poll_seconds=0.001)
    good = await verifier.hold(["config.capacity == 100"], since=world.clock.now, patience=5)
    assert good.held
    bad = await verifier.hold(["config.capacity == 200"], since=world.clock.now - 20, patience=30)
    assert not bad.held
    assert "config.capacity == 200" in bad.reason
