from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monitor.ledger import AlreadyDecided, Ledger, LedgerError, NotFound
from monitor.records import Approval, NewTicket, Ticket
from tests.monitor.conftest import Clock


@pytest.fixture
async def held(ledger: Ledger) -> Ticket:
    await ledger.file_ticket(NewTicket("ratelimiter", "invariant", "f", "mend it", ("healthy",)))
    ticket = await ledger.claim("agent", lease_seconds=3600, subjects=None)
    assert ticket is not None
    return ticket


async def ask(ledger: Ledger, held: Ticket, **changes: Any) -> Approval:
    request: dict[str, Any] = {
        "ticket_id": held.id,
        "fence": held.fence,
        "action_id": "a1",
        "tool": "update_config",
        "arguments": {"enabled": True},
        "effect": "reversible",
        "target": "service_config.json",
        "rule": "supervised: changes ask",
        "why": "enabled is false",
        "diff": "-false\n+true",
        "undo": "revert the commit",
        "digest": "d1",
        "ttl_seconds": 300.0,
    }
    return await ledger.request_approval(**{**request, **changes})


async def test_a_request_reads_back_and_is_announced(ledger: Ledger, held: Ticket, clock: Clock) -> None:
    approval = await ask(ledger, held)

    assert await ledger.approval(approval.id) == approval
    assert (approval.status, approval.arguments) == ("pending", {"enabled": True})
    assert approval.expires_at == clock.now + 300
    event = (await ledger.events_after(0))[-1]
    assert (event.kind, event.ticket_id, event.subject) == ("approval.requested", held.id, "ratelimiter")
    assert event.data["approval"]["diff"] == "-false\n+true"


async def test_asking_again_returns_the_same_request(ledger: Ledger, held: Ticket) -> None:
    first = await ask(ledger, held)
    assert await ask(ledger, held) == first
    granted = await ledger.decide(first.id, "approved", by="kim")
    assert await ask(ledger, held) == granted
    assert (await ask(ledger, held, digest="another action")).id != first.id


@pytest.mark.parametrize("end", ["rejected", "consumed", "expired while waiting", "granted but expired"])
async def test_asking_again_after_the_answer_is_spent_is_a_new_request(
    ledger: Ledger, held: Ticket, clock: Clock, end: str
) -> None:
    first = await ask(ledger, held)
    if end == "rejected":
        await ledger.decide(first.id, "rejected", by="kim", reason="no")
    elif end == "consumed":
        await ledger.decide(first.id, "approved", by="kim")
        await ledger.append(held.id, 1, "intent", "go", {}, fence=held.fence, consume_approval=first.id)
    elif end == "expired while waiting":
        clock.advance(300)
    else:
        await ledger.decide(first.id, "approved", by="kim")
        clock.advance(300)

    second = await ask(ledger, held)

    assert (second.id > first.id, second.status) == (True, "pending")
    if end == "expired while waiting":
        assert (await ledger.approval(first.id)).status == "timed_out"


async def test_the_second_answer_loses_and_learns_how_it_ended(ledger: Ledger, held: Ticket) -> None:
    approval = await ask(ledger, held)
    await ledger.decide(approval.id, "rejected", by="kim", reason="too risky")
    events = await ledger.last_event_id()

    with pytest.raises(AlreadyDecided, match="already rejected by kim: too risky"):
        await ledger.decide(approval.id, "approved", by="lee")

    after = await ledger.approval(approval.id)
    assert (after.status, after.decided_by, after.reason) == ("rejected", "kim", "too risky")
    assert await ledger.last_event_id() == events


