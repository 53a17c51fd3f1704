"""Where the ledger lives: reading ``HARNESS_DATABASE_URL``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from monitor.ledger.errors import LedgerError

_FORMS = "a path, sqlite:///path or postgresql://user@host/name"
_SQLITE = frozenset({"sqlite", "sqlite+aiosqlite", "sqlite+pysqlite"})
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})


def parse_address(url: str) -> Path | URL:
    """The SQLite file's path or the server's URL. Raises ``LedgerError``; none shows a password."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        if not scheme or scheme == ":memory:":
            raise LedgerError(f"the ledger's address is {scheme or 'empty'!r}; it must be {_FORMS}")
        return Path(scheme).expanduser()
    if scheme in _SQLITE:
        name = unquote(rest.partition("?")[0].removeprefix("/"))
        if not name or name == ":memory:":
            raise LedgerError(f"the ledger must outlive the process, so it cannot live in memory; use {_FORMS}")
        return Path(name).expanduser()
    if scheme in _POSTGRES:
        try:
            parsed = make_url(f"postgresql+asyncpg://{rest}")
        except (ArgumentError, ValueError) as error:
            raise LedgerError("HARNESS_DATABASE_URL is not a URL; use postgresql://user@host/name") from error
        if not parsed.database:
            raise LedgerError("HARNESS_DATABASE_URL names no database; use postgresql://user@host/name")
        query = dict(parsed.query)
        if "sslmode" in query:  # libpq's name for what asyncpg calls ssl
            query["ssl"] = query.pop("sslmode")
        return parsed.set(query=query)
    raise LedgerError(f"the ledger cannot live at {scheme}://…; set HARNESS_DATABASE_URL to {_FORMS}")
