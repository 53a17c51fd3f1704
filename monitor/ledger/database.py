"""``Ledger``: the one truth about tickets, approvals, records and state, on SQLite or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from monitor.ledger.address import parse_address
from monitor.ledger.approvals import Approvals
from monitor.ledger.claims import Claims
from monitor.ledger.control import Controls
from monitor.ledger.events import Events
from monitor.ledger.journal import Journal
from monitor.ledger.operations import Operations
from monitor.ledger.store import Store
from monitor.ledger.tickets import Tickets


class Ledger(Tickets, Claims, Approvals, Journal, Controls, Operations, Events):
    """Every change and the events that tell of it are one transaction; what returned is on disk."""

    @classmethod
    async def open(cls, url: str, *, clock: Callable[[], float] = time.time) -> Ledger:
        """Open the ledger, creating or migrating it as needed; safe from several processes at once.

        ``url`` is a path, ``sqlite:///path`` or ``postgresql://user@host/name``. Raises ``LedgerError`` with
        one line when the address is malformed, the file damaged or unwritable, or the server out of reach.
        """
        address = parse_address(url)
        store: Store
        if isinstance(address, Path):
            from monitor.ledger.sqlite import SqliteStore

            store = await SqliteStore.open(address)
        else:
            from monitor.ledger.postgres import PostgresStore

            store = await PostgresStore.open(address)
        return cls(store, clock)
