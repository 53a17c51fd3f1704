"""What the console needs from whoever starts it; keeps every heavy import behind the first frame."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from console.operator import Operator
    from console.state import ConsoleState
    from monitor.events import Event
    from monitor.hub import Hub, Subscription


@dataclass(frozen=True)
class Session:
    """A running harness as the console sees it."""

    hub: Hub
    operator: Operator
    initial: Sequence[Event] | ConsoleState
    """What had happened before: events to fold, oldest first, or a state that is folded already."""
    brain_label: str
    owner: bool
    """False when another process runs the loops and this one only watches and decides."""
    subjects: Sequence[str]
    home: str
    sandbox: str = ""
    """The sandbox level as a short badge; empty shows none."""
    subscription: Subscription | None = None
    """Made before ``initial`` was read, so that nothing is missed between the two."""
    reload: Callable[[], Awaitable[Sequence[Event] | ConsoleState]] | None = field(default=None)
    """Re-reads the ledger after the subscription overflowed."""


class Boot(Protocol):
    async def start(self) -> Session:
        """Start everything. Called once, after the first frame.

        Raises:
            OperatorError: it cannot start; the one line is shown and the console offers to quit.
        """
        ...

    async def close(self) -> None:
        """Stop everything; safe to call twice, and after ``start`` failed or was cancelled."""
        ...
