"""A person holds the key: approve, reject, stop, and their own ticket."""

from __future__ import annotations

import json

import pytest

from tests.e2e.harness import Harness

pytestmark = pytest.mark.process


def waiting(harness: Harness) -> dict[str, object]:
    return harness.until(lambda: harness.json("approvals", "list"), 30)[0]  # type: ignore[no-any-return]


@pytest.mark.timeout(120)
def test_supervised_rejected_then_stopped_then_a_persons_ticket_approved(harness: Harness) -> None:
    harness.environment["HARNESS_MODE"] = "supervised"
    harness.start()
    harness.ok("chaos", "inject", "latency", "--set", "delay_ms=400")
    approval = waiting(harness)
    assert approval["tool"] == "update_config"
    assert "400" in str(approval["diff"])
    refused = harness.command("approvals", "reject", str(approval["id"]), "--reason", " ")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    harness.ok("approvals", "reject", str(approval["id"]), "--reason", "a measurement runs")
    late = harness.command("approvals", "approve", str(approval["id"]))
    assert late.returncode == 4
    assert "rejected" in late.stderr
    ticket = harness.until(lambda: next((row for row in harness.tickets() if row["closed_at"]), None), 20)
    assert (ticket["status"], ticket["outcome"]) == ("failed", "escalated")
    assert json.loads((harness.copy / "service_config.json").read_text())["delay_ms"] == 400
    shown = harness.ok("tickets", "show", str(ticket["id"]))
    assert "a measurement runs" in shown
    harness.ok("chaos", "clear")
    harness.until(lambda: harness.subject()["state"] == "healthy", 20)

    harness.ok("stop", "--reason", "lunch")
    assert harness.json("status")["stopped"] is True
    made = harness.json(
        "tickets", "new", "-o", "raise the default capacity to 200", "-c", "config.capacity == 200",
        "-c", "GET /health [BODY].limits.capacity == 200",
    )  # fmt: skip
    harness.ok("chaos", "list")
    assert harness.json("tickets", "show", str(made["id"]))["status"] == "pending"
    harness.ok("resume")
    approval = waiting(harness)
    harness.ok("approvals", "approve", str(approval["id"]))
    done = harness.until(lambda: (row := harness.json("tickets", "show", str(made["id"])))["closed_at"] and row, 40)
    assert (done["status"], done["outcome"]) == ("completed", "fixed")
    assert json.loads((harness.copy / "service_config.json").read_text())["capacity"] == 200
    assert f"Ticket: {made['id']}" in harness.commits()


@pytest.mark.timeout(120)
def test_an_approval_nobody_answers_expires_and_one_nobody_needs_is_withdrawn(harness: Harness) -> None:
    harness.environment |= {"HARNESS_MODE": "supervised", "HARNESS_APPROVAL_TTL_SECONDS": "3"}
    harness.start()
    harness.ok("chaos", "inject", "latency")
    first = waiting(harness)
    expired = harness.until(
        lambda: next((row for row in harness.json("approvals", "list", "--all") if row["status"] != "pending"), None),
        20,
    )
    assert (expired["id"], expired["status"]) == (first["id"], "timed_out")
    assert json.loads((harness.copy / "service_config.json").read_text())["delay_ms"] == 500
    harness.ok("chaos", "clear")
    harness.stop()

    harness.environment["HARNESS_APPROVAL_TTL_SECONDS"] = "600"
    harness.start()
    harness.ok("chaos", "inject", "play_dead")
    second = waiting(harness)
    harness.ok("chaos", "clear", "play_dead")
    decided = harness.until(
        lambda: next(
            (
                r
                for r in harness.json("approvals", "list", "--all")
                if r["id"] == second["id"] and r["status"] != "pending"
            ),
            None,
        ),
        20,
    )
    assert decided["status"] == "withdrawn"
    ticket = harness.until(
        lambda: next((r for r in harness.tickets() if r["id"] == second["ticket_id"] and r["closed_at"]), None), 30
    )
    assert (ticket["status"], ticket["outcome"]) == ("completed", "self_recovered")
