"""The whole loop, headless and autonomous, for each of the five faults."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.harness import Harness

pytestmark = pytest.mark.process


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("fault", "fingerprint"),
    [
        ("play_dead", "rate_limiter_healthy"),
        ("latency", "rate_limiter_latency"),
        ("crash", "rate_limiter_healthy"),
        ("hang", "rate_limiter_healthy"),
        ("corrupt_config", "rate_limiter_healthy"),
    ],
)
def test_a_fault_becomes_one_ticket_that_is_fixed_and_verified(harness: Harness, fault: str, fingerprint: str) -> None:
    harness.start()
    before = harness.subject()["pid"]
    harness.ok("chaos", "inject", fault)
    harness.until(lambda: any(row["closed_at"] for row in harness.tickets()), 60)
    (ticket,) = harness.tickets()
    assert (ticket["status"], ticket["outcome"]) == ("completed", "fixed"), harness.log()
    assert ticket["source"] == "invariant"
    assert ticket["fingerprint"].endswith(fingerprint)
    harness.until(lambda: harness.subject()["state"] == "healthy", 10)
    assert all(row["active"] is False for row in harness.json("chaos", "list"))
    after = harness.subject()["pid"]
    assert (after == before) == (fault in {"play_dead", "latency"})
    kinds = [entry["kind"] for entry in harness.json("audit", "show", str(ticket["id"]))]
    assert kinds.index("intent") < kinds.index("verification")
    if fault in {"play_dead", "latency", "corrupt_config"}:
        assert f"Ticket: {ticket['id']}" in harness.commits()
    clean = subprocess.run(
        ["git", "status", "--porcelain"], cwd=harness.copy, capture_output=True, text=True, check=True
    )
    assert clean.stdout == ""
    assert harness.json("audit", "verify")["ok"] is True
