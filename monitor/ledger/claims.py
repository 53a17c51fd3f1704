"""Who works on a ticket: claim with a lease and a fencing token, renew, settle, hand back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Select, and_, or_, select, update

from monitor.ledger import schema
from monitor.ledger.approval_rows import withdraw_unused
from monitor.ledger.base import LedgerBase
from monitor.ledger.codec import clean
from monitor.ledger.control_rows import get_control
from monitor.ledger.errors import LedgerError
from monitor.ledger.store import Row, Transaction, first
from monitor.ledger.ticket_rows import change, check_worked
from monitor.records import CLOSED_STATUSES, WORKED_STATUSES, Ticket

_T = schema.tickets


def _claimable(now: float, subjects: Sequence[str] | None, ticket_id: int | None) -> Select[tuple[int, str]]:
    lapsed = and_(
        _T.c.status.in_(sorted(WORKED_STATUSES)),
        or_(_T.c.lease_expires_at.is_(None), _T.c.lease_expires_at <= now),
    )
    statement = select(_T.c.id, _T.c.status).where(or_(_T.c.status == "pending", lapsed))
    if subjects is not None:
        statement = statement.where(_T.c.subject.in_(list(subjects)))
    if ticket_id is not None:
        statement = statement.where(_T.c.id == ticket_id)
    return statement.order_by(_T.c.priority_rank, _T.c.id).limit(1)


def move(tx: Transaction, id: int, fence: int, status: str, outcome: str | None, detail: str) -> Ticket:
    """Move a ticket that the holder of ``fence`` works, inside a transaction."""
    check_worked(tx, id, fence)
    if status in WORKED_STATUSES:
        return change(tx, id, "status", detail, status=status, outcome=outcome)
    withdraw_unused(tx, id, f"the ticket was closed as {outcome or status}")
    return change(
        tx,
        id,
        "status",
        detail,
        status=status,
        outcome=outcome,
        closed_at=tx.now,
        lease_owner=None,
        lease_expires_at=None,
    )


class Claims(LedgerBase):
    async def claim(
        self,
        owner: str,
        *,
        lease_seconds: float,
        subjects: Sequence[str] | None,
        ticket_id: int | None = None,
    ) -> Ticket | None:
        """Take the most urgent ticket nobody holds (pending, or its holder's lease ran out), or None.

        The ticket becomes ``in_progress`` unless it was awaiting approval or verifying. Its ``fence`` is the
        token every later write of this worker must carry. None while the kill switch is on.
        """

        def look(connection: Connection) -> Row | None:
            if get_control(connection).stopped:
                return None
            return first(connection, _claimable(float(self._clock()), subjects, ticket_id))

        def take(tx: Transaction) -> Ticket | None:
            if get_control(tx.connection).stopped:
                return None
            row = tx.first(_claimable(tx.now, subjects, ticket_id))
            if row is None:
                return None
            return change(
                tx,
                row["id"],
                "claimed",
                f"by {owner}",
                status="in_progress" if row["status"] == "pending" else row["status"],
                fence=_T.c.fence + 1,
                attempts=_T.c.attempts + 1,
                lease_owner=clean(owner),
                lease_expires_at=tx.now + lease_seconds,
            )

        if await self._read(look) is None:  # an idle poll takes no write lock
            return None
        return await self._write(take)

    async def renew(self, id: int, fence: int, lease_seconds: float) -> None:
        """Extend the lease to ``lease_seconds`` from now. Raises ``LostLease`` or ``NotFound``."""

        def body(tx: Transaction) -> None:
            check_worked(tx, id, fence)
            tx.run(update(_T).where(_T.c.id == id).values(lease_expires_at=tx.now + lease_seconds))

        await self._write(body)

    async def set_status(
        self, id: int, fence: int, status: str, *, outcome: str | None = None, detail: str = ""
    ) -> Ticket:
        """Move a ticket this worker holds; closing it ends the lease and withdraws its unused approvals.

        Raises ``LostLease`` (nothing changed), ``NotFound``, or ``LedgerError`` for a status that is not a
        worker's to set.
        """
        if status not in WORKED_STATUSES | CLOSED_STATUSES:
            allowed = ", ".join(sorted(WORKED_STATUSES | CLOSED_STATUSES))
            raise LedgerError(f"a worker cannot set status {status!r}; it is one of {allowed}")

        return await self._write(lambda tx: move(tx, id, fence, status, outcome, detail))

    async def end_leases(self, owner_prefix: str) -> int:
        """End the leases of workers that are known to be dead, so that their tickets can be claimed at once.

        For whoever holds the lock under which those workers ran; how many there were is returned.
        """
        held = (_T.c.status.in_(sorted(WORKED_STATUSES)), _T.c.lease_owner.startswith(owner_prefix, autoescape=True))

        def body(tx: Transaction) -> int:
            return int(tx.run(update(_T).where(*held).values(lease_expires_at=tx.now)).rowcount)

        return await self._write(body)

    async def release(self, id: int, fence: int, detail: str) -> Ticket:
        """Hand a ticket back to the queue; its approvals stay. Raises ``LostLease`` or ``NotFound``."""

        def body(tx: Transaction) -> Ticket:
            check_worked(tx, id, fence)
            return change(tx, id, "released", detail, status="pending", lease_owner=None, lease_expires_at=None)

        return await self._write(body)