async def test_of_many_answers_at_once_one_wins(ledger: Ledger, ledger_url: str, held: Ticket, clock: Clock) -> None:
    approval = await ask(ledger, held)
    other = await Ledger.open(ledger_url, clock=clock)
    try:
        results = await asyncio.gather(
            *(
                (ledger, other)[number % 2].decide(
                    approval.id, ("approved", "rejected")[number // 4], by=f"person {number}"
                )
                for number in range(8)
            ),
            return_exceptions=True,
        )
    finally:
        await other.close()

    [winner] = [result for result in results if isinstance(result, Approval)]
    assert sum(isinstance(result, AlreadyDecided) for result in results) == 7
    assert await ledger.approval(approval.id) == winner
    decided = [event for event in await ledger.events_after(0) if event.kind == "approval.decided"]
    assert len(decided) == 1


async def test_an_answer_after_the_time_is_no_answer(ledger: Ledger, held: Ticket, clock: Clock) -> None:
    approval = await ask(ledger, held)
    clock.advance(300)

    with pytest.raises(AlreadyDecided, match="expired"):
        await ledger.decide(approval.id, "approved", by="kim")

    assert (await ledger.approval(approval.id)).status == "timed_out"
    assert (await ledger.events_after(0))[-1].data["approval"]["status"] == "timed_out"


async def test_requests_past_their_time_are_swept(ledger: Ledger, held: Ticket, clock: Clock) -> None:
    early = await ask(ledger, held, digest="early", ttl_seconds=10)
    late = await ask(ledger, held, digest="late", ttl_seconds=100)
    assert await ledger.expire_due() == []
    clock.advance(10)

    assert [approval.id for approval in await ledger.expire_due()] == [early.id]
    assert await ledger.expire_due() == []
    assert [approval.id for approval in await ledger.approvals(statuses=["pending"])] == [late.id]


async def test_an_approval_is_used_once(ledger: Ledger, held: Ticket, clock: Clock) -> None:
    approval = await ask(ledger, held)
    await ledger.decide(approval.id, "approved", by="kim")
    await ledger.append(held.id, 1, "intent", "go", {}, fence=held.fence, consume_approval=approval.id)

    assert (await ledger.approval(approval.id)).consumed_at == clock.now
    with pytest.raises(AlreadyDecided, match="good for one use"):
        await ledger.append(held.id, 2, "intent", "again", {}, fence=held.fence, consume_approval=approval.id)
    assert len(await ledger.journal()) == 1


@pytest.mark.parametrize("status", ["pending", "rejected", "withdrawn", "timed_out"])
async def test_no_intent_without_leave(ledger: Ledger, held: Ticket, clock: Clock, status: str) -> None:
    approval = await ask(ledger, held)
    if status == "rejected":
        await ledger.decide(approval.id, "rejected", by="kim", reason="no")
    elif status == "withdrawn":
        await ledger.withdraw(approval.id, "it healed")
    elif status == "timed_out":
        clock.advance(301)
        await ledger.expire_due()

    with pytest.raises(AlreadyDecided):
        await ledger.append(held.id, 1, "intent", "go", {}, fence=held.fence, consume_approval=approval.id)

    assert await ledger.journal() == []
    assert (await ledger.approval(approval.id)).consumed_at is None


async def test_an_approval_serves_its_own_ticket_only(ledger: Ledger, held: Ticket) -> None:
    approval = await ask(ledger, held)
    await ledger.decide(approval.id, "approved", by="kim")
    other, _ = await ledger.file_ticket(NewTicket("ratelimiter", "human", "other", "else", ("healthy",)))

    with pytest.raises(LedgerError, match=f"for ticket {held.id}"):
        await ledger.append(other.id, 1, "intent", "go", {}, consume_approval=approval.id)
    with pytest.raises(NotFound):
        await ledger.append(held.id, 1, "intent", "go", {}, consume_approval=999)


async def test_an_edited_answer_carries_the_arguments(ledger: Ledger, held: Ticket) -> None:
    approval = await ask(ledger, held)
    with pytest.raises(LedgerError, match="edited"):
        await ledger.decide(approval.id, "edited", by="kim")
    with pytest.raises(LedgerError, match="edited"):
        await ledger.decide(approval.id, "approved", by="kim", edited_arguments={"enabled": 1})
    with pytest.raises(LedgerError, match="one of"):
        await ledger.decide(approval.id, "withdrawn", by="kim")

    edited = await ledger.decide(approval.id, "edited", by="kim", edited_arguments={"delay_ms": 0})

    assert (edited.status, edited.edited_arguments) == ("edited", {"delay_ms": 0})
    assert edited.arguments == {"enabled": True}
    await ledger.append(held.id, 1, "intent", "go", {}, fence=held.fence, consume_approval=approval.id)


async def test_what_waits_can_be_withdrawn_and_only_that(ledger: Ledger, held: Ticket) -> None:
    approval = await ask(ledger, held)
    withdrawn = await ledger.withdraw(approval.id, "the service recovered")

    assert withdrawn is not None
    assert (withdrawn.status, withdrawn.reason) == ("withdrawn", "the service recovered")
    assert await ledger.withdraw(approval.id, "twice") is None
    with pytest.raises(AlreadyDecided, match="withdrawn: the service recovered"):
        await ledger.decide(approval.id, "approved", by="kim")


@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_no_leave_outlives_its_ticket(ledger: Ledger, held: Ticket, how: str) -> None:
    waiting = await ask(ledger, held, digest="waiting")
    granted = await ask(ledger, held, digest="granted")
    await ledger.decide(granted.id, "approved", by="kim")
    used = await ask(ledger, held, digest="used")
    await ledger.decide(used.id, "approved", by="kim")
    await ledger.append(held.id, 1, "intent", "go", {}, fence=held.fence, consume_approval=used.id)

    if how == "cancel":
        await ledger.cancel(held.id, "kim")
    else:
        await ledger.set_status(held.id, held.fence, "failed", outcome="escalated")

    statuses = {approval.id: approval.status for approval in await ledger.approvals(ticket_id=held.id)}
    assert statuses == {waiting.id: "withdrawn", granted.id: "withdrawn", used.id: "approved"}


async def test_a_request_survives_its_ticket_being_handed_back(ledger: Ledger, held: Ticket) -> None:
    approval = await ask(ledger, held)
    await ledger.release(held.id, held.fence, "shutting down")
    granted = await ledger.decide(approval.id, "approved", by="kim")
    heir = await ledger.claim("heir", lease_seconds=60, subjects=None)
    assert heir is not None

    assert await ask(ledger, heir) == granted


async def test_lists_are_first_in_first_out(ledger: Ledger, held: Ticket) -> None:
    ids = [(await ask(ledger, held, digest=f"d{number}")).id for number in range(3)]
    await ledger.decide(ids[1], "approved", by="kim")

    assert [approval.id for approval in await ledger.approvals()] == ids
    assert [approval.id for approval in await ledger.approvals(statuses=["pending"])] == [ids[0], ids[2]]
    assert [approval.id for approval in await ledger.approvals(limit=1)] == ids[:1]
    assert await ledger.approvals(ticket_id=held.id + 1) == []
    with pytest.raises(NotFound, match="no approval 99"):
        await ledger.decide(99, "approved", by="kim")
