"""The monitor loop: every subject watched on its own task, one HTTP client, one ear on the hub.

A watch that fails is told (``loop.failed``), left alone for 1 s growing to 30 s, and taken up again
(``loop.resumed``); the others go on. What a snapshot holds is said in ``monitor.snapshot``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from monitor.events import Event
from monitor.probes import Prober
from monitor.watch import Watch
from monitor.watched import Watched

if TYPE_CHECKING:
    from monitor.hub import Hub
    from monitor.ledger import Ledger

__all__ = ["MonitorLoop", "Watched"]

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class MonitorLoop:
    """Watches subjects until cancelled.

    Raises (on creation):
        ConditionError: an invariant's condition cannot be read; one line.
    """

    def __init__(
        self,
        subjects: Sequence[Watched],
        ledger: Ledger,
        hub: Hub,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._ledger, self._hub, self._clock = ledger, hub, clock
        self._first_pause = first_pause
        self.prober = Prober(clock=clock)
        """The shared client; also for checking criteria. Closed when ``run`` ends or by ``aclose``."""
        self._failing: dict[str, str] = {}
        self._recoveries: set[asyncio.Task[None]] = set()
        self._watches = {
            watched.subject.name: Watch(
                watched,
                ledger,
                hub,
                self.prober,
                clock=clock,
                monotonic=monotonic,
                on_tick=lambda name=watched.subject.name: self._ticked(name),  # type: ignore[misc]
            )
            for watched in subjects
        }

    async def run(self) -> None:
        """Watch every subject; ends only by cancellation."""
        subscription = self._hub.subscribe()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(subscription), name="monitor-ear")
                for watch in self._watches.values():
                    group.create_task(self._keep(watch), name=f"monitor-{watch.name}")
        finally:
            subscription.close()
            await self.aclose()

    async def aclose(self) -> None:
        """Close the HTTP client; needed only when ``run`` was never started."""
        await self.prober.aclose()

    def poke(self, subject: str) -> None:
        """Check the subject at once and count the grid from now; an unknown name is ignored."""
        if subject in self._watches:
            self._watches[subject].poke()

    async def check_once(self, subject: str) -> dict[str, Any]:
        """Check the subject now and return its snapshot. Raises ``KeyError`` for one that is not watched."""
        return await self._watches[subject].check_once()

    def snapshot(self, subject: str) -> dict[str, Any] | None:
        """The newest snapshot, None before the first tick."""
        watch = self._watches.get(subject)
        return (watch.snapshot or None) if watch else None

    async def _listen(self, subscription: Any) -> None:
        """The supervisor's and the operator's word wakes the watch of that subject."""
        async for event in subscription:
            if subscription.overflowed:
                subscription.reset()
                for watch in self._watches.values():
                    watch.nudge()
            elif event.kind in ("service.observed", "service.desired") and event.subject in self._watches:
                self._watches[event.subject].nudge()

    async def _keep(self, watch: Watch) -> None:
        pause = self._first_pause
        while True:
            try:
                await watch.run()
            except Exception as error:  # one broken watch must not end the others
                if watch.name not in self._failing:
                    pause = self._first_pause
                    reason = " ".join(str(error).split()) or type(error).__name__
                    self._failing[watch.name] = reason
                    _LOG.warning("watching %s failed: %s", watch.name, reason)
                    await self._tell("loop.failed", watch.name, reason)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _ticked(self, name: str) -> None:
        """A completed tick ends a failure."""
        reason = self._failing.pop(name, None)
        if reason is not None:
            task = asyncio.get_running_loop().create_task(self._tell("loop.resumed", name, reason))
            self._recoveries.add(task)
            task.add_done_callback(self._recoveries.discard)

    async def _tell(self, kind: str, subject: str, reason: str) -> None:
        data = {"loop": "monitor", "reason": reason}
        try:
            await self._ledger.emit(Event(kind, self._clock(), data, subject=subject))
        except Exception as error:
            _LOG.warning("the ledger could not keep %s: %s", kind, " ".join(str(error).split()))
