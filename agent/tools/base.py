"""The shape of a tool, and the bench it works at."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from agent.action import Action, Recovery

if TYPE_CHECKING:
    from agent.sandbox import Sandbox
    from monitor.ledger import Ledger
    from monitor.probes import Prober
    from monitor.records import Ticket
    from service.subject import Subject
    from service.workspace import Workspace

TEXT_LIMIT = 12_000
"""Characters of a result that a brain reads; what is beyond is cut with a note of how much."""


class ToolError(Exception):
    """A call that cannot be planned or run, said in one line: what, why, and the mend."""


class Arguments(BaseModel):
    """Base of every tool's arguments: unknown names are refused, values are not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool returned: ``text`` for a brain to read, ``data`` for rules and for the record."""

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Workbench:
    """Everything a tool may reach for one subject. Holds no secret and no fault record."""

    subject: Subject
    workspace: Workspace
    ledger: Ledger
    prober: Prober
    sandbox: Sandbox
    log_path: Path
    clock: Callable[[], float] = time.time

    async def base_url(self) -> str | None:
        """Where the subject answers now, or None while it has no port."""
        observed = await self.ledger.observed(self.subject.name)
        if observed is None or observed.port is None:
            return None
        return f"http://127.0.0.1:{observed.port}"


@dataclass(frozen=True, slots=True)
class Situation:
    """The ticket a call belongs to; ``action_id`` is unique for the call over crashes and retries."""

    ticket: Ticket
    action_id: str
    step: int


A = TypeVar("A", bound=Arguments)


class Tool(ABC, Generic[A]):
    """One thing the agent can do."""

    name: ClassVar[str]
    description: ClassVar[str]
    arguments: ClassVar[type[Arguments]]
    recovery: ClassVar[Recovery] = "read"
    deadline: ClassVar[float] = 30.0
    """Seconds a run may take before it is cut off."""

    @abstractmethod
    async def plan(self, arguments: A, bench: Workbench) -> Action:
        """What would happen, without changing anything.

        Raises:
            ToolError: it cannot be done as asked.
        """

    @abstractmethod
    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        """Do it.

        Raises:
            ToolError: it could not be done; nothing is left half done.
        """

    async def settle(self, settle: Mapping[str, Any], bench: Workbench, situation: Situation) -> Result | None:
        """For ``probe`` tools after a crash: the result if the effect took place, None if it did not."""
        return None


def clip(text: str, limit: int = TEXT_LIMIT) -> str:
    """``text`` cut in the middle to ``limit`` characters, saying how much is missing."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]}\n… {len(text) - head - tail} characters left out …\n{text[-tail:]}"
