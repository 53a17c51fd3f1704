"""Watching one subject: the grid, quick confirmations, pokes; then judge, file, and tell.

Detection comes first: tickets are filed before the metrics are scraped and the snapshot is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monitor.conditions import Verdict
from monitor.events import Event
from monitor.filing import Filing
from monitor.grid import Grid
from monitor.judge import JudgeState, Step, feed
from monitor.memory import Memory
from monitor.probes import Prober, ProbeResult, not_running
from monitor.records import Desired, Observed
from monitor.scrape import Scraper
from monitor.snapshot import drift_rows, invariant_row, latency, process_part, subject_state
from monitor.stance import Stance, is_gone, start_grace, take_stance
from monitor.watched import Watched, Watching, tick_interval, watch_invariants

if TYPE_CHECKING:
    from monitor.hub import Hub
    from monitor.ledger import Ledger


class Watch:
    """The observation of one subject. ``run()`` it as a task; ``poke()`` and ``nudge()`` from the same loop.

    Raises (on creation):
        ConditionError: an invariant's condition cannot be read; one line.
    """

    def __init__(
        self,
        watched: Watched,
        ledger: Ledger,
        hub: Hub,
        prober: Prober,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = watched.subject.name
        self._watched, self._ledger, self._hub, self._prober = watched, ledger, hub, prober
        self._clock, self._monotonic, self._on_tick = clock, monotonic, on_tick
        self._rows = watch_invariants(watched.subject)
        self._filing = Filing(ledger, self.name, self._rows)
        self._scraper = Scraper(watched.subject.metrics, prober, monotonic)
        self._grid = Grid(tick_interval(watched.subject), monotonic())
        main_path = watched.subject.process.readiness_probe.http_get.path
        self._memory = Memory(self._rows, main_path, self._grid.interval)
        self._untold: dict[str, Watching] = {}
        self._since = clock()
        self._grace = start_grace(watched.subject)
        self._desired: Desired | None = None
        self._observed: Observed | None = None
        self._stance: Stance | None = None
        self._wake = asyncio.Event()
        self._poked = self._nudged = self._restored = False
        self._lag_ms = 0.0
        self._lock = asyncio.Lock()
        self.snapshot: dict[str, Any] = {}

    def poke(self) -> None:
        """Check at once; the following ticks come one interval apart from this one."""
        self._poked = True
        self._wake.set()

    def nudge(self) -> None:
        """Look whether the process changed; check at once only if it did."""
        self._nudged = True
        self._wake.set()

    async def run(self) -> None:
        """Watch until cancelled. Whatever the ledger or the deployed copy raise comes out of here."""
        self._grid.reanchor(self._monotonic())
        while True:
            tick = await self._until_due()
            async with self._lock:
                await self._round(tick=tick)

    async def check_once(self) -> dict[str, Any]:
        """One tick now, whether or not ``run`` is under way; returns the snapshot."""
        async with self._lock:
            self._grid.reanchor(self._monotonic())
            await self._round(tick=True, everything=True)
        self._wake.set()
        return self.snapshot

    async def _until_due(self) -> bool:
        """Wait; True for a tick, False for confirmations alone. Notes how late we woke."""
        self._lag_ms = 0.0
        while True:
            self._wake.clear()
            if self._nudged:
                self._nudged = False
                before = self._standing()
                await self._look()
                self._poked = self._poked or self._standing() != before
            if self._poked:
                self._grid.reanchor(self._monotonic())
                return True
            confirm_at = min((row.probe_at for row in self._rows if row.probe_at is not None), default=None)
            due = self._grid.next_at if confirm_at is None else min(confirm_at, self._grid.next_at)
            now = self._monotonic()
            if now >= due:
                return now >= self._grid.next_at
            try:
                async with asyncio.timeout(due - now):
                    await self._wake.wait()
            except TimeoutError:
                self._lag_ms = max(0.0, (self._monotonic() - due) * 1000.0)

    def _standing(self) -> tuple[Any, ...]:
        pid = self._observed.pid if self._observed else None
        return (self._stance.kind if self._stance else None, pid)

    async def _look(self) -> Stance:
        """Refresh what the ledger says of the process."""
        self._desired = await self._ledger.desired(self.name)
        self._observed = await self._ledger.observed(self.name)
        self._stance = take_stance(
            self._desired,
            self._observed,
            now=self._clock(),
            watching_since=self._since,
            grace=self._grace,
            gone=is_gone(self._observed),
        )
        if self._stance.kind == "live":
            self._since = 0.0  # seen running: what is on record from now on is no leftover of an earlier run
        return self._stance

    async def _round(self, *, tick: bool, everything: bool = False) -> None:
        """One look at whatever is due."""
        if not self._restored:
            self._memory.restore(await self._ledger.snapshot(self.name), self._clock())
            self._filing.resume()
            self._restored = True
        everything = everything or self._poked
        self._poked = False
        at, started = self._clock(), self._monotonic()
        rows = self._due_rows(started, tick, everything)
        stance = await self._look()
        results = await self._probe(rows, stance)
        at = min((result.at for result in results.values()), default=at)
        self._judge(rows, stance, results, started, at, tick)
        process = process_part(self._observed, stance)
        doubtful = [row for row in self._rows if row.in_doubt]
        await self._filing.settle({row.name: self._memory.evidence(row, process) for row in doubtful})
        await self._tell_changes()
        if tick:
            self._grid.advance(self._monotonic())
            self._memory.count_tick(at, rows)
            answered = any(result.status for result in results.values())
            await self._publish(stance, at, answered)
            self._on_tick()

    def _due_rows(self, now: float, tick: bool, everything: bool) -> list[Watching]:
        if tick:
            return [row for row in self._rows if everything or self._memory.ticks % row.every == 0 or row.in_doubt]
        paths = {row.path for row in self._rows if row.probe_at is not None and row.probe_at <= now}
        return [row for row in self._rows if row.path in paths]

    async def _probe(self, rows: Sequence[Watching], stance: Stance) -> dict[str, ProbeResult]:
        """One probe per path, shared by its invariants; none while there is nothing to judge."""
        if stance.kind == "dead":
            result = not_running(self._clock(), stance.detail)
            return {row.path: result for row in rows}
        if stance.kind != "live" or self._observed is None:
            return {}
        base = f"http://127.0.0.1:{self._observed.port}"
        timeouts: dict[str, float] = {}
        for row in rows:
            timeouts[row.path] = max(timeouts.get(row.path, 0.0), row.invariant.timeout_seconds)
        found = await asyncio.gather(
            *(self._prober.get(base + path, timeout_seconds=limit) for path, limit in timeouts.items())
        )
        return dict(zip(timeouts, found, strict=True))

    def _judge(
        self,
        rows: Sequence[Watching],
        stance: Stance,
        results: Mapping[str, ProbeResult],
        started: float,
        at: float,
        tick: bool,
    ) -> None:
        """Feed the verdicts and note what follows from them."""
        for row in rows:
            before = row.judge.state
            result = results.get(row.path)
            if result is None:
                row.verdict = Verdict("unknown", "—", stance.detail or stance.kind)
            else:
                row.verdict = row.read(result, self._lag_ms)
            if stance.kind == "stopped":
                step = Step(JudgeState())
            else:
                step = feed(
                    row.rule,
                    row.judge,
                    row.verdict.state,
                    started=started,
                    tick=tick,
                    certain=stance.kind == "dead",
                )
            row.judge, row.probe_at = step.state, step.probe_at
            if step.violated and not step.reopened:
                row.episode_since = at
            elif not step.state.episode:
                row.episode_since = None
            if row.judge.state != before or row.since is None:
                row.since = at
            if row.judge.state != before:
                self._untold[row.name] = row
            self._filing.note(row, step)
        for path, result in results.items():
            self._memory.record(path, result, tick=tick)
            ok = all(row.verdict.state == "holding" for row in rows if row.path == path)
            data = {"path": path, "response_ms": result.response_ms, "ok": ok, "at": result.at}
            self._hub.publish(Event("probe.sampled", result.at, data, subject=self.name))

    async def _tell_changes(self) -> None:
        """One event per changed invariant; what the ledger could not take is told the next time."""
        for name, row in list(self._untold.items()):
            told = invariant_row(row)
            data = {key: told[key] for key in ("name", "state", "value", "reason")}
            await self._ledger.emit(Event("invariant.changed", self._clock(), data, subject=self.name))
            del self._untold[name]

    async def _publish(self, stance: Stance, at: float, answered: bool) -> None:
        """Write the snapshot for every reader, and tell the hub."""
        traffic = None
        if answered and self._observed is not None:
            traffic = await self._scraper.scrape(f"http://127.0.0.1:{self._observed.port}")
        else:
            self._scraper.forget()
        snapshot = {
            "subject": self.name,
            "at": at,
            "tick": self._memory.ticks,
            "state": subject_state(stance, self._rows),
            **process_part(self._observed, stance),
            "config_file": self._config_file,
            "invariants": [invariant_row(row) for row in self._rows],
            "latency": latency(self._memory.main_series),
            "traffic": traffic.public() if traffic else None,
            "config_drift": await self._drift(),
            "faults": await self._watched.faults(),
            "ticks": list(self._memory.ring),
            "loop": {"lag_ms": round(self._lag_ms, 1), "missed": self._grid.missed},
        }
        await self._ledger.put_snapshot(self.name, snapshot)
        self.snapshot = snapshot
        self._hub.publish(Event("tick.completed", at, {"snapshot": snapshot}, subject=self.name))

    @property
    def _config_file(self) -> str | None:
        config = self._watched.subject.config
        return config.file if config is not None else None

    async def _drift(self) -> list[dict[str, Any]]:
        if self._config_file is None:
            return []
        from service.workspace import WorkspaceError

        try:
            drift = await asyncio.to_thread(self._watched.workspace.config_drift, self._config_file)
        except WorkspaceError as error:
            return [{"key": self._config_file, "committed": "readable", "live": f"unreadable: {error}"}]
        return drift_rows(drift)
