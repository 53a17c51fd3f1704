from __future__ import annotations

import asyncio
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.ledger import ChainReport, Ledger, LedgerError, NotFound
from monitor.records import JournalEntry, NewTicket
from tests.monitor.conftest import Clock
from tests.monitor.postgres_server import Server

ENTRIES = 8
TEXT_COLUMNS = ("kind", "summary", "payload", "previous_hash", "hash")


async def fill(ledger: Ledger, entries: int = ENTRIES) -> None:
    await ledger.file_ticket(NewTicket("ratelimiter", "human", "f", "mend it", ("healthy",)))
    for step in range(entries):
        await ledger.append(1 if step % 3 else None, step, "turn", f"step {step}: żółw", {"n": step, "é": [1.5]})


async def test_entries_are_chained_read_back_and_announced(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger)
    entries = await ledger.journal()

    assert [entry.id for entry in entries] == list(range(1, ENTRIES + 1))
    assert entries[0].previous_hash == "0" * 64
    assert [entry.previous_hash for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert entries[1].payload == {"n": 1, "é": [1.5]}
    assert entries[1].recorded_at == clock.now
    assert [entry.step for entry in await ledger.journal(ticket_id=1, after_id=3, limit=2)] == [4, 5]
    announced = [event for event in await ledger.events_after(0) if event.kind == "journal.appended"]
    assert [event.data["entry"]["hash"] for event in announced] == [entry.hash for entry in entries]
    assert await ledger.verify_chain() == ChainReport(True, ENTRIES)


async def test_an_empty_chain_holds(ledger: Ledger) -> None:
    assert await ledger.verify_chain() == ChainReport(True, 0)


async def test_what_cannot_be_journalled_leaves_no_trace(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="256 KiB"):
        await ledger.append(None, 1, "turn", "big", {"log": "x" * 300_000})
    with pytest.raises(LedgerError, match="not JSON"):
        await ledger.append(None, 1, "turn", "odd", {"value": {1, 2}})
    with pytest.raises(NotFound):
        await ledger.append(12, 1, "turn", "for nobody", {})

    assert await ledger.journal() == []
    assert await ledger.last_event_id() == 0


async def test_a_chain_longer_than_a_page(ledger: Ledger) -> None:
    await fill(ledger, 520)
    assert await ledger.verify_chain() == ChainReport(True, 520)


async def test_a_change_on_postgres_is_found_and_named(postgres_server: Server) -> None:
    url = postgres_server.database()
    ledger = await Ledger.open(url)
    try:
        await fill(ledger)
        postgres_server.sql(url, "UPDATE journal SET summary = summary || ' ' WHERE id = 5")
        report = await ledger.verify_chain()
    finally:
        await ledger.close()

    assert (report.ok, report.count, report.broken_at) == (False, 4, 5)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed SQLite ledger with a few entries, to be copied and tampered with."""
    path = tmp_path_factory.mktemp("journal") / "ledger.db"

    async def write() -> None:
        ledger = await Ledger.open(str(path))
        await fill(ledger)
        await ledger.close()

    asyncio.run(write())
    return path


def inspect(path: Path) -> tuple[ChainReport, list[JournalEntry]]:
    async def read() -> tuple[ChainReport, list[JournalEntry]]:
        ledger = await Ledger.open(str(path))
        try:
            report = await ledger.verify_chain()
            return report, await ledger.journal() if report.ok else []
        finally:
            await ledger.close()

    return asyncio.run(read())


def tampered(written: Path, change: Callable[[sqlite3.Connection], None]) -> ChainReport:
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "ledger.db"
        shutil.copyfile(written, copy)
        with closing(sqlite3.connect(copy)) as connection:
            change(connection)
            connection.commit()
        return inspect(copy)[0]


@settings(max_examples=50, deadline=None)
@given(
    entry=st.integers(1, ENTRIES),
    column=st.sampled_from(TEXT_COLUMNS),
    position=st.integers(0, 200),
    flip=st.integers(1, 255),
)
def test_any_byte_of_text_changed_is_found_and_named(
    written: Path, entry: int, column: str, position: int, flip: int
) -> None:
    def change(connection: sqlite3.Connection) -> None:
        [stored] = connection.execute(f"SELECT CAST({column} AS BLOB) FROM journal WHERE id = ?", (entry,)).fetchone()
        octets = bytearray(stored)
        octets[position % len(octets)] ^= flip
        connection.execute(f"UPDATE journal SET {column} = CAST(? AS TEXT) WHERE id = ?", (bytes(octets), entry))

    report = tampered(written, change)

    assert (report.ok, report.broken_at) == (False, entry)
    assert str(entry) in report.why


@settings(max_examples=40, deadline=None)
@given(
    entry=st.integers(1, ENTRIES),
    column=st.sampled_from(["recorded_at", "step", "ticket_id"]),
    byte=st.integers(0, 7),
    flip=st.integers(1, 255),
)
def test_any_byte_of_a_number_changed_is_found_and_named(
    written: Path, entry: int, column: str, byte: int, flip: int
) -> None:
    shape = "<d" if column == "recorded_at" else "<q"

    def change(connection: sqlite3.Connection) -> None:
        [stored] = connection.execute(f"SELECT {column} FROM journal WHERE id = ?", (entry,)).fetchone()
        octets = bytearray(struct.pack(shape, stored or 0))
        octets[byte] ^= flip
        [value] = struct.unpack(shape, octets)
        assume(value == value)  # SQLite stores no NaN
        connection.execute(f"UPDATE journal SET {column} = ? WHERE id = ?", (value, entry))

    report = tampered(written, change)

    assert (report.ok, report.broken_at) == (False, entry)


@pytest.mark.parametrize(
    ("statement", "broken_at", "why"),
    [
        ("DELETE FROM journal WHERE id = 3", 3, "missing"),
        ("DELETE FROM journal WHERE id > 6", 7, "should end at entry 8, it ends at 6"),
        ("DELETE FROM journal", 1, "should end at entry 8"),
        ("UPDATE journal SET id = 20 WHERE id = 2", 2, "missing"),
        ("UPDATE journal SET ticket_id = NULL WHERE id = 2", 2, "changed"),
        ("UPDATE journal_head SET hash = 'x'", 8, "written last"),
        ("DELETE FROM journal_head", 1, "should end at entry 0"),
    ],
)
def test_entries_removed_or_moved_are_named(written: Path, statement: str, broken_at: int, why: str) -> None:
    def change(connection: sqlite3.Connection) -> None:
        connection.execute(statement)

    report = tampered(written, change)

    assert (report.ok, report.broken_at) == (False, broken_at)
    assert why in report.why


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_flipped_byte_of_the_file_is_ever_read_as_truth(written: Path, data: st.DataObject) -> None:
    octets = bytearray(written.read_bytes())
    position = data.draw(st.integers(0, len(octets) - 1))
    octets[position] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "ledger.db"
        copy.write_bytes(octets)
        try:
            report, entries = inspect(copy)
        except LedgerError:
            return  # refused to read it
    assert not report.ok or entries == inspect(written)[1]
