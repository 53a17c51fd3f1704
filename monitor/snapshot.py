"""The snapshot of a subject: what panels, viewers and the agent read of it. Pure.

Times are seconds since the epoch. Keys: ``subject at tick state pid port restarts started_at process_state
detail config_file invariants latency traffic config_drift faults ticks loop``. ``ticks`` are the last grid and
poke ticks: ``n``, ``at`` (when the probe started) and ``verdicts`` (invariant → what that one look saw, before
any confirmation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.records import Observed
from monitor.series import Series
from monitor.stance import Stance
from monitor.watched import Watching


def subject_state(stance: Stance, rows: Sequence[Watching]) -> str:
    """One word for the whole subject: healthy, degraded, down, starting, stopped or unknown."""
    if stance.kind in ("stopped", "starting", "unknown"):
        return stance.kind
    critical = [row.judge.state for row in rows if row.critical]
    if stance.kind == "dead" or "violated" in critical:
        return "down"
    if any(row.judge.state == "violated" for row in rows):
        return "degraded"
    if not rows or "unknown" in (critical or [row.judge.state for row in rows]):
        return "unknown"
    return "healthy"


def invariant_row(row: Watching) -> dict[str, Any]:
    """One invariant as the snapshot tells it."""
    reason = row.verdict.reason
    if row.judge.suspect:
        reason = f"failing, being confirmed: {reason}"
    elif row.judge.state == "violated" and row.verdict.state == "unknown":
        reason = f"violated until seen to hold; now {reason}"
    return {
        "name": row.name,
        "state": row.judge.state,
        "value": row.verdict.value,
        "condition": row.condition.text,
        "severity": row.invariant.severity,
        "path": row.path,
        "reason": reason,
        "since": row.since,
        "suspect": row.judge.suspect,
        "episode_since": row.episode_since,
    }


def latency(series: Series) -> dict[str, Any]:
    """Milliseconds: last, p50 and p95 of the history, and the history itself (gaps as None)."""
    history = series.history(120)
    p50, p95 = series.percentiles((50, 95), 120)
    return {
        "last_ms": _rounded(series.last),
        "p50_ms": _rounded(p50),
        "p95_ms": _rounded(p95),
        "history": [_rounded(value) for value in history],
    }


def drift_rows(drift: Mapping[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Configuration keys whose live value is not the committed one."""
    return [{"key": key, "committed": pair[0], "live": pair[1]} for key, pair in sorted(drift.items())]


def process_part(observed: Observed | None, stance: Stance) -> dict[str, Any]:
    """What is known of the process."""
    return {
        "pid": observed.pid if observed and stance.kind != "dead" else None,
        "port": observed.port if observed else None,
        "restarts": observed.restarts if observed else 0,
        "started_at": observed.started_at if observed else None,
        "process_state": observed.state if observed else "unknown",
        "detail": stance.detail or (observed.detail if observed else ""),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
