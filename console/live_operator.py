"""The operator's requests carried out on the ledger and the world."""

from __future__ import annotations

import asyncio
import difflib
import getpass
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from pydantic import ValidationError

from agent.tools.registry import TOOLS
from console.failure import Failure, NotFoundFailure, UsageFailure
from console.operator import OperatorError
from console.runtime import Runtime
from monitor.criteria import ConfigIs, CriterionError, parse_criterion
from monitor.ledger import LedgerError
from monitor.records import MODES, PRIORITIES, NewTicket
from service.workspace import WorkspaceError

P = ParamSpec("P")
R = TypeVar("R")


def _told(method: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Failures of the ledger and of commands become ``OperatorError``."""

    @wraps(method)
    async def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except CriterionError as error:
            raise OperatorError(str(error)) from UsageFailure(str(error))
        except (LedgerError, Failure) as error:
            raise OperatorError(str(error)) from error

    return inner


class LiveOperator:
    """Implements ``console.operator.Operator`` for one process; ``by`` is put on record with every decision."""

    def __init__(self, runtime: Runtime, by: str | None = None) -> None:
        self._runtime = runtime
        self._by = by or f"{user()} (console)"

    def _subject(self) -> str:
        return next(iter(self._runtime.subjects))

    @_told
    async def mode_set(self, mode: str) -> None:
        if mode not in MODES:
            raise UsageFailure(f"there is no mode {mode!r}; there are {', '.join(MODES)}")
        await self._runtime.ledger.set_mode(mode, self._by)

    @_told
    async def stop(self, reason: str) -> None:
        await self._runtime.ledger.stop(self._by, reason)
        await asyncio.gather(*(bench.sandbox.kill_all() for bench in self._runtime.benches.values()))

    @_told
    async def resume(self) -> None:
        await self._runtime.ledger.resume(self._by)

    @_told
    async def approve(self, approval_id: int) -> None:
        await self._runtime.ledger.decide(approval_id, "approved", by=self._by)

    @_told
    async def reject(self, approval_id: int, reason: str) -> None:
        if not reason.strip():
            raise UsageFailure("a rejection needs a reason; the agent is told it")
        await self._runtime.ledger.decide(approval_id, "rejected", by=self._by, reason=reason.strip())

    @_told
    async def edit(self, approval_id: int, arguments: Mapping[str, Any]) -> None:
        approval = await self._runtime.ledger.approval(approval_id)
        try:
            TOOLS[approval.tool].arguments.model_validate_json(json.dumps(dict(arguments)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or approval.tool
            raise Failure(f"{where}: {first['msg']}") from None
        await self._runtime.ledger.decide(approval_id, "edited", by=self._by, edited_arguments=dict(arguments))

    @_told
    async def file_ticket(
        self, subject: str, objective: str, criteria: Sequence[str], priority: str, context: str
    ) -> int:
        if subject not in self._runtime.subjects:
            raise NotFoundFailure(f"there is no subject {subject!r}; there are {', '.join(self._runtime.subjects)}")
        objective = " ".join(objective.split())
        if not objective:
            raise UsageFailure("a ticket needs an objective: one sentence that says what should be so")
        if priority not in PRIORITIES:
            raise UsageFailure(f"there is no priority {priority!r}; there are {', '.join(PRIORITIES)}")
        names = [invariant.name for invariant in self._runtime.subjects[subject].invariants]
        wanted = [text.strip() for text in criteria if text.strip()] or names
        for text in wanted:
            await asyncio.to_thread(self._parsed, subject, text)
        ticket, created = await self._runtime.ledger.file_ticket(
            NewTicket(
                subject=subject,
                source="human",
                fingerprint=f"human/{subject}/{objective.lower()}",
                objective=objective,
                criteria=tuple(wanted),
                priority=priority,
                context=context,
                evidence={"by": self._by},
            )
        )
        if not created and (ticket.criteria, ticket.priority, ticket.context) != (tuple(wanted), priority, context):
            raise Failure(
                f"ticket {ticket.id} with this objective is still open and asks for something else; "
                f"say the objective in other words, or cancel it with harness tickets cancel {ticket.id}"
            )
        return ticket.id

    def check_criterion(self, text: str) -> str | None:
        try:
            self._parsed(self._subject(), text.strip())
        except CriterionError as error:
            return str(error)
        return None

    def _parsed(self, name: str, text: str) -> None:
        """Raises ``CriterionError`` also for a configuration key that the file does not have now."""
        subject = self._runtime.subjects[name]
        criterion = parse_criterion(text, [invariant.name for invariant in subject.invariants])
        if not isinstance(criterion, ConfigIs) or subject.config is None:
            return
        try:
            values = json.loads(self._runtime.workspaces[name].read(subject.config.file))
        except (WorkspaceError, ValueError, RecursionError):
            return  # what cannot be read now cannot be compared with; verification will tell
        key = criterion.key.split(".")[0]
        if isinstance(values, dict) and key not in values:
            near = difflib.get_close_matches(key, values, 1) or sorted(values)
            raise CriterionError(f"{subject.config.file} has no key {key!r}; did you mean {near[0]!r}?")

    @_told
    async def cancel_ticket(self, ticket_id: int) -> None:
        await self._runtime.ledger.cancel(ticket_id, self._by)

    @_told
    async def retry_ticket(self, ticket_id: int) -> None:
        await self._runtime.ledger.retry(ticket_id, self._by)

    @_told
    async def inject(self, fault: str, parameters: Mapping[str, Any]) -> None:
        await self._runtime.chaos.inject(self._subject(), fault, parameters, self._by)

    @_told
    async def clear(self, fault: str | None) -> None:
        await self._runtime.chaos.clear(self._subject(), fault, self._by)

    @_told
    async def faults(self) -> list[dict[str, Any]]:
        return await self._runtime.chaos.catalogue(self._subject())

    @_told
    async def ticket_detail(self, ticket_id: int) -> dict[str, Any]:
        ledger = self._runtime.ledger
        return {
            "ticket": (await ledger.ticket(ticket_id)).public(),
            "journal": [entry.public() for entry in await ledger.journal(ticket_id)],
            "approvals": [row.public() for row in await ledger.approvals(ticket_id=ticket_id)],
        }

    @_told
    async def log_lines(self, subject: str, limit: int) -> list[str]:
        if subject in self._runtime.supervisors:
            return self._runtime.supervisors[subject].tail(limit)
        from agent.tools.observe import tail_file

        return await asyncio.to_thread(tail_file, self._runtime.log_path(subject), "", limit)


def user() -> str:
    """The name of whoever sits here, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
