"""The outbox: every committed change as an event, in the order of the commits."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from monitor.events import PERSISTED, Event
from monitor.ledger import schema
from monitor.ledger.base import LedgerBase
from monitor.ledger.codec import bounded, decoded
from monitor.ledger.errors import LedgerError
from monitor.ledger.store import Row, Transaction, rows

_E = schema.events


def _to_event(row: Row) -> Event:
    return Event(**{**row, "data": decoded(row["data"], f"event {row['id']}")})


class Events(LedgerBase):
    async def emit(self, event: Event) -> Event:
        """Keep an event that tells of no row; returns it with its id.

        Raises ``LedgerError`` for a kind that is live only.
        """
        if event.kind not in PERSISTED:
            raise LedgerError(f"events of kind {event.kind!r} are live only; publish them on the hub")
        bounded(dict(event.data), "the event")
        return await self._write(
            lambda tx: tx.emit(event.kind, event.data, subject=event.subject, ticket_id=event.ticket_id, at=event.at)
        )

    async def events_after(self, id: int, limit: int = 500, *, ticket_id: int | None = None) -> list[Event]:
        """Events with a higher id, oldest first; of one ticket only, if asked.

        Ids follow the order of commits: none ever appears below one that was already seen.
        """
        statement = select(_E).where(_E.c.id > id).order_by(_E.c.id).limit(limit)
        if ticket_id is not None:
            statement = statement.where(_E.c.ticket_id == ticket_id)
        return await self._read(lambda connection: [_to_event(row) for row in rows(connection, statement)])

    async def last_event_id(self) -> int:
        """The newest event's id, 0 when there is none."""
        statement = select(func.coalesce(func.max(_E.c.id), 0))
        return int(await self._read(lambda connection: connection.execute(statement).scalar_one()))

    async def prune_events(self, keep: int = 100_000) -> int:
        """Delete all but about the newest ``keep`` events; returns how many went. The journal stays whole."""

        def body(tx: Transaction) -> int:
            newest = tx.run(select(func.max(_E.c.id))).scalar_one_or_none()
            return 0 if newest is None else tx.run(delete(_E).where(_E.c.id <= newest - keep)).rowcount

        return await self._write(body)
