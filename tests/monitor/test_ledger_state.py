from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from monitor.events import Event
from monitor.ledger import Ledger, LedgerError
from monitor.records import Control, NewTicket, Observed
from tests.monitor.conftest import Clock


async def kinds(ledger: Ledger) -> list[str]:
    return [event.kind for event in await ledger.events_after(0)]


async def test_control_starts_supervised_and_running(ledger: Ledger) -> None:
    assert await ledger.control() == Control(mode="supervised", stopped=False)


async def test_mode_and_stop_are_kept_apart(ledger: Ledger, clock: Clock) -> None:
    await ledger.set_mode("observe", "kim")
    stopped = await ledger.stop("kim", "it frightens me")
    assert stopped == Control("observe", True, "it frightens me", "kim", clock.now)
    clock.advance(5)
    assert await ledger.stop("lee", "me too") == stopped
    await ledger.set_mode("autonomous", "lee")

    assert await ledger.resume("lee") == Control("autonomous")
    assert await ledger.resume("lee") == await ledger.control()
    events = await ledger.events_after(0)
    assert [event.kind for event in events] == ["control.changed"] * 4
    assert [event.data["by"] for event in events] == ["kim", "kim", "lee", "lee"]
    assert events[1].data["control"]["stopped"] is True


async def test_an_unknown_mode_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="observe, supervised, autonomous"):
        await ledger.set_mode("yolo", "kim")


async def test_desired_state_changes_only_in_what_is_said(ledger: Ledger) -> None:
    assert await ledger.desired("ratelimiter") is None
    first = await ledger.set_desired("ratelimiter", running=True, commit="abc", by="harness")
    assert (first.running, first.generation, first.commit) == (True, 1, "abc")
    restarted = await ledger.set_desired("ratelimiter", restart=True, by="agent")
    assert (restarted.running, restarted.generation, restarted.commit) == (True, 2, "abc")
    stopped = await ledger.set_desired("ratelimiter", running=False, by="kim")
    assert (stopped.running, stopped.generation, stopped.commit, stopped.by) == (False, 2, "abc", "kim")

    assert await ledger.desired("ratelimiter") == stopped
    assert await kinds(ledger) == ["service.desired"] * 3


async def test_observed_state_is_replaced(ledger: Ledger) -> None:
    seen = Observed("ratelimiter", "running", True, 4711, 2**40, 8001, 1, "abc", 0, 1.5, None, "", 4700, 2.5)
    assert await ledger.observed("ratelimiter") is None
    await ledger.set_observed(seen)
    await ledger.set_observed(replace(seen, state="backoff", pid=None, exit_code=-9))

    assert await ledger.observed("ratelimiter") == replace(seen, state="backoff", pid=None, exit_code=-9)
    last = (await ledger.events_after(0))[-1]
    assert (last.kind, last.subject, last.data["observed"]["exit_code"]) == (
        "service.observed",
        "ratelimiter",
        -9,
    )


async def test_faults_come_and_go_on_record(ledger: Ledger, clock: Clock) -> None:
    first = await ledger.record_fault("ratelimiter", "latency", {"delay_ms": 500}, "delay_ms was set", "kim")
    clock.advance(3)
    second = await ledger.record_fault("ratelimiter", "latency", {"delay_ms": 900}, "delay_ms was set", "kim")
    assert [fault.id for fault in await ledger.faults(active_only=True)] == [second.id]
    cleared = await ledger.clear_fault("ratelimiter", "latency", "lee")

    assert cleared is not None
    assert (cleared.active, cleared.cleared_at, cleared.parameters) == (False, clock.now, {"delay_ms": 900})
    assert await ledger.clear_fault("ratelimiter", "latency", "lee") is None
    assert [fault.id for fault in await ledger.faults("ratelimiter")] == [first.id, second.id]
    assert await ledger.faults("another") == []
    assert await ledger.faults(active_only=True) == []
    assert set(await kinds(ledger)) == {"fault.changed"}


async def test_a_snapshot_replaces_the_last_and_is_no_event(ledger: Ledger, clock: Clock) -> None:
    assert await ledger.snapshot("ratelimiter") is None
    await ledger.put_snapshot("ratelimiter", {"tick": 1})
    await ledger.put_snapshot("ratelimiter", {"tick": 2})
    await ledger.put_snapshot("other", {"at": 12.5, "tick": 9})

    assert await ledger.snapshot("ratelimiter") == {"at": clock.now, "tick": 2}
    assert await ledger.snapshots() == {
        "other": {"at": 12.5, "tick": 9},
        "ratelimiter": {"at": clock.now, "tick": 2},
    }
    assert await ledger.last_event_id() == 0


async def test_bare_events_are_kept_live_ones_refused(ledger: Ledger) -> None:
    event = Event("invariant.changed", 12.5, {"name": "healthy", "state": "violated"}, "ratelimiter")
    kept = await ledger.emit(event)

    assert kept.id is not None
    assert await ledger.events_after(0) == [kept] == [replace(event, id=kept.id)]
    with pytest.raises(LedgerError, match="live only"):
        await ledger.emit(Event("brain.delta", 1.0, {"text": "x"}))


async def test_old_events_go_new_ones_stay(ledger: Ledger) -> None:
    assert await ledger.prune_events() == 0
    for number in range(10):
        await ledger.emit(Event("loop.failed", float(number), {"loop": "monitor"}))

    assert await ledger.prune_events(keep=4) == 6
    assert [event.at for event in await ledger.events_after(0)] == [6.0, 7.0, 8.0, 9.0]
    assert [event.at for event in await ledger.events_after(8, limit=1)] == [8.0]
    await ledger.emit(Event("loop.resumed", 10.0, {"loop": "monitor"}))
    assert await ledger.last_event_id() == 11


async def test_each_commit_with_events_nudges(ledger: Ledger) -> None:
    nudges: list[int] = []
    ledger.on_commit = lambda: nudges.append(1)
    await ledger.file_ticket(NewTicket("ratelimiter", "human", "f", "mend it", ("healthy",)))
    assert len(nudges) == 1
    await ledger.put_snapshot("ratelimiter", {})
    await ledger.tickets()
    assert await ledger.expire_due() == []
    with pytest.raises(LedgerError):
        await ledger.cancel(99, "kim")
    assert len(nudges) == 1


async def test_a_cancelled_caller_leaves_the_ledger_whole(ledger: Ledger) -> None:
    for number in range(30):
        task = asyncio.create_task(ledger.append(None, number, "note", "n", {}))
        for _ in range(number % 6):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await ledger.append(None, 99, "note", "still here", {})
    report = await ledger.verify_chain()
    assert report.ok
    announced = [event for event in await ledger.events_after(0) if event.kind == "journal.appended"]
    assert len(announced) == report.count
