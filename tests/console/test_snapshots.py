"""How it looks: two sizes, every state that matters, with and without colour. Behaviour is tested elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from console.app import HarnessApp
from tests.console import fakes, happenings, scenes
from tests.console.conftest import wait_until

SIZES = ((80, 24), (120, 36))
Steps = Callable[[Pilot[int]], Awaitable[None]]


def made(scene: str, **changes: Any) -> HarnessApp:
    return HarnessApp(fakes.FakeBoot(scenes.SCENES[scene]()), clock=lambda: happenings.NOW, **changes)


async def settled(pilot: Pilot[int]) -> None:
    app: Any = pilot.app
    await wait_until(pilot, lambda: bool(app.state.tickets))
    await pilot.pause()


def pressing(*keys: str) -> Steps:
    async def run(pilot: Pilot[int]) -> None:
        await settled(pilot)
        await pilot.press(*keys)
        await wait_until(pilot, lambda: pilot.app.screen is not pilot.app.main)  # type: ignore[attr-defined]
        await pilot.pause()

    return run


async def armed(pilot: Pilot[int]) -> None:
    await settled(pilot)
    await wait_until(pilot, lambda: getattr(pilot.app.screen, "armed", False))
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
class TestLooks:
    def test_healthy(self, snap_compare: Any, size: tuple[int, int]) -> None:
        assert snap_compare(made("healthy"), terminal_size=size, run_before=settled)

    def test_down_and_stopped(self, snap_compare: Any, size: tuple[int, int]) -> None:
        assert snap_compare(made("down"), terminal_size=size, run_before=settled)

    def test_working(self, snap_compare: Any, size: tuple[int, int]) -> None:
        assert snap_compare(made("streaming"), terminal_size=size, run_before=settled)

    def test_approval(self, snap_compare: Any, size: tuple[int, int]) -> None:
        assert snap_compare(made("asking"), terminal_size=size, run_before=armed)

    def test_form(self, snap_compare: Any, size: tuple[int, int]) -> None:
        assert snap_compare(made("healthy"), terminal_size=size, run_before=pressing("n"))

    def test_help(self, snap_compare: Any, size: tuple[int, int]) -> None:
        assert snap_compare(made("healthy"), terminal_size=size, run_before=pressing("question_mark"))

    def test_no_colour(self, snap_compare: Any, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        assert snap_compare(made("streaming"), terminal_size=size, run_before=settled)

    def test_no_colour_approval(
        self, snap_compare: Any, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        assert snap_compare(made("asking"), terminal_size=size, run_before=armed)


def test_high_contrast(snap_compare: Any) -> None:
    app = made("streaming", theme="harness-contrast")
    assert snap_compare(app, terminal_size=(120, 36), run_before=settled)


def test_too_small(snap_compare: Any) -> None:
    assert snap_compare(made("healthy"), terminal_size=(40, 10), run_before=settled)
