"""Service, monitor and agent as three processes on one home, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.harness import Harness, children_of
from tests.monitor.postgres_server import Server, Unavailable

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
        return
    try:
        server = Server()
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield server.database()
    server.stop()


def test_three_processes_share_a_home_and_heal_the_service(harness: Harness, database: str) -> None:
    if database:
        harness.environment["HARNESS_DATABASE_URL"] = database
    harness.ok("init")
    parts = [
        subprocess.Popen(
            [sys.executable, "-m", "console", part, "--json"],
            env=harness.environment | ({"HARNESS_MODE": "autonomous"} if part == "agent" else {}),
            cwd=harness.home.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for part in ("service", "monitor", "agent")
    ]
    try:
        harness.until(lambda: harness.subject()["state"] == "healthy", 40)
        pid = harness.subject()["pid"]
        harness.ok("chaos", "inject", "crash")
        harness.until(lambda: any(row["closed_at"] for row in harness.tickets()), 60)
        (ticket,) = harness.tickets()
        assert (ticket["status"], ticket["outcome"]) == ("completed", "fixed")
        assert harness.subject()["pid"] not in {None, pid}
        taken = harness.command("agent", "--for", "5")
        assert taken.returncode == 1
        assert str(parts[2].pid) in taken.stderr
    finally:
        for part in parts:
            part.send_signal(signal.SIGTERM)
        errors = [part.communicate(timeout=20)[1].decode() for part in parts]
    assert errors == ["", "", ""]


def test_a_reader_that_goes_away_ends_the_run(harness: Harness) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "run", "--json"],
        env=harness.environment,
        cwd=harness.home.parent,
        stdout=writing,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(writing)
    with os.fdopen(reading, "rb", 0) as pipe:
        assert pipe.read(1) == b"{"
    try:
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, b"")
    assert not children_of(harness.home)
