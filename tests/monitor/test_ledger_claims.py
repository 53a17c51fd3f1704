from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from monitor.ledger import Ledger, LedgerError, LostLease
from monitor.records import NewTicket, Ticket
from tests.monitor.conftest import Clock


async def file(ledger: Ledger, fingerprint: str, priority: str = "medium", subject: str = "ratelimiter") -> Ticket:
    ticket, _ = await ledger.file_ticket(
        NewTicket(subject, "human", fingerprint, f"see to {fingerprint}", ("healthy",), priority)
    )
    return ticket


async def take(ledger: Ledger, owner: str = "agent", **options: Any) -> Ticket:
    ticket = await ledger.claim(owner, **{"lease_seconds": 60, "subjects": None, **options})
    assert ticket is not None
    return ticket


async def test_the_most_urgent_then_the_oldest_comes_first(ledger: Ledger) -> None:
    low = await file(ledger, "a", "low")
    first = await file(ledger, "b", "critical")
    second = await file(ledger, "c", "critical")
    high = await file(ledger, "d", "high")

    assert [(await take(ledger)).id for _ in range(4)] == [first.id, second.id, high.id, low.id]
    assert await ledger.claim("agent", lease_seconds=60, subjects=None) is None


async def test_a_claim_is_a_lease_with_a_token(ledger: Ledger, clock: Clock) -> None:
    await file(ledger, "a")
    held = await take(ledger, "agent-1", lease_seconds=30)

    assert (held.status, held.fence, held.attempts) == ("in_progress", 1, 1)
    assert (held.lease_owner, held.lease_expires_at) == ("agent-1", clock.now + 30)
    event = (await ledger.events_after(0))[-1]
    assert (event.kind, event.data["what"], event.data["ticket"]["status"]) == (
        "ticket.changed",
        "claimed",
        "in_progress",
    )


async def test_only_tickets_of_the_given_subjects_or_the_one_named(ledger: Ledger) -> None:
    mine = await file(ledger, "a", subject="mine")
    theirs = await file(ledger, "b", subject="theirs")

    assert await ledger.claim("agent", lease_seconds=60, subjects=["neither"]) is None
    assert await ledger.claim("agent", lease_seconds=60, subjects=[]) is None
    assert await ledger.claim("agent", lease_seconds=60, subjects=["mine"], ticket_id=theirs.id) is None
    assert (await take(ledger, ticket_id=theirs.id)).id == theirs.id
    assert (await take(ledger, subjects=["mine", "theirs"])).id == mine.id


async def test_nothing_is_claimed_while_everything_is_stopped(ledger: Ledger) -> None:
    await file(ledger, "a")
    await ledger.stop("kim", "hands off")
    assert await ledger.claim("agent", lease_seconds=60, subjects=None) is None
    await ledger.resume("kim")
    await take(ledger)


@pytest.mark.parametrize("status", ["in_progress", "awaiting_approval", "verifying"])
async def test_a_lapsed_lease_is_taken_over_where_it_stood(ledger: Ledger, clock: Clock, status: str) -> None:
    await file(ledger, "a")
    held = await take(ledger, "dies", lease_seconds=30)
    await ledger.set_status(held.id, held.fence, status)
    clock.advance(29)
    assert await ledger.claim("heir", lease_seconds=30, subjects=None) is None
    clock.advance(1)

    heir = await take(ledger, "heir")

    assert (heir.status, heir.fence, heir.attempts, heir.lease_owner) == (status, 2, 2, "heir")


async def test_renewing_keeps_a_ticket(ledger: Ledger, clock: Clock) -> None:
    await file(ledger, "a")
    held = await take(ledger, lease_seconds=30)
    clock.advance(20)
    await ledger.renew(held.id, held.fence, 30)
    clock.advance(20)

    assert await ledger.claim("thief", lease_seconds=30, subjects=None) is None


