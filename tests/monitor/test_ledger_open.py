from __future__ import annotations

import socket
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from monitor.ledger import Ledger, LedgerError, schema
from monitor.ledger.migrate import MIGRATIONS
from monitor.records import NewTicket

NEW = NewTicket("ratelimiter", "human", "f", "mend it", ("healthy",))


@contextmanager
def one_clear_line(*parts: str) -> Iterator[None]:
    with pytest.raises(LedgerError) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


async def test_migrations_make_the_tables_the_program_uses(empty_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
        )
        return list(compare_metadata(context, schema.metadata))

    ledger = await Ledger.open(empty_url)
    try:
        assert await ledger._store.read(differences) == []
    finally:
        await ledger.close()


def test_the_program_knows_every_migration() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(schema.REVISIONS)


async def test_what_was_written_is_there_after_opening_again(empty_url: str) -> None:
    first = await Ledger.open(empty_url)
    ticket, _ = await first.file_ticket(NEW)
    await first.close()
    second = await Ledger.open(empty_url)
    try:
        assert await second.ticket(ticket.id) == ticket
    finally:
        await second.close()


async def test_closing_twice_is_fine_and_using_a_closed_ledger_is_said(ledger_url: str) -> None:
    ledger = await Ledger.open(ledger_url)
    await ledger.close()
    await ledger.close()
    with one_clear_line("closed"):
        await ledger.tickets()


async def test_a_ledger_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await (await Ledger.open(str(path))).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
        connection.commit()

    with one_clear_line(str(path), "newer", "pip install -U"):
        await Ledger.open(str(path))


def overwrite_the_header(path: Path) -> None:
    path.write_bytes(b"this was a database once" * 500)


def overwrite_the_middle(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[4096:12288] = b"\xa5" * 8192
    path.write_bytes(octets)


def cut_it_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10_000])


@pytest.mark.parametrize("damage", [overwrite_the_header, overwrite_the_middle, cut_it_short])
async def test_a_damaged_file_is_one_clear_line_and_stays_as_it_is(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "ledger.db"
    ledger = await Ledger.open(str(path))
    await ledger.file_ticket(NEW)
    await ledger.close()
    assert callable(damage)
    damage(path)
    before = path.read_bytes()

    with one_clear_line(str(path), "damaged", "mv "):
        await Ledger.open(str(path))

    assert path.read_bytes() == before


async def test_damage_that_shows_later_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = await Ledger.open(str(path))
    try:
        await ledger.file_ticket(NEW)
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE tickets SET evidence = '{'")
            other.commit()
        with one_clear_line("ticket 1", "damaged"):
            await ledger.tickets()
    finally:
        await ledger.close()


async def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with one_clear_line(str(tmp_path / "file" / "ledger.db"), "HARNESS_HOME"):
        await Ledger.open(str(tmp_path / "file" / "ledger.db"))
    with one_clear_line(str(tmp_path), "HARNESS_HOME"):
        await Ledger.open(str(tmp_path))


async def test_another_process_that_holds_the_ledger_too_long_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.ledger.sqlite.BUSY_SECONDS", 0.1)
    path = tmp_path / "ledger.db"
    ledger = await Ledger.open(str(path))
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as hog:
            hog.execute("BEGIN IMMEDIATE")
            with one_clear_line(str(path), "busy", "try again"):
                await ledger.file_ticket(NEW)
            assert await ledger.tickets() == []  # reading never waits for a writer
        await ledger.file_ticket(NEW)
    finally:
        await ledger.close()


async def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "home" / "ledger.db"
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{path}")
    try:
        await ledger.file_ticket(NEW)
        for file in (path, path.with_name("ledger.db-wal")):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    finally:
        await ledger.close()


async def test_opening_an_up_to_date_ledger_is_quick(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    await (await Ledger.open(path)).close()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        ledger = await Ledger.open(path)
        seconds.append(time.perf_counter() - start)
        await ledger.close()
    assert sorted(seconds)[2] < 0.060


@pytest.mark.parametrize(
    "url",
    ["", ":memory:", "sqlite://", "sqlite:///:memory:", "mysql://root:hunter2@localhost/x", "postgresql://host"],
)
async def test_an_address_that_is_none_is_one_clear_line(url: str) -> None:
    with one_clear_line("postgresql://user@host/name") as _:
        await Ledger.open(url)


async def test_no_server_is_one_clear_line_without_the_password() -> None:
    pytest.importorskip("asyncpg")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        port = taken.getsockname()[1]
        with pytest.raises(LedgerError) as caught:
            await Ledger.open(f"postgres://kim:hunter2@127.0.0.1:{port}/harness")
    message = str(caught.value)
    assert f"127.0.0.1:{port}" in message
    assert "HARNESS_DATABASE_URL" in message
    assert "hunter2" not in message
    assert "\n" not in message


async def test_a_file_replaced_while_in_use_is_not_written_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = await Ledger.open(str(path))
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(LedgerError, match="removed or replaced"):
        await ledger.control()
    other = await Ledger.open(str(path))
    await other.stop("tester", "enough")
    with pytest.raises(LedgerError, match="removed or replaced"):
        await ledger.set_mode("autonomous", "tester")
    await other.close()
    await ledger.close()
