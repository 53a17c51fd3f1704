"""The control row: mode and kill switch, with its defaults where nobody set anything yet."""

from __future__ import annotations

from sqlalchemy import Connection, select

from monitor.ledger import schema
from monitor.ledger.store import first
from monitor.records import Control

CONTROL_ID = 1


def get_control(connection: Connection) -> Control:
    row = first(connection, select(schema.control).where(schema.control.c.id == CONTROL_ID))
    if row is None:
        return Control()
    return Control(**{key: value for key, value in row.items() if key != "id"})
