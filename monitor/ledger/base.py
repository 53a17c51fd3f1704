"""What every part of the ledger stands on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from monitor.ledger.store import Store, Transaction

T = TypeVar("T")


class LedgerBase:
    """A store and a clock."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self.on_commit: Callable[[], None] | None = None
        """Called on the event loop after each local commit that carried events."""

    async def _write(self, body: Callable[[Transaction], T]) -> T:
        def run(connection: Connection) -> tuple[T, bool]:
            tx = Transaction(connection, float(self._clock()))
            return body(tx), tx.emitted

        result, emitted = await self._store.write(run)
        if emitted and self.on_commit is not None:
            self.on_commit()
        return result

    async def _read(self, body: Callable[[Connection], T]) -> T:
        return await self._store.read(body)

    async def close(self) -> None:
        """Finish what runs and close every connection; safe to call twice."""
        await self._store.close()
