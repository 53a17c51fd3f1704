"""What the monitor loop sees, files and tells: a real HTTP server, a real ledger, a short grid."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monitor.conditions import ConditionError
from monitor.hub import Hub
from monitor.ledger import LedgerError
from monitor.loop import MonitorLoop, Watched
from monitor.verdicts import recovered
from service.subject import builtin_subjects, load_subject
from service.workspace import Workspace
from tests.monitor.watching import HEALTHY, LATENCY, NAME, Rig, open_rig, quick, state_of


@pytest.fixture
async def rig(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, sqlite_template) as one:
        yield one


async def test_a_healthy_service_is_seen_at_once_and_files_nothing(rig: Rig) -> None:
    rig.server.pages["/metrics"] = b"# TYPE rate_limiter_requests_total counter\nrate_limiter_requests_total 5\n"
    started = time.time()
    rig.start()
    snapshot = await rig.ticks(1)
    assert time.time() - started < 2.0
    assert snapshot["state"] == "healthy"
    snapshot = await rig.ticks(4)
    assert [row["state"] for row in snapshot["invariants"]] == ["holding", "holding"]
    assert snapshot["latency"]["last_ms"] > 0
    assert len(snapshot["latency"]["history"]) == snapshot["tick"]
    assert snapshot["traffic"] == {"requests_per_second": 0.0, "denied_per_second": 0.0}
    assert [tick["n"] for tick in snapshot["ticks"]] == list(range(1, snapshot["tick"] + 1))
    assert await rig.ledger.tickets() == []
    stored = await rig.ledger.snapshot(NAME)
    assert stored is not None
    assert stored["tick"] >= snapshot["tick"]


async def test_one_probe_serves_every_invariant_of_a_path(rig: Rig) -> None:
    rig.start()
    snapshot = await rig.ticks(3)
    assert rig.server.requests.count("/health") <= snapshot["tick"] + 1
    assert rig.server.requests.count("/metrics") <= snapshot["tick"] + 1


async def test_play_dead_files_one_ticket_and_no_second_one(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.status = 503
    ticket = await rig.filed(HEALTHY)
    snapshot = await rig.ticks(4)
    assert snapshot["state"] == "down"
    assert await rig.fingerprints() == [HEALTHY]
    again = await rig.ledger.ticket(ticket.id)
    assert again.occurrences == 1, "one lasting violation is one occurrence"
    assert ticket.source == "invariant"
    assert ticket.priority == "critical"
    assert ticket.criteria == ("rate_limiter_healthy",)
    assert "[STATUS] == 200" in ticket.objective
    assert "503" in ticket.objective
    assert ticket.evidence["values"]["rate_limiter_healthy"] == "503"
    assert len([p for p in ticket.evidence["window"]["probes"] if p["status"] == 503]) == 3
    changes = [e.data["state"] for e in rig.seen if e.kind == "invariant.changed" and "healthy" in e.data["name"]]
    assert changes == ["holding", "violated"]


async def test_a_blip_files_nothing(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.failures = 2
    await rig.until(lambda _: rig.server.failures == 0)
    snapshot = await rig.ticks(3)
    assert snapshot["state"] == "healthy"
    assert await rig.ledger.tickets() == []


async def test_slowness_files_the_warning_with_every_critical_criterion(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.delay = 0.15
    ticket = await rig.filed(LATENCY)
    snapshot = await rig.ticks(2)
    assert snapshot["state"] == "degraded"
    assert ticket.priority == "high"
    assert ticket.criteria == ("rate_limiter_latency", "rate_limiter_healthy")
    assert await rig.fingerprints() == [LATENCY]


async def test_an_outage_that_is_also_slow_files_only_the_critical_one(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.delay, rig.server.status = 0.15, 503
    await rig.filed(HEALTHY)
    snapshot = await rig.ticks(3)
    assert state_of(snapshot, "rate_limiter_latency") == "violated"
    assert await rig.fingerprints() == [HEALTHY]
    rig.server.status = 200
    await rig.filed(LATENCY)  # what is left once the critical one holds
    assert await rig.fingerprints() == [HEALTHY, LATENCY]


@pytest.mark.parametrize("mode", ["hang", "reset", "garbage"])
async def test_silence_is_one_ticket_and_latency_is_unknown(rig: Rig, mode: str) -> None:
    rig.start()
    await rig.ticks(1)
    rig.server.mode = mode
    await rig.filed(HEALTHY)
    snapshot = await rig.ticks(2)
    assert state_of(snapshot, "rate_limiter_latency") == "unknown"
    assert snapshot["latency"]["last_ms"] is None
    assert await rig.fingerprints() == [HEALTHY]


async def test_an_exit_is_filed_at_once_without_any_probe(rig: Rig) -> None:
    rig.subject = quick(rig.subject, interval=60.0, confirm=(5.0, 10.0))
    rig.start()
    await rig.ticks(1)
    probes = len(rig.server.requests)
    began = time.monotonic()
    await rig.observe(state="backoff", ready=False, pid=None, exit_code=-9, detail="killed by SIGKILL")
    ticket = await rig.filed(HEALTHY)
    assert time.monotonic() - began < 0.5
    assert "killed by SIGKILL" in ticket.context
    snapshot = await rig.until(lambda one: one["state"] == "down")
    assert snapshot["pid"] is None
    assert len(rig.server.requests) == probes, "whoever answers on the port now is not our process"
    assert await rig.fingerprints() == [HEALTHY]


async def test_a_stranger_on_the_port_does_not_make_a_dead_service_look_healthy(rig: Rig) -> None:
    await rig.observe(state="blocked", ready=False, pid=None, detail="port 8001 is taken by another process")
    rig.start()
    await rig.observe(state="blocked", ready=False, pid=None, detail="port 8001 is taken by another process")
    ticket = await rig.filed(HEALTHY)
    assert "port 8001 is taken" in ticket.context
    assert rig.server.requests == []


async def test_a_process_seen_running_that_is_gone_needs_no_word_of_the_supervisor(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start()
    await rig.ticks(1)
    monkeypatch.setattr("monitor.watch.is_gone", lambda observed: True)
    ticket = await rig.filed(HEALTHY)
    assert f"pid {os.getpid()} is gone" in ticket.context


async def test_a_start_is_waited_for_and_readiness_is_probed_at_once(rig: Rig) -> None:
    rig.subject = quick(rig.subject, interval=60.0)
    await rig.observe(state="starting", ready=False)
    rig.start()
    snapshot = await rig.until(lambda one: one["state"] == "starting")
    assert state_of(snapshot) == "unknown"
    assert rig.server.requests == []
    began = time.monotonic()
    await rig.observe()
    await rig.until(lambda one: one["state"] == "healthy")
    assert time.monotonic() - began < 1.0


async def test_a_start_that_never_gets_ready_is_judged_after_its_grace(rig: Rig) -> None:
    rig.server.status = 503
    await rig.observe(state="starting", ready=False, started_at=time.time() - 60)
    rig.start()
    await rig.filed(HEALTHY)


async def test_stopped_on_purpose_is_no_violation(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    await rig.ledger.set_desired(NAME, running=False, by="test")
    await rig.observe(state="stopped", ready=False, pid=None)
    snapshot = await rig.until(lambda one: one["state"] == "stopped")
    snapshot = await rig.ticks(2)
    assert [row["state"] for row in snapshot["invariants"]] == ["unknown", "unknown"]
    assert await rig.ledger.tickets() == []


async def test_a_deliberate_restart_is_no_violation(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    await rig.ledger.set_desired(NAME, restart=True, by="test")
    await rig.observe(state="stopping", ready=True)
    await rig.server.stop()
    await rig.observe(state="stopped", ready=False, pid=None)
    await rig.ticks(2)
    await rig.server.start()
    await rig.observe(state="starting", ready=False, generation=2)
    await rig.ticks(1)
    await rig.observe(generation=2)
    await rig.until(lambda one: one["state"] == "healthy")
    assert await rig.ledger.tickets() == []


async def test_a_poke_checks_at_once_and_moves_the_grid(rig: Rig) -> None:
    rig.subject = quick(rig.subject, interval=1.0)
    rig.start()
    await rig.ticks(1)
    since = time.time()
    await asyncio.sleep(0.05)
    rig.loop.poke(NAME)
    first = (await rig.ticks(1))["ticks"][-1]
    assert first["at"] - since < 0.5
    rig.loop.poke("nobody")
    second = (await rig.ticks(1))["ticks"][-1]
    assert second["n"] == first["n"] + 1
    assert 0.9 <= second["at"] - first["at"] <= 1.6
    assert recovered(rig.loop.snapshot(NAME), ["rate_limiter_healthy", "rate_limiter_latency"], since, 2)
    assert not recovered(rig.loop.snapshot(NAME), ["rate_limiter_healthy"], since, 3)


async def test_check_once_needs_no_running_loop(rig: Rig) -> None:
    loop = MonitorLoop([Watched(rig.subject, rig.workspace)], rig.ledger, rig.hub)
    snapshot = await loop.check_once(NAME)
    assert snapshot["state"] == "healthy"
    assert (await loop.check_once(NAME))["tick"] == 2
    await loop.aclose()


async def test_a_failure_of_the_loop_is_told_and_mended(rig: Rig) -> None:
    broken = True

    async def faults() -> list[dict[str, Any]]:
        if broken:
            raise LedgerError("the disk is full")
        return [{"name": "latency", "since": 1.0}]

    rig.start(faults)
    rig.server.status = 503
    await rig.filed(HEALTHY)  # detection does not wait for the rest of the tick
    broken = False
    snapshot = await rig.ticks(1)
    assert snapshot["faults"] == [{"name": "latency", "since": 1.0}]
    async with asyncio.timeout(5):
        while [e.kind for e in rig.seen if e.kind.startswith("loop.")] != ["loop.failed", "loop.resumed"]:
            await asyncio.sleep(0.005)
    assert [e.data["reason"] for e in rig.seen if e.kind == "loop.failed"] == ["the disk is full"]


async def test_slowness_of_our_own_making_is_withheld(rig: Rig) -> None:
    rig.start()
    await rig.ticks(1)
    running = True

    def block() -> None:
        if running:
            time.sleep(0.12)
            asyncio.get_running_loop().call_later(0.001, block)

    asyncio.get_running_loop().call_soon(block)
    snapshot = await rig.until(lambda one: one["ticks"][-1]["verdicts"]["rate_limiter_latency"] != "holding")
    running = False
    row = next(row for row in snapshot["invariants"] if "latency" in row["name"])
    assert (row["state"], row["reason"][:8]) == ("unknown", "withheld")
    assert state_of(snapshot) == "holding"
    assert await rig.ledger.tickets() == []


async def test_configuration_that_differs_from_the_commit_is_shown(rig: Rig, tmp_path: Path) -> None:
    whole = load_subject(builtin_subjects()[NAME])
    rig.workspace = Workspace.lay(tmp_path / "home", whole)
    rig.subject = quick(whole).model_copy(update={"config": whole.config})
    config = rig.workspace.root / "service_config.json"
    config.write_text(config.read_text().replace("true", "false"))
    rig.start()
    snapshot = await rig.ticks(1)
    assert snapshot["config_drift"] == [{"key": "enabled", "committed": True, "live": False}]
    assert snapshot["config_file"] == "service_config.json"
    config.write_text("{ garbage")
    snapshot = await rig.until(lambda one: "unreadable" in str(one["config_drift"]))
    assert len(snapshot["config_drift"]) == 1


def test_a_condition_that_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    subject = load_subject(builtin_subjects()[NAME])
    bad = subject.invariants[0].model_copy(update={"condition": "[STATSU] == 200"})
    subject = subject.model_copy(update={"invariants": (bad,)})
    with pytest.raises(ConditionError, match=r"subject\.toml: invariant rate_limiter_healthy: .*did you mean"):
        MonitorLoop([Watched(subject, Workspace(tmp_path))], None, Hub())  # type: ignore[arg-type]
