"""Ledgers to test against: SQLite always, a real PostgreSQL wherever its server is installed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monitor.ledger import Ledger
from monitor.ledger.schema import metadata
from tests.monitor.postgres_server import Server, Unavailable


class Clock:
    """A clock that moves only when told."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One server for each worker of the run."""
    try:
        server = Server()
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield server
    server.stop()


def _migrate(url: str) -> None:
    async def open_and_close() -> None:
        await (await Ledger.open(url)).close()

    with ThreadPoolExecutor(1) as thread:  # a loop of its own, away from the tests'
        thread.submit(asyncio.run, open_and_close()).result()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    _migrate(str(path))
    return path


@pytest.fixture(scope="session")
def postgres_reused(postgres_server: Server) -> str:
    url = postgres_server.database()
    _migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no ledger yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: Server = request.getfixturevalue("postgres_server")
    return server.database()


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A ledger without entries that nobody else uses."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_reused")
    server: Server = request.getfixturevalue("postgres_server")
    tables = ", ".join(f'"{table}"' for table in metadata.tables)
    server.sql(url, f"TRUNCATE {tables} RESTART IDENTITY")  # much cheaper than a new database
    return url


@pytest.fixture
async def ledger(ledger_url: str, clock: Clock) -> AsyncIterator[Ledger]:
    """An open ledger without entries, on a clock of the test's."""
    opened = await Ledger.open(ledger_url, clock=clock)
    yield opened
    await opened.close()
