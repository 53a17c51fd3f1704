"""Working one ticket from claim to close, or back to the queue.

Cancelling is safe at every await: what was done is on record, and whoever claims the ticket next goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from agent.action import canonical
from agent.brains.brain import Brain, BrainError, Brief, Delta, Exchange, ToolCall, ToolOutcome, Turn
from agent.brief import brief
from agent.executor import RECOVERED, Executor
from agent.history import ENDED, OpenCall, restore, turn_payload
from agent.limits import Limits, exceeded
from agent.policy import LEDGER_TOOLS, Decision, decide
from agent.redact import redact, redact_tree
from agent.summary import first_line, summarise_calls
from agent.tools.base import Situation
from agent.tools.registry import TOOLS
from monitor.events import Event
from monitor.hub import Hub
from monitor.ledger import Ledger, LedgerError
from monitor.records import JournalEntry, Ticket

BRAIN_TRIES = 6
FINISH_TRIES = 2
"""How often a brain may say "fixed" and be wrong before a person is called."""


class BrainUnavailable(Exception):
    """No turn can be had; the ticket must go back to the queue."""


@dataclass(slots=True)
class Work:
    """The working of one claimed ticket."""

    ticket: Ticket
    brain: Brain
    executor: Executor
    ledger: Ledger
    hub: Hub
    clock: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    summarise: Callable[[str], Awaitable[str | None]] | None = None
    """Writes a better one-line summary than the rules do, off the critical path; None keeps the rules' own."""
    _summaries: set[asyncio.Task[None]] = field(default_factory=set)
    _step: int = 1
    _changed_at: float | None = None
    _unverified: int = 0
    _waited: float = 0.0

    async def run(self) -> str:
        """Work until the ticket is closed; the outcome it closed with.

        Raises:
            BrainUnavailable: the brain cannot be had now; nothing is lost.
            Stopped: the kill switch was engaged.
            LostLease: another agent holds the ticket now.
        """
        try:
            return await self._run()
        finally:
            for task in tuple(self._summaries):
                task.cancel()
            await asyncio.gather(*self._summaries, return_exceptions=True)

    async def _run(self) -> str:
        began = self.clock()
        restored = restore(await self.ledger.journal(self.ticket.id))
        self._step, self._changed_at = restored.next_step, restored.changed_at
        history = list(restored.exchanges)
        control = await self.ledger.control()
        told = await brief(self.ticket, self.executor.bench, control.mode)
        if restored.interrupted is not None:
            outcomes = {outcome.call_id: outcome for outcome in restored.done}
            for open_call in restored.open_calls:
                outcome = await self._resume_call(open_call, restored.interrupted)
                ended, outcome = await self._after(open_call.call, outcome)
                if ended is not None:
                    return ended
                outcomes[outcome.call_id] = outcome
            calls = restored.interrupted.calls
            history.append(Exchange(restored.interrupted, tuple(outcomes[call.id] for call in calls)))
        elif history and history[-1].turn.calls:
            # A crash between "finished" and the verdict of verification leaves a complete turn to be judged.
            last = history[-1]
            ended, outcome = await self._after(last.turn.calls[-1], last.outcomes[-1], again=True)
            if ended is not None:
                return ended
            history[-1] = Exchange(last.turn, (*last.outcomes[:-1], outcome))
        while True:
            why = exceeded(history, self.clock() - began - self._waited, self.limits)
            if why is not None:
                return await self._end("failed", "escalated", f"stopped by rule: {why}")
            turn = await self._turn(told, history)
            outcomes_now: list[ToolOutcome] = []
            for call in turn.calls:
                ended, outcome = await self._after(call, await self._call(call, turn))
                if ended is not None:
                    return ended
                outcomes_now.append(outcome)
            self._step += 1
            if not turn.calls and history and not history[-1].turn.calls:
                return await self._end("failed", "inconclusive", turn.text or "the brain ended without a verdict")
            history.append(Exchange(turn, tuple(outcomes_now)))

    async def _turn(self, told: Brief, history: list[Exchange]) -> Turn:
        step = self._step

        def emit(delta: Delta) -> None:
            data = {"ticket_id": self.ticket.id, "step": step, "channel": delta.channel, "text": redact(delta.text)}
            self.hub.publish(Event("brain.delta", self.clock(), data, self.ticket.subject, self.ticket.id))

        for attempt in range(1, BRAIN_TRIES + 1):
            try:
                turn = await self.brain.next(told, history, emit)
                break
            except BrainError as error:
                if error.retry_after is None or attempt == BRAIN_TRIES:
                    raise BrainUnavailable(str(error)) from None
                wait = max(error.retry_after, 0.2)
                data = {
                    "ticket_id": self.ticket.id,
                    "step": step,
                    "reason": str(error),
                    "until": self.clock() + wait,
                }
                self.hub.publish(Event("brain.waiting", self.clock(), data, self.ticket.subject, self.ticket.id))
                await asyncio.sleep(wait)
        summary = redact(summarise_calls(turn.calls, turn.text))
        payload: dict[str, Any] = turn_payload(turn)
        if not turn.blocks:  # signed blocks must go back byte for byte; anything else is cleaned before it is kept
            payload = redact_tree(payload)
        entry = await self.ledger.append(
            self.ticket.id, self._step, "turn", summary, payload | {"brain": self.brain.name}, fence=self.ticket.fence
        )
        if self.summarise is not None and turn.calls:
            task = asyncio.create_task(self._better_summary(entry, turn))
            self._summaries.add(task)
            task.add_done_callback(self._summaries.discard)
        return turn

    async def _better_summary(self, entry: JournalEntry, turn: Turn) -> None:
        """Ask for a summary of a turn and put it on record beside it; nothing waits for it, and it may fail."""
        assert self.summarise is not None
        calls = "\n".join(f"{call.name} {canonical(redact_tree(dict(call.arguments)))}" for call in turn.calls)
        try:
            line = await self.summarise(f"{redact(turn.text)}\n{calls}")
            if line:
                told = {"of": entry.id, "call_ids": [call.id for call in turn.calls]}
                await self.ledger.append(self.ticket.id, entry.step, "summary", redact(line), told)
        except LedgerError:
            return

    async def _call(self, call: ToolCall, turn: Turn) -> ToolOutcome:
        before = self.clock()
        outcome = await self.executor.execute(self.ticket, call, self._step, turn.text or turn.thinking)
        if outcome.status != "ok" or call.name == "run_command":
            self._waited += self.clock() - before
        return outcome

    async def _resume_call(self, open_call: OpenCall, turn: Turn) -> ToolOutcome:
        """Settle a call that a crash interrupted, by what its tool says can be known."""
        call, intent = open_call.call, open_call.intent
        if intent is None:
            return await self._call(call, turn)
        step = open_call.step
        tool = TOOLS[call.name]
        payload = intent.payload
        situation = Situation(self.ticket, payload["action_id"], step)
        if payload["recovery"] == "opaque":
            text = "outcome unknown: the harness ended while this ran; it was not run again. A person must look."
            return await self._settled(intent, step, "interrupted", text, {})
        if payload["recovery"] == "probe":
            found = await tool.settle(payload["settle"], self.executor.bench, situation)
            if found is not None:
                self._changed_at = self.clock()
                return await self._settled(intent, step, "ok", f"{found.text} (seen after a restart)", dict(found.data))
        action = await tool.plan(tool.arguments.model_validate(dict(call.arguments)), self.executor.bench)
        if payload["recovery"] == "probe" and action.pre_image != payload["pre_image"]:
            text = "the harness ended before this ran, and what it would change has changed since; look again"
            return await self._settled(intent, step, "withdrawn", text, {})
        now = decide(action, (await self.ledger.control()).mode)
        if now.outcome == "deny":
            text = f"the harness ended before this ran, and now it is denied by rule {now.rule}: {now.reason}"
            return await self._settled(intent, step, "denied", text, {})
        decision = Decision("allow", payload["rule"], "its intent was on record when the harness ended")
        return await self.executor.effect(situation, call, tool, action, decision)

    async def _settled(
        self, intent: JournalEntry, step: int, status: str, text: str, data: dict[str, Any]
    ) -> ToolOutcome:
        payload = intent.payload
        kept = {key: payload[key] for key in ("call_id", "action_id", "tool", "arguments", "target", "effect", "rule")}
        entry = await self.ledger.append(
            self.ticket.id,
            step,
            "settled",
            f"{intent.summary}: {status}",
            kept | {"decision": "allow", "status": status, "text": text, "data": data, "intent_id": intent.id},
            fence=self.ticket.fence,
        )
        return ToolOutcome(payload["call_id"], status, text, data, entry.id)

    async def _after(
        self, call: ToolCall, outcome: ToolOutcome, *, again: bool = False
    ) -> tuple[str | None, ToolOutcome]:
        """What an outcome means for the ticket: how it closed, if it did, and what the brain is told.

        ``again`` marks an outcome that was already judged before a crash, except for a verification.
        """
        if not again and outcome.status == "ok" and changes_the_world(call.name):
            self._changed_at = self.clock()
        if outcome.status == "withdrawn" and RECOVERED in outcome.text and not again:
            verification = await self.executor.verifier.hold(self.ticket.criteria, since=self._changed_at or 0.0)
            if verification.held:
                name = "fixed" if self._changed_at else "self_recovered"
                return await self._end("completed", name, "the service recovered while an approval waited"), outcome
            return None, outcome
        if call.name != "finish_ticket" or outcome.status != "ok":
            return None, outcome
        verdict, said = outcome.data["verdict"], str(outcome.data["summary"])
        if verdict == "fixed":
            return await self._verify(said, outcome)
        return await self._end("failed", "escalated" if verdict == "needs_human" else "inconclusive", said), outcome

    async def _verify(self, said: str, outcome: ToolOutcome) -> tuple[str | None, ToolOutcome]:
        await self.ledger.set_status(self.ticket.id, self.ticket.fence, "verifying", detail="checking the criteria")
        since = self._changed_at or self.clock()
        await self.executor.on_effect(self.ticket.subject)
        verification = await self.executor.verifier.hold(self.ticket.criteria, since=since)
        told = f"not verified: {verification.reason}\n" + "\n".join(verification.seen)
        await self.ledger.append(
            self.ticket.id,
            self._step,
            "verification",
            f"{'Verified' if verification.held else 'Not verified'}: {verification.reason}",
            verification.public() | {"call_id": outcome.call_id, "text": told},
            fence=self.ticket.fence,
        )
        if verification.held:
            return await self._end("completed", "fixed" if self._changed_at else "self_recovered", said), outcome
        self._unverified += 1
        if self._unverified >= FINISH_TRIES:
            return await self._end("failed", "escalated", f"not verified twice: {verification.reason}"), outcome
        await self.ledger.set_status(
            self.ticket.id, self.ticket.fence, "in_progress", detail=f"not verified: {verification.reason}"
        )
        return None, ToolOutcome(outcome.call_id, "not_verified", told, outcome.data, outcome.result_id)

    async def _end(self, status: str, outcome: str, said: str) -> str:
        """Close the ticket; the last journal entry of this working and the new status are one transaction."""
        await self.ledger.append(
            self.ticket.id,
            self._step,
            "note",
            f"Closed as {outcome.replace('_', ' ')}: {redact(first_line(said))}",
            {ENDED: True, "outcome": outcome, "text": redact(said)},
            fence=self.ticket.fence,
            close_as=(status, outcome),
        )
        return outcome


def changes_the_world(tool: str) -> bool:
    """Whether a tool of that name can change the subject, as opposed to looking or writing to the ledger."""
    known = TOOLS.get(tool)
    return known is not None and known.recovery != "read" and tool not in LEDGER_TOOLS
