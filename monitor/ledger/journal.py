"""The journal: what the agent meant, was allowed, did and saw, as a hash chain nobody can edit unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DBAPIError

from monitor.ledger import schema
from monitor.ledger.approval_rows import consume
from monitor.ledger.base import LedgerBase
from monitor.ledger.claims import move
from monitor.ledger.codec import bounded, canonical, clean, decoded
from monitor.ledger.store import Row, Transaction, first, rows
from monitor.ledger.ticket_rows import check_fence
from monitor.records import JournalEntry

_J = schema.journal
_HEAD = schema.journal_head
GENESIS = "0" * 64
"""The hash before the first entry."""
_PAGE = 200
_ADD_ENTRY = insert(_J)
_READ_HEAD = select(_HEAD.c.last_id, _HEAD.c.hash)
_MOVE_HEAD = update(_HEAD).where(_HEAD.c.id == 1)
_SET_HEAD = insert(_HEAD)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What re-walking the chain found. ``broken_at`` is the id of the first entry that does not fit."""

    ok: bool
    count: int
    """Entries that were checked and fit."""
    broken_at: int | None = None
    why: str = ""


def link_hash(row: Mapping[str, Any]) -> str:
    """The hash of an entry: over the hash before it and everything else its row holds, as stored."""
    stored = ("id", "ticket_id", "step", "kind", "summary", "payload", "recorded_at")
    text = canonical([row[column] for column in stored])
    return hashlib.sha256((str(row["previous_hash"]) + text).encode()).hexdigest()


def _to_entry(row: Row) -> JournalEntry:
    return JournalEntry(**{**row, "payload": decoded(row["payload"], f"journal entry {row['id']}")})


def _walk(connection: Connection) -> ChainReport:
    head = first(connection, select(_HEAD))
    last_id, last_hash = (head["last_id"], head["hash"]) if head else (0, GENESIS)
    count, previous = 0, GENESIS
    while page := _page(connection, count):
        for row in page:
            expected = count + 1
            if isinstance(row, int):
                return ChainReport(False, count, row, f"entry {row} cannot be read back")
            if row["id"] != expected:
                return ChainReport(False, count, expected, f"entry {expected} is missing")
            if row["previous_hash"] != previous:
                return ChainReport(False, count, expected, f"entry {expected} does not follow entry {count}")
            if row["hash"] != link_hash(row):
                return ChainReport(False, count, expected, f"entry {expected} was changed since it was written")
            count, previous = expected, row["hash"]
    if count != last_id:
        gone = min(count, last_id) + 1
        return ChainReport(False, count, gone, f"the chain should end at entry {last_id}, it ends at {count}")
    if previous != last_hash:
        return ChainReport(False, count, last_id, f"entry {last_id} is not the one that was written last")
    return ChainReport(True, count)


def _page(connection: Connection, after: int) -> list[Row | int]:
    """The next entries; an entry the engine cannot even read stands as its bare id."""
    statement = select(_J).where(_J.c.id > after).order_by(_J.c.id).limit(_PAGE)
    try:
        return list(rows(connection, statement))
    except DBAPIError:
        found: list[Row | int] = []
        for (id,) in connection.execute(statement.with_only_columns(_J.c.id)).all():
            try:
                found += rows(connection, select(_J).where(_J.c.id == id))
            except DBAPIError:
                return [*found, int(id)]
        return found


class Journal(LedgerBase):
    async def append(
        self,
        ticket_id: int | None,
        step: int,
        kind: str,
        summary: str,
        payload: Mapping[str, Any],
        *,
        fence: int | None = None,
        consume_approval: int | None = None,
        close_as: tuple[str, str] | None = None,
    ) -> JournalEntry:
        """Add an entry to the chain; on return it is on disk.

        With ``fence`` the ticket must not have been taken over (``LostLease``); with ``consume_approval`` the
        approval is used up in the same transaction (``AlreadyDecided`` when it gives no leave); with ``close_as``
        (status, outcome) the ticket is closed in it, ``summary`` being the detail. Raises
        ``NotFound`` for an unknown ticket, ``LedgerError`` for a payload over 256 KiB or not JSON.
        """
        stored = bounded(dict(payload), "the journal entry's payload")
        bounded(summary, "the journal entry's summary")

        def body(tx: Transaction) -> JournalEntry:
            subject = None
            if ticket_id is not None:
                subject = check_fence(tx, ticket_id, fence)["subject"]
            if consume_approval is not None:
                consume(tx, consume_approval, ticket_id)
            head = tx.first(_READ_HEAD)
            row: dict[str, Any] = {
                "id": head["last_id"] + 1 if head else 1,
                "ticket_id": ticket_id,
                "step": step,
                "kind": kind,
                "summary": clean(summary),
                "payload": stored,
                "recorded_at": tx.now,
                "previous_hash": head["hash"] if head else GENESIS,
            }
            row["hash"] = link_hash(row)
            tx.run(_ADD_ENTRY, row)
            end = {"last_id": row["id"], "hash": row["hash"]}
            if head:
                tx.run(_MOVE_HEAD, end)
            else:
                tx.run(_SET_HEAD, {"id": 1, **end})
            entry = _to_entry(row)
            tx.emit("journal.appended", {"entry": entry.public()}, subject=subject, ticket_id=ticket_id)
            if close_as is not None and ticket_id is not None and fence is not None:
                move(tx, ticket_id, fence, *close_as, clean(summary))
            return entry

        return await self._write(body)

    async def journal(self, ticket_id: int | None = None, after_id: int = 0, limit: int = 10_000) -> list[JournalEntry]:
        """Entries in order, of one ticket or of all. Raises ``LedgerError`` naming an unreadable one."""
        statement = select(_J).where(_J.c.id > after_id).order_by(_J.c.id).limit(limit)
        if ticket_id is not None:
            statement = statement.where(_J.c.ticket_id == ticket_id)
        return await self._read(lambda connection: [_to_entry(row) for row in rows(connection, statement)])

    async def verify_chain(self) -> ChainReport:
        """Re-walk the whole chain: any entry changed, missing, added or cut off is named."""
        return await self._read(_walk)
