"""Before judging what a port answers: does our own process run at all, and is it meant to?

Pure but for ``is_gone``, which asks /proc.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from monitor.records import Desired, Observed

if TYPE_CHECKING:
    from service.subject import Subject

StanceKind = Literal["stopped", "starting", "dead", "live", "unknown"]
START_GRACE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Stance:
    """How to judge now.

    ``stopped``: on purpose, nothing is judged. ``starting``: nothing is judged yet. ``dead``: it is certain
    that the process does not run. ``live``: probe it. ``unknown``: nobody has said anything about it.
    """

    kind: StanceKind
    detail: str = ""


def start_grace(subject: Subject) -> float:
    """Seconds that a start may take before silence is held against the service."""
    probe = subject.process.readiness_probe
    declared = probe.initial_delay_seconds + probe.failure_threshold * probe.period_seconds
    return max(START_GRACE_SECONDS, declared)


def take_stance(
    desired: Desired | None,
    observed: Observed | None,
    *,
    now: float,
    watching_since: float,
    grace: float,
    gone: bool = False,
) -> Stance:
    """``now`` and ``watching_since`` (when this monitor started) in seconds since the epoch; ``gone`` says
    that the observed pid is another process by now.
    """
    if desired is not None and not desired.running:
        return Stance("stopped", f"stopped on purpose by {desired.by}")
    if observed is None:
        return Stance("unknown", "no supervisor has reported about the process")
    # what an earlier run left behind says nothing about the start that is under way now
    stale = observed.updated_at < watching_since and now - watching_since < grace
    if desired is not None and desired.generation > observed.generation and now - desired.updated_at < grace:
        return Stance("starting", "a restart is under way")
    if observed.state in ("backoff", "failed", "blocked"):
        return Stance("starting", "waiting for the supervisor") if stale else Stance("dead", observed.detail)
    if observed.state == "stopping" and now - observed.updated_at < grace:
        return Stance("starting", "the process is being stopped")
    if observed.state == "stopped":
        asked_at = desired.updated_at if desired is not None else 0.0
        if stale or now - max(observed.updated_at, asked_at) < grace:
            return Stance("starting", "waiting for the supervisor to start it")
        return Stance("dead", observed.detail or "stopped although it should run")
    since = observed.started_at if observed.started_at is not None else observed.updated_at
    if not observed.ready and not gone and now - since < grace:
        return Stance("starting", observed.detail or "the process is starting")
    if observed.pid is None or gone:
        if stale:
            return Stance("starting", "waiting for the supervisor")
        return Stance("dead", observed.detail if observed.pid is None else f"pid {observed.pid} is gone")
    if observed.port is None:
        return Stance("unknown", "the process has no known port")
    return Stance("live", observed.detail)


def is_gone(observed: Observed | None) -> bool:
    """True when /proc shows that the observed pid has ended or is another process; else False."""
    if observed is None or observed.pid is None or observed.start_ticks is None:
        return False
    if not Path("/proc/self/stat").exists():
        return False
    try:
        stat = Path(f"/proc/{observed.pid}/stat").read_text()
    except OSError:
        return True
    fields = stat.rpartition(")")[2].split()
    return fields[0] in ("Z", "X") or int(fields[19]) != observed.start_ticks
