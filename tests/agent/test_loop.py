"""The loop around the work: claims, the kill switch, lost leases, a brain that cannot be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

import agent.loop
from agent.brains.brain import BrainError, Brief, Delta, Exchange, Turn
from agent.loop import AgentLoop
from monitor.records import NewTicket
from tests.agent.conftest import World
from tests.agent.test_executor import make_slow
from tests.agent.test_work import FIX, Scripted, call


class Endless(Scripted):
    """Thinks until it is cancelled, and remembers that it was."""

    def __init__(self) -> None:
        super().__init__()
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
        self.started.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError("it was never cancelled")


@asynccontextmanager
async def running(world: World, brain: Any) -> AsyncIterator[AgentLoop]:
    async def on_effect(subject: str) -> None:
        return None

    loop = AgentLoop(
        {"ratelimiter": world.bench}, brain, world.ledger, world.hub, "host:home:1", world.clock, on_effect
    )
    task = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def file(world: World, name: str = "rate_limiter_latency") -> int:
    fingerprint = f"invariant/ratelimiter/{name}"
    ticket, _ = await world.ledger.file_ticket(NewTicket("ratelimiter", "invariant", fingerprint, name, (name,)))
    return ticket.id


async def status(world: World, number: int) -> str:
    return (await world.ledger.ticket(number)).status


async def test_the_kill_switch_cancels_a_thinking_brain_and_hands_the_ticket_back(world: World) -> None:
    number, brain = await file(world), Endless()
    async with running(world, brain):
        await brain.started.wait()
        began = asyncio.get_running_loop().time()
        await world.ledger.stop("tester", "enough")
        async with asyncio.timeout(5):
            await brain.cancelled.wait()
        assert asyncio.get_running_loop().time() - began < 1.5

        async def back() -> bool:
            return await status(world, number) == "pending"

        await world.reaches(back)
        brain.started.clear()
        await asyncio.sleep(0)
        assert not brain.started.is_set()
        await world.ledger.resume("tester")
        async with asyncio.timeout(5):
            await brain.started.wait()


async def test_the_kill_switch_withdraws_what_waits_and_runs_nothing(world: World) -> None:
    make_slow(world)
    before = world.config.read_text()
    number = await file(world)
    async with running(world, Scripted(*FIX)):
        approval = await world.pending()
        await world.ledger.stop("tester", "enough")

        async def withdrawn() -> bool:
            return (await world.ledger.approval(approval.id)).status == "withdrawn"

        await world.reaches(withdrawn)

        async def back() -> bool:
            return await status(world, number) == "pending"

        await world.reaches(back)
        assert world.config.read_text() == before


async def test_a_leave_given_around_a_stop_and_not_used_is_not_good_after_resume(world: World) -> None:
    make_slow(world)
    before = world.config.read_text()
    number = await file(world)
    async with running(world, Scripted(*FIX)):
        first = await world.pending()
        await world.ledger.stop("tester", "enough")
        await world.ledger.decide(first.id, "approved", by="tester")

        async def back() -> bool:
            return await status(world, number) == "pending"

        await world.reaches(back)
        await world.ledger.resume("tester")
        second = await world.pending()
        assert second.id != first.id
        assert world.config.read_text() == before


async def test_after_resume_the_work_goes_on_with_what_was_learnt(world: World) -> None:
    make_slow(world)
    number = await file(world)
    brain = Scripted(*FIX)
    async with running(world, brain):
        first = await world.pending()
        await world.ledger.stop("tester", "enough")

        async def back() -> bool:
            return await status(world, number) == "pending"

        await world.reaches(back)
        await world.ledger.resume("tester")
        second = await world.pending()
        assert second.id != first.id
    turns = [entry for entry in await world.ledger.journal(number) if entry.kind == "turn"]
    assert len(turns) == 2, "the finished first step was not made again"


async def test_a_cancelled_ticket_ends_the_work_on_it(world: World) -> None:
    number, brain = await file(world), Endless()
    async with running(world, brain):
        await brain.started.wait()
        await world.ledger.cancel(number, "tester")
        async with asyncio.timeout(10):
            await brain.cancelled.wait()
    assert await status(world, number) == "cancelled"


async def test_a_brain_that_cannot_be_had_is_told_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.loop, "BRAIN_PAUSE_SECONDS", (0.01,))

    class Recovering(Scripted):
        tries = 0

        async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
            self.tries += 1
            if self.tries < 3:
                raise BrainError("the key is not accepted; set ANTHROPIC_API_KEY")
            return call(1, "finish_ticket", verdict="needs_human", summary="look")

    number = await file(world)
    async with running(world, Recovering()):

        async def closed() -> bool:
            return await status(world, number) == "failed"

        await world.reaches(closed)
    events = await world.ledger.events_after(0)
    told = [event.data["reason"] for event in events if event.kind == "loop.failed"]
    assert len(told) == 2
    assert "ANTHROPIC_API_KEY" in told[0]
    assert [event.kind for event in events].count("loop.resumed") == 1


async def test_a_retryable_failure_is_waited_for_visibly_and_the_turn_is_made_once(world: World) -> None:
    class Busy(Scripted):
        tries = 0

        async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
            self.tries += 1
            if self.tries == 1:
                raise BrainError("the endpoint is overloaded", retry_after=0.01)
            return call(1, "finish_ticket", verdict="needs_human", summary="look")

    number = await file(world)
    subscription = world.hub.subscribe()
    async with running(world, Busy()):

        async def closed() -> bool:
            return await status(world, number) == "failed"

        await world.reaches(closed)
    waits = [event for event in subscription.drain() if event.kind == "brain.waiting"]
    assert waits[0].data["reason"] == "the endpoint is overloaded"
    assert len([entry for entry in await world.ledger.journal(number) if entry.kind == "turn"]) == 1


async def test_closing_hands_the_ticket_back_for_the_next_start(world: World) -> None:
    number, brain = await file(world), Endless()
    async with running(world, brain):
        await brain.started.wait()
    ticket = await world.ledger.ticket(number)
    assert (ticket.status, ticket.lease_owner) == ("pending", None)
