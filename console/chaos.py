"""Injecting and clearing faults, with a record that the agent's tools cannot read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from console.failure import Failure, NotFoundFailure, UsageFailure
from monitor.ledger import Ledger
from monitor.records import FaultRecord
from service.faults import FAULTS, FaultError, FaultTarget, clear, inject, is_active
from service.subject import Subject
from service.workspace import Workspace


class Chaos:
    """The faults of a home's subjects, injected from any process that shares the home."""

    def __init__(self, ledger: Ledger, subjects: Mapping[str, Subject], workspaces: Mapping[str, Workspace]) -> None:
        self._ledger = ledger
        self._subjects = subjects
        self._workspaces = workspaces

    async def _target(self, subject: str) -> FaultTarget:
        observed = await self._ledger.observed(subject)
        config = self._subjects[subject].config
        return FaultTarget(
            self._workspaces[subject].root,
            config.file if config is not None else "",
            observed.pid if observed is not None else None,
            observed.start_ticks if observed is not None else None,
        )

    async def inject(self, subject: str, fault: str, parameters: Mapping[str, Any], by: str) -> dict[str, Any]:
        """Bring a fault about and put it on record.

        Raises:
            NotFoundFailure: there is no such fault. UsageFailure, Failure: it cannot be injected; one line.
        """
        known = FAULTS.get(fault)
        if known is None:
            raise NotFoundFailure(f"there is no fault {fault!r}; there are {', '.join(FAULTS)}")
        try:
            done = await asyncio.to_thread(inject, fault, await self._target(subject), parameters)
        except FaultError as error:
            bad_usage = "must be" in str(error) or "no parameter" in str(error)
            raise (UsageFailure if bad_usage else Failure)(str(error)) from None
        await self._ledger.record_fault(subject, fault, dict(parameters), known.ground_truth, by)
        if not known.lasting:
            await self._ledger.clear_fault(subject, fault, "over as soon as it happened")
        return done

    async def clear(self, subject: str, fault: str | None, by: str) -> list[str]:
        """Undo one fault, or every active one; the names of those that were cleared."""
        if fault is not None and fault not in FAULTS:
            raise NotFoundFailure(f"there is no fault {fault!r}; there are {', '.join(FAULTS)}")
        target = await self._target(subject)
        cleared: list[str] = []
        for name in [fault] if fault is not None else list(FAULTS):
            if fault is None and not await self._is_active(name, target):
                continue
            try:
                await asyncio.to_thread(clear, name, target)
            except FaultError as error:
                raise Failure(str(error)) from None
            await self._ledger.clear_fault(subject, name, by)
            cleared.append(name)
        return cleared

    async def active(self, subject: str) -> list[dict[str, Any]]:
        """Faults on record that the world still shows; one that was repaired is cleared on record."""
        rows: list[FaultRecord] = await self._ledger.faults(subject, active_only=True)
        if not rows:
            return []
        target = await self._target(subject)
        shown = []
        for row in rows:
            if row.name in FAULTS and not await self._is_active(row.name, target):
                await self._ledger.clear_fault(subject, row.name, "gone from the world")
                continue
            shown.append({"name": row.name, "since": row.injected_at, "parameters": dict(row.parameters)})
        return shown

    async def catalogue(self, subject: str) -> list[dict[str, Any]]:
        """Every fault with its meaning, parameters and whether it is active now."""
        target = await self._target(subject)
        return [
            {
                "name": fault.name,
                "title": fault.title,
                "key": fault.key,
                "description": fault.description,
                "lasting": fault.lasting,
                "parameters": {name: parameter.default for name, parameter in fault.parameters.items()},
                "active": await self._is_active(fault.name, target),
            }
            for fault in FAULTS.values()
        ]

    async def _is_active(self, fault: str, target: FaultTarget) -> bool:
        try:
            return await asyncio.to_thread(is_active, fault, target)
        except FaultError:
            return False
