"""From the hub to the screens: one worker drains, folds, and posts one message per beat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from console.boot import Session
    from console.state import ConsoleState

BEAT_SECONDS = 0.1


class StateUpdated(Message):
    """The newest state; an older one that is still queued is superseded."""

    def __init__(self, state: ConsoleState) -> None:
        super().__init__()
        self.state = state

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, StateUpdated)


async def pump(session: Session, post: Callable[[Message], object], *, beat: float = BEAT_SECONDS) -> None:
    """Fold what the hub brings, about every ``beat`` seconds, until cancelled."""
    from console.state import ConsoleState, reduce_all

    subscription = session.subscription or session.hub.subscribe()
    initial = session.initial
    state = initial if isinstance(initial, ConsoleState) else reduce_all(ConsoleState(), initial)
    state = reduce_all(state, subscription.drain())
    post(StateUpdated(state))
    try:
        while True:
            await subscription.wait()
            if subscription.overflowed and session.reload is not None:
                subscription.reset()
                fresh = await session.reload()
                after = fresh if isinstance(fresh, ConsoleState) else reduce_all(state, fresh)
            else:
                after = reduce_all(state, subscription.drain())
            if after is not state:
                state = after
                post(StateUpdated(state))
            await asyncio.sleep(beat)
    finally:
        subscription.close()
