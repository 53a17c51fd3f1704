"""What the agent's loop adds to a step beyond the brain and the tool, in milliseconds.

``python -m tests.benchmarks.step_overhead [steps]`` works one ticket with a scripted brain: every turn is journalled,
policy decides, intent and result are journalled on a real SQLite ledger; the time inside the tool is taken off.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.approvals import Gate
from agent.brains.brain import Brief, Delta, Exchange, ToolCall, Turn
from agent.executor import Executor
from agent.limits import Limits
from agent.sandbox import Sandbox
from agent.tools.base import Workbench
from agent.tools.registry import TOOLS
from agent.verify import Verifier
from agent.work import Work
from monitor.hub import Hub
from monitor.ledger import Ledger
from monitor.probes import Prober
from monitor.records import NewTicket
from service.subject import builtin_subjects, load_subject
from service.workspace import Workspace


class Script:
    name = label = "scripted"

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.stamps: list[float] = []

    async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
        self.stamps.append(time.perf_counter())
        count = len(history)
        if count >= self.steps:
            end = {"verdict": "needs_human", "summary": "end of the measurement"}
            return Turn((ToolCall("end", "finish_ticket", end),))
        return Turn((ToolCall(f"c{count}", "query_logs", {"contains": f"line {count}"}),), text="Reading the log.")

    async def aclose(self) -> None:
        return None


async def measure(steps: int) -> list[float]:
    inside = 0.0
    tool = TOOLS["query_logs"]
    run = tool.run

    async def timed(*args: Any) -> Any:
        nonlocal inside
        began = time.perf_counter()
        try:
            return await run(*args)
        finally:
            inside += time.perf_counter() - began

    tool.run = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        subject = load_subject(builtin_subjects()["ratelimiter"])
        workspace = Workspace.lay(home, subject)
        (home / "s.log").write_text("".join(f'{{"line": "line {n}", "message": "allowed"}}\n' for n in range(500)))
        ledger = await Ledger.open(f"sqlite:///{home / 'ledger.db'}")
        prober, hub = Prober(), Hub()
        bench = Workbench(subject, workspace, ledger, prober, Sandbox(workspace.root), home / "s.log")

        async def nothing(subject: str) -> None:
            return None

        executor = Executor(
            bench, ledger, Gate(ledger, hub, time.time), Verifier(bench, time.time), time.time, 900, nothing
        )
        await ledger.file_ticket(NewTicket("ratelimiter", "human", "f", "measure", ("rate_limiter_healthy",)))
        ticket = await ledger.claim("bench", lease_seconds=600, subjects=None)
        assert ticket is not None
        brain = Script(steps)
        marks: list[float] = []
        stamps = brain.stamps

        class Marked(Script):
            async def next(self, brief: Brief, history: Sequence[Exchange], emit: Callable[[Delta], None]) -> Turn:
                marks.append(inside)
                return await brain.next(brief, history, emit)

        await Work(ticket, Marked(steps), executor, ledger, hub, time.time, Limits(turns=steps + 5)).run()
        await prober.aclose()
        await ledger.close()
    return [
        (later - earlier - (tool_later - tool_earlier)) * 1000
        for earlier, later, tool_earlier, tool_later in zip(stamps, stamps[1:], marks, marks[1:], strict=False)
    ]


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    times = asyncio.run(measure(steps))
    cuts = statistics.quantiles(times, n=20)
    print(f"loop overhead per step  p50 {statistics.median(times):.2f}  p95 {cuts[18]:.2f}  max {max(times):.2f} ms")


if __name__ == "__main__":
    main()
