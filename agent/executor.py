"""One call from a brain to its outcome: plan, policy, approval, intent, effect, result.

The order of the writes is the promise: an intent is on disk before its effect, an approval is used up in the
same transaction as the intent, and what a brain reads is what the journal holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agent.action import Action
from agent.approvals import Gate
from agent.brains.brain import ToolCall, ToolOutcome
from agent.policy import LEDGER_TOOLS, POLICY_VERSION, Decision, decide
from agent.redact import redact, redact_tree
from agent.tools.base import Result, Situation, Tool, ToolError, Workbench
from agent.tools.registry import TOOLS
from agent.verify import Verifier
from monitor.ledger import AlreadyDecided, Ledger
from monitor.records import Approval, Ticket

_SELF_HEALING_SOURCES = frozenset({"invariant", "slo", "anomaly"})


RECOVERED = "the service recovered by itself"
"""Part of the reason with which an approval is withdrawn when nothing needs it any more."""


class Stopped(Exception):
    """The kill switch was engaged."""


@dataclass(slots=True)
class Executor:
    """Carries out the calls of one ticket."""

    bench: Workbench
    ledger: Ledger
    gate: Gate
    verifier: Verifier
    clock: Callable[[], float]
    approval_ttl_seconds: float
    on_effect: Callable[[str], Awaitable[None]]
    """Told the subject's name after something was changed, so that the monitor looks at once."""

    async def execute(self, ticket: Ticket, call: ToolCall, step: int, why: str) -> ToolOutcome:
        """Carry out ``call``; every failure is an outcome for the brain, not an exception.

        Raises:
            Stopped: the kill switch was engaged before the effect.
            LostLease: another agent holds the ticket now.
        """
        tool = TOOLS.get(call.name)
        situation = Situation(ticket, f"{ticket.id}.{step}.{call.id}", step)
        if tool is None:
            return await self._refuse(situation, call, f"there is no tool {call.name!r}; use {', '.join(TOOLS)}")
        try:
            action = await self._plan(tool, call.arguments)
        except ToolError as error:
            return await self._refuse(situation, call, str(error))
        control = await self.ledger.control()
        if control.stopped:
            raise Stopped
        decision = decide(action, control.mode)
        if decision.outcome == "deny":
            return await self._record(
                situation,
                call,
                action,
                decision,
                "denied",
                Result(f"denied by rule {decision.rule}: {decision.reason}"),
            )
        approval: Approval | None = None
        if decision.outcome == "ask":
            settled = await self._ask(situation, call, tool, action, decision, why)
            if isinstance(settled, ToolOutcome):
                return settled
            action, approval = settled
        return await self._perform(situation, call, tool, action, decision, approval)

    async def _plan(self, tool: Tool[Any], given: Mapping[str, Any]) -> Action:
        try:
            arguments = tool.arguments.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "arguments"
            raise ToolError(f"{tool.name}: {where}: {first['msg']}") from None
        return await tool.plan(arguments, self.bench)

    async def _ask(
        self, situation: Situation, call: ToolCall, tool: Tool[Any], action: Action, decision: Decision, why: str
    ) -> tuple[Action, Approval] | ToolOutcome:
        ticket = situation.ticket
        digest = action.digest(POLICY_VERSION)
        approval = await self.ledger.request_approval(
            ticket_id=ticket.id,
            fence=ticket.fence,
            action_id=situation.action_id,
            tool=action.tool,
            arguments=dict(action.arguments),
            effect=action.effect,
            target=action.target,
            rule=f"{decision.rule}: {decision.reason}",
            why=redact(why),
            diff=redact(action.diff),
            undo=action.undo,
            digest=digest,
            ttl_seconds=self.approval_ttl_seconds,
        )
        await self.ledger.set_status(ticket.id, ticket.fence, "awaiting_approval", detail=action.summary)
        answer = await self.gate.decision(approval, self._withdrawal(ticket, tool, action, approval))
        await self.ledger.set_status(ticket.id, ticket.fence, "in_progress", detail=f"approval {answer.status}")
        await self.ledger.append(
            ticket.id,
            situation.step,
            "decision",
            f"{action.summary}: {answer.status} by {answer.decided_by or 'the harness'}",
            {
                "call_id": call.id,
                "action_id": situation.action_id,
                "tool": action.tool,
                "approval_id": answer.id,
                "outcome": answer.status,
                "rule": decision.rule,
                "by": answer.decided_by,
                "reason": answer.reason,
                "proposed_arguments": dict(action.arguments),
                "edited_arguments": answer.edited_arguments,
            },
            fence=ticket.fence,
        )
        refusals = {
            "rejected": f"a person rejected this: {answer.reason}. Nothing was changed.",
            "timed_out": "nobody answered in time, so it was not run. Nothing was changed.",
            "withdrawn": f"the request was withdrawn: {answer.reason}. Nothing was changed.",
        }
        if answer.status in refusals:
            return await self._record(situation, call, action, decision, answer.status, Result(refusals[answer.status]))
        try:
            planned = await self._plan(tool, answer.edited_arguments or action.arguments)
        except ToolError as error:
            return await self._record(situation, call, action, decision, "error", Result(str(error)))
        now = decide(planned, (await self.ledger.control()).mode)
        if now.outcome == "deny":
            text = f"denied by rule {now.rule}: {now.reason}"
            return await self._record(situation, call, planned, now, "denied", Result(text))
        # An edit changes the arguments, never the world the person was shown.
        same_world = (planned.pre_image, planned.head, planned.target) == (action.pre_image, action.head, action.target)
        same = same_world if answer.status == "edited" else planned.digest(POLICY_VERSION) == digest
        if not same:
            text = "what was approved is no longer what would run (the file, HEAD or process changed); look again"
            return await self._record(situation, call, planned, decision, "withdrawn", Result(text))
        return planned, answer

    def _withdrawal(
        self, ticket: Ticket, tool: Tool[Any], action: Action, approval: Approval
    ) -> Callable[[], Awaitable[str | None]]:
        digest = action.digest(POLICY_VERSION)
        looked_at = 0.0

        async def because() -> str | None:
            nonlocal looked_at
            if ticket.source in _SELF_HEALING_SOURCES and await self.verifier.recovered(
                ticket.criteria, since=approval.requested_at
            ):
                return f"the success criteria hold again: {RECOVERED}"
            if self.clock() - looked_at < 2.0:
                return None
            looked_at = self.clock()
            try:
                now = await self._plan(tool, action.arguments)
            except ToolError as error:
                return f"it can no longer be done as proposed: {error}"
            if now.digest(POLICY_VERSION) != digest:
                return "what it would change has changed since it was proposed"
            return None

        return because

    async def _perform(
        self,
        situation: Situation,
        call: ToolCall,
        tool: Tool[Any],
        action: Action,
        decision: Decision,
        approval: Approval | None,
    ) -> ToolOutcome:
        if (await self.ledger.control()).stopped:
            raise Stopped
        if action.effect != "read_only":
            try:
                await self.ledger.append(
                    situation.ticket.id,
                    situation.step,
                    "intent",
                    action.summary,
                    {
                        "call_id": call.id,
                        "action_id": situation.action_id,
                        "tool": action.tool,
                        "arguments": redact_tree(dict(action.arguments)),
                        "target": action.target,
                        "effect": action.effect,
                        "recovery": action.recovery,
                        "digest": action.digest(POLICY_VERSION),
                        "pre_image": action.pre_image,
                        "head": action.head,
                        "diff": redact(action.diff)[:20_000],
                        "undo": action.undo,
                        "rule": decision.rule,
                        "approval_id": approval.id if approval else None,
                        "settle": dict(action.settle),
                    },
                    fence=situation.ticket.fence,
                    consume_approval=approval.id if approval else None,
                )
            except AlreadyDecided as error:
                return await self._record(situation, call, action, decision, "withdrawn", Result(str(error)))
        return await self.effect(situation, call, tool, action, decision)

    async def effect(
        self, situation: Situation, call: ToolCall, tool: Tool[Any], action: Action, decision: Decision
    ) -> ToolOutcome:
        """Run the effect whose intent is on record, and record its result."""
        status = "ok"
        try:
            async with asyncio.timeout(tool.deadline):
                result = await tool.run(action, self.bench, situation)
        except ToolError as error:
            status, result = "error", Result(str(error))
        except TimeoutError:
            status, result = "error", Result(f"{tool.name} was cut off after {tool.deadline:.0f} s")
        outcome = await self._record(situation, call, action, decision, status, result)
        if action.effect != "read_only" and action.tool not in LEDGER_TOOLS and status == "ok":
            await self.on_effect(self.bench.subject.name)
        return outcome

    async def _refuse(self, situation: Situation, call: ToolCall, text: str) -> ToolOutcome:
        action = Action(call.name, dict(call.arguments), "", "read_only", "read", f"{call.name}: refused")
        return await self._record(situation, call, action, Decision("deny", "invalid", text), "error", Result(text))

    async def _record(
        self,
        situation: Situation,
        call: ToolCall,
        action: Action,
        decision: Decision,
        status: str,
        result: Result,
    ) -> ToolOutcome:
        text, data = redact(result.text), redact_tree(dict(result.data))
        entry = await self.ledger.append(
            situation.ticket.id,
            situation.step,
            "result",
            action.summary,
            {
                "call_id": call.id,
                "action_id": situation.action_id,
                "tool": action.tool,
                "arguments": redact_tree(dict(action.arguments)),
                "target": action.target,
                "effect": action.effect,
                "decision": decision.outcome,
                "rule": decision.rule,
                "status": status,
                "text": text,
                "data": data,
            },
            fence=situation.ticket.fence,
        )
        return ToolOutcome(call.id, status, text, data, entry.id)
