"""A ticket's conversation, written to the journal as it happens and read back after a crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from agent.brains.brain import Exchange, ToolCall, ToolOutcome, Turn, Usage
from agent.policy import LEDGER_TOOLS
from monitor.records import JournalEntry

ENDED = "ended"
"""Payload key of the note that closes one working of a ticket; a later working starts afresh after it."""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call of the last turn that has no result yet; ``intent`` is its journal row if its effect may have begun."""

    call: ToolCall
    step: int
    intent: JournalEntry | None


@dataclass(frozen=True, slots=True)
class Restored:
    exchanges: tuple[Exchange, ...]
    """Turns all of whose calls have an outcome."""
    interrupted: Turn | None
    """A last turn with calls still open."""
    done: tuple[ToolOutcome, ...]
    """The outcomes the interrupted turn already has."""
    open_calls: tuple[OpenCall, ...]
    next_step: int
    changed_at: float | None
    """When the last effect of this working was recorded."""


def turn_payload(turn: Turn) -> dict[str, Any]:
    return {
        "calls": [{"id": call.id, "name": call.name, "arguments": dict(call.arguments)} for call in turn.calls],
        "text": turn.text,
        "thinking": turn.thinking,
        "stop_reason": turn.stop_reason,
        "model": turn.model,
        "usage": asdict(turn.usage) if turn.usage else None,
        "blocks": [dict(block) for block in turn.blocks],
    }


def turn_from(payload: Mapping[str, Any]) -> Turn:
    usage = payload.get("usage")
    return Turn(
        calls=tuple(ToolCall(row["id"], row["name"], row["arguments"]) for row in payload["calls"]),
        text=payload["text"],
        thinking=payload["thinking"],
        stop_reason=payload["stop_reason"],
        model=payload["model"],
        usage=Usage(**usage) if usage else None,
        blocks=tuple(payload["blocks"]),
    )


def restore(entries: Sequence[JournalEntry]) -> Restored:
    """Rebuild the conversation of the present working from a ticket's journal rows, oldest first."""
    next_step = max((entry.step for entry in entries), default=0) + 1
    start = 0
    for index, entry in enumerate(entries):
        if entry.kind == "note" and entry.payload.get(ENDED):
            start = index + 1
    exchanges: list[tuple[Turn, int, dict[str, ToolOutcome]]] = []
    intents: dict[str, JournalEntry] = {}
    changed_at: float | None = None
    for entry in entries[start:]:
        if entry.kind == "turn":
            exchanges.append((turn_from(entry.payload), entry.step, {}))
        elif entry.kind == "intent":
            intents[entry.payload["call_id"]] = entry
        elif entry.kind in {"result", "settled"} and exchanges and "call_id" in entry.payload:
            payload = entry.payload
            exchanges[-1][2][payload["call_id"]] = ToolOutcome(
                payload["call_id"], payload["status"], payload["text"], payload["data"], entry.id
            )
            changed = payload.get("effect", "read_only") != "read_only" and payload["tool"] not in LEDGER_TOOLS
            if changed and payload["status"] == "ok":
                changed_at = entry.recorded_at
        elif entry.kind == "verification" and exchanges and not entry.payload["held"]:
            call_id = entry.payload["call_id"]
            finish = exchanges[-1][2].get(call_id)
            if finish is not None:
                exchanges[-1][2][call_id] = replace(finish, status="not_verified", text=entry.payload["text"])
    complete = [
        Exchange(turn, tuple(outcomes[call.id] for call in turn.calls))
        for turn, _, outcomes in exchanges
        if all(call.id in outcomes for call in turn.calls)
    ]
    interrupted: Turn | None = None
    done: tuple[ToolOutcome, ...] = ()
    open_calls: tuple[OpenCall, ...] = ()
    if exchanges:
        turn, step, outcomes = exchanges[-1]
        missing = [call for call in turn.calls if call.id not in outcomes]
        if missing:
            interrupted = turn
            done = tuple(outcomes[call.id] for call in turn.calls if call.id in outcomes)
            open_calls = tuple(OpenCall(call, step, intents.get(call.id)) for call in missing)
    return Restored(tuple(complete), interrupted, done, open_calls, next_step, changed_at)
