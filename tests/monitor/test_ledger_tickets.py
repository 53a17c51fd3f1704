from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.ledger import Ledger, LedgerError, NotFound
from monitor.records import NewTicket
from tests.monitor.conftest import Clock

NEW = NewTicket(
    subject="ratelimiter",
    source="invariant",
    fingerprint="invariant/ratelimiter/healthy",
    objective="make it answer 200 again",
    criteria=("rate_limiter_healthy",),
    priority="critical",
    evidence={"status": 503},
)


async def test_a_new_ticket_and_its_event_read_back(ledger: Ledger, clock: Clock) -> None:
    ticket, created = await ledger.file_ticket(NEW)

    assert created
    assert await ledger.ticket(ticket.id) == ticket
    assert (ticket.status, ticket.occurrences, ticket.attempts, ticket.fence) == ("pending", 1, 0, 0)
    assert ticket.criteria == ("rate_limiter_healthy",)
    assert ticket.evidence == {"status": 503}
    assert ticket.created_at == clock.now
    [event] = await ledger.events_after(0)
    assert event.kind == "ticket.filed"
    assert (event.subject, event.ticket_id) == ("ratelimiter", ticket.id)
    assert event.data["ticket"]["objective"] == "make it answer 200 again"


async def test_the_same_trouble_is_counted_not_filed_twice(ledger: Ledger) -> None:
    first, _ = await ledger.file_ticket(NEW)
    again, created = await ledger.file_ticket(replace(NEW, objective="another wording"))

    assert not created
    assert again.id == first.id
    assert again.occurrences == 2
    assert again.objective == "make it answer 200 again"
    assert [(event.kind, event.data.get("what")) for event in await ledger.events_after(0)] == [
        ("ticket.filed", None),
        ("ticket.changed", "repeated"),
    ]


async def test_trouble_that_comes_back_after_closing_is_a_new_ticket(ledger: Ledger) -> None:
    first, _ = await ledger.file_ticket(NEW)
    await ledger.close_unclaimed(NEW.fingerprint, outcome="self_recovered", detail="it answers again")
    second, created = await ledger.file_ticket(NEW)

    assert created
    assert second.id > first.id
    assert await ledger.open_ticket(NEW.fingerprint) == second
    assert await ledger.last_ticket(NEW.fingerprint) == second


async def test_only_an_unclaimed_ticket_closes_by_itself(ledger: Ledger) -> None:
    ticket, _ = await ledger.file_ticket(NEW)
    await ledger.claim("agent", lease_seconds=60, subjects=None)

    assert await ledger.close_unclaimed(NEW.fingerprint, outcome="self_recovered", detail="") is None
    assert (await ledger.ticket(ticket.id)).status == "in_progress"
    assert await ledger.close_unclaimed("nothing/like/it", outcome="self_recovered", detail="") is None


async def test_self_recovery_is_on_record(ledger: Ledger, clock: Clock) -> None:
    ticket, _ = await ledger.file_ticket(NEW)
    clock.advance(10)
    closed = await ledger.close_unclaimed(NEW.fingerprint, outcome="self_recovered", detail="2 good ticks")

    assert closed is not None
    assert (closed.id, closed.status, closed.outcome) == (ticket.id, "completed", "self_recovered")
    assert closed.closed_at == clock.now
    assert (await ledger.events_after(0))[-1].data["detail"] == "2 good ticks"


async def test_lists_filter_and_order(ledger: Ledger) -> None:
    for number in range(3):
        await ledger.file_ticket(replace(NEW, fingerprint=f"f{number}", subject=f"s{number % 2}"))
    await ledger.cancel(2, "kim")

    assert [ticket.id for ticket in await ledger.tickets()] == [3, 2, 1]
    assert [ticket.id for ticket in await ledger.tickets(newest_first=False, limit=2)] == [1, 2]
    assert [ticket.id for ticket in await ledger.tickets(statuses=["pending"])] == [3, 1]
    assert [ticket.id for ticket in await ledger.tickets(subject="s1")] == [2]
    assert await ledger.tickets(statuses=[]) == []


