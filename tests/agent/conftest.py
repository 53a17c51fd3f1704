"""A real ledger and a real deployed copy; the monitor's ticks are written by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.approvals import Gate
from agent.executor import Executor
from agent.sandbox import Sandbox
from agent.tools.base import Workbench
from agent.verify import Verifier
from agent.work import Work
from monitor.hub import Hub
from monitor.ledger import Ledger
from monitor.probes import Prober
from monitor.records import NewTicket, Observed, Ticket
from service.subject import builtin_subjects, load_subject
from service.workspace import Workspace


class Clock:
    """Seconds that pass only when told, or a little at every look when ``step`` is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@dataclass
class World:
    """One subject's bench with everything around it."""

    home: Path
    ledger: Ledger
    bench: Workbench
    clock: Clock
    hub: Hub = field(default_factory=Hub)
    effects: list[str] = field(default_factory=list)
    ticks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.bench.workspace.root / "service_config.json"

    async def tick(self, **verdicts: str) -> None:
        """One tick of the monitor, five seconds after the last."""
        self.clock.now += 5
        names = {"rate_limiter_healthy": "holding", "rate_limiter_latency": "holding", **verdicts}
        self.ticks.append({"n": len(self.ticks) + 1, "at": self.clock.now, "verdicts": names})
        rows = [{"name": name, "state": state, "value": "seen", "condition": ""} for name, state in names.items()]
        await self.ledger.put_snapshot(
            "ratelimiter",
            {"subject": "ratelimiter", "at": self.clock.now, "invariants": rows, "ticks": self.ticks[-12:]},
        )

    async def observe(self, **changes: Any) -> None:
        row: dict[str, Any] = {
            "subject": "ratelimiter", "state": "running", "ready": True, "pid": 4242, "start_ticks": 7, "port": None,
            "generation": 1, "commit": None, "restarts": 0, "started_at": self.clock.now, "exit_code": None,
            "detail": "", "owner_pid": 1, "updated_at": self.clock.now,
        }  # fmt: skip
        await self.ledger.set_observed(Observed(**{**row, **changes}))

    async def ticket(self, **changes: Any) -> Ticket:
        """A filed and claimed ticket about latency."""
        new: dict[str, Any] = {
            "subject": "ratelimiter",
            "source": "invariant",
            "fingerprint": "invariant/ratelimiter/rate_limiter_latency",
            "objective": "Restore rate_limiter_latency",
            "criteria": ("rate_limiter_latency",),
            "priority": "high",
        }
        filed, _ = await self.ledger.file_ticket(NewTicket(**{**new, **changes}))
        claimed = await self.ledger.claim("test:1", lease_seconds=60, subjects=None, ticket_id=filed.id)
        assert claimed is not None
        return claimed

    def executor(self, ttl: float = 900.0) -> Executor:
        async def on_effect(subject: str) -> None:
            self.effects.append(subject)

        verifier = Verifier(self.bench, self.clock, poll_seconds=0.005)
        gate = Gate(self.ledger, self.hub, self.clock, look_seconds=0.01)
        return Executor(self.bench, self.ledger, gate, verifier, self.clock, ttl, on_effect)

    def work(self, ticket: Ticket, brain: Any) -> Work:
        return Work(ticket, brain, self.executor(), self.ledger, self.hub, self.clock)

    async def reaches(self, seen: Callable[[], Any], seconds: float = 5.0) -> Any:
        """Wait until ``seen`` (a coroutine function) is true; its value."""
        async with asyncio.timeout(seconds):
            while True:
                value = await seen()
                if value:
                    return value
                await asyncio.sleep(0.005)

    async def pending(self) -> Any:
        """The one approval that waits, once it does."""

        async def seen() -> Any:
            rows = await self.ledger.approvals(statuses=["pending"])
            return rows[0] if rows else None

        return await self.reaches(seen)

    def commits(self) -> list[Mapping[str, Any]]:
        return [{"sha": row.sha, "action": row.action, "ticket": row.ticket} for row in self.bench.workspace.log(50)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    subject = load_subject(builtin_subjects()["ratelimiter"])
    workspace = await asyncio.to_thread(Workspace.lay, tmp_path, subject)
    clock = Clock()
    ledger = await Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)
    prober = Prober()
    bench = Workbench(
        subject=subject,
        workspace=workspace,
        ledger=ledger,
        prober=prober,
        sandbox=Sandbox(workspace.root),
        log_path=tmp_path / "service.log",
        clock=clock,
    )
    made = World(tmp_path, ledger, bench, clock)
    await made.observe()
    await ledger.set_desired("ratelimiter", running=True, by="test")
    yield made
    await prober.aclose()
    await ledger.close()
