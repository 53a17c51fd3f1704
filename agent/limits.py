"""When to stop by rule: too many steps, too long, or going round in circles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.action import canonical
from agent.brains.brain import Exchange


@dataclass(frozen=True, slots=True)
class Limits:
    turns: int = 30
    seconds: float = 1800.0
    """Wall clock for one ticket, waiting for a person not counted."""
    repeats: int = 3
    """The same call with the same outcome this often in a row is a loop."""


def exceeded(history: Sequence[Exchange], worked_seconds: float, limits: Limits) -> str | None:
    """Why the work on this ticket must end now, or None."""
    if len(history) >= limits.turns:
        return f"{limits.turns} turns were used"
    if worked_seconds >= limits.seconds:
        return f"{limits.seconds / 60:.0f} minutes were used"
    marks = _marks(history)
    tail = marks[-limits.repeats :]
    if len(tail) == limits.repeats and len(set(tail)) == 1:
        return f"the same call was made {limits.repeats} times with the same outcome"
    last = marks[-4:]
    if len(last) == 4 and last[0] == last[2] and last[1] == last[3] and last[0] != last[1]:
        return "two calls alternate with the same outcomes"
    return None


def _marks(history: Sequence[Exchange]) -> list[str]:
    marks = []
    for exchange in history:
        outcomes = {outcome.call_id: outcome for outcome in exchange.outcomes}
        for call in exchange.turn.calls:
            outcome = outcomes.get(call.id)
            told = (outcome.status, outcome.text) if outcome else ("", "")
            marks.append(canonical([call.name, dict(call.arguments), *told]))
    return marks
