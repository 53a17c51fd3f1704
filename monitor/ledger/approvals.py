"""Asking a person, and the answers: each request is answered once, in time, and used once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import insert, select

from monitor.ledger import schema
from monitor.ledger.approval_rows import (
    announce,
    end,
    get_approval,
    how_it_ended,
    time_out,
    to_approval,
    withdraw_unused,
)
from monitor.ledger.base import LedgerBase
from monitor.ledger.codec import bounded, clean
from monitor.ledger.errors import AlreadyDecided, LedgerError, NotFound
from monitor.ledger.store import Transaction, first, rows
from monitor.ledger.ticket_rows import check_worked
from monitor.records import Approval

_A = schema.approvals
ANSWERS = ("approved", "edited", "rejected")


class Approvals(LedgerBase):
    async def request_approval(
        self,
        *,
        ticket_id: int,
        fence: int,
        action_id: str,
        tool: str,
        arguments: Mapping[str, Any],
        effect: str,
        target: str,
        rule: str,
        why: str,
        diff: str,
        undo: str,
        digest: str,
        ttl_seconds: float,
    ) -> Approval:
        """Ask for leave to do exactly this; asking again while the answer is good returns the same row.

        Raises ``LostLease``, ``NotFound``, or ``LedgerError`` for arguments or a diff over 256 KiB.
        """
        stored = bounded(dict(arguments), "the action's arguments")
        bounded(diff, "the action's diff")

        def body(tx: Transaction) -> Approval:
            check_worked(tx, ticket_id, fence)
            same = select(_A).where(_A.c.ticket_id == ticket_id, _A.c.digest == digest)
            unused = same.where(_A.c.status.in_(["pending", "approved", "edited"]), _A.c.consumed_at.is_(None))
            for row in tx.rows(unused.order_by(_A.c.id.desc())):
                if row["expires_at"] > tx.now:
                    return to_approval(row)
                if row["status"] == "pending":
                    time_out(tx, row["id"])
            inserted = tx.run(
                insert(_A).values(
                    ticket_id=ticket_id,
                    action_id=clean(action_id),
                    tool=clean(tool),
                    arguments=stored,
                    effect=effect,
                    target=clean(target),
                    rule=clean(rule),
                    why=clean(why),
                    diff=clean(diff),
                    undo=clean(undo),
                    digest=digest,
                    status="pending",
                    requested_at=tx.now,
                    expires_at=tx.now + ttl_seconds,
                )
            )
            approval = get_approval(tx, int(inserted.inserted_primary_key[0]))  # type: ignore[index]
            announce(tx, "approval.requested", approval)
            return approval

        return await self._write(body)

    async def approval(self, id: int) -> Approval:
        """One approval. Raises ``NotFound``."""
        row = await self._read(lambda connection: first(connection, select(_A).where(_A.c.id == id)))
        if row is None:
            raise NotFound(f"there is no approval {id}; `harness approvals list` shows those there are")
        return to_approval(row)

    async def approvals(
        self, statuses: Collection[str] | None = None, ticket_id: int | None = None, limit: int = 200
    ) -> list[Approval]:
        """Approvals, oldest first, at most ``limit``."""
        statement = select(_A).order_by(_A.c.id).limit(limit)
        if statuses is not None:
            statement = statement.where(_A.c.status.in_(sorted(statuses)))
        if ticket_id is not None:
            statement = statement.where(_A.c.ticket_id == ticket_id)
        return await self._read(lambda connection: [to_approval(row) for row in rows(connection, statement)])

    async def decide(
        self,
        id: int,
        status: str,
        *,
        by: str,
        reason: str | None = None,
        edited_arguments: Mapping[str, Any] | None = None,
    ) -> Approval:
        """Answer a pending request: ``approved``, ``edited`` (with the arguments to use) or ``rejected``.

        Raises ``AlreadyDecided`` when somebody or time was faster (nothing is changed then, except that a
        request past its time is marked so), ``NotFound``, or ``LedgerError`` for a malformed answer.
        """
        if status not in ANSWERS:
            raise LedgerError(f"an answer is one of {', '.join(ANSWERS)}, not {status!r}")
        if (status == "edited") != (edited_arguments is not None):
            raise LedgerError("edited arguments belong to the answer 'edited', and it needs them")
        edited = None if edited_arguments is None else bounded(dict(edited_arguments), "the edited arguments")

        def body(tx: Transaction) -> tuple[Approval, bool]:
            approval = get_approval(tx, id)
            if approval.status != "pending":
                return approval, False
            if approval.expires_at <= tx.now:
                return time_out(tx, id), False
            return end(tx, id, status, by, reason, edited_arguments=edited), True

        approval, decided = await self._write(body)
        if not decided:
            raise AlreadyDecided(how_it_ended(approval))
        return approval

    async def withdraw(self, id: int, reason: str) -> Approval | None:
        """Take back a request that still waits; None when it does not wait any more. Raises ``NotFound``."""

        def body(tx: Transaction) -> Approval | None:
            if get_approval(tx, id).status != "pending":
                return None
            return end(tx, id, "withdrawn", "harness", reason)

        return await self._write(body)

    async def withdraw_all(self, ticket_id: int, reason: str) -> None:
        """Take back whatever of a ticket still waits for an answer or was granted and never used."""
        await self._write(lambda tx: withdraw_unused(tx, ticket_id, reason))

    async def expire_due(self) -> list[Approval]:
        """Mark every pending request past its time as ``timed_out``; returns them."""

        def body(tx: Transaction) -> list[Approval]:
            due = select(_A.c.id).where(_A.c.status == "pending", _A.c.expires_at <= tx.now).order_by(_A.c.id)
            return [time_out(tx, row["id"]) for row in tx.rows(due)]

        now = float(self._clock())
        overdue = select(_A.c.id).where(_A.c.status == "pending", _A.c.expires_at <= now).limit(1)
        if await self._read(lambda connection: first(connection, overdue)) is None:
            return []
        return await self._write(body)
