"""First frame of the console against an empty Textual app, on a real pseudo-terminal, interleaved.

``python -m tests.benchmarks.first_frame [runs]`` prints the medians and their ratio. The clock runs from the start
of the process until the last panel's title (``Tickets``) has been read back from the terminal.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.terminal import Terminal

EMPTY = """
from textual.app import App
from textual.widgets import Label
class Empty(App):
    def compose(self):
        yield Label('Tickets')
Empty().run()
"""


def once(argv: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    with Terminal(argv, environment) as terminal:
        terminal.wait_for(b"Tickets", 30)
        took = time.perf_counter() - began
    return took * 1000


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    empty: list[float] = []
    console: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        environment = {**os.environ, "HARNESS_HOME": str(home), "HARNESS_SERVICE_PORT": "0", "TERM": "xterm-256color"}
        for _ in range(runs):
            empty.append(once([sys.executable, "-c", EMPTY], environment))
            console.append(once([sys.executable, "-m", "console"], environment))
    first, second = statistics.median(empty), statistics.median(console)
    print(f"empty Textual app  median {first:7.1f} ms   ({min(empty):.0f} to {max(empty):.0f})")
    print(f"harness-tui        median {second:7.1f} ms   ({min(console):.0f} to {max(console):.0f})")
    print(f"ratio {second / first:.2f} over {runs} interleaved runs (goal: at most 1.5)")


if __name__ == "__main__":
    main()