async def test_similar_prefers_the_same_trouble_then_its_family(ledger: Ledger) -> None:
    for fingerprint in ("a/x/one", "a/x/two", "a/x/one", "a/y/one", "a/x/two"):
        ticket, _ = await ledger.file_ticket(replace(NEW, fingerprint=fingerprint))
        await ledger.cancel(ticket.id, "kim")
    await ledger.file_ticket(replace(NEW, fingerprint="a/x/one"))

    assert [ticket.id for ticket in await ledger.similar("a/x/one")] == [3, 1, 5, 2]
    assert [ticket.id for ticket in await ledger.similar("a/x/one", limit=3)] == [3, 1, 5]
    assert await ledger.similar("a/z/one") == []


async def test_cancelling_takes_the_ticket_from_its_worker(ledger: Ledger) -> None:
    await ledger.file_ticket(NEW)
    held = await ledger.claim("agent", lease_seconds=60, subjects=None)
    assert held is not None

    cancelled = await ledger.cancel(held.id, "kim", "not worth it")

    assert (cancelled.status, cancelled.outcome, cancelled.lease_owner) == ("cancelled", "cancelled", None)
    assert cancelled.fence > held.fence
    with pytest.raises(LedgerError, match="already cancelled"):
        await ledger.cancel(held.id, "kim")


async def test_retry_puts_a_closed_ticket_back_in_the_queue(ledger: Ledger) -> None:
    ticket, _ = await ledger.file_ticket(NEW)
    with pytest.raises(LedgerError, match="only failed and cancelled"):
        await ledger.retry(ticket.id, "kim")
    await ledger.cancel(ticket.id, "kim")

    again = await ledger.retry(ticket.id, "kim")

    assert (again.status, again.outcome, again.closed_at) == ("pending", None, None)
    claimed = await ledger.claim("agent", lease_seconds=60, subjects=None)
    assert claimed is not None
    assert claimed.id == ticket.id


async def test_retry_never_makes_two_open_tickets_for_one_trouble(ledger: Ledger) -> None:
    old, _ = await ledger.file_ticket(NEW)
    await ledger.cancel(old.id, "kim")
    new, _ = await ledger.file_ticket(NEW)

    with pytest.raises(LedgerError, match=f"ticket {new.id} is open"):
        await ledger.retry(old.id, "kim")


async def test_a_note_is_an_event(ledger: Ledger) -> None:
    ticket, _ = await ledger.file_ticket(NEW)
    await ledger.note(ticket.id, "I saw this on Monday", "kim")

    event = (await ledger.events_after(0, ticket_id=ticket.id))[-1]
    assert (event.kind, event.data["what"], event.data["detail"], event.data["by"]) == (
        "ticket.changed",
        "note",
        "I saw this on Monday",
        "kim",
    )


async def test_a_ticket_that_is_not_there(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="no ticket 7"):
        await ledger.ticket(7)
    with pytest.raises(NotFound):
        await ledger.cancel(7, "kim")
    with pytest.raises(NotFound):
        await ledger.note(7, "hm", "kim")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"priority": "urgent"}, "'urgent' is not one of critical, high, medium, low"),
        ({"source": "rumour"}, "'rumour' is not one of"),
        ({"objective": "  "}, "objective must not be empty"),
        ({"evidence": {"log": "x" * 300_000}}, "256 KiB"),
        ({"evidence": {"value": float("nan")}}, "not JSON"),
        ({"evidence": {"value": object()}}, "not JSON"),
    ],
)
async def test_what_cannot_be_filed_is_said_and_changes_nothing(
    ledger: Ledger, change: dict[str, object], message: str
) -> None:
    with pytest.raises(LedgerError, match=message) as caught:
        await ledger.file_ticket(replace(NEW, **change))  # type: ignore[arg-type]

    assert "\n" not in str(caught.value)
    assert await ledger.tickets() == []
    assert await ledger.last_event_id() == 0


async def test_text_no_engine_can_store_is_made_storable(ledger: Ledger) -> None:
    text = "nul \x00 and half a pair \udc80, żółw 🐢"
    ticket, _ = await ledger.file_ticket(replace(NEW, objective=text, context=text, evidence={"log": text}))

    read = await ledger.ticket(ticket.id)
    assert read.objective == "nul � and half a pair �, żółw 🐢"
    assert read.evidence["log"] == "nul \x00 and half a pair �, żółw 🐢"
