"""The running subjects: desired and observed state, injected faults, the monitor's last snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Table, insert, select, update

from monitor.ledger import schema
from monitor.ledger.base import LedgerBase
from monitor.ledger.codec import bounded, clean, decoded
from monitor.ledger.store import Row, Transaction, first, rows
from monitor.records import Desired, FaultRecord, Observed

_D, _O, _F, _S = schema.desired, schema.observed, schema.faults, schema.snapshots


def _upsert(tx: Transaction, table: Table, subject: str, values: Mapping[str, Any]) -> None:
    """One row per subject; plain SQL suffices, since a write has the database for itself."""
    if tx.run(update(table).where(table.c.subject == subject).values(**values)).rowcount == 0:
        tx.run(insert(table).values(subject=subject, **values))


def _to_fault(row: Row) -> FaultRecord:
    return FaultRecord(**{**row, "parameters": decoded(row["parameters"], f"fault {row['id']}")})


def _snapshot(row: Row) -> dict[str, Any]:
    data: dict[str, Any] = decoded(row["data"], f"the snapshot of {row['subject']}")
    return {"at": row["at"], **data}


class Operations(LedgerBase):
    async def desired(self, subject: str) -> Desired | None:
        """What is wanted of the subject, or None when nothing was ever said."""
        statement = select(_D).where(_D.c.subject == subject)
        row = await self._read(lambda connection: first(connection, statement))
        return None if row is None else Desired(**row)

    async def set_desired(
        self,
        subject: str,
        *,
        running: bool | None = None,
        commit: str | None = None,
        restart: bool = False,
        by: str,
    ) -> Desired:
        """Change what is wanted; what is not given stays. ``restart`` asks for one by a new generation.

        A first word about a subject means it shall run, at generation 1.
        """

        def body(tx: Transaction) -> Desired:
            row = tx.first(select(_D).where(_D.c.subject == subject))
            old = Desired(**row) if row else Desired(subject, True, 0 if restart else 1, None, tx.now, by)
            new = replace(
                old,
                running=old.running if running is None else running,
                commit=old.commit if commit is None else commit,
                generation=old.generation + int(restart),
                updated_at=tx.now,
                by=clean(by),
            )
            values = asdict(new)
            del values["subject"]
            _upsert(tx, _D, subject, values)
            tx.emit("service.desired", {"desired": new.public()}, subject=subject)
            return new

        return await self._write(body)

    async def observed(self, subject: str) -> Observed | None:
        """What the supervisor last saw, or None."""
        statement = select(_O).where(_O.c.subject == subject)
        row = await self._read(lambda connection: first(connection, statement))
        return None if row is None else Observed(**row)

    async def set_observed(self, observed: Observed) -> None:
        """Record what the supervisor sees."""
        values = {**asdict(observed), "detail": clean(observed.detail)}
        del values["subject"]

        def body(tx: Transaction) -> None:
            _upsert(tx, _O, observed.subject, values)
            tx.emit("service.observed", {"observed": observed.public()}, subject=observed.subject)

        await self._write(body)

    async def record_fault(
        self, subject: str, name: str, parameters: Mapping[str, Any], ground_truth: str, by: str
    ) -> FaultRecord:
        """Put an injected fault on record; the same fault injected anew ends the earlier record."""
        stored = bounded(dict(parameters), "the fault's parameters")

        def body(tx: Transaction) -> FaultRecord:
            _end_fault(tx, subject, name, by)
            inserted = tx.run(
                insert(_F).values(
                    subject=subject,
                    name=name,
                    active=True,
                    parameters=stored,
                    ground_truth=clean(ground_truth),
                    injected_at=tx.now,
                    by=clean(by),
                )
            )
            id = int(inserted.inserted_primary_key[0])  # type: ignore[index]
            return _announce_fault(tx, id, by)

        return await self._write(body)

    async def clear_fault(self, subject: str, name: str, by: str) -> FaultRecord | None:
        """End the active record of this fault; None when there is none."""
        return await self._write(lambda tx: _end_fault(tx, subject, name, by))

    async def faults(self, subject: str | None = None, active_only: bool = False) -> list[FaultRecord]:
        """Injected faults, oldest first."""
        statement = select(_F).order_by(_F.c.id)
        if subject is not None:
            statement = statement.where(_F.c.subject == subject)
        if active_only:
            statement = statement.where(_F.c.active)
        return await self._read(lambda connection: [_to_fault(row) for row in rows(connection, statement)])

    async def put_snapshot(self, subject: str, data: Mapping[str, Any]) -> None:
        """Replace the monitor's snapshot of a subject; no event tells of it."""
        stored = bounded(dict(data), "the snapshot")
        await self._write(lambda tx: _upsert(tx, _S, subject, {"at": tx.now, "data": stored}))

    async def snapshot(self, subject: str) -> dict[str, Any] | None:
        """The last snapshot, with the time it was written as ``at`` unless it names one itself."""
        statement = select(_S).where(_S.c.subject == subject)
        row = await self._read(lambda connection: first(connection, statement))
        return None if row is None else _snapshot(row)

    async def snapshots(self) -> dict[str, dict[str, Any]]:
        """The last snapshot of every subject, by its name."""
        found = await self._read(lambda connection: rows(connection, select(_S).order_by(_S.c.subject)))
        return {row["subject"]: _snapshot(row) for row in found}


def _end_fault(tx: Transaction, subject: str, name: str, by: str) -> FaultRecord | None:
    row = tx.first(select(_F.c.id).where(_F.c.subject == subject, _F.c.name == name, _F.c.active))
    if row is None:
        return None
    tx.run(update(_F).where(_F.c.id == row["id"]).values(active=False, cleared_at=tx.now))
    return _announce_fault(tx, row["id"], by)


def _announce_fault(tx: Transaction, id: int, by: str) -> FaultRecord:
    fault = _to_fault(tx.rows(select(_F).where(_F.c.id == id))[0])
    tx.emit("fault.changed", {"fault": fault.public(), "by": clean(by)}, subject=fault.subject)
    return fault
