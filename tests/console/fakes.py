"""A fake session: an operator that records what was asked, and a boot that starts at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from console.boot import Session
from console.operator import OperatorError
from console.state import ConsoleState
from monitor.events import Event
from monitor.hub import Hub
from tests.console.happenings import NOW, approval, control, delta, entry, snapshot, ticket
from tests.console.scenes import SCENES, healthy

__all__ = [
    "NOW",
    "SCENES",
    "FakeBoot",
    "FakeOperator",
    "approval",
    "control",
    "delta",
    "entry",
    "healthy",
    "snapshot",
    "ticket",
]


class FakeOperator:
    """Records every request; ``fail`` makes the next one raise."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.fail: str | None = None
        self.gate: asyncio.Event | None = None
        self.detail: dict[str, Any] = {}
        self.lines: list[str] = []

    async def _note(self, *request: Any) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fail is not None:
            message, self.fail = self.fail, None
            raise OperatorError(message)
        self.asked.append(request)

    async def mode_set(self, mode: str) -> None:
        await self._note("mode", mode)

    async def stop(self, reason: str) -> None:
        await self._note("stop")

    async def resume(self) -> None:
        await self._note("resume")

    async def approve(self, approval_id: int) -> None:
        await self._note("approve", approval_id)

    async def reject(self, approval_id: int, reason: str) -> None:
        await self._note("reject", approval_id, reason)

    async def edit(self, approval_id: int, arguments: Mapping[str, Any]) -> None:
        await self._note("edit", approval_id, dict(arguments))

    async def file_ticket(
        self, subject: str, objective: str, criteria: Sequence[str], priority: str, context: str
    ) -> int:
        await self._note("file", subject, objective, tuple(criteria), priority, context)
        return 99

    def check_criterion(self, text: str) -> str | None:
        known = ("rate_limiter_healthy", "rate_limiter_latency")
        if text in known or text.startswith(("config.", "GET ")):
            return None
        return f"no invariant is called {text!r}; nearest: rate_limiter_healthy"

    async def cancel_ticket(self, ticket_id: int) -> None:
        await self._note("cancel", ticket_id)

    async def retry_ticket(self, ticket_id: int) -> None:
        await self._note("retry", ticket_id)

    async def inject(self, fault: str, parameters: Mapping[str, Any]) -> None:
        await self._note("inject", fault)

    async def clear(self, fault: str | None) -> None:
        await self._note("clear", fault)

    async def faults(self) -> list[dict[str, Any]]:
        rows = (
            ("play_dead", "Play dead", "space", "the service answers 503 to everything"),
            ("latency", "Latency", "z", "every answer takes 500 ms longer"),
            ("crash", "Crash", "1", "SIGKILL: the process is gone"),
            ("hang", "Hang", "2", "SIGSTOP: alive, but it does not answer"),
            ("corrupt_config", "Corrupt configuration", "3", "the file no longer parses, then the process is killed"),
        )
        return [
            {
                "name": name,
                "title": title,
                "key": key,
                "active": name == "latency",
                "parameters": {},
                "description": text,
            }
            for name, title, key, text in rows
        ]

    async def ticket_detail(self, ticket_id: int) -> dict[str, Any]:
        return self.detail

    async def log_lines(self, subject: str, limit: int) -> list[str]:
        return self.lines[-limit:]


class FakeBoot:
    """Starts with ``initial`` and never touches the world."""

    def __init__(self, initial: Sequence[Event] | ConsoleState = (), **session: Any) -> None:
        self.hub = Hub()
        self.operator = FakeOperator()
        self.initial = initial
        self.session = session
        self.closed = 0
        self.error: str | None = None
        self.gate: asyncio.Event | None = None

    async def start(self) -> Session:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise OperatorError(self.error)
        defaults: dict[str, Any] = {
            "brain_label": "rules (no model)",
            "owner": True,
            "subjects": ["ratelimiter"],
            "home": "/home/ada/harness",
        }
        return Session(hub=self.hub, operator=self.operator, initial=self.initial, **{**defaults, **self.session})

    async def close(self) -> None:
        self.closed += 1
