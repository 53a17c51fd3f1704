"""The ledger on SQLite: one file in the home.

SQLAlchemy's own (blocking) driver runs in threads of ours: a transaction costs one hop to a thread and back.
Going through aiosqlite costs one hop for every cursor call, measured at about five times the time and CPU.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from monitor.ledger.errors import LedgerError
from monitor.ledger.revision import check_revision
from monitor.ledger.schema import VERSION_TABLE

T = TypeVar("T")
BUSY_SECONDS = 5.0
_READERS = 2
_DAMAGE = ("not a database", "malformed", "decode to UTF-8", "unsupported file format")
_FAILURES = (DBAPIError, sqlite3.Error, UnicodeDecodeError)
"""What the engine raises; the last when a damaged file garbles its very error message."""
_QUICK_CHECK_BYTES = 4 * 1024 * 1024
"""Files up to this size are checked whole at every start (a few milliseconds)."""


def _engine(path: Path, begin: str, *, writable: bool, connections: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare_connection(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions on its own
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA journal_size_limit = 16777216")
        if not writable:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _explain(path: Path, error: Exception) -> LedgerError:
    """One line: what, why, and the mend."""
    cause = getattr(error, "orig", None) or error
    text = str(cause)
    if "locked" in text or "busy" in text:
        return LedgerError(
            f"the ledger {path} is busy: another process has held it for over {BUSY_SECONDS:.0f} s; try again"
        )
    if isinstance(cause, UnicodeDecodeError) or any(sign in text for sign in _DAMAGE):
        return LedgerError(
            f"the ledger {path} is damaged ({text}); restore a copy, or start anew after: mv '{path}' '{path}.damaged'"
        )
    if "full" in text:
        return LedgerError(f"the ledger {path} cannot grow: the disk is full; free some space")
    if "readonly" in text or "unable to open" in text or isinstance(cause, OSError):
        reason = getattr(cause, "strerror", None) or text
        return LedgerError(
            f"the ledger {path} cannot be written ({reason}); mend its permissions or choose another HARNESS_HOME"
        )
    return LedgerError(f"the ledger {path} refused: {text.splitlines()[0] if text else type(cause).__name__}")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file, None when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare(path: Path) -> None:
    """Create or check the file and bring its schema to head; blocking."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _enter_wal(connection)
        if path.stat().st_size <= _QUICK_CHECK_BYTES:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"malformed: {' '.join(verdict.split())}")
        table = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (VERSION_TABLE,)
        ).fetchone()
        row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone() if table else None  # noqa: S608
    if check_revision(row[0] if row else None, f"the ledger {path}"):
        _migrate(path)


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite does not wait by itself when another process does the same."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(path: Path) -> None:
    from monitor.ledger.migrate import upgrade

    engine = _engine(path, "BEGIN IMMEDIATE", writable=True, connections=1)
    try:
        with engine.begin() as connection:  # a second process waits here, then finds nothing left to do
            upgrade(connection)
    finally:
        engine.dispose()


class SqliteStore:
    """One writer thread with one connection, and a few readers that never wait for it (WAL)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = _engine(path, "BEGIN IMMEDIATE", writable=True, connections=1)
        self._reader = _engine(path, "BEGIN", writable=False, connections=_READERS)
        self._writing = ThreadPoolExecutor(1, "ledger-writer")
        self._reading = ThreadPoolExecutor(_READERS, "ledger-reader")
        self._closed = False
        self._file = _identity(path)

    @classmethod
    async def open(cls, path: Path) -> SqliteStore:
        def run() -> SqliteStore:
            try:
                _prepare(path)
                return cls(path)
            except (*_FAILURES, OSError) as error:
                raise _explain(path, error) from error

        return await asyncio.to_thread(run)

    async def write(self, body: Callable[[Connection], T]) -> T:
        return await self._run(self._writing, self._writer, body)

    async def read(self, body: Callable[[Connection], T]) -> T:
        return await self._run(self._reading, self._reader, body)

    async def _run(self, threads: ThreadPoolExecutor, engine: Engine, body: Callable[[Connection], T]) -> T:
        def transact() -> T:
            # SQLite would go on in a file that no other process finds: a kill switch there would not be seen here.
            if _identity(self._path) != self._file:
                raise LedgerError(
                    f"the ledger {self._path} was removed or replaced while in use; end this process and start again"
                )
            try:
                with engine.begin() as connection:
                    return body(connection)
            except _FAILURES as error:
                raise _explain(self._path, error) from error

        if self._closed:
            raise LedgerError(f"the ledger {self._path} is closed")
        return await asyncio.get_running_loop().run_in_executor(threads, transact)

    async def close(self) -> None:
        self._closed = True

        def shut() -> None:
            self._writing.shutdown()
            self._reading.shutdown()
            self._writer.dispose()
            self._reader.dispose()

        await asyncio.to_thread(shut)
