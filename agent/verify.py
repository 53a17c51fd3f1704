"""The harness's own eyes on a ticket's success criteria: what closes a ticket, and what withdraws an approval.

Only ticks whose probes started after the change count, so that an old good reading never passes for a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.tools.base import Workbench
from monitor.criteria import CriterionError, check, parse_criterion

TICKS = 3
PATIENCE_SECONDS = 60.0
"""How long verification waits for ticks before it says the criteria did not hold."""
VIOLATED_TICKS = 3
"""Consecutive violated ticks after which there is no point in waiting longer."""
SPACING = 0.8
"""Ticks count when they are at least this part of the monitor's interval apart: looking three times within one
second is not the same as holding for three ticks."""


@dataclass(frozen=True, slots=True)
class Verification:
    held: bool
    seen: tuple[str, ...]
    """One line per tick and criterion that was looked at."""
    reason: str
    criteria: tuple[Mapping[str, str], ...] = ()
    """The last look at each: ``criterion``, ``state``, ``value``."""

    def public(self) -> dict[str, Any]:
        return {
            "held": self.held,
            "seen": list(self.seen),
            "reason": self.reason,
            "criteria": [dict(row) for row in self.criteria],
        }


@dataclass(frozen=True, slots=True)
class _Look:
    state: str
    rows: tuple[Mapping[str, str], ...]

    @property
    def lines(self) -> list[str]:
        """One line a criterion, those that do not hold first."""
        ordered = sorted(self.rows, key=lambda row: row["state"] == "holding")
        return [f"{row['criterion']}: {row['state']} ({row['value']})" for row in ordered]


class Verifier:
    """Watches the monitor's ticks of one subject."""

    def __init__(self, bench: Workbench, clock: Callable[[], float], poll_seconds: float = 0.25) -> None:
        self._bench = bench
        self._clock = clock
        self._poll = poll_seconds

    async def hold(
        self, criteria: Sequence[str], *, since: float, ticks: int = TICKS, patience: float = PATIENCE_SECONDS
    ) -> Verification:
        """Wait until ``criteria`` and every critical invariant held for ``ticks`` consecutive ticks after ``since``."""
        deadline = self._clock() + patience
        seen: list[str] = []
        held = violated = 0
        last = None
        held_at = violated_at = 0.0
        spacing = SPACING * min((item.interval_seconds for item in self._bench.subject.invariants), default=5.0)
        rows: tuple[Mapping[str, str], ...] = ()
        while self._clock() < deadline:
            for tick in await self._ticks(since, last):
                last = tick["n"]
                look = await self._look(criteria, tick)
                rows = look.rows
                seen.extend(f"tick {last}: {line}" for line in look.lines)
                at = float(tick["at"])
                if look.state != "holding":
                    held, held_at = 0, 0.0
                elif at - held_at >= spacing:
                    held, held_at = held + 1, at
                if look.state != "violated":
                    violated, violated_at = 0, 0.0
                elif at - violated_at >= spacing:
                    violated, violated_at = violated + 1, at
                if held >= ticks:
                    return Verification(True, tuple(seen[-24:]), f"the criteria held for {ticks} ticks", rows)
                if violated >= VIOLATED_TICKS:
                    return Verification(False, tuple(seen[-24:]), look.lines[0], rows)
            await asyncio.sleep(self._poll)
        reason = seen[-1] if seen else "the monitor made no reading; is it running?"
        return Verification(False, tuple(seen[-24:]), f"not within {patience:.0f} s: {reason}", rows)

    async def recovered(self, criteria: Sequence[str], *, since: float) -> bool:
        """Whether the newest tick that started after ``since`` shows every criterion holding."""
        ticks = await self._ticks(since, None)
        return bool(ticks) and (await self._look(criteria, ticks[-1])).state == "holding"

    async def _ticks(self, since: float, after: int | None) -> list[Mapping[str, Any]]:
        snapshot = await self._bench.ledger.snapshot(self._bench.subject.name) or {}
        ticks = [tick for tick in snapshot.get("ticks", ()) if tick["at"] > since]
        return [tick for tick in ticks if after is None or tick["n"] > after]

    async def _look(self, criteria: Sequence[str], tick: Mapping[str, Any]) -> _Look:
        verdicts: Mapping[str, str] = tick["verdicts"]
        snapshot = await self._bench.ledger.snapshot(self._bench.subject.name) or {}
        values = {row["name"]: row["value"] for row in snapshot.get("invariants", ())}
        subject = self._bench.subject
        wanted = {item.name for item in subject.invariants if item.severity == "critical"}
        rows: list[Mapping[str, str]] = []
        for text in criteria:
            if text in verdicts:
                wanted.add(text)
            else:
                rows.append(await self._other(text, snapshot))
        for name in sorted(wanted):
            state = verdicts.get(name, "unknown")
            rows.append({"criterion": name, "state": state, "value": str(values.get(name) or "no value")})
        states = {row["state"] for row in rows}
        if states <= {"holding"}:
            return _Look("holding", tuple(rows))
        return _Look("violated" if "violated" in states else "unknown", tuple(rows))

    async def _other(self, text: str, snapshot: Mapping[str, Any]) -> Mapping[str, str]:
        names = [item.name for item in self._bench.subject.invariants]
        try:
            criterion = parse_criterion(text, names)
        except CriterionError as error:
            return {"criterion": text, "state": "violated", "value": str(error)}
        config = self._bench.subject.config
        result = await check(
            criterion,
            snapshot,
            self._bench.workspace,
            self._bench.prober,
            await self._bench.base_url(),
            config_file=config.file if config is not None else None,
        )
        return {"criterion": text, "state": result.state, "value": str(result.value)}
