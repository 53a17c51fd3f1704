"""Tools that write to tickets: a new one, a note, and the end of the work."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.action import Action
from agent.tools.base import Arguments, Result, Situation, Tool, ToolError, Workbench
from monitor.criteria import CriterionError, parse_criterion
from monitor.records import NewTicket

CHILDREN_PER_TICKET = 5


class CreateArguments(Arguments):
    objective: str = Field(description="What should be achieved, in one sentence.", min_length=3, max_length=300)
    criteria: list[str] = Field(description="Success criteria the harness can check.", min_length=1, max_length=10)
    priority: Literal["high", "medium", "low"] = "low"
    context: str = Field("", max_length=4000)


class NoteArguments(Arguments):
    text: str = Field(description="What whoever reads this ticket should know.", min_length=1, max_length=2000)


class FinishArguments(Arguments):
    verdict: Literal["fixed", "needs_human", "inconclusive"]
    summary: str = Field(description="What was wrong, what was done, what is left.", min_length=3, max_length=2000)
    evidence: list[int] = Field(
        default_factory=list, description="Ids of recorded tool results that support it.", max_length=50
    )


class CreateTicket(Tool[CreateArguments]):
    name = "create_ticket"
    description = "File another ticket for trouble that is not this ticket's."
    arguments = CreateArguments

    async def plan(self, arguments: CreateArguments, bench: Workbench) -> Action:
        names = [invariant.name for invariant in bench.subject.invariants]
        for text in arguments.criteria:
            try:
                parse_criterion(text, names)
            except CriterionError as error:
                raise ToolError(str(error)) from None
        return Action(
            tool=self.name,
            arguments=arguments.model_dump(),
            target="the ticket queue",
            effect="reversible",
            recovery="read",  # filing twice finds the same fingerprint
            summary=f"Filing a ticket: {arguments.objective[:60]}",
            undo="cancel the ticket",
        )

    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        parent = situation.ticket
        others = await bench.ledger.tickets(subject=parent.subject, limit=500)
        if sum(1 for other in others if other.parent_id == parent.id) >= CHILDREN_PER_TICKET:
            raise ToolError(f"ticket {parent.id} has filed {CHILDREN_PER_TICKET} tickets already; add_note instead")
        given = action.arguments
        ticket, created = await bench.ledger.file_ticket(
            NewTicket(
                subject=parent.subject,
                source="agent",
                fingerprint=f"agent/{parent.subject}/{given['objective'].strip().lower()}",
                objective=given["objective"],
                criteria=tuple(given["criteria"]),
                priority=given["priority"],
                context=given["context"],
                parent_id=parent.id,
            )
        )
        word = "filed" if created else "already open:"
        return Result(f"{word} ticket {ticket.id}", {"ticket_id": ticket.id, "created": created})


class AddNote(Tool[NoteArguments]):
    name = "add_note"
    description = "Write a note on this ticket."
    arguments = NoteArguments
    recovery = "opaque"

    async def plan(self, arguments: NoteArguments, bench: Workbench) -> Action:
        return Action(
            tool=self.name,
            arguments=arguments.model_dump(),
            target="this ticket",
            effect="reversible",
            recovery="opaque",
            summary=f"Noting: {arguments.text[:60]}",
        )

    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        await bench.ledger.note(situation.ticket.id, str(action.arguments["text"]), "agent")
        return Result("noted")


class FinishTicket(Tool[FinishArguments]):
    """Ends the work. The agent loop, not this tool, verifies and closes: ``run`` only checks the evidence."""

    name = "finish_ticket"
    description = (
        "End the work on this ticket. verdict=fixed makes the harness verify the success criteria itself over three "
        "ticks; needs_human hands it to a person; inconclusive says nothing could be found."
    )
    arguments = FinishArguments

    async def plan(self, arguments: FinishArguments, bench: Workbench) -> Action:
        return Action(
            tool=self.name,
            arguments=arguments.model_dump(),
            target="this ticket",
            effect="reversible",
            recovery="read",
            summary=f"Finishing as {arguments.verdict.replace('_', ' ')}",
        )

    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        entries = await bench.ledger.journal(situation.ticket.id)
        known = {entry.id for entry in entries if entry.kind == "result"}
        dangling = [number for number in action.arguments["evidence"] if number not in known]
        if dangling:
            raise ToolError(f"evidence {dangling[0]} is not the id of a tool result of this ticket")
        return Result(str(action.arguments["summary"]), dict(action.arguments))
