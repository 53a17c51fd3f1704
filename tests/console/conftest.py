"""Nothing that blinks, moves or depends on where the test runs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

Until = Callable[[Pilot[int], Callable[[], bool]], Awaitable[None]]


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No blinking cursor, no warm-up thread, no colour setting of the developer, UTC."""
    monkeypatch.setenv("HARNESS_NO_WARMUP", "1")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none", raising=False)
    for widget in (Input, TextArea):
        monkeypatch.setattr(widget, "cursor_blink", False)


async def wait_until(pilot: Pilot[int], condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let the app work until ``condition`` holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold in time"
        await pilot.pause(0.01)


@pytest.fixture
def until() -> Until:
    return wait_until
