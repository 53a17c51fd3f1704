"""Memory and CPU of the console and its service, idle with background traffic.

``python -m tests.benchmarks.footprint [seconds]`` opens the real console on a pseudo-terminal, lets it settle, and
prints the resident memory of every process of it and the CPU they used over the time, all from /proc (Linux).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.terminal import Terminal

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def family(root: int) -> dict[int, str]:
    """The process and its descendants, with their names."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        pid = int(folder.name)
        parents[pid] = int(stat.rsplit(")", 1)[1].split()[1])
        names[pid] = command
    found = {root}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return {pid: names.get(pid, "?") for pid in found}


def used(pid: int) -> tuple[float, float]:
    """Resident MB and CPU seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[21]) * PAGE / 1e6, (int(fields[11]) + int(fields[12])) / TICK


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "HARNESS_HOME": str(Path(folder) / "home"),
            "HARNESS_SERVICE_PORT": "0",
            "TERM": "xterm-256color",
        }
        with Terminal([sys.executable, "-m", "console"], environment) as terminal:
            terminal.wait_for(b"healthy", 30)
            terminal.drain(5, 15)
            before = {pid: used(pid) for pid in family(terminal.pid)}
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                terminal.read(0.2)
            took = time.monotonic() - began
            total_memory = total_cpu = 0.0
            for pid, name in sorted(family(terminal.pid).items()):
                memory, cpu = used(pid)
                share = (cpu - before.get(pid, (0.0, 0.0))[1]) / took * 100
                total_memory += memory
                total_cpu += share
                print(f"{memory:7.1f} MB  {share:5.2f} % of a core  {name[:70]}")
    print(f"{total_memory:7.1f} MB  {total_cpu:5.2f} % of a core  together (goals: 300 MB, 5 %)")


if __name__ == "__main__":
    main()
