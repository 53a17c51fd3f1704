"""The small loops around the big ones: obeying the ledger, recording the process, traffic, and looking again."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from agent.policy import LEDGER_TOOLS
from monitor.events import Event
from monitor.hub import Hub
from monitor.ledger import Ledger
from monitor.records import Observed
from service.subject import Subject
from service.supervisor import ProcessState, Supervisor
from service.traffic import drive

PRUNE_SECONDS = 3600.0
MAX_UNRECORDED = 1024


async def obey(ledger: Ledger, hub: Hub, name: str, supervisor: Supervisor) -> None:
    """Hand the ledger's desired state to the supervisor whenever it changes."""
    subscription = hub.subscribe(keep=64)
    try:
        while True:
            desired = await ledger.desired(name)
            if desired is not None:
                supervisor.desire(desired.running, desired.generation, desired.commit)
            subscription.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while not any(event.kind == "service.desired" for event in subscription.drain()):
                        await subscription.wait()
    finally:
        subscription.close()


class Recorder:
    """Writes what supervisors see to the ledger, in order; the oldest is forgotten when too much waits."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, ProcessState]] = deque(maxlen=MAX_UNRECORDED)
        self._wake = asyncio.Event()

    def note(self, name: str, state: ProcessState) -> None:
        self._waiting.append((name, state))
        self._wake.set()

    async def run(self, ledger: Ledger) -> None:
        """Write until cancelled. Raises ``LedgerError``; what could not be written is kept for the next run."""
        while True:
            await self.flush(ledger)
            self._wake.clear()
            if not self._waiting:
                await self._wake.wait()

    async def flush(self, ledger: Ledger) -> None:
        while self._waiting:
            name, state = self._waiting[0]
            await ledger.set_observed(_observed(name, state))
            self._waiting.popleft()


def _observed(name: str, state: ProcessState) -> Observed:
    return Observed(
        subject=name,
        state=state.state,
        ready=state.ready,
        pid=state.pid,
        start_ticks=state.start_ticks,
        port=state.port,
        generation=state.generation,
        commit=state.commit,
        restarts=state.restarts,
        started_at=state.started_at,
        exit_code=state.exit_code,
        detail=state.detail,
        owner_pid=os.getpid(),
        updated_at=time.time(),
    )


async def background_traffic(ledger: Ledger, subject: Subject, rate: float) -> None:
    """Steady requests at ``rate`` per second, so that the panels show a service at work."""
    workload = subject.workload
    if workload is None or rate <= 0:
        return
    while True:
        observed = await ledger.observed(subject.name)
        if observed is None or not observed.ready or observed.port is None:
            await asyncio.sleep(0.5)
            continue
        await drive(
            f"http://127.0.0.1:{observed.port}",
            rate_per_second=rate,
            duration=30.0,
            keys=workload.keys,
            path=workload.path,
            body=workload.body,
            rng=random.Random(),
        )


async def look_after_changes(hub: Hub, look: Callable[[str], None]) -> None:
    """Let the monitor look at once when an agent in any process has changed something."""
    subscription = hub.subscribe(keep=256)
    try:
        async for event in subscription:
            if event.kind != "journal.appended" or event.subject is None:
                continue
            entry = event.data["entry"]
            payload = entry["payload"]
            changed = entry["kind"] == "result" and payload.get("effect") != "read_only"
            if changed and payload.get("tool") not in LEDGER_TOOLS:
                look(event.subject)
    finally:
        subscription.close()


async def relay_snapshots(ledger: Ledger, hub: Hub, subjects: Sequence[str]) -> None:
    """For a viewer: turn the snapshot rows that the owner writes into live events."""
    seen: dict[str, Any] = {}
    while True:
        for name in subjects:
            snapshot = await ledger.snapshot(name)
            if snapshot is not None and seen.get(name) != (mark := (snapshot.get("tick"), snapshot.get("at"))):
                seen[name] = mark
                hub.publish(Event("tick.completed", time.time(), {"snapshot": snapshot}, name))
        await asyncio.sleep(1.0)


async def prune(ledger: Ledger) -> None:
    """Keep the outbox bounded: events are for those who follow, the journal is what stays."""
    while True:
        await ledger.prune_events()
        await asyncio.sleep(PRUNE_SECONDS)
