"""The ticket queue: filing, reading, cancelling, retrying."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from sqlalchemy import Connection, insert, select

from monitor.ledger import schema
from monitor.ledger.approval_rows import withdraw_unused
from monitor.ledger.base import LedgerBase
from monitor.ledger.codec import bounded, canonical, clean
from monitor.ledger.errors import LedgerError, NotFound
from monitor.ledger.store import Transaction, first, rows
from monitor.ledger.ticket_rows import change, get, to_ticket
from monitor.records import CLOSED_STATUSES, OPEN_STATUSES, PRIORITIES, NewTicket, Source, Ticket

_T = schema.tickets
_OPEN = _T.c.status.in_(sorted(OPEN_STATUSES))


class Tickets(LedgerBase):
    async def file_ticket(self, new: NewTicket) -> tuple[Ticket, bool]:
        """File a ticket, or count one more occurrence of the open one with its fingerprint.

        Returns the ticket and whether it is new. Raises ``LedgerError`` for an unknown priority or source,
        an empty objective, or evidence over 256 KiB.
        """
        if new.priority not in PRIORITIES:
            raise LedgerError(f"priority {new.priority!r} is not one of {', '.join(PRIORITIES)}")
        if new.source not in get_args(Source):
            raise LedgerError(f"source {new.source!r} is not one of {', '.join(get_args(Source))}")
        for name in ("subject", "fingerprint", "objective"):
            if not getattr(new, name).strip():
                raise LedgerError(f"a ticket's {name} must not be empty; say what it is about")
        evidence = bounded(dict(new.evidence), "the evidence")
        context = clean(new.context)

        def body(tx: Transaction) -> tuple[Ticket, bool]:
            fingerprint = clean(new.fingerprint)
            row = tx.first(select(_T).where(_T.c.fingerprint == fingerprint, _OPEN))
            if row is not None:
                return change(tx, row["id"], "repeated", occurrences=row["occurrences"] + 1), False
            inserted = tx.run(
                insert(_T).values(
                    subject=clean(new.subject),
                    source=new.source,
                    fingerprint=fingerprint,
                    priority=new.priority,
                    priority_rank=PRIORITIES.index(new.priority),
                    status="pending",
                    objective=clean(new.objective),
                    criteria=canonical(list(new.criteria)),
                    context=context,
                    evidence=evidence,
                    parent_id=new.parent_id,
                    occurrences=1,
                    attempts=0,
                    created_at=tx.now,
                    updated_at=tx.now,
                    fence=0,
                )
            )
            ticket = get(tx, int(inserted.inserted_primary_key[0]))  # type: ignore[index]
            tx.emit("ticket.filed", {"ticket": ticket.public()}, subject=ticket.subject, ticket_id=ticket.id)
            return ticket, True

        return await self._write(body)

    async def ticket(self, id: int) -> Ticket:
        """One ticket. Raises ``NotFound``."""
        row = await self._read(lambda connection: first(connection, select(_T).where(_T.c.id == id)))
        if row is None:
            raise NotFound(f"there is no ticket {id}; `harness tickets list` shows those there are")
        return to_ticket(row)

    async def tickets(
        self,
        statuses: Collection[str] | None = None,
        subject: str | None = None,
        limit: int = 500,
        newest_first: bool = True,
    ) -> list[Ticket]:
        """Tickets by id, at most ``limit``; all statuses and subjects unless told otherwise."""
        statement = select(_T).order_by(_T.c.id.desc() if newest_first else _T.c.id).limit(limit)
        if statuses is not None:
            statement = statement.where(_T.c.status.in_(sorted(statuses)))
        if subject is not None:
            statement = statement.where(_T.c.subject == subject)
        return await self._read(lambda connection: [to_ticket(row) for row in rows(connection, statement)])

    async def open_ticket(self, fingerprint: str) -> Ticket | None:
        """The one open ticket with this fingerprint, if any."""
        statement = select(_T).where(_T.c.fingerprint == fingerprint, _OPEN)
        row = await self._read(lambda connection: first(connection, statement))
        return None if row is None else to_ticket(row)

    async def last_ticket(self, fingerprint: str) -> Ticket | None:
        """The newest ticket with this fingerprint, open or closed."""
        statement = select(_T).where(_T.c.fingerprint == fingerprint).order_by(_T.c.id.desc()).limit(1)
        row = await self._read(lambda connection: first(connection, statement))
        return None if row is None else to_ticket(row)

    async def similar(self, fingerprint: str, limit: int = 5) -> list[Ticket]:
        """Closed tickets worth a look: same fingerprint first, then the same family; newest first in each.

        The family is what precedes the fingerprint's last slash.
        """
        family = fingerprint.rpartition("/")[0]
        closed = _T.c.status.in_(sorted(CLOSED_STATUSES))
        same = select(_T).where(_T.c.fingerprint == fingerprint, closed).order_by(_T.c.id.desc()).limit(limit)
        kin = (
            select(_T)
            .where(_T.c.fingerprint.startswith(family + "/", autoescape=True), closed)
            .where(_T.c.fingerprint != fingerprint)
            .order_by(_T.c.id.desc())
            .limit(limit)
        )

        def body(connection: Connection) -> list[Ticket]:
            found = list(rows(connection, same))
            if family and len(found) < limit:
                found += rows(connection, kin)
            return [to_ticket(row) for row in found[:limit]]

        return await self._read(body)

    async def close_unclaimed(self, fingerprint: str, *, outcome: str, detail: str) -> Ticket | None:
        """Close the ticket with this fingerprint as completed, only if nobody works on it; else None."""

        def body(tx: Transaction) -> Ticket | None:
            row = tx.first(select(_T.c.id).where(_T.c.fingerprint == fingerprint, _T.c.status == "pending"))
            if row is None:
                return None
            withdraw_unused(tx, row["id"], detail or outcome)
            return change(tx, row["id"], "status", detail, status="completed", outcome=outcome, closed_at=tx.now)

        if await self.open_ticket(fingerprint) is None:
            return None
        return await self._write(body)

    async def cancel(self, id: int, by: str, reason: str = "") -> Ticket:
        """Cancel an open ticket: whoever works on it loses the lease, its unused approvals are withdrawn.

        Raises ``NotFound``, or ``LedgerError`` when it is closed already.
        """
        why = f"cancelled by {by}" + (f": {reason}" if reason else "")

        def body(tx: Transaction) -> Ticket:
            ticket = get(tx, id)
            if not ticket.is_open:
                raise LedgerError(f"ticket {id} is already {ticket.status}; there is nothing to cancel")
            withdraw_unused(tx, id, why)
            return change(
                tx,
                id,
                "cancelled",
                why,
                status="cancelled",
                outcome="cancelled",
                closed_at=tx.now,
                fence=ticket.fence + 1,
                lease_owner=None,
                lease_expires_at=None,
            )

        return await self._write(body)

    async def retry(self, id: int, by: str) -> Ticket:
        """Put a failed or cancelled ticket back in the queue, its attempts counted from 0 again.

        Raises ``NotFound``, or ``LedgerError`` when it is neither, or an open ticket has its fingerprint.
        """

        def body(tx: Transaction) -> Ticket:
            ticket = get(tx, id)
            if ticket.status not in ("failed", "cancelled"):
                raise LedgerError(f"ticket {id} is {ticket.status}; only failed and cancelled ones are retried")
            twin = tx.first(select(_T.c.id).where(_T.c.fingerprint == ticket.fingerprint, _OPEN))
            if twin is not None:
                raise LedgerError(f"ticket {twin['id']} is open for the same trouble; use that one")
            return change(tx, id, "retried", f"by {by}", status="pending", outcome=None, closed_at=None, attempts=0)

        return await self._write(body)

    async def note(self, id: int, text: str, by: str) -> None:
        """Put a remark on the ticket's record. Raises ``NotFound``."""

        def body(tx: Transaction) -> None:
            ticket = get(tx, id)
            data = {"ticket": ticket.public(), "what": "note", "detail": clean(text), "by": by}
            tx.emit("ticket.changed", data, subject=ticket.subject, ticket_id=id)

        bounded(text, "the note")
        await self._write(body)
