"""The gate: an approval is a row; this waits for what becomes of it.

Nobody answering is an answer too: the row expires and the action never runs. A row that is no longer wanted,
because the service recovered or what it was bound to changed, is withdrawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from monitor.hub import Hub
from monitor.ledger import Ledger
from monitor.records import Approval


class Gate:
    """Waits for decisions; several may wait at once, answered first in, first out by whoever holds the key."""

    def __init__(self, ledger: Ledger, hub: Hub, clock: Callable[[], float], look_seconds: float = 1.0) -> None:
        self._ledger = ledger
        self._hub = hub
        self._clock = clock
        self._look = look_seconds

    async def decision(self, approval: Approval, withdraw_because: Callable[[], Awaitable[str | None]]) -> Approval:
        """The row once it is no longer pending.

        ``withdraw_because`` is asked at least every ``look_seconds``; a text withdraws the approval.
        """
        subscription = self._hub.subscribe(keep=256)
        try:
            while True:
                current = await self._ledger.approval(approval.id)
                if current.status != "pending":
                    return current
                if self._clock() >= current.expires_at:
                    await self._ledger.expire_due()
                    continue
                reason = await withdraw_because()
                if reason is not None:
                    await self._ledger.withdraw(approval.id, reason)
                    continue
                subscription.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._look):
                        await subscription.wait()
        finally:
            subscription.close()
