"""Bring a database to the newest schema: the only module that imports Alembic, only when there is work."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
_one_at_a_time = threading.Lock()  # Alembic's environment is a global of the process


def upgrade(connection: Connection) -> None:
    """Run every outstanding migration inside the transaction ``connection`` is in; blocking.

    The caller holds the database for itself, so that of two processes the second finds nothing to do.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, "head")