async def test_closing_ends_the_lease(ledger: Ledger, clock: Clock) -> None:
    await file(ledger, "a")
    held = await take(ledger)
    clock.advance(5)
    closed = await ledger.set_status(held.id, held.fence, "completed", outcome="fixed", detail="3 good ticks")

    assert (closed.status, closed.outcome, closed.closed_at) == ("completed", "fixed", clock.now)
    assert (closed.lease_owner, closed.lease_expires_at) == (None, None)
    with pytest.raises(LostLease, match="completed"):
        await ledger.set_status(held.id, held.fence, "in_progress")


async def test_a_ticket_handed_back_can_be_claimed_again(ledger: Ledger) -> None:
    await file(ledger, "a")
    held = await take(ledger)
    back = await ledger.release(held.id, held.fence, "the criteria did not hold")

    assert (back.status, back.lease_owner) == ("pending", None)
    assert (await ledger.events_after(0))[-1].data["what"] == "released"
    with pytest.raises(LostLease):
        await ledger.release(held.id, held.fence, "again")
    assert (await take(ledger)).fence == held.fence + 1


async def test_a_worker_cannot_invent_a_status(ledger: Ledger) -> None:
    await file(ledger, "a")
    held = await take(ledger)
    for status in ("pending", "done"):
        with pytest.raises(LedgerError, match="cannot set status"):
            await ledger.set_status(held.id, held.fence, status)


APPROVAL = {
    "action_id": "a1",
    "tool": "restart_service",
    "arguments": {},
    "effect": "disruptive",
    "target": "ratelimiter",
    "rule": "ask",
    "why": "",
    "diff": "",
    "undo": "",
    "digest": "d",
    "ttl_seconds": 60.0,
}
ZOMBIE_WRITES: dict[str, Callable[[Ledger, Ticket], Awaitable[Any]]] = {
    "set_status": lambda ledger, held: ledger.set_status(held.id, held.fence, "completed", outcome="fixed"),
    "release": lambda ledger, held: ledger.release(held.id, held.fence, "sorry"),
    "renew": lambda ledger, held: ledger.renew(held.id, held.fence, 60),
    "append": lambda ledger, held: ledger.append(held.id, 1, "intent", "late", {}, fence=held.fence),
    "request_approval": lambda ledger, held: ledger.request_approval(
        ticket_id=held.id,
        fence=held.fence,
        **APPROVAL,  # type: ignore[arg-type]
    ),
}


@pytest.mark.parametrize("write", ZOMBIE_WRITES)
@pytest.mark.parametrize("fate", ["taken over", "cancelled"])
async def test_a_zombie_changes_nothing(ledger: Ledger, clock: Clock, write: str, fate: str) -> None:
    await file(ledger, "a")
    zombie = await take(ledger, "zombie", lease_seconds=30)
    if fate == "taken over":
        clock.advance(31)
        await take(ledger, "heir")
    else:
        await ledger.cancel(zombie.id, "kim")

    async def everything() -> object:
        return (
            await ledger.ticket(zombie.id),
            await ledger.approvals(),
            await ledger.journal(),
            await ledger.last_event_id(),
        )

    before = await everything()
    with pytest.raises(LostLease) as caught:
        await ZOMBIE_WRITES[write](ledger, zombie)

    assert "\n" not in str(caught.value)
    assert await everything() == before


async def test_the_leases_of_dead_workers_are_ended_and_nobody_elses(ledger: Ledger) -> None:
    for name in ("a", "b", "c"):
        await ledger.file_ticket(NewTicket("s", "human", name, name, ("x",)))
    first = await ledger.claim("host:home_1:10", lease_seconds=600, subjects=None)
    second = await ledger.claim("host:homeX1:11", lease_seconds=600, subjects=None)
    assert first is not None
    assert second is not None
    assert await ledger.end_leases("host:home_1:") == 1
    again = await ledger.claim("host:home_1:12", lease_seconds=600, subjects=None, ticket_id=first.id)
    assert again is not None
    assert again.fence == first.fence + 1
    assert await ledger.claim("host:home_1:12", lease_seconds=600, subjects=None, ticket_id=second.id) is None
