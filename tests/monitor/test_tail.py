from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monitor.events import Event
from monitor.hub import Hub, Subscription
from monitor.ledger import Ledger, LedgerError
from monitor.tail import follow


class Outbox:
    """Events in memory; fails as often as told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failures = 0

    def add(self, count: int) -> None:
        for _ in range(count):
            id = len(self.events) + 1
            self.events.append(Event("loop.failed", float(id), {"n": id}, id=id * 10))

    async def events_after(self, id: int, limit: int = 500) -> list[Event]:
        if self.failures:
            self.failures -= 1
            raise LedgerError("not now")
        return [event for event in self.events if event.id is not None and event.id > id][:limit]


@asynccontextmanager
async def following(
    ledger: Outbox | Ledger, *, start_id: int = 0, interval: float = 60.0
) -> AsyncIterator[tuple[Subscription, asyncio.Event]]:
    hub, nudge = Hub(), asyncio.Event()
    subscription = hub.subscribe(keep=10_000)
    task = asyncio.create_task(follow(ledger, hub, start_id=start_id, interval=interval, nudge=nudge))
    try:
        yield subscription, nudge
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def receive(subscription: Subscription, count: int) -> list[Event]:
    received: list[Event] = []
    async with asyncio.timeout(10):
        while len(received) < count:
            await subscription.wait()
            received += subscription.drain()
    return received


async def test_events_come_in_order_from_where_it_starts() -> None:
    outbox = Outbox()
    outbox.add(5)
    async with following(outbox, start_id=20) as (subscription, _):
        assert await receive(subscription, 3) == outbox.events[2:]


async def test_a_nudge_saves_the_wait() -> None:
    outbox = Outbox()
    outbox.add(1)
    async with following(outbox) as (subscription, nudge):
        await receive(subscription, 1)
        outbox.add(2)
        nudge.set()
        assert await receive(subscription, 2) == outbox.events[1:]


async def test_without_a_nudge_it_looks_by_itself() -> None:
    outbox = Outbox()
    async with following(outbox, interval=0.01) as (subscription, _):
        outbox.add(1)
        await receive(subscription, 1)
        outbox.add(1)
        assert await receive(subscription, 1) == outbox.events[1:]


async def test_far_behind_it_catches_up_without_pausing() -> None:
    outbox = Outbox()
    outbox.add(1700)
    async with following(outbox) as (subscription, _):
        assert await receive(subscription, 1700) == outbox.events


async def test_it_outlives_a_ledger_that_cannot_be_read() -> None:
    outbox = Outbox()
    outbox.add(2)
    outbox.failures = 3
    async with following(outbox, interval=0.001) as (subscription, _):
        assert await receive(subscription, 2) == outbox.events


async def test_what_another_process_commits_arrives_here(tmp_path: Path) -> None:
    here, there = await Ledger.open(str(tmp_path / "l.db")), await Ledger.open(str(tmp_path / "l.db"))
    try:
        async with following(here, interval=0.01) as (subscription, nudge):
            here.on_commit = nudge.set
            await there.stop("kim", "hands off")
            await here.resume("lee")
            received = await receive(subscription, 2)
    finally:
        await here.close()
        await there.close()
    assert [event.data["by"] for event in received] == ["kim", "lee"]
    with pytest.raises(LedgerError):
        await here.control()
