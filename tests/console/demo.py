"""Run the console on a fake session, or write a screenshot of it.

python -m tests.console.demo                         live, in this terminal
SCENE=asking SIZE=80x24 KEYS=a OUT=/tmp/shot.svg python -m tests.console.demo
"""

from __future__ import annotations

import asyncio
import os

from console.app import HarnessApp
from tests.console.fakes import FakeBoot
from tests.console.happenings import NOW
from tests.console.scenes import SCENES


async def shoot(app: HarnessApp, size: tuple[int, int], keys: list[str], out: str) -> None:
    async with app.run_test(size=size, notifications=True) as pilot:
        for _ in range(40):
            await pilot.pause(0.02)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.1 if key != "wait" else 0.5)
        await pilot.pause(0.5)
        app.save_screenshot(out)


def main() -> None:
    boot = FakeBoot(SCENES[os.environ.get("SCENE", "streaming")]())
    app = HarnessApp(boot, clock=lambda: NOW, theme=os.environ.get("THEME", "harness"))
    out = os.environ.get("OUT")
    if out is None:
        app.run()
        return
    width, height = os.environ.get("SIZE", "120x36").split("x")
    asyncio.run(shoot(app, (int(width), int(height)), os.environ.get("KEYS", "").split(), out))


if __name__ == "__main__":
    main()
