"""From a key written to a pseudo-terminal until the changed screen has been read back, in milliseconds.

``python -m tests.benchmarks.key_to_paint [presses]`` measures an empty Textual app, the idle console, and the
console while the agent streams 200 deltas a second with 500 tickets in the queue, one after the other.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

from tests.terminal import Terminal

EMPTY = """
from textual.app import App
from textual.widgets import DataTable
class Empty(App):
    def compose(self):
        yield DataTable(cursor_type='row')
    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns('a', 'Tickets')
        for n in range(20):
            table.add_row(str(n), 'row')
Empty().run()
"""


def feed() -> None:
    """The child: the console on a fake session with a full queue, streaming when asked to."""
    import asyncio

    from console.app import HarnessApp
    from console.boot import Session
    from tests.console import fakes

    class Boot(fakes.FakeBoot):
        async def start(self) -> Session:
            session = await super().start()
            if os.environ["DELTAS"] != "0":
                self.task = asyncio.create_task(self.stream(session))
            return session

        async def stream(self, session: Session) -> None:
            pause = 1 / float(os.environ["DELTAS"])
            loop = asyncio.get_running_loop()
            due, count = loop.time(), 0
            while True:
                count += 1
                words = "looking at the log " if count % 6 else "and on.\n"
                session.hub.publish(fakes.delta(1, 1 + count // 2000, "thinking", words))
                due += pause
                await asyncio.sleep(max(0.0, due - loop.time()))

    tickets = [fakes.ticket(number, f"Restore something number {number}") for number in range(1, 501)]
    HarnessApp(Boot([*fakes.healthy(), *tickets]), clock=time.time).run()


def measure(argv: list[str], environment: dict[str, str], presses: int) -> list[float]:
    times: list[float] = []
    with Terminal(argv, environment) as terminal:
        terminal.wait_for(b"Tickets", 30)
        terminal.drain(0.5, 3.0)
        row = b"something" if "FEED" in environment else b"row"
        for press in range(presses):
            key = b"\x1b[B" if press % 16 < 8 else b"\x1b[A"
            start = len(terminal.output)
            began = time.perf_counter()
            terminal.write(key)
            # A moved cursor repaints two rows of the table; no delta ever writes a row's words.
            while row not in terminal.output[start:]:
                terminal.read(0.005)
                if time.perf_counter() - began > 5:
                    raise TimeoutError("the cursor did not move")
            times.append((time.perf_counter() - began) * 1000)
            terminal.drain(0.03, 0.2)
    return times


def show(name: str, times: list[float]) -> None:
    cuts = statistics.quantiles(times, n=20)
    print(f"{name:<44} p50 {statistics.median(times):6.1f}  p95 {cuts[18]:6.1f}  max {max(times):6.1f} ms")


def main() -> None:
    if os.environ.get("FEED"):
        feed()
        return
    presses = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    base = {**os.environ, "TERM": "xterm-256color"}
    child = [sys.executable, "-m", "tests.benchmarks.key_to_paint"]
    show("empty Textual app with a table", measure([sys.executable, "-c", EMPTY], base, presses))
    show("console, idle, 500 tickets", measure(child, {**base, "FEED": "1", "DELTAS": "0"}, presses))
    show("console, 200 deltas/s, 500 tickets", measure(child, {**base, "FEED": "1", "DELTAS": "200"}, presses))
    print("goal while streaming: p50 at most 25 ms, p95 at most 60 ms")


if __name__ == "__main__":
    main()
