"""``kill -9`` at the worst moments: state is right, nothing is doubled, no orphan is left."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.e2e.harness import Harness, children_of

pytestmark = pytest.mark.process


def gone(harness: Harness, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while children_of(harness.home):
        assert time.monotonic() < deadline, f"orphans: {children_of(harness.home)}"
        time.sleep(0.02)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("moment", ["intent", "result", "verifying"])
def test_kill_nine_in_the_middle_of_an_approved_action(harness: Harness, moment: str) -> None:
    harness.environment["HARNESS_MODE"] = "supervised"
    process = harness.start()
    harness.ok("chaos", "inject", "play_dead")
    approval = harness.until(lambda: harness.json("approvals", "list"), 30)[0]
    log = harness.home.parent / "run.log"
    harness.ok("approvals", "approve", str(approval["id"]))
    marks = {"intent": '"kind": "intent"', "result": '"tool": "update_config", "arguments"', "verifying": '"verifying"'}
    deadline = time.monotonic() + 20
    while marks[moment] not in log.read_text(errors="replace") and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    gone(harness)
    harness.start()
    ticket = harness.until(lambda: next((row for row in harness.tickets() if row["closed_at"]), None), 60)
    assert (ticket["status"], ticket["outcome"]) in {("completed", "fixed"), ("completed", "self_recovered")}
    assert len(harness.tickets()) == 1
    assert sum(line == f"Ticket: {ticket['id']}" for line in harness.commits()) <= 1
    assert harness.json("audit", "verify")["ok"] is True
    assert harness.subject()["state"] == "healthy"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_everything_cleanly(harness: Harness, number: signal.Signals) -> None:
    process = harness.start()
    process.send_signal(number)
    code = process.wait(15)
    assert code == (128 + number if number == signal.SIGHUP else 0)
    gone(harness, 2.0)
    assert harness.subject()["state"] == "stopped"


@pytest.mark.timeout(60)
def test_kill_nine_while_the_service_hangs_leaves_no_orphan(harness: Harness) -> None:
    harness.environment["HARNESS_MODE"] = "observe"
    process = harness.start()
    harness.ok("chaos", "inject", "hang")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    gone(harness)
