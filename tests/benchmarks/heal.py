"""From fault to verified close, headless and autonomous, again and again in one home.

``python -m tests.benchmarks.heal [rounds] [fault …]`` injects each fault ``rounds`` times and prints how many
of each were closed as fixed with exactly one ticket, and the seconds to the ticket and to the close.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.harness import Harness

FAULTS = ("play_dead", "latency", "crash", "hang", "corrupt_config")


def seconds(row: dict[str, Any], key: str, since: float) -> float:
    return datetime.fromisoformat(row[key]).timestamp() - since


def heal(harness: Harness, fault: str) -> tuple[bool, float, float]:
    """One round; whether one ticket was filed and fixed, and the seconds to filing and to closing."""
    known = {row["id"] for row in harness.tickets()}
    harness.until(lambda: harness.subject()["state"] == "healthy", 60)
    began = time.time()
    harness.ok("chaos", "inject", fault)

    def new() -> list[dict[str, Any]]:
        return [row for row in harness.tickets() if row["id"] not in known]

    harness.until(lambda: (rows := new()) and all(row["closed_at"] for row in rows), 90)
    rows = new()
    good = len(rows) == 1 and rows[0]["outcome"] == "fixed"
    return good, seconds(rows[0], "created_at", began), seconds(rows[0], "closed_at", began)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    faults = sys.argv[2:] or FAULTS
    with tempfile.TemporaryDirectory() as folder:
        harness = Harness(Path(folder) / "home", HARNESS_MODE="autonomous")
        harness.start()
        try:
            for fault in faults:
                results = [heal(harness, fault) for _ in range(rounds)]
                good = sum(result[0] for result in results)
                filed, closed = [row[1] for row in results], [row[2] for row in results]
                print(
                    f"{fault:<15} {good}/{rounds} fixed with one ticket   "
                    f"filed median {statistics.median(filed):5.1f} max {max(filed):5.1f} s   "
                    f"closed median {statistics.median(closed):5.1f} max {max(closed):5.1f} s",
                    flush=True,
                )
            left = [row for row in harness.tickets() if not row["closed_at"]]
            print(f"open tickets left: {len(left)}   journal chain whole: {harness.json('audit', 'verify')['ok']}")
        finally:
            harness.stop()


if __name__ == "__main__":
    main()
