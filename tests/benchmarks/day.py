"""A day of the console in a minute: does its memory stay flat?

``python -m tests.benchmarks.day [ticks]`` feeds the real console, drawn headless at 120x36, the events of a day (a
tick every 5 s, and an incident with its steps every few minutes) as fast as its bridge takes them, and prints the
resident memory along the way (Linux).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from console.app import HarnessApp
from tests.console import fakes

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


async def day(ticks: int) -> None:
    boot = fakes.FakeBoot(fakes.healthy())
    app = HarnessApp(boot, clock=time.time)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(1.0)
        hub = boot.hub
        for tick in range(ticks):
            hub.publish(fakes.snapshot(last=3.0 + tick % 40, at=time.time()))
            if tick % 30 == 0:
                number = tick // 30 + 10
                hub.publish(fakes.ticket(number, f"Restore number {number}", status="in_progress", what="claimed"))
                for step in range(1, 7):
                    for _ in range(5):
                        hub.publish(fakes.delta(number, step, "text", "Looking at what the log says. "))
                    calls = [{"id": f"c{step}", "name": "read_file", "arguments": {"path": "a"}}]
                    hub.publish(fakes.entry(number, step, "turn", "Reading", {"text": "words " * 40, "calls": calls}))
                    result = {"call_id": f"c{step}", "status": "ok", "text": "x" * 2000}
                    hub.publish(fakes.entry(number, step, "result", "Reading", result))
                hub.publish(
                    fakes.ticket(number, f"Restore number {number}", status="completed", outcome="fixed", closed=1.0)
                )
                await pilot.pause(0.12)
            if tick % (ticks // 10) == 0:
                print(f"{tick / ticks * 24:5.1f} h  {resident():6.1f} MB", flush=True)
        await pilot.pause(0.5)
        print(f" 24.0 h  {resident():6.1f} MB")


def main() -> None:
    asyncio.run(day(int(sys.argv[1]) if len(sys.argv) > 1 else 17_280))


if __name__ == "__main__":
    main()
