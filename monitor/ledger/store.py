"""What an engine offers the ledger: run a body in one transaction, off the event loop's back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Executable, insert

from monitor.events import Event
from monitor.ledger import schema
from monitor.ledger.codec import canonical

T = TypeVar("T")
Row = Mapping[str, Any]
_ADD_EVENT = insert(schema.events)


class Store(Protocol):
    """A database. Bodies are plain functions of a SQLAlchemy connection and may run in another thread."""

    async def write(self, body: Callable[[Connection], T]) -> T:
        """Run ``body`` alone among all writers of all processes; commit, or change nothing if it raises.

        A caller that is cancelled leaves the transaction whole: committed or never begun.
        """
        ...

    async def read(self, body: Callable[[Connection], T]) -> T:
        """Run ``body`` on one consistent snapshot of what is committed."""
        ...

    async def close(self) -> None:
        """Finish what runs, then let go of every connection and thread."""
        ...


def rows(connection: Connection, statement: Executable) -> Sequence[Row]:
    return cast("Sequence[Row]", connection.execute(statement).mappings().all())


def first(connection: Connection, statement: Executable) -> Row | None:
    return cast("Row | None", connection.execute(statement).mappings().first())


class Transaction:
    """One write: statements plus the events that tell of them, committed together."""

    def __init__(self, connection: Connection, now: float) -> None:
        self.connection = connection
        self.now = now
        """Seconds since the epoch, read once the transaction had the database for itself."""
        self.emitted = False

    def rows(self, statement: Executable) -> Sequence[Row]:
        return rows(self.connection, statement)

    def first(self, statement: Executable) -> Row | None:
        return first(self.connection, statement)

    def run(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute; a fixed statement with ``parameters`` costs about half of one built around its values."""
        return cast("CursorResult[Any]", self.connection.execute(statement, parameters))

    def emit(
        self,
        kind: str,
        data: Mapping[str, Any],
        *,
        subject: str | None = None,
        ticket_id: int | None = None,
        at: float | None = None,
    ) -> Event:
        """Add an event row to this transaction."""
        moment = self.now if at is None else float(at)
        row = {
            "kind": kind,
            "at": moment,
            "subject": subject,
            "ticket_id": ticket_id,
            "data": canonical(data),
        }
        inserted = self.run(_ADD_EVENT, row)
        self.emitted = True
        key = inserted.inserted_primary_key
        return Event(kind, moment, data, subject, ticket_id, int(key[0]) if key else None)
