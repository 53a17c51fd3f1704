"""The agent's loop: claim a ticket, work it, close it or hand it back; again.

The kill switch and a lost lease cancel the work at once; both are watched beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from agent.approvals import Gate
from agent.brains.brain import Brain
from agent.executor import Executor, Stopped
from agent.limits import Limits
from agent.tools.base import Workbench
from agent.verify import Verifier
from agent.work import BrainUnavailable, Work
from monitor.events import Event
from monitor.hub import Hub
from monitor.ledger import Ledger, LostLease
from monitor.records import Ticket

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
IDLE_LOOK_SECONDS = 1.0
BRAIN_PAUSE_SECONDS = (15.0, 30.0, 60.0, 300.0)
"""How long no ticket is claimed after the brain could not be had, once, twice, …"""


@dataclass(slots=True)
class AgentLoop:
    """Works the tickets of the subjects whose deployed copy is in this home."""

    benches: Mapping[str, Workbench]
    brain: Brain
    ledger: Ledger
    hub: Hub
    owner: str
    clock: Callable[[], float]
    on_effect: Callable[[str], Awaitable[None]]
    approval_ttl_seconds: float = 900.0
    limits: Limits = field(default_factory=Limits)
    summarise: Callable[[str], Awaitable[str | None]] | None = None
    _failures: int = 0

    async def run(self, *, only: int | None = None, once: bool = False) -> None:
        """Work tickets until cancelled; with ``once`` until one was worked, with ``only`` that one alone."""
        subscription = self.hub.subscribe(keep=256)
        try:
            while True:
                await self.ledger.expire_due()
                ticket = await self.ledger.claim(
                    self.owner, lease_seconds=LEASE_SECONDS, subjects=list(self.benches), ticket_id=only
                )
                if ticket is None:
                    if once:
                        return
                    subscription.drain()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(IDLE_LOOK_SECONDS):
                            await subscription.wait()
                    continue
                await self.work(ticket)
                if once:
                    return
        finally:
            subscription.close()

    async def work(self, ticket: Ticket) -> None:
        """Work one claimed ticket under a renewed lease; never raises for what can happen to a ticket."""
        bench = self.benches[ticket.subject]
        verifier = Verifier(bench, self.clock)
        executor = Executor(
            bench=bench,
            ledger=self.ledger,
            gate=Gate(self.ledger, self.hub, self.clock),
            verifier=verifier,
            clock=self.clock,
            approval_ttl_seconds=self.approval_ttl_seconds,
            on_effect=self.on_effect,
        )
        work = Work(ticket, self.brain, executor, self.ledger, self.hub, self.clock, self.limits, self.summarise)
        task = asyncio.create_task(work.run(), name=f"ticket-{ticket.id}")
        guard = asyncio.create_task(self._guard(ticket), name=f"lease-{ticket.id}")
        try:
            await asyncio.wait({task, guard}, return_when=asyncio.FIRST_COMPLETED)
            ended_by = None if task.done() else guard.exception() if guard.done() else None
            for other in (task, guard):
                other.cancel()
            await asyncio.gather(task, guard, return_exceptions=True)
            await self._settle(ticket, bench, task, ended_by)
        except asyncio.CancelledError:
            for other in (task, guard):
                other.cancel()
            await asyncio.gather(task, guard, return_exceptions=True)
            await bench.sandbox.kill_all()
            with suppress(LostLease):
                await self.ledger.release(
                    ticket.id, ticket.fence, "the harness is closing; the work goes on at its next start"
                )
            raise

    async def _settle(
        self, ticket: Ticket, bench: Workbench, task: asyncio.Task[str], ended_by: BaseException | None
    ) -> None:
        error = ended_by if ended_by is not None else None if task.cancelled() else task.exception()
        if error is None:
            if self._failures:
                self._failures = 0
                await self._say("loop.resumed", "the brain answers again")
            return
        if isinstance(error, LostLease):
            return
        if isinstance(error, Stopped):
            await bench.sandbox.kill_all()
            await self.ledger.withdraw_all(ticket.id, "everything was stopped")
            await self._release(ticket, "stopped by a person; nothing more runs until resume")
            return
        reason = str(error) if isinstance(error, BrainUnavailable) else f"{type(error).__name__}: {error}"
        await self._release(ticket, f"handed back: {reason}")
        pause = BRAIN_PAUSE_SECONDS[min(self._failures, len(BRAIN_PAUSE_SECONDS) - 1)]
        self._failures += 1
        await self._say("loop.failed", f"{reason}; next try in {pause:.0f} s")
        await asyncio.sleep(pause)

    async def _guard(self, ticket: Ticket) -> None:
        """Renew the lease and watch the kill switch; raises when the work must end."""
        subscription = self.hub.subscribe(keep=64)
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        try:
            while True:
                if (await self.ledger.control()).stopped:
                    raise Stopped
                if loop.time() - renewed >= RENEW_SECONDS:
                    await self.ledger.renew(ticket.id, ticket.fence, LEASE_SECONDS)
                    renewed = loop.time()
                subscription.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await subscription.wait()
        finally:
            subscription.close()

    async def _release(self, ticket: Ticket, detail: str) -> None:
        with suppress(LostLease):
            await self.ledger.release(ticket.id, ticket.fence, detail)

    async def _say(self, kind: str, reason: str) -> None:
        await self.ledger.emit(Event(kind, self.clock(), {"loop": "agent", "reason": reason}))
