"""An approval's row: read it, end it with its event, say how it ended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, or_, select, update

from monitor.ledger import schema
from monitor.ledger.codec import clean, decoded
from monitor.ledger.errors import AlreadyDecided, NotFound
from monitor.ledger.store import Row, Transaction
from monitor.records import Approval, iso

_A = schema.approvals


def to_approval(row: Row) -> Approval:
    fields = {**row}
    where = f"approval {row['id']}"
    fields["arguments"] = decoded(row["arguments"], where)
    if row["edited_arguments"] is not None:
        fields["edited_arguments"] = decoded(row["edited_arguments"], where)
    return Approval(**fields)


def get_approval(tx: Transaction, id: int) -> Approval:
    """The approval as this transaction sees it. Raises ``NotFound``."""
    row = tx.first(select(_A).where(_A.c.id == id))
    if row is None:
        raise NotFound(f"there is no approval {id}; `harness approvals list` shows those there are")
    return to_approval(row)


def announce(tx: Transaction, kind: str, approval: Approval) -> None:
    subject = tx.connection.execute(
        select(schema.tickets.c.subject).where(schema.tickets.c.id == approval.ticket_id)
    ).scalar_one_or_none()
    tx.emit(kind, {"approval": approval.public()}, subject=subject, ticket_id=approval.ticket_id)


def end(tx: Transaction, id: int, status: str, by: str | None, reason: str | None, **values: Any) -> Approval:
    """Give the approval its decision and write the event."""
    tx.run(
        update(_A)
        .where(_A.c.id == id)
        .values(
            status=status,
            decided_at=tx.now,
            decided_by=by and clean(by),
            reason=reason and clean(reason),
            **values,
        )
    )
    approval = get_approval(tx, id)
    announce(tx, "approval.decided", approval)
    return approval


def time_out(tx: Transaction, id: int) -> Approval:
    return end(tx, id, "timed_out", None, "nobody answered in time")


def withdraw_unused(tx: Transaction, ticket_id: int, reason: str) -> None:
    """Withdraw whatever of the ticket still waits for an answer or was granted and never used."""
    granted = and_(_A.c.status.in_(["approved", "edited"]), _A.c.consumed_at.is_(None))
    statement = select(_A.c.id).where(_A.c.ticket_id == ticket_id, or_(_A.c.status == "pending", granted))
    for row in tx.rows(statement.order_by(_A.c.id)):
        end(tx, row["id"], "withdrawn", "harness", reason)


def how_it_ended(approval: Approval) -> str:
    """One line for somebody who came too late."""
    if approval.status == "timed_out":
        return f"approval {approval.id} expired at {iso(approval.expires_at)}, nobody had answered"
    if approval.status == "withdrawn":
        return f"approval {approval.id} was withdrawn: {approval.reason}"
    reason = f": {approval.reason}" if approval.reason else ""
    return f"approval {approval.id} was already {approval.status} by {approval.decided_by}{reason}"


def consume(tx: Transaction, id: int, ticket_id: int | None) -> None:
    """Use an approval, once. Raises ``NotFound``, or ``AlreadyDecided`` when it gives no leave (any more)."""
    approval = get_approval(tx, id)
    if approval.ticket_id != ticket_id:
        raise AlreadyDecided(f"approval {id} was given for ticket {approval.ticket_id}, not for {ticket_id}")
    if approval.status == "pending":
        raise AlreadyDecided(f"approval {id} is still waiting for an answer; nothing may run on it")
    if approval.status not in ("approved", "edited"):
        raise AlreadyDecided(f"{how_it_ended(approval)}; nothing may run on it")
    if approval.consumed_at is not None:
        raise AlreadyDecided(f"approval {id} was used at {iso(approval.consumed_at)}; it is good for one use")
    tx.run(update(_A).where(_A.c.id == id).values(consumed_at=tx.now))
