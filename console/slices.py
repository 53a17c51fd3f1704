"""What each panel shows, as frozen slices of one state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Objective:
    """An invariant and what it measures now."""

    name: str
    state: str = "unknown"
    value: str = ""
    condition: str = ""
    severity: str = ""
    reason: str = ""
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """A configuration value that differs from the last commit."""

    key: str
    committed: str
    live: str


@dataclass(frozen=True, slots=True)
class Service:
    """A subject: its process, its latest sample and what was done to it. Latencies in ms, times in epoch s."""

    subject: str
    state: str = "unknown"
    process: str = ""
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    started_at: float | None = None
    detail: str = ""
    last_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    history: tuple[float | None, ...] = ()
    requests: float | None = None
    denied: float | None = None
    drift: tuple[Drift, ...] = ()
    faults: tuple[tuple[str, float | None], ...] = ()
    """Faults now injected, each with since when."""
    sampled_at: float | None = None
    objectives: tuple[Objective, ...] = ()

    def has_fault(self, name: str) -> bool:
        return any(fault == name for fault, _ in self.faults)


@dataclass(frozen=True, slots=True)
class TicketRow:
    id: int
    subject: str = ""
    source: str = ""
    priority: str = "medium"
    status: str = "pending"
    outcome: str = ""
    objective: str = ""
    criteria: tuple[str, ...] = ()
    created_at: float | None = None
    updated_at: float = 0.0
    closed_at: float | None = None
    occurrences: int = 1
    attempts: int = 0

    @property
    def is_open(self) -> bool:
        return self.status not in ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    id: int
    ticket_id: int = 0
    action_id: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    effect: str = ""
    target: str = ""
    rule: str = ""
    why: str = ""
    diff: str = ""
    undo: str = ""
    status: str = "pending"
    requested_at: float | None = None
    expires_at: float | None = None
    decided_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ControlSlice:
    mode: str = "supervised"
    stopped: bool = False
    reason: str = ""
    by: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of a step, what was decided about it, and what came of it."""

    id: str
    tool: str
    arguments: str = ""
    target: str = ""
    chip: str = ""
    """What was decided, in words."""
    verdict: str = ""
    """Key into ``glyphs.CALL``."""
    outcome: str = ""
    """Empty while it runs; ``ok``, ``error``, ``rejected`` …"""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step of the agent, or a mark (claimed, verification, note, settled) between steps."""

    key: int
    number: int
    kind: str
    summary: str
    at: float | None = None
    calls: tuple[Call, ...] = ()
    text: str = ""
    thinking: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """The step that is being made right now; the tail of what streamed so far."""

    ticket_id: int
    step: int
    thinking: str = ""
    text: str = ""
    call: str = ""


@dataclass(frozen=True, slots=True)
class AgentSlice:
    ticket_id: int | None = None
    steps: tuple[Step, ...] = ()
    live: Live | None = None
    waiting: str = ""
    """Why the brain pauses, and until when."""
    waiting_until: float | None = None
