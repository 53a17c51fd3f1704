"""How late the event loop runs its callbacks: a slow console must not be mistaken for a slow service."""

from __future__ import annotations

import asyncio
from types import TracebackType

_STEP_SECONDS = 0.01


class LagMeter:
    """Measures inside a ``with`` block; costs one timer callback per 10 ms, only while the block runs."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> LagMeter:
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_STEP_SECONDS, self._tick)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._note()
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._note()
        if self._loop is not None:
            self._timer = self._loop.call_later(_STEP_SECONDS, self._tick)

    def _note(self) -> None:
        if self._loop is not None and self._timer is not None:
            late = (self._loop.time() - self._timer.when()) * 1000.0
            self.worst_ms = max(self.worst_ms, late)
