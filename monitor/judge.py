"""From single verdicts to the state of an invariant: a pure state machine.

A failure is only believed after it was seen again: with ``confirm_after=(1, 3)`` a probe that fails is
followed by one a second and one three seconds after it, and only when both fail too (and the failing has
lasted ``for_seconds``) is the invariant violated. One good verdict in between ends the suspicion. A hang that
outlasts the offsets is confirmed one probe after the other, never overlapping. When the fact is certain (the process
exited), nothing is confirmed.

A verdict ``unknown`` counts neither as good nor as bad: it ends a suspicion and a run of good ticks without
deciding anything, and a violated invariant stays violated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor.conditions import VerdictState

RECOVERY_TICKS = 2
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Rule:
    """When to believe a failure; seconds."""

    confirm_after: tuple[float, ...] = (1.0, 3.0)
    for_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class JudgeState:
    """All that is remembered of one invariant. Times are on the caller's monotonic clock, in seconds."""

    state: VerdictState = "unknown"
    episode: bool = False
    """A violation was confirmed and has not yet been followed by ``RECOVERY_TICKS`` good ticks."""
    good_ticks: int = 0
    failed_since: float | None = None
    """Start of the first probe of the present run of failures, confirmed or not."""
    confirmations: int = 0
    """How many of the rule's offsets a failing probe has confirmed."""

    @property
    def suspect(self) -> bool:
        """Failing, but not yet believed."""
        return self.failed_since is not None and self.state != "violated"


@dataclass(frozen=True, slots=True)
class Step:
    """What one verdict brought about."""

    state: JudgeState
    changed: bool = False
    """The state shown to people is another one than before."""
    violated: bool = False
    """It turned violated just now."""
    reopened: bool = False
    """With ``violated``: the earlier violation had not yet been recovered from."""
    recovered: bool = False
    """The ``RECOVERY_TICKS``-th good tick in a row."""
    probe_at: float | None = None
    """Probe again then, or at once when that has passed, without waiting for the grid."""


def feed(
    rule: Rule,
    before: JudgeState,
    verdict: VerdictState,
    *,
    started: float,
    tick: bool = True,
    certain: bool = False,
) -> Step:
    """Take in the verdict of a probe that ``started`` then.

    ``tick`` says that it was a check of its own (grid or poke), not a confirmation; only ticks count towards
    a recovery. ``certain`` means that a failure needs no confirmation.
    """
    if verdict == "unknown":
        shown: VerdictState = "violated" if before.state == "violated" else "unknown"
        kept = before.failed_since if shown == "violated" else None
        after = replace(before, state=shown, good_ticks=0, failed_since=kept, confirmations=0)
        return Step(after, changed=after.state != before.state)
    if verdict == "holding":
        return _good(before, tick)
    return _bad(rule, before, started, certain)


def _good(before: JudgeState, tick: bool) -> Step:
    # a confirmed violation that a mere confirmation probe sees healed is shown as healed, but not counted
    good_ticks = min(before.good_ticks + 1, RECOVERY_TICKS) if tick else before.good_ticks
    recovered = good_ticks == RECOVERY_TICKS and before.good_ticks < RECOVERY_TICKS
    after = JudgeState("holding", before.episode and not recovered, good_ticks)
    return Step(after, changed=before.state != "holding", recovered=recovered)


def _bad(rule: Rule, before: JudgeState, started: float, certain: bool) -> Step:
    if before.state == "violated":
        return Step(replace(before, good_ticks=0, failed_since=before.failed_since or started))
    offsets = rule.confirm_after
    first, confirmations = before.failed_since, before.confirmations
    if first is None:
        first, confirmations = started, 0
    elif confirmations < len(offsets) and started >= first + offsets[confirmations] - _EPSILON:
        confirmations += 1
    confirmed = confirmations == len(offsets) and started >= first + rule.for_seconds - _EPSILON
    if certain or confirmed:
        after = JudgeState("violated", True, 0, first, confirmations)
        return Step(after, changed=True, violated=True, reopened=before.episode)
    waits_for = offsets[confirmations] if confirmations < len(offsets) else rule.for_seconds
    after = replace(before, good_ticks=0, failed_since=first, confirmations=confirmations)
    return Step(after, probe_at=first + waits_for)


def restored(state: str, episode: bool) -> JudgeState:
    """The state to go on from after a restart, so that nothing is reported twice."""
    if state == "violated":
        return JudgeState("violated", True)
    return JudgeState("holding" if state == "holding" else "unknown", episode)
