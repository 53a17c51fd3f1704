"""From the ledger to the hub: what any process committed, published here in the order of the commits."""

from __future__ import annotations

import asyncio
from typing import Protocol

from monitor.events import Event
from monitor.hub import Hub
from monitor.ledger.errors import LedgerError

_BATCH = 500
_LONGEST_PAUSE = 5.0


class _Outbox(Protocol):
    async def events_after(self, id: int, limit: int = 500) -> list[Event]: ...


async def follow(ledger: _Outbox, hub: Hub, *, start_id: int, interval: float = 0.25, nudge: asyncio.Event) -> None:
    """Publish every event after ``start_id``, in order of id, until cancelled.

    Looks every ``interval`` seconds, and at once when ``nudge`` is set (by ``Ledger.on_commit``). While the
    ledger cannot be read it keeps trying, up to 5 s apart, and then goes on where it was.
    """
    last = start_id
    failures = 0
    while True:
        nudge.clear()  # before reading: a commit during the read then wakes the next round
        pause = interval
        try:
            batch = await ledger.events_after(last, _BATCH)
            failures = 0
        except LedgerError:
            batch = []
            failures += 1
            pause = min(interval * 2**failures, _LONGEST_PAUSE)
        for event in batch:
            hub.publish(event)
            last = event.id if event.id is not None else last
        if len(batch) == _BATCH:
            await asyncio.sleep(0)  # far behind: let others run, then read on at once
            continue
        try:
            async with asyncio.timeout(pause):
                await nudge.wait()
        except TimeoutError:
            pass
