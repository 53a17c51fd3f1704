"""The operator's hand on the wheel: mode and kill switch."""

from __future__ import annotations

from dataclasses import asdict, replace

from sqlalchemy import insert, update

from monitor.ledger import schema
from monitor.ledger.base import LedgerBase
from monitor.ledger.codec import clean
from monitor.ledger.control_rows import CONTROL_ID, get_control
from monitor.ledger.errors import LedgerError
from monitor.ledger.store import Transaction
from monitor.records import MODES, Control

_C = schema.control


def _save(tx: Transaction, control: Control, by: str) -> Control:
    values = asdict(control)
    if tx.run(update(_C).where(_C.c.id == CONTROL_ID).values(**values)).rowcount == 0:
        tx.run(insert(_C).values(id=CONTROL_ID, **values))
    tx.emit("control.changed", {"control": control.public(), "by": clean(by)})
    return control


class Controls(LedgerBase):
    async def control(self) -> Control:
        """The mode and the kill switch as they stand."""
        return await self._read(get_control)

    async def set_mode(self, mode: str, by: str) -> Control:
        """Change how much the agent may do by itself. Raises ``LedgerError`` for an unknown mode."""
        if mode not in MODES:
            raise LedgerError(f"mode {mode!r} is not one of {', '.join(MODES)}")
        return await self._write(lambda tx: _save(tx, replace(get_control(tx.connection), mode=mode), by))

    async def stop(self, by: str, reason: str) -> Control:
        """Turn the kill switch on. A second stop keeps the first one's time and reason."""

        def body(tx: Transaction) -> Control:
            control = get_control(tx.connection)
            if control.stopped:
                return control
            stopped = replace(control, stopped=True, stop_reason=clean(reason), stopped_by=clean(by), stopped_at=tx.now)
            return _save(tx, stopped, by)

        return await self._write(body)

    async def resume(self, by: str) -> Control:
        """Turn the kill switch off; nothing happens when it is off already."""

        def body(tx: Transaction) -> Control:
            control = get_control(tx.connection)
            if not control.stopped:
                return control
            return _save(tx, Control(mode=control.mode), by)

        return await self._write(body)
