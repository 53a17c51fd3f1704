"""The rows of the ledger as frozen records: what the floors hand to each other.

Times are seconds since the Unix epoch (UTC) inside, ISO 8601 UTC in ``public()``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

TicketStatus = Literal["pending", "in_progress", "awaiting_approval", "verifying", "completed", "failed", "cancelled"]
OPEN_STATUSES: frozenset[str] = frozenset({"pending", "in_progress", "awaiting_approval", "verifying"})
CLOSED_STATUSES: frozenset[str] = frozenset({"completed", "failed", "cancelled"})
WORKED_STATUSES: frozenset[str] = frozenset({"in_progress", "awaiting_approval", "verifying"})
Source = Literal["invariant", "slo", "anomaly", "schedule", "human", "webhook", "agent"]
Priority = Literal["critical", "high", "medium", "low"]
PRIORITIES: tuple[str, ...] = ("critical", "high", "medium", "low")
Mode = Literal["observe", "supervised", "autonomous"]
MODES: tuple[str, ...] = ("observe", "supervised", "autonomous")
ApprovalStatus = Literal["pending", "approved", "edited", "rejected", "timed_out", "withdrawn"]
ProcessStateName = Literal["stopped", "starting", "running", "backoff", "blocked", "failed", "stopping"]


def iso(at: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 UTC with milliseconds, or None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Record:
    """Mixin: a JSON-ready view in which every field that ends in ``_at`` is ISO 8601."""

    __slots__ = ()

    def public(self) -> dict[str, Any]:
        row = asdict(self)  # type: ignore[call-overload]
        return {key: iso(value) if key.endswith("_at") else value for key, value in row.items()}


@dataclass(frozen=True, slots=True)
class NewTicket:
    """What is needed to file one. ``fingerprint`` identifies the trouble, not the occurrence."""

    subject: str
    source: str
    fingerprint: str
    objective: str
    criteria: tuple[str, ...]
    """Success criteria, each in the grammar of ``monitor.criteria``."""
    priority: str = "medium"
    context: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    parent_id: int | None = None


@dataclass(frozen=True, slots=True)
class Ticket(Record):
    id: int
    subject: str
    source: str
    fingerprint: str
    priority: str
    status: str
    outcome: str | None
    objective: str
    criteria: tuple[str, ...]
    context: str
    evidence: Mapping[str, Any]
    parent_id: int | None
    occurrences: int
    attempts: int
    created_at: float
    updated_at: float
    closed_at: float | None
    fence: int
    """Fencing token: rises with every claim; a write that carries an older one changes nothing."""
    lease_owner: str | None
    lease_expires_at: float | None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES


@dataclass(frozen=True, slots=True)
class Approval(Record):
    id: int
    ticket_id: int
    action_id: str
    tool: str
    arguments: Mapping[str, Any]
    effect: str
    target: str
    rule: str
    """The policy rule that asked."""
    why: str
    """Why the brain wants it, in its own words."""
    diff: str
    """Unified diff or the command line; what exactly will happen."""
    undo: str
    digest: str
    status: str
    requested_at: float
    expires_at: float
    decided_at: float | None
    decided_by: str | None
    reason: str | None
    edited_arguments: Mapping[str, Any] | None
    consumed_at: float | None
    """When the intent that used this approval was journalled; an approval is used once."""


@dataclass(frozen=True, slots=True)
class JournalEntry(Record):
    """One link of the hash chain.

    ``kind``: ``claimed`` ``turn`` ``decision`` ``intent`` ``result`` ``verification`` ``note`` ``settled``
    ``summary`` (a better line for the turn it names).
    """

    id: int
    ticket_id: int | None
    step: int
    kind: str
    summary: str
    payload: Mapping[str, Any]
    recorded_at: float
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Control(Record):
    mode: str = "supervised"
    stopped: bool = False
    stop_reason: str | None = None
    stopped_by: str | None = None
    stopped_at: float | None = None


@dataclass(frozen=True, slots=True)
class Desired(Record):
    """What the supervisor's owner must bring about; a higher ``generation`` asks for a restart."""

    subject: str
    running: bool
    generation: int
    commit: str | None
    updated_at: float
    by: str = "harness"


@dataclass(frozen=True, slots=True)
class Observed(Record):
    """What the supervisor last saw of the subject's process."""

    subject: str
    state: str
    """One of ``ProcessStateName``."""
    ready: bool
    pid: int | None
    start_ticks: int | None
    """Field 22 of /proc/<pid>/stat where there is one: tells a reused pid from the same process."""
    port: int | None
    generation: int
    commit: str | None
    restarts: int
    started_at: float | None
    exit_code: int | None
    detail: str
    owner_pid: int | None
    updated_at: float


@dataclass(frozen=True, slots=True)
class FaultRecord(Record):
    """A fault that chaos injected. The agent's tools cannot read these rows."""

    id: int
    subject: str
    name: str
    active: bool
    parameters: Mapping[str, Any]
    ground_truth: str
    injected_at: float
    cleared_at: float | None
    by: str
