"""Working a ticket: what it closes as, and that a crash at any write neither doubles nor loses anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from agent.brains.brain import Brief, Delta, Exchange, ToolCall, Turn
from agent.history import restore
from agent.work import BrainUnavailable
from tests.agent.conftest import World
from tests.agent.test_executor import make_slow


class Scripted:
    """A brain that plays fixed turns by position in the history, and keeps what it was shown."""

    name = "scripted"
    label = "scripted"

    def __init__(self, *turns: Turn) -> None:
        self.turns = turns
        self.seen: list[Sequence[Exchange]] = []

    async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
        self.seen.append(tuple(history))
        return self.turns[min(len(history), len(self.turns) - 1)]

    async def aclose(self) -> None:
        return None


def call(number: int, name: str, **arguments: Any) -> Turn:
    return Turn((ToolCall(f"c{number}", name, arguments),), text=f"step {number}")


FIX = (
    call(1, "service_status"),
    call(2, "update_config", set={"delay_ms": 0}),
    call(3, "finish_ticket", verdict="fixed", summary="the delay is gone"),
)


async def ticks_while(world: World, task: asyncio.Task[Any], **verdicts: str) -> Any:
    """Let the monitor tick until the work has ended."""
    while not task.done():
        await world.tick(**verdicts)
        await asyncio.sleep(0.02)
    return await task


async def test_a_fix_is_closed_as_fixed_only_after_three_ticks_that_followed_it(world: World) -> None:
    make_slow(world)
    await world.ledger.set_mode("autonomous", "test")
    await world.tick()
    await world.tick()
    ticket = await world.ticket()
    outcome = await ticks_while(world, asyncio.create_task(world.work(ticket, Scripted(*FIX)).run()))
    assert outcome == "fixed"
    closed = await world.ledger.ticket(ticket.id)
    assert (closed.status, closed.outcome) == ("completed", "fixed")
    verified = next(entry for entry in await world.ledger.journal(ticket.id) if entry.kind == "verification")
    assert verified.payload["held"] is True
    assert {line.split(":")[0] for line in verified.payload["seen"]}.isdisjoint({"tick 1", "tick 2"})


async def test_the_brains_word_is_not_evidence(world: World) -> None:
    await world.ledger.set_mode("autonomous", "test")
    ticket = await world.ticket()
    liar = Scripted(call(1, "finish_ticket", verdict="fixed", summary="all good"),
                    call(2, "finish_ticket", verdict="fixed", summary="really"))  # fmt: skip
    outcome = await ticks_while(
        world, asyncio.create_task(world.work(ticket, liar).run()), rate_limiter_latency="violated"
    )
    assert outcome == "escalated"
    closed = await world.ledger.ticket(ticket.id)
    assert (closed.status, closed.outcome) == ("failed", "escalated")
    told = liar.seen[1][0].outcomes[0]
    assert told.status == "not_verified"
    assert "rate_limiter_latency: violated" in told.text


async def test_nothing_changed_and_the_criteria_hold_is_not_a_fix(world: World) -> None:
    ticket = await world.ticket()
    brain = Scripted(call(1, "finish_ticket", verdict="fixed", summary="nothing to do"))
    assert await ticks_while(world, asyncio.create_task(world.work(ticket, brain).run())) == "self_recovered"


@pytest.mark.parametrize(("verdict", "outcome"), [("needs_human", "escalated"), ("inconclusive", "inconclusive")])
async def test_other_verdicts_close_as_what_they_are(world: World, verdict: str, outcome: str) -> None:
    ticket = await world.ticket()
    brain = Scripted(call(1, "finish_ticket", verdict=verdict, summary="a person must look"))
    assert await world.work(ticket, brain).run() == outcome
    assert (await world.ledger.ticket(ticket.id)).status == "failed"


async def test_going_round_in_circles_ends_with_a_person(world: World) -> None:
    class Circling(Scripted):
        async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
            return call(len(history), "list_files", glob="*.json")

    ticket = await world.ticket()
    assert await world.work(ticket, Circling()).run() == "escalated"
    turns = [entry for entry in await world.ledger.journal(ticket.id) if entry.kind == "turn"]
    assert len(turns) <= 6


async def test_a_brain_that_cannot_be_had_loses_nothing(world: World) -> None:
    from agent.brains.brain import BrainError

    class Broken(Scripted):
        async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
            raise BrainError("the key is not accepted; set ANTHROPIC_API_KEY")

    ticket = await world.ticket()
    with pytest.raises(BrainUnavailable, match="ANTHROPIC_API_KEY"):
        await world.work(ticket, Broken()).run()
    assert (await world.ledger.ticket(ticket.id)).is_open


class Dead(BaseException):
    """Stands for the process ending at once: nothing after it runs."""


@pytest.mark.parametrize("boundary", range(1, 12))
@pytest.mark.parametrize("after", [False, True], ids=["before-the-write", "after-the-write"])
async def test_a_crash_at_any_journal_write_doubles_no_effect_and_loses_nothing(
    world: World, boundary: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_slow(world)
    await world.ledger.set_mode("autonomous", "test")
    first = len(world.commits())
    ticket = await world.ticket()
    append, count = world.ledger.append, 0

    async def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == boundary and not after:
            raise Dead
        entry = await append(*args, **kwargs)
        if count == boundary:
            raise Dead
        return entry

    monkeypatch.setattr(world.ledger, "append", dying)
    brain = Scripted(*FIX)
    try:
        await ticks_while(world, asyncio.create_task(world.work(ticket, brain).run()))
    except Dead:
        world.clock.now += 120
    monkeypatch.setattr(world.ledger, "append", append)
    again = await world.ledger.claim("test:2", lease_seconds=60, subjects=None)
    if again is not None:
        await ticks_while(world, asyncio.create_task(world.work(again, brain).run()))
    closed = await world.ledger.ticket(ticket.id)
    assert (closed.status, closed.outcome) == ("completed", "fixed")
    made = [row for row in world.commits()[: len(world.commits()) - first] if row["action"]]
    assert len(made) == 1, "the change was made exactly once"
    assert json.loads(world.config.read_text())["delay_ms"] == 0
    assert (await world.ledger.verify_chain()).ok


async def test_a_command_whose_end_nobody_saw_is_not_run_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = await world.ticket()
    brain = Scripted(
        call(1, "run_command", argv=["sh", "-c", "echo x >> ran"]),
        call(2, "finish_ticket", verdict="needs_human", summary="look"),
    )
    append = world.ledger.append

    async def dying(*args: Any, **kwargs: Any) -> Any:
        if args[2] == "result":
            raise Dead
        return await append(*args, **kwargs)

    monkeypatch.setattr(world.ledger, "append", dying)
    task = asyncio.create_task(world.work(ticket, brain).run())
    approval = await world.pending()
    await world.ledger.decide(approval.id, "approved", by="tester")
    with pytest.raises(Dead):
        await task
    monkeypatch.setattr(world.ledger, "append", append)
    world.clock.now += 120
    again = await world.ledger.claim("test:2", lease_seconds=60, subjects=None)
    assert again is not None
    assert await world.work(again, brain).run() == "escalated"
    assert (world.bench.workspace.root / "ran").read_text() == "x\n"
    assert brain.seen[-1][0].outcomes[0].status == "interrupted"


async def test_an_approval_given_while_the_harness_was_down_is_honoured_once(world: World) -> None:
    make_slow(world)
    ticket = await world.ticket()
    brain = Scripted(*FIX)
    task = asyncio.create_task(world.work(ticket, brain).run())
    approval = await world.pending()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await world.ledger.decide(approval.id, "approved", by="tester")
    world.clock.now += 70
    again = await world.ledger.claim("test:2", lease_seconds=60, subjects=None)
    assert again is not None
    outcome = await ticks_while(
        world, asyncio.create_task(world.work(again, brain).run()), rate_limiter_latency="holding"
    )
    assert outcome == "fixed"
    assert len(await world.ledger.approvals(ticket_id=ticket.id)) == 1


async def test_history_starts_afresh_after_a_ticket_was_closed_and_retried(world: World) -> None:
    ticket = await world.ticket()
    brain = Scripted(call(1, "finish_ticket", verdict="needs_human", summary="look"))
    await world.work(ticket, brain).run()
    await world.ledger.retry(ticket.id, "tester")
    restored = restore(await world.ledger.journal(ticket.id))
    assert restored.exchanges == ()
    assert restored.next_step > 1


async def test_a_better_summary_is_put_beside_the_turn_and_nothing_waits_for_it(world: World) -> None:
    make_slow(world)
    await world.ledger.set_mode("autonomous", "test")
    ticket = await world.ticket()
    never = asyncio.Event()

    async def summarise(text: str) -> str | None:
        if "update_config" in text:
            return "Removing the artificial delay"
        await never.wait()
        return None

    work = world.work(ticket, Scripted(*FIX))
    work.summarise = summarise
    assert await ticks_while(world, asyncio.create_task(work.run())) == "fixed"
    entries = await world.ledger.journal(ticket.id)
    (better,) = [entry for entry in entries if entry.kind == "summary"]
    assert better.summary == "Removing the artificial delay"
    assert better.payload["call_ids"] == ["c2"]
