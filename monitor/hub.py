"""In-process fan-out of events over bounded queues.

Each subscriber says what happens when it is slow: *kept* events (those of the ledger) are never dropped by the
hub, they wait in an unbounded-by-count but ledger-backed backlog that is replaced by one ``overflowed`` mark
when it passes ``keep`` (the subscriber then re-reads the ledger); *snapshots* are replaced by the newest of
their kind and subject; *deltas* of one block are joined.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace

from monitor.events import Event

REPLACEABLE = frozenset({"tick.completed", "probe.sampled", "brain.waiting"})
_DELTA_JOIN_LIMIT = 64 * 1024


class Subscription:
    """A bounded queue of events. Read with ``drain()`` or ``async for``."""

    def __init__(self, hub: Hub, keep: int) -> None:
        self._hub = hub
        self._keep = keep
        self._queue: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.overflowed = False
        """True once kept events had to be discarded: re-read the ledger, then call ``reset()``."""

    def _offer(self, event: Event) -> None:
        if event.kind in REPLACEABLE:
            for index in range(len(self._queue) - 1, -1, -1):
                queued = self._queue[index]
                if queued.kind == event.kind and queued.subject == event.subject:
                    self._queue[index] = event
                    self._wake.set()
                    return
        elif event.kind == "brain.delta" and self._queue:
            last = self._queue[-1]
            if (
                last.kind == "brain.delta"
                and last.ticket_id == event.ticket_id
                and last.data["step"] == event.data["step"]
                and last.data["channel"] == event.data["channel"]
                and len(last.data["text"]) < _DELTA_JOIN_LIMIT
            ):
                joined = {**last.data, "text": last.data["text"] + event.data["text"]}
                self._queue[-1] = replace(last, data=joined)
                self._wake.set()
                return
        if len(self._queue) >= self._keep:
            self._make_room()
        self._queue.append(event)
        self._wake.set()

    def _make_room(self) -> None:
        for index, queued in enumerate(self._queue):
            if queued.id is None:
                del self._queue[index]
                return
        self._queue.popleft()
        self.overflowed = True

    def reset(self) -> None:
        """Forget the backlog after the ledger was re-read."""
        self._queue.clear()
        self.overflowed = False

    def drain(self) -> list[Event]:
        """Everything queued, oldest first, without waiting."""
        events = list(self._queue)
        self._queue.clear()
        self._wake.clear()
        return events

    async def wait(self) -> None:
        """Return when something is queued or the subscription is closed."""
        await self._wake.wait()

    def close(self) -> None:
        self._closed = True
        self._hub._subscriptions.discard(self)
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while not self._closed:
            await self._wake.wait()
            for event in self.drain():
                yield event


class Hub:
    """One-to-many fan-out inside a process; ``publish`` never blocks and must run on the event loop's thread."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def subscribe(self, keep: int = 2048) -> Subscription:
        """A new queue that sees every event from now on."""
        subscription = Subscription(self, keep)
        self._subscriptions.add(subscription)
        return subscription

    def publish(self, event: Event) -> None:
        for subscription in tuple(self._subscriptions):
            subscription._offer(event)
