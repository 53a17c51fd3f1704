"""What a watch remembers of one subject between rounds: probes, series, ticks; and how it comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monitor.judge import restored
from monitor.records import iso
from monitor.series import Series
from monitor.watched import Watching, ring_length

if TYPE_CHECKING:
    from monitor.probes import ProbeResult

RESTORE_SECONDS = 600.0
"""An older snapshot says nothing about a violation that still lasts; only its tick count is gone on with."""
_RECENT_PROBES = 40
_EVIDENCE_PROBES = 10


class Memory:
    """Per path: the last probes and a series of response times. Per subject: the tick count and ring."""

    def __init__(self, rows: Sequence[Watching], main_path: str, interval: float) -> None:
        self._rows, self._main_path, self._interval = rows, main_path, interval
        self._series = {path: Series() for path in {row.path for row in rows}}
        self._recent: dict[str, deque[dict[str, Any]]] = {path: deque(maxlen=_RECENT_PROBES) for path in self._series}
        self.ring: deque[dict[str, Any]] = deque(maxlen=ring_length(rows))
        self.ticks = 0

    @property
    def main_series(self) -> Series:
        """Response times on the path of the readiness probe."""
        return self._series.get(self._main_path) or next(iter(self._series.values()), None) or Series(1)

    def record(self, path: str, result: ProbeResult, *, tick: bool) -> None:
        """Keep a probe; only those of ticks enter the series, whose samples are one interval apart."""
        self._recent[path].append(
            {
                "at": iso(result.at),
                "status": result.status,
                "response_ms": None if result.response_ms is None else round(result.response_ms, 2),
                "error": result.error,
            }
        )
        if tick:
            self._series[path].add(result.at, result.response_ms)

    def count_tick(self, at: float, rows: Sequence[Watching]) -> None:
        """Append to the ring what this tick, whose probes started at ``at``, saw of ``rows``."""
        self.ticks += 1
        verdicts = {row.name: row.verdict.state for row in rows}
        self.ring.append({"n": self.ticks, "at": at, "verdicts": verdicts})

    def evidence(self, row: Watching, process: Mapping[str, Any]) -> dict[str, Any]:
        """What a ticket about ``row`` is handed."""
        probes = list(self._recent[row.path])[-_EVIDENCE_PROBES:]
        return {
            "condition": row.condition.text,
            "path": row.path,
            "values": {other.name: other.verdict.value for other in self._rows},
            "window": {
                "from": probes[0]["at"] if probes else None,
                "to": probes[-1]["at"] if probes else None,
                "probes": probes,
            },
            "process": dict(process),
        }

    def restore(self, last: Mapping[str, Any] | None, now: float) -> None:
        """Go on where the last run of the monitor stopped, so that nothing is told or filed twice."""
        if last is None:
            return
        self.ticks = int(last.get("tick", 0))
        if not 0 <= now - float(last["at"]) <= RESTORE_SECONDS:
            return
        self.ring.extend(last.get("ticks", ()))
        known = {told["name"]: told for told in last.get("invariants", ())}
        for row in self._rows:
            told = known.get(row.name)
            if told is None or told.get("condition") != row.condition.text:
                continue
            row.episode_since = told.get("episode_since")
            row.judge = restored(told["state"], row.episode_since is not None)
            row.since = told.get("since")
        history = (last.get("latency") or {}).get("history", ())
        series = self.main_series
        if len(series) == 0:
            for index, value in enumerate(history):
                series.add(float(last["at"]) - (len(history) - 1 - index) * self._interval, value)
