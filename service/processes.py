"""Looking at processes: still the same one, stopped, ours? By Linux's /proc, else by ``ps``."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

PROC = Path("/proc")
HOME_TAG = "HARNESS_HOME_TAG"
RUN_TAG = "HARNESS_RUN_TAG"


def start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat, which tells a reused pid from the same process; None where unknown."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def run_state(pid: int) -> str | None:
    """One letter as ``ps`` shows it: R, S, D, T (stopped), Z (ended, unreaped); None when there is none."""
    fields = _stat(pid)
    if fields:
        return fields[0]
    if (PROC / "self" / "stat").exists():
        return None
    done = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] or None


def is_same(pid: int, ticks: int | None) -> bool:
    """Whether ``pid`` runs and is the process that had these start ticks (None: not compared)."""
    state = run_state(pid)
    if state is None or state in "ZX":
        return False
    return ticks is None or start_ticks(pid) in (None, ticks)


def kill_tagged(home_tag: str, *, wait_seconds: float = 2.0) -> list[int]:
    """SIGKILL every process that carries this home's tag, and wait until they are gone.

    Finds what escaped process group and parent by the tags in its environment. The pids that were killed;
    empty where /proc does not exist. Blocks for up to ``wait_seconds``.
    """
    killed: list[int] = []
    for pid in _pids():
        if pid == os.getpid():
            continue
        if _environment(pid).get(HOME_TAG) == home_tag:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
            killed.append(pid)
    deadline = time.monotonic() + wait_seconds
    while time.monotonic() < deadline and any(run_state(pid) not in (None, "Z", "X") for pid in killed):
        time.sleep(0.01)
    return killed


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    # The second field is a name in brackets that may itself hold blanks and brackets.
    return text.rpartition(")")[2].split()


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return []


def _environment(pid: int) -> Mapping[str, str]:
    try:
        data = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (row.partition(b"=") for row in data.split(b"\0"))
    return {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, _, value in pairs}
