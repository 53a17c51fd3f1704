"""The life of an invariant's ticket over recoveries, relapses and restarts of the monitor."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.monitor.watching import HEALTHY, NAME, Rig, open_rig, state_of


@pytest.fixture
async def rig(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, sqlite_template) as one:
        yield one


async def test_an_unclaimed_ticket_is_closed_when_the_service_heals_by_itself(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.status = 503
    ticket = await rig.filed(HEALTHY)
    rig.server.status = 200
    await rig.until(lambda one: state_of(one) == "holding")
    await rig.ticks(2)
    closed = await rig.ledger.ticket(ticket.id)
    assert (closed.status, closed.outcome) == ("completed", "self_recovered")
    rig.server.status = 503
    second = await rig.filed(HEALTHY)
    assert second.id != ticket.id


async def test_a_claimed_ticket_is_left_to_its_owner(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.status = 503
    ticket = await rig.filed(HEALTHY)
    await rig.ledger.claim("agent", lease_seconds=60, subjects=None)
    rig.server.status = 200
    await rig.until(lambda one: state_of(one) == "holding")
    await rig.ticks(3)
    assert (await rig.ledger.ticket(ticket.id)).status == "in_progress"


async def test_a_ticket_given_up_is_not_filed_again_until_a_recovery(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.status = 503
    await rig.filed(HEALTHY)
    claimed = await rig.ledger.claim("agent", lease_seconds=60, subjects=None)
    assert claimed is not None
    await rig.ledger.set_status(claimed.id, claimed.fence, "failed", outcome="inconclusive")
    await rig.ticks(4)
    assert await rig.ledger.open_ticket(HEALTHY) is None
    await rig.stop_loop()
    rig.start()  # nor by a monitor that was started again
    await rig.ticks(4)
    assert await rig.ledger.open_ticket(HEALTHY) is None
    rig.server.status = 200
    await rig.until(lambda one: state_of(one) == "holding")
    await rig.ticks(2)
    rig.server.status = 503
    assert (await rig.filed(HEALTHY)).id != claimed.id


async def test_a_restart_of_the_monitor_goes_on_where_it_was(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.status = 503
    ticket = await rig.filed(HEALTHY)
    before = await rig.until(lambda one: state_of(one) == "violated")
    await rig.stop_loop()
    rig.start()
    after = await rig.ticks(3)
    assert after["tick"] > before["tick"]
    numbers = [tick["n"] for tick in after["ticks"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert state_of(after) == "violated"
    assert (await rig.ledger.ticket(ticket.id)).occurrences == 1
    assert await rig.fingerprints() == [HEALTHY]
    changes = [e for e in rig.seen if e.kind == "invariant.changed" and "healthy" in e.data["name"]]
    assert [event.data["state"] for event in changes] == ["holding", "violated"]


async def test_a_violation_whose_ticket_is_missing_is_filed_after_a_restart(rig: Rig) -> None:
    rig.server.status = 503
    row = {"name": "rate_limiter_healthy", "state": "violated", "condition": "[STATUS] == 200"}
    rows = [{**row, "episode_since": time.time() - 5, "since": time.time() - 5}]
    await rig.ledger.put_snapshot(NAME, {"at": time.time(), "tick": 41, "ticks": [], "invariants": rows})
    rig.start()
    await rig.filed(HEALTHY)
    snapshot = await rig.ticks(1)
    assert snapshot["tick"] >= 42
