"""Several processes on one ledger, some of which die."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.ledger import Ledger

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.process


def start(url: str, *task: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.monitor.ledger_worker", url, *task],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def workers(url: str, *tasks: tuple[str, ...]) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes started together, all at the line before any may run; none outlives the block."""
    started = [start(url, *task) for task in tasks]
    try:
        for worker in started:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n", worker.communicate()[1]
        for worker in started:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        yield started
    finally:
        for worker in started:
            worker.kill()
            worker.communicate()


def outcome(worker: subprocess.Popen[str]) -> str:
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert err == ""
    return out


async def test_processes_that_open_a_fresh_home_at_once(empty_url: str) -> None:
    with workers(empty_url, *[("file", "4", "1")] * 3) as started:
        for worker in started:
            await asyncio.to_thread(outcome, worker)

    ledger = await Ledger.open(empty_url)
    [ticket] = await ledger.tickets()
    await ledger.close()
    assert ticket.occurrences == 12


async def test_one_open_ticket_per_fingerprint_whoever_files(ledger: Ledger, ledger_url: str) -> None:
    with workers(ledger_url, *[("file", "80", "5")] * 3) as started:
        for worker in started:
            await asyncio.to_thread(outcome, worker)

    tickets = await ledger.tickets(newest_first=False)
    assert sorted(ticket.fingerprint for ticket in tickets) == [f"f{number}" for number in range(5)]
    assert [ticket.occurrences for ticket in tickets] == [48] * 5
    events = await ledger.events_after(0, 1000)
    assert [event.kind for event in events].count("ticket.filed") == 5
    assert len(events) == 240


async def test_no_ticket_is_claimed_twice(ledger: Ledger, ledger_url: str) -> None:
    with workers(ledger_url, ("file", "60", "60")) as [filer]:
        await asyncio.to_thread(outcome, filer)
    with workers(ledger_url, *[("claim", f"agent-{number}") for number in range(3)]) as started:
        claimed = [json.loads(await asyncio.to_thread(outcome, worker)) for worker in started]

    assert sorted(itertools.chain(*claimed)) == list(range(1, 61))
    for number, ids in enumerate(claimed):
        for id in ids:
            ticket = await ledger.ticket(id)
            assert (ticket.lease_owner, ticket.fence, ticket.attempts) == (f"agent-{number}", 1, 1)


async def test_one_chain_whoever_appends_and_no_event_is_overtaken(ledger: Ledger, ledger_url: str) -> None:
    seen: list[int] = []
    with workers(ledger_url, *[("append", "80")] * 3) as started:
        waiting = asyncio.gather(*(asyncio.to_thread(outcome, worker) for worker in started))
        while not waiting.done():
            seen += [event.id or 0 for event in await ledger.events_after(seen[-1] if seen else 0)]
            await asyncio.sleep(0)
        await waiting
    seen += [event.id or 0 for event in await ledger.events_after(seen[-1] if seen else 0)]

    report = await ledger.verify_chain()
    assert (report.ok, report.count) == (True, 240)
    assert seen == [event.id for event in await ledger.events_after(0, 1000)]
    assert len(seen) == 240


@pytest.mark.parametrize("after", [1, 17])
async def test_a_killed_writer_loses_nothing_kept_and_leaves_no_half(
    ledger: Ledger, ledger_url: str, after: int
) -> None:
    with workers(ledger_url, ("write_forever",)) as [writer]:
        assert writer.stdout is not None
        for _ in range(after):
            await asyncio.to_thread(writer.stdout.readline)
        writer.kill()
        lines, _ = await asyncio.to_thread(writer.communicate)
    kept = [json.loads(line) for line in lines.splitlines() if line.endswith("]")]

    tickets = {ticket.id: ticket for ticket in await ledger.tickets()}
    entries = {entry.id: entry for entry in await ledger.journal()}
    events = await ledger.events_after(0, 100_000)
    assert len(tickets) >= after
    assert all(ticket_id in tickets and entry_id in entries for ticket_id, entry_id in kept)
    assert {e.data["ticket"]["id"] for e in events if e.kind == "ticket.filed"} == set(tickets)
    assert {e.data["entry"]["id"] for e in events if e.kind == "journal.appended"} == set(entries)
    assert (await ledger.verify_chain()).ok
    claimed = await ledger.claim("agent", lease_seconds=60, subjects=None)  # the dead writer holds no lock
    assert claimed is not None


def in_a_fresh_interpreter(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


OPEN = """
import asyncio, sys
from monitor.ledger import Ledger
async def main():
    ledger = await Ledger.open(sys.argv[1])
    await ledger.last_event_id()
    {close}
asyncio.run(main())
print('alembic' in sys.modules)
"""


def test_alembic_is_not_loaded_for_a_ledger_that_is_up_to_date(empty_url: str) -> None:
    code = OPEN.format(close="await ledger.close()")
    assert in_a_fresh_interpreter(code, empty_url) == "True"
    assert in_a_fresh_interpreter(code, empty_url) == "False"


def test_a_ledger_left_open_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    assert in_a_fresh_interpreter(OPEN.format(close="pass"), str(tmp_path / "ledger.db")) == "True"


def test_the_errors_cost_no_engine() -> None:
    code = "import sys, monitor.ledger, monitor.tail; print('sqlalchemy' in sys.modules)"
    assert in_a_fresh_interpreter(code) == "False"
