"""The interface of a brain: given a brief and what happened so far, the next turn.

A brain never touches the world. It returns tool calls; policy, approvals, the journal and verification stand
between a call and its effect, and are the same for every brain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

OutcomeStatus = Literal["ok", "error", "rejected", "denied", "timed_out", "withdrawn", "interrupted", "not_verified"]
Channel = Literal["thinking", "text", "call"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a brain sees it; ``schema`` is the JSON Schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn as the endpoint reported them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One complete step of a brain. A turn that was cut short is never returned; it is raised as ``BrainError``."""

    calls: tuple[ToolCall, ...]
    text: str = ""
    thinking: str = ""
    stop_reason: str = "tool_use"
    model: str | None = None
    """The model's name; None for a brain that is not a model."""
    usage: Usage | None = None
    blocks: tuple[Mapping[str, Any], ...] = ()
    """Content blocks to be sent back byte-identical, for brains that need it."""


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What became of one call. ``text`` is what the brain reads; ``data`` is the same as structure, for rules."""

    call_id: str
    status: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    result_id: int | None = None
    """Id of the journal row that recorded it: evidence."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A turn and what became of each of its calls."""

    turn: Turn
    outcomes: tuple[ToolOutcome, ...]


@dataclass(frozen=True, slots=True)
class Brief:
    """What a brain is told about a ticket. Everything but ``rules`` is data, never permission."""

    ticket_id: int
    subject: str
    source: str
    objective: str
    criteria: tuple[str, ...]
    context: str
    rules: str
    """The harness's own instructions: how to work, what finish means, the mode."""
    notes: str
    """The subject's AGENTS.md."""
    invariants: tuple[Mapping[str, Any], ...]
    """``name``, ``state``, ``value``, ``condition`` of each, now."""
    recent_changes: str
    similar: str
    """Earlier tickets with the same fingerprint and how they ended."""
    tools: tuple[ToolSpec, ...]
    mode: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a turn while it is being made: shown, never acted upon."""

    channel: Channel
    text: str


class BrainError(Exception):
    """The turn could not be had. ``retry_after`` in seconds says when another try makes sense; None = do not."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Brain(Protocol):
    """``name`` is what settings call it; ``label`` is what every surface shows (``rules (no model)``)."""

    name: str
    label: str

    async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
        """The next turn. Cancellable at every await.

        Raises:
            BrainError: no complete turn could be had.
        """
        ...

    async def aclose(self) -> None: ...
