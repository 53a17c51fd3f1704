"""The agent's part of the state: journal entries, approvals and live text folded into numbered steps.

Of a journal entry's payload these are read when present: ``text``, ``thinking`` and ``calls`` (``id``,
``name``, ``arguments``) of a ``turn``; ``call_id``, ``tool``, ``outcome``, ``rule``, ``by``, ``reason`` of a
``decision``; ``target`` of an ``intent``; ``status``, ``text``, ``decision`` and ``rule`` of a ``result`` (or of
what was ``settled`` after a restart); ``criteria`` of a ``verification``; ``of`` of a ``summary``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from console.slices import AgentSlice, ApprovalRow, Call, Live, Step
from console.timefmt import moment

MAX_STEPS = 400
MAX_TEXT = 6_000
MAX_RESULT = 4_000
MAX_LIVE = 6_000
_MARKS = frozenset({"claimed", "verification", "note", "settled"})


def one_line(arguments: Any, limit: int = 600) -> str:
    """Arguments of a call as ``name=value`` pairs on one line."""
    if not isinstance(arguments, Mapping):
        return str(arguments or "")[:limit]
    parts = []
    for name, value in arguments.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        parts.append(f"{name}={shown[:200]}")
    return ", ".join(parts)[:limit]


def chip(outcome: str, rule: str = "", by: str = "", reason: str = "") -> tuple[str, str]:
    """(verdict, words) for a decision of the policy or of a person."""
    who = "you" if by in ("", "you", "operator", "console") else by
    told = f": {reason}" if reason else ""
    match outcome:
        case "allow" | "allowed":
            return "allowed", f"allowed by {rule or 'rule'}"
        case "ask" | "asking" | "pending":
            return "asking", f"waiting for you{f' ({rule})' if rule else ''}"
        case "deny" | "denied":
            return "refused", f"denied by {rule or 'rule'}{told}"
        case "approved":
            return "approved", f"approved by {who}"
        case "edited":
            return "approved", f"edited and approved by {who}"
        case "rejected":
            return "refused", f"rejected by {who}{told}"
        case "timed_out":
            return "refused", "nobody answered in time"
        case "withdrawn":
            return "refused", f"withdrawn{told}"
    return "", outcome.replace("_", " ")


def _calls(raw: Any) -> tuple[Call, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        return ()
    calls = []
    for item in raw:
        if isinstance(item, Mapping):
            name = str(item.get("name") or item.get("tool") or "?")
            calls.append(Call(id=str(item.get("id", "")), tool=name, arguments=one_line(item.get("arguments"))))
    return tuple(calls)


def _which(step: Step, call_id: str, tool: str) -> int | None:
    """Index of the call a later entry speaks of: by id, else the first of that tool that is still open."""
    for index, call in enumerate(step.calls):
        if call_id and call.id == call_id:
            return index
    for index, call in enumerate(step.calls):
        if not call.outcome and (not tool or call.tool == tool):
            return index
    return None


def _with_call(step: Step, call_id: str, tool: str, **changes: Any) -> Step:
    index = _which(step, call_id, tool)
    if index is None:
        if not tool:
            return step
        return replace(step, calls=(*step.calls, replace(Call(id=call_id, tool=tool), **changes)))
    calls = list(step.calls)
    calls[index] = replace(calls[index], **changes)
    return replace(step, calls=tuple(calls))


def _put(agent: AgentSlice, step: Step) -> AgentSlice:
    """Replace the step with the same key, or add it at the end."""
    for index in range(len(agent.steps) - 1, -1, -1):
        if agent.steps[index].key == step.key:
            return replace(agent, steps=(*agent.steps[:index], step, *agent.steps[index + 1 :]))
    return replace(agent, steps=(*agent.steps, step)[-MAX_STEPS:])


def _latest(agent: AgentSlice, number: int) -> Step | None:
    for step in reversed(agent.steps):
        if step.kind == "turn" and step.number == number:
            return step
    return None


def turn_to(agent: AgentSlice, ticket_id: int) -> AgentSlice:
    """The agent works ``ticket_id`` now; what it did on another ticket leaves the view."""
    return agent if agent.ticket_id == ticket_id else AgentSlice(ticket_id=ticket_id)


def fold_entry(agent: AgentSlice, entry: Mapping[str, Any]) -> AgentSlice:
    """Fold one journal entry (its public form) in."""
    ticket_id = entry.get("ticket_id")
    if ticket_id is None:
        return agent
    kind = str(entry.get("kind", ""))
    if kind in ("note", "summary") and agent.ticket_id is not None and agent.ticket_id != ticket_id:
        return agent
    agent = turn_to(agent, int(ticket_id))
    payload = entry.get("payload")
    payload = payload if isinstance(payload, Mapping) else {}
    key, number = int(entry.get("id") or 0), int(entry.get("step") or 0)
    summary, at = str(entry.get("summary", "")), moment(entry.get("recorded_at"))
    if any(step.key == key for step in agent.steps):
        return agent
    if kind == "summary":
        return _better_summary(agent, payload.get("of"), summary)
    if kind in _MARKS and not (kind == "settled" and "call_id" in payload):
        mark = Step(key, number, kind, summary, at, detail=_verification(payload) if kind == "verification" else "")
        return replace(_put(agent, mark), live=None if kind == "settled" else agent.live, waiting="")
    if kind == "turn":
        step = Step(
            key,
            number,
            "turn",
            summary,
            at,
            _calls(payload.get("calls")),
            str(payload.get("text") or "")[:MAX_TEXT],
            str(payload.get("thinking") or "")[-MAX_TEXT:],
        )
        return replace(_put(agent, step), live=None, waiting="", waiting_until=None)
    found = _latest(agent, number)
    step = found or Step(key, number, "turn", summary, at)
    call_id = str(payload.get("call_id") or payload.get("action_id") or "")
    tool = str(payload.get("tool") or payload.get("name") or "")
    if kind == "decision":
        verdict, words = chip(
            str(payload.get("outcome") or payload.get("status") or payload.get("decision") or summary),
            str(payload.get("rule") or ""),
            str(payload.get("by") or payload.get("decided_by") or ""),
            str(payload.get("reason") or ""),
        )
        step = _with_call(step, call_id, tool, verdict=verdict, chip=words)
    elif kind == "intent":
        changes: dict[str, Any] = {"target": str(payload.get("target") or "")}
        if payload.get("arguments"):
            changes["arguments"] = one_line(payload["arguments"])
        step = _with_call(step, call_id, tool, **changes)
        if summary and not step.calls:
            step = replace(step, summary=summary)
    elif kind in ("result", "settled"):
        text = str(payload.get("text") or payload.get("output") or summary)
        step = _with_call(step, call_id, tool, outcome=str(payload.get("status") or "ok"), result=text[:MAX_RESULT])
        verdict, words = chip(str(payload.get("decision") or ""), str(payload.get("rule") or ""))
        if words and verdict != "asking":
            step = _chip_if_none(step, call_id, verdict, words)
    return _put(agent, step)


def _better_summary(agent: AgentSlice, of: Any, summary: str) -> AgentSlice:
    """A later and better summary of the turn that the journal entry ``of`` recorded."""
    for step in agent.steps:
        if step.key == of:
            return _put(agent, replace(step, summary=summary))
    return agent


def _chip_if_none(step: Step, call_id: str, verdict: str, words: str) -> Step:
    """Say by which rule a call ran, unless a decision of its own is shown already."""
    calls = [
        replace(call, verdict=verdict, chip=words) if call.id == call_id and not call.chip else call
        for call in step.calls
    ]
    return replace(step, calls=tuple(calls))


def _verification(payload: Mapping[str, Any]) -> str:
    lines = []
    for item in payload.get("criteria") or ():
        if isinstance(item, Mapping):
            name = item.get("criterion") or item.get("text") or item.get("name") or "?"
            lines.append(f"{item.get('state', '?')}  {name}  {item.get('value', '')}".rstrip())
    return "\n".join(lines)


def fold_approval(agent: AgentSlice, row: ApprovalRow) -> AgentSlice:
    """Show on the call itself that it waits for a person, or how the person decided."""
    if row.ticket_id != agent.ticket_id:
        return agent
    for step in reversed(agent.steps):
        if step.kind != "turn":
            continue
        index = _which(step, row.action_id, row.tool)
        if index is not None:
            verdict, words = chip(row.status, row.rule.split(":")[0], row.decided_by, row.reason)
            return _put(agent, _with_call(step, row.action_id, row.tool, verdict=verdict, chip=words))
        break
    return agent


def fold_delta(agent: AgentSlice, ticket_id: int, step: int, channel: str, text: str) -> AgentSlice:
    """Append live text; only the tail is kept."""
    agent = turn_to(agent, ticket_id)
    live = agent.live
    if live is None or live.ticket_id != ticket_id or live.step != step:
        live = Live(ticket_id, step)
    if channel == "thinking":
        live = replace(live, thinking=(live.thinking + text)[-MAX_LIVE:])
    elif channel == "call":
        live = replace(live, call=(live.call + text)[-MAX_LIVE:])
    else:
        live = replace(live, text=(live.text + text)[-MAX_LIVE:])
    return replace(agent, live=live, waiting="", waiting_until=None)
