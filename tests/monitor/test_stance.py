"""How a process is to be judged, from what is wanted and what was last seen of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.records import Desired, Observed
from monitor.stance import Stance, is_gone, take_stance
from tests.monitor.watching import NAME

NOW = 1000.0
RUNNING = Observed(NAME, "running", True, 5, None, 8001, 1, None, 0, 900.0, None, "", 1, 990.0)
WANTED = Desired(NAME, True, 1, None, 100.0)


@pytest.mark.parametrize(
    ("desired", "observed", "gone", "kind"),
    [
        (WANTED, RUNNING, False, "live"),
        (None, RUNNING, False, "live"),
        (WANTED, None, False, "unknown"),
        (replace(WANTED, running=False), RUNNING, False, "stopped"),
        (WANTED, RUNNING, True, "dead"),
        (WANTED, replace(RUNNING, pid=None), False, "dead"),
        (WANTED, replace(RUNNING, port=None), False, "unknown"),
        (WANTED, replace(RUNNING, state="backoff", pid=None), False, "dead"),
        (WANTED, replace(RUNNING, state="failed", pid=None), False, "dead"),
        (WANTED, replace(RUNNING, state="blocked", pid=None), False, "dead"),
        (WANTED, replace(RUNNING, state="starting", ready=False, started_at=995.0), False, "starting"),
        (WANTED, replace(RUNNING, state="starting", ready=False, started_at=970.0), False, "live"),
        (WANTED, replace(RUNNING, state="starting", ready=False, started_at=995.0), True, "dead"),
        (WANTED, replace(RUNNING, state="stopping"), False, "starting"),
        (WANTED, replace(RUNNING, state="stopped", pid=None), False, "starting"),
        (WANTED, replace(RUNNING, state="stopped", pid=None, updated_at=950.0), False, "dead"),
        (replace(WANTED, generation=2, updated_at=995.0), RUNNING, True, "starting"),
        (replace(WANTED, generation=2, updated_at=950.0), RUNNING, False, "live"),
    ],
)
def test_how_to_judge_a_process(desired: Desired | None, observed: Observed | None, gone: bool, kind: str) -> None:
    stance = take_stance(desired, observed, now=NOW, watching_since=0.0, grace=20.0, gone=gone)
    assert stance.kind == kind


@pytest.mark.parametrize("state", ["running", "backoff", "stopped"])
def test_what_an_earlier_run_left_behind_is_not_held_against_the_start(state: str) -> None:
    left = replace(RUNNING, state=state, updated_at=600.0)

    def stance(now: float) -> Stance:
        return take_stance(WANTED, left, now=now, watching_since=999.0, grace=20.0, gone=True)

    assert stance(1000.0).kind == "starting"
    assert stance(1019.5).kind == "dead"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_pid_is_known_by_its_start() -> None:
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ours = replace(RUNNING, pid=os.getpid(), start_ticks=int(fields[19]))
    assert not is_gone(ours)
    assert is_gone(replace(ours, start_ticks=1))
    assert is_gone(replace(ours, pid=2**22 + 1))
    assert not is_gone(replace(ours, start_ticks=None))
    assert not is_gone(None)
