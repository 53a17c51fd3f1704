"""A monitor loop with everything real around it, on a grid scaled down tenfold or more."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monitor.events import Event
from monitor.hub import Hub
from monitor.ledger import Ledger
from monitor.loop import MonitorLoop, Watched
from monitor.records import Observed
from monitor.tail import follow
from service.subject import Subject, builtin_subjects, load_subject
from service.workspace import Workspace
from tests.monitor.loopback import Loopback

NAME = "ratelimiter"
HEALTHY, LATENCY = f"invariant/{NAME}/rate_limiter_healthy", f"invariant/{NAME}/rate_limiter_latency"
INTERVAL = 0.15


def quick(subject: Subject, interval: float = INTERVAL, confirm: tuple[float, ...] = (0.03, 0.08)) -> Subject:
    """The built-in subject on a short grid, without a configuration file to compare."""
    invariants = tuple(
        one.model_copy(
            update={
                "interval_seconds": interval,
                "timeout_seconds": 0.3,
                "confirm_after_seconds": confirm,
                "condition": one.condition.replace("200", "100") if "TIME" in one.condition else one.condition,
            }
        )
        for one in subject.invariants
    )
    return subject.model_copy(update={"invariants": invariants, "config": None})


@dataclass
class Rig:
    """A loop under test with everything around it."""

    ledger: Ledger
    hub: Hub
    server: Loopback
    workspace: Workspace
    subject: Subject
    loop: MonitorLoop = field(init=False)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    seen: list[Event] = field(default_factory=list)
    generation: int = 1

    async def observe(self, **changes: Any) -> Observed:
        base = Observed(
            subject=NAME,
            state="running",
            ready=True,
            pid=os.getpid(),
            start_ticks=None,
            port=self.server.port,
            generation=self.generation,
            commit=None,
            restarts=0,
            started_at=time.time(),
            exit_code=None,
            detail="",
            owner_pid=os.getpid(),
            updated_at=time.time(),
        )
        observed = replace(base, **changes)
        await self.ledger.set_observed(observed)
        return observed

    def start(self, faults: Callable[[], Awaitable[list[dict[str, Any]]]] | None = None) -> None:
        watched = Watched(self.subject, self.workspace, *([faults] if faults else []))
        self.loop = MonitorLoop([watched], self.ledger, self.hub, first_pause=0.05)
        self.tasks.append(asyncio.create_task(self.loop.run()))

    async def stop_loop(self) -> None:
        task = self.tasks.pop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def until(self, ready: Callable[[dict[str, Any]], Any], seconds: float = 10.0) -> dict[str, Any]:
        """Wait until the newest snapshot satisfies ``ready``."""
        async with asyncio.timeout(seconds):
            while True:
                snapshot = self.loop.snapshot(NAME)
                if snapshot and ready(snapshot):
                    return snapshot
                await asyncio.sleep(0.005)

    async def ticks(self, count: int) -> dict[str, Any]:
        """Wait for so many more ticks."""
        now = (self.loop.snapshot(NAME) or {"tick": 0})["tick"]
        return await self.until(lambda snapshot: snapshot["tick"] >= now + count)

    async def filed(self, fingerprint: str, seconds: float = 10.0) -> Any:
        async with asyncio.timeout(seconds):
            while (ticket := await self.ledger.open_ticket(fingerprint)) is None:
                await asyncio.sleep(0.005)
        return ticket

    async def close(self, *more: asyncio.Task[Any]) -> None:
        everything = [*self.tasks, *more]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        await self.server.stop()
        await self.ledger.close()

    async def fingerprints(self) -> list[str]:
        return sorted(ticket.fingerprint for ticket in await self.ledger.tickets())


def state_of(snapshot: dict[str, Any], name: str = "rate_limiter_healthy") -> str:
    return str(next(row["state"] for row in snapshot["invariants"] if row["name"] == name))


@asynccontextmanager
async def open_rig(tmp_path: Path, template: Path) -> AsyncIterator[Rig]:
    """A rig whose ledger is a copy of ``template``; nothing of it is left behind."""
    shutil.copyfile(template, tmp_path / "ledger.db")
    ledger = await Ledger.open(str(tmp_path / "ledger.db"))
    server, hub = Loopback(), Hub()
    await server.start()
    subject = quick(load_subject(builtin_subjects()[NAME]))
    one = Rig(ledger, hub, server, Workspace(tmp_path), subject)
    nudge = asyncio.Event()
    ledger.on_commit = nudge.set
    tail = asyncio.create_task(follow(ledger, hub, start_id=0, nudge=nudge))
    subscription = hub.subscribe()

    async def listen() -> None:
        async for event in subscription:
            one.seen.append(event)

    ear = asyncio.create_task(listen())
    await ledger.set_desired(NAME, running=True, by="test")
    await one.observe()
    try:
        yield one
    finally:
        await one.close(tail, ear)
