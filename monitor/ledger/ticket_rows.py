"""A ticket's row: read it, change it with its event, check the fence."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import bindparam, select, update

from monitor.ledger import schema
from monitor.ledger.codec import clean, decoded
from monitor.ledger.errors import LostLease, NotFound
from monitor.ledger.store import Row, Transaction
from monitor.records import WORKED_STATUSES, Ticket

_T = schema.tickets
_FENCE = select(_T.c.subject, _T.c.status, _T.c.fence, _T.c.lease_owner).where(_T.c.id == bindparam("ticket"))


def to_ticket(row: Row) -> Ticket:
    fields = {**row}
    del fields["priority_rank"]
    where = f"ticket {row['id']}"
    fields["criteria"] = tuple(decoded(row["criteria"], where))
    fields["evidence"] = decoded(row["evidence"], where)
    return Ticket(**fields)


def _not_found(id: int) -> NotFound:
    return NotFound(f"there is no ticket {id}; `harness tickets list` shows those there are")


def get(tx: Transaction, id: int) -> Ticket:
    """The ticket as this transaction sees it. Raises ``NotFound``."""
    row = tx.first(select(_T).where(_T.c.id == id))
    if row is None:
        raise _not_found(id)
    return to_ticket(row)


def change(tx: Transaction, id: int, what: str, detail: str = "", **values: Any) -> Ticket:
    """Set columns and write the ``ticket.changed`` event that says so."""
    tx.run(update(_T).where(_T.c.id == id).values(updated_at=tx.now, **values))
    ticket = get(tx, id)
    data = {"ticket": ticket.public(), "what": what, "detail": clean(detail)}
    tx.emit("ticket.changed", data, subject=ticket.subject, ticket_id=id)
    return ticket


def check_fence(tx: Transaction, id: int, fence: int | None) -> Row:
    """The ticket's ``subject`` and ``status``, if ``fence`` (where given) is its newest token.

    Raises ``LostLease`` or ``NotFound``.
    """
    row = tx.connection.execute(_FENCE, {"ticket": id}).mappings().first()
    if row is None:
        raise _not_found(id)
    if fence is not None and row["fence"] != fence:
        holder = f"now held by {row['lease_owner']}" if row["lease_owner"] else f"now {row['status']}"
        raise LostLease(f"ticket {id} was taken over ({holder}); this worker's change was not made")
    return cast(Row, row)


def check_worked(tx: Transaction, id: int, fence: int) -> None:
    """Pass only the holder of a ticket that is still worked on. Raises ``LostLease`` or ``NotFound``."""
    status = check_fence(tx, id, fence)["status"]
    if status not in WORKED_STATUSES:
        raise LostLease(f"ticket {id} is {status}, not worked on any more; this worker's change was not made")
