"""The README's pictures, from the real console on a real incident.

``python -m tests.screenshot FOLDER`` opens the console on a home of its own, presses ``z``, waits for the approval,
approves it, and writes ``approval.svg`` and ``console.svg`` to FOLDER, each as PNG too where ``rsvg-convert`` is.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot


async def until(pilot: Pilot[int], seen: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline:
            raise TimeoutError("the console did not get there")
        await pilot.pause(0.1)


def drawn(app: App[int]) -> str:
    """The screen as SVG that needs nothing from the network: the reader's own monospaced font."""
    svg = app.export_screenshot(title="harness-tui")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "'Fira Code', 'DejaVu Sans Mono', Menlo, Consolas, monospace")


async def picture(folder: Path) -> None:
    from console.app import HarnessApp
    from console.live import LiveBoot
    from console.screens.approval import ApprovalModal

    app = HarnessApp(LiveBoot())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.state.subject("ratelimiter").state == "healthy", 30)
        await pilot.pause(12)
        await pilot.press("z")
        await until(pilot, lambda: isinstance(app.screen, ApprovalModal), 30)
        await pilot.pause(1.0)
        (folder / "approval.svg").write_text(drawn(app))
        await pilot.press("a")
        await until(pilot, lambda: any(row.status == "verifying" for row in app.state.tickets.values()), 30)
        await pilot.pause(5)
        (folder / "console.svg").write_text(drawn(app))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"HARNESS_HOME": home, "HARNESS_SERVICE_PORT": "0", "HARNESS_BRAIN": "runbook"}
        os.environ["COLORTERM"] = "truecolor"
        os.environ.pop("NO_COLOR", None)
        asyncio.run(picture(folder))
    for name in ("approval", "console"):
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        print(svg)
        if shutil.which("rsvg-convert"):
            subprocess.run(["rsvg-convert", "--zoom", "1", "-o", str(png), str(svg)], check=True)
            print(png)


if __name__ == "__main__":
    main()
