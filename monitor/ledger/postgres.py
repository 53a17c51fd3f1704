"""The ledger on PostgreSQL: for several hosts, or more history than one file should hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from monitor.ledger.errors import LedgerError
from monitor.ledger.revision import check_revision
from monitor.ledger.schema import VERSION_TABLE

T = TypeVar("T")
_WRITE_LOCK = text("SELECT pg_advisory_xact_lock(5208486)")
"""One writer at a time in the database: event ids then become visible in their order."""
_CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 30
_READERS = 3


def _where(url: URL) -> str:
    """The server without user or password."""
    return f"postgresql://{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


def _explain(url: URL, error: BaseException) -> LedgerError:
    cause: Any = getattr(error, "orig", None) or error
    cause = cause.__cause__ if isinstance(error, DBAPIError) and cause.__cause__ else cause
    lines = str(cause).splitlines()
    reason = lines[0] if lines else type(cause).__name__
    return LedgerError(f"the ledger at {_where(url)} failed ({reason}); check the server and HARNESS_DATABASE_URL")


def _engine(url: URL, *, connections: int, **options: Any) -> AsyncEngine:
    try:
        return create_async_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": _STATEMENT_SECONDS},
            **options,
        )
    except ImportError as error:
        raise LedgerError(
            "a PostgreSQL ledger needs asyncpg; install it with: pip install 'harness-tui[postgres]'"
        ) from error


def _found_revision(connection: Connection) -> str | None:
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE}) is None:
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return None if found is None else str(found)


async def _migrate(url: URL) -> None:
    from monitor.ledger.migrate import upgrade

    engine = _engine(url, connections=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(_WRITE_LOCK)  # a second process waits here, then finds no work left
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


class PostgresStore:
    """One writer connection, under a lock that all processes share, and a few readers."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._writer = _engine(url, connections=1)
        self._reader = _engine(url, connections=_READERS, isolation_level="REPEATABLE READ")
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def open(cls, url: URL) -> PostgresStore:
        store = await asyncio.to_thread(cls, url)  # loads the driver
        try:
            if check_revision(await store.read(_found_revision), f"the ledger at {_where(url)}"):
                await asyncio.to_thread(asyncio.run, _migrate(url))
        except LedgerError:
            await store.close()
            raise
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            await store.close()
            raise _explain(url, error) from error
        return store

    async def write(self, body: Callable[[Connection], T]) -> T:
        return await self._run(self._writer, _WRITE_LOCK, body)

    async def read(self, body: Callable[[Connection], T]) -> T:
        return await self._run(self._reader, None, body)

    async def _run(self, engine: AsyncEngine, lock: Any, body: Callable[[Connection], T]) -> T:
        if self._closed:
            raise LedgerError(f"the ledger at {_where(self._url)} is closed")
        # A task of its own: a cancelled caller must not tear the connection out of a transaction.
        task = asyncio.create_task(self._transact(engine, lock, body))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _transact(self, engine: AsyncEngine, lock: Any, body: Callable[[Connection], T]) -> T:
        try:
            async with engine.begin() as connection:
                if lock is not None:
                    await connection.execute(lock)
                return await connection.run_sync(body)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise _explain(self._url, error) from error

    async def close(self) -> None:
        self._closed = True
        if self._running:
            await asyncio.wait(self._running)
        await self._writer.dispose()
        await self._reader.dispose()
