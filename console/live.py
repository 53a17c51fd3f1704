"""Starts the real harness behind the console's first frame."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.boot import Session
from console.operator import OperatorError
from monitor.events import Event

if TYPE_CHECKING:
    from console.runtime import Runtime

STEPS_SHOWN = 120


class LiveBoot:
    """The console's ``Boot``: every heavy import happens inside ``start``, in a thread."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None

    async def start(self) -> Session:
        """Open the home and start the loops, or attach as a viewer when another process runs them.

        Raises:
            OperatorError: it cannot start; one line with the mend.
        """
        await asyncio.to_thread(_import)
        from console.failure import Failure
        from console.home import PARTS
        from console.live_operator import LiveOperator
        from console.runtime import Runtime
        from console.settings import load_settings

        try:
            settings = await asyncio.to_thread(load_settings)
            runtime = Runtime(settings)
            await runtime.open(PARTS, or_view=True)
        except Failure as error:
            raise OperatorError(str(error)) from None
        self._runtime = runtime
        subscription = runtime.hub.subscribe()
        initial = await history(runtime)
        await runtime.start()
        level = await next(iter(runtime.benches.values())).sandbox.level()
        return Session(
            hub=runtime.hub,
            operator=LiveOperator(runtime),
            initial=initial,
            brain_label=runtime.brain.label,
            owner=bool(runtime.parts),
            subjects=tuple(runtime.subjects),
            home=str(runtime.home),
            sandbox=level,
            subscription=subscription,
            reload=lambda: history(runtime),
        )

    async def close(self) -> None:
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            await runtime.close()


def _import() -> None:
    """Load what the loops need, off the event loop's thread."""
    import console.live_operator
    import console.runtime
    import console.settings  # noqa: F401


async def history(runtime: Runtime) -> Sequence[Event]:
    """The ledger's present as events, oldest first: what a screen needs to show all that is."""
    ledger = runtime.ledger
    control = await ledger.control()
    events = [Event("control.changed", 0.0, {"control": control.public(), "by": ""})]
    for name in runtime.subjects:
        observed = await ledger.observed(name)
        if observed is not None:
            events.append(Event("service.observed", observed.updated_at, {"observed": observed.public()}, name))
        snapshot = await ledger.snapshot(name)
        if snapshot is not None:
            events.append(Event("tick.completed", snapshot["at"], {"snapshot": snapshot}, name))
    tickets = sorted(await ledger.tickets(limit=500), key=lambda ticket: ticket.id)
    events += [
        Event("ticket.changed", ticket.updated_at, {"ticket": ticket.public(), "what": "loaded", "detail": ""},
              ticket.subject, ticket.id)
        for ticket in tickets
    ]  # fmt: skip
    if tickets:
        shown = max(tickets, key=lambda ticket: (ticket.is_open, ticket.updated_at))
        for entry in (await ledger.journal(shown.id))[-STEPS_SHOWN:]:
            events.append(
                Event("journal.appended", entry.recorded_at, {"entry": entry.public()}, shown.subject, shown.id)
            )
    for approval in await ledger.approvals(statuses=["pending"]):
        events.append(
            Event(
                "approval.requested", approval.requested_at, {"approval": approval.public()}, None, approval.ticket_id
            )
        )
    return events
