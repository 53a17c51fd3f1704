"""What the monitor knows of one subject and of each of its invariants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from monitor.conditions import Condition, ConditionError, Verdict, parse_condition
from monitor.judge import JudgeState, Rule

if TYPE_CHECKING:
    from monitor.probes import ProbeResult
    from service.subject import Invariant, Subject
    from service.workspace import Workspace

_LAG_FLOOR_MS = 50.0


async def _no_faults() -> list[dict[str, Any]]:
    return []


@dataclass(frozen=True, slots=True)
class Watched:
    """A subject, its deployed copy, and where to ask for the faults now injected (``name``, ``since``)."""

    subject: Subject
    workspace: Workspace
    faults: Callable[[], Awaitable[list[dict[str, Any]]]] = _no_faults


@dataclass(slots=True)
class Watching:
    """One invariant under observation."""

    invariant: Invariant
    condition: Condition
    rule: Rule
    every: int
    """It is looked at on every n-th tick of the subject."""
    judge: JudgeState = field(default_factory=JudgeState)
    verdict: Verdict = field(default_factory=lambda: Verdict("unknown", "—", "not looked at yet"))
    """The last single verdict, before any confirmation."""
    since: float | None = None
    """When its state last changed, seconds since the epoch."""
    episode_since: float | None = None
    """When the violation that has not been recovered from was confirmed, seconds since the epoch."""
    probe_at: float | None = None
    """When to confirm a failure, on the monotonic clock."""

    @property
    def name(self) -> str:
        return self.invariant.name

    @property
    def critical(self) -> bool:
        return self.invariant.severity == "critical"

    @property
    def path(self) -> str:
        return self.invariant.path

    @property
    def in_doubt(self) -> bool:
        """Violated, or failing and not yet confirmed."""
        return self.judge.state == "violated" or self.judge.suspect

    def read(self, result: ProbeResult, lag_ms: float) -> Verdict:
        """The verdict on a probe. A slowness that our own late loop may have caused is withheld."""
        verdict = self.condition.evaluate(result)
        threshold = self.condition.threshold_ms
        if verdict.state == "violated" and threshold is not None:
            lag = max(lag_ms, result.lag_ms)
            if lag > _LAG_FLOOR_MS and lag >= threshold / 2:
                reason = f"withheld: the monitor itself ran {lag:.0f} ms late, measuring {verdict.value}"
                return Verdict("unknown", verdict.value, reason)
        return verdict


def watch_invariants(subject: Subject) -> list[Watching]:
    """The subject's invariants, critical ones first.

    Raises:
        ConditionError: one line that names the file and the invariant.
    """
    base = tick_interval(subject)
    rows = []
    for invariant in subject.invariants:
        try:
            condition = parse_condition(invariant.condition)
        except ConditionError as error:
            raise ConditionError(f"{subject.source}: invariant {invariant.name}: {error}") from None
        rule = Rule(tuple(sorted(invariant.confirm_after_seconds)), invariant.for_seconds)
        every = max(1, round(invariant.interval_seconds / base))
        if not invariant.path:
            path = subject.process.readiness_probe.http_get.path
            invariant = invariant.model_copy(update={"path": path})
        rows.append(Watching(invariant, condition, rule, every))
    return sorted(rows, key=lambda row: not row.critical)


def tick_interval(subject: Subject) -> float:
    """Seconds between two ticks: the shortest interval that an invariant asks for."""
    return min((invariant.interval_seconds for invariant in subject.invariants), default=5.0)


def ring_length(rows: Sequence[Watching]) -> int:
    """How many ticks a snapshot remembers, so that even the slowest invariant shows in several of them."""
    return min(12 * max((row.every for row in rows), default=1), 144)
