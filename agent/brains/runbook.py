"""The rules brain: no model. It follows the subject's runbooks, reading what each tool really returned.

The next step is a pure function of the runbook and the history, so a restart goes on where it was. When no
runbook fits, it says so and calls a person.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.brains.brain import Brief, Delta, Exchange, ToolCall, ToolOutcome, Turn
from agent.brains.expressions import ExpressionError, fill
from agent.brains.runbook_file import Runbook, Step

ROUNDS = 3
"""How often a runbook starts over because what it had proposed was withdrawn."""


@dataclass(slots=True)
class _State:
    results: dict[str, Any]
    evidence: list[int] = field(default_factory=list)
    position: int = 0
    rounds: int = 1
    stuck: str | None = None
    """Why the rules end here and a person must act."""


class RunbookBrain:
    """``load`` gives the subject's runbooks and the problems found in them; it is called for every ticket."""

    name = "runbook"
    label = "rules (no model)"

    def __init__(self, load: Callable[[str], tuple[list[Runbook], list[str]]]) -> None:
        self._load = load

    async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
        """The next turn of the runbook that fits the brief."""
        runbooks, problems = await asyncio.to_thread(self._load, brief.subject)
        turn = decide(brief, runbooks, history, problems)
        if turn.text:
            emit(Delta("text", turn.text))
        return turn

    async def aclose(self) -> None:
        return None


def choose(brief: Brief, runbooks: Sequence[Runbook]) -> tuple[Runbook, dict[str, str]] | None:
    """The first runbook that answers the ticket's invariant, or whose objective matches, with its named groups."""
    invariant = brief.fingerprint.rsplit("/", 1)[-1]
    for runbook in runbooks:
        if brief.source == "invariant" and invariant in runbook.answers:
            return runbook, {}
        if brief.source != "invariant" and runbook.objective is not None:
            match = re.search(runbook.objective, brief.objective, re.IGNORECASE)
            if match is not None:
                return runbook, {key: value for key, value in match.groupdict().items() if value is not None}
    return None


def decide(
    brief: Brief, runbooks: Sequence[Runbook], history: Sequence[Exchange], problems: Sequence[str] = ()
) -> Turn:
    """The next turn, from the brief, the runbooks and what happened so far."""
    chosen = choose(brief, runbooks)
    count = len(history)
    if chosen is None:
        reason = f"No runbook of {brief.subject} answers this: {brief.objective}"
        if problems:
            reason += f" ({problems[0]})"
        return _finish("none", "none", count, "inconclusive", reason, [])
    runbook, groups = chosen
    ticket = {
        "objective": brief.objective,
        "id": brief.ticket_id,
        **{key: _typed(value) for key, value in groups.items()},
    }
    state = _replay(runbook, history, {"ticket": ticket})
    if state.stuck is not None:
        return _finish(runbook.slug, "stuck", count, "needs_human", state.stuck, state.evidence)
    while state.position < len(runbook.step):
        step = runbook.step[state.position]
        if not all(condition.holds(state.results) for condition in step.conditions()):
            state.position += 1
            continue
        try:
            return _turn(runbook, step, state, count)
        except ExpressionError as error:
            reason = f"Runbook {runbook.name!r}, step {step.id}: {error}"
            return _finish(runbook.slug, "stuck", count, "needs_human", reason, state.evidence)
    reason = f"Runbook {runbook.name!r} ends here without a cause that it knows."
    return _finish(runbook.slug, "end", count, "inconclusive", reason, state.evidence)


def _replay(runbook: Runbook, history: Sequence[Exchange], results: dict[str, Any]) -> _State:
    positions = {step.id: index for index, step in enumerate(runbook.step)}
    state = _State(dict(results))
    for exchange in history:
        outcomes = {outcome.call_id: outcome for outcome in exchange.outcomes}
        for call in exchange.turn.calls:
            slug, _, rest = call.id.partition(":")
            step_id = rest.partition(":")[0]
            outcome = outcomes.get(call.id)
            if slug != runbook.slug or step_id not in positions or outcome is None:
                continue
            if outcome.result_id is not None:
                state.evidence.append(outcome.result_id)
            _advance(state, runbook.step[positions[step_id]], positions, outcome, results)
            if state.stuck is not None:
                return state
    return state


def _advance(
    state: _State, step: Step, positions: Mapping[str, int], outcome: ToolOutcome, fresh: Mapping[str, Any]
) -> None:
    state.results[step.id] = {**outcome.data, "outcome": {"status": outcome.status, "text": outcome.text}}
    here = positions[step.id]
    if outcome.status == "withdrawn":
        state.rounds += 1
        if state.rounds > ROUNDS:
            state.stuck = f"Proposals were withdrawn {ROUNDS} times; the last: {outcome.text}"
        state.position, state.results = 0, dict(fresh)
    elif outcome.status in {"rejected", "timed_out", "denied", "interrupted"}:
        state.stuck = f"{step.tool or step.id} was not carried out: {outcome.text}"
    elif outcome.status == "not_verified":
        state.position = here + 1
        if state.position >= len(positions):
            state.stuck = f"The criteria did not hold afterwards: {outcome.text.splitlines()[0]}"
    elif outcome.status == "error" and step.otherwise is None:
        state.stuck = f"{step.tool} failed: {outcome.text}"
    elif outcome.status == "error" or not all(item.holds(state.results) for item in step.expectations()):
        if step.otherwise is None:
            failed = next(item.text for item in step.expectations() if not item.holds(state.results))
            state.stuck = f"After {step.tool} the rules expected {failed}, and it is not so: {outcome.text[:300]}"
        else:
            state.position = positions[step.otherwise]
    else:
        state.position = here + 1


def _turn(runbook: Runbook, step: Step, state: _State, count: int) -> Turn:
    said = str(fill(step.say, state.results)) if step.say else ""
    if step.verdict is not None:
        return _finish(runbook.slug, step.id, count, step.verdict, said or step.verdict, state.evidence)
    assert step.tool is not None
    arguments = fill(step.arguments, state.results)
    return Turn((ToolCall(f"{runbook.slug}:{step.id}:{count}", step.tool, arguments),), text=said)


def _finish(slug: str, step: str, count: int, verdict: str, summary: str, evidence: Sequence[int]) -> Turn:
    arguments = {"verdict": verdict, "summary": summary[:2000], "evidence": list(evidence)[-50:]}
    return Turn((ToolCall(f"{slug}:{step}:{count}", "finish_ticket", arguments),), text=summary)


def _typed(text: str) -> Any:
    """A captured word as the number or boolean it spells, else as text."""
    lowered = text.strip().lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    try:
        return int(lowered)
    except ValueError:
        pass
    try:
        return float(lowered)
    except ValueError:
        return text.strip()
