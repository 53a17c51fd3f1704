"""Faults strike the world, are seen in it, and are undone exactly."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from service.faults import FAULTS, FaultError, FaultTarget, clear, inject, is_active
from service.processes import run_state, start_ticks
from service.workspace import Workspace

CONFIG = "service_config.json"
Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


def target(copy: Workspace, victim: subprocess.Popen[bytes] | None = None) -> FaultTarget:
    pid = victim.pid if victim is not None else None
    return FaultTarget(copy.root, CONFIG, pid, start_ticks(pid) if pid else None)


def live(copy: Workspace) -> dict[str, object]:
    values = json.loads(copy.read(CONFIG))
    assert isinstance(values, dict)
    return values


@pytest.mark.parametrize(
    ("fault", "parameters", "key", "value"),
    [
        ("play_dead", {}, "enabled", False),
        ("latency", {}, "delay_ms", 500),
        ("latency", {"delay_ms": "700"}, "delay_ms", 700),
    ],
)
def test_a_configuration_fault_is_uncommitted_drift_of_one_key(
    copy: Workspace, fault: str, parameters: dict[str, str], key: str, value: object
) -> None:
    before = copy.digest(CONFIG)
    inject(fault, target(copy), parameters)
    assert live(copy)[key] == value
    assert list(copy.config_drift(CONFIG)) == [key]
    assert is_active(fault, target(copy))
    with pytest.raises(FaultError, match="already active"):
        inject(fault, target(copy), parameters)
    clear(fault, target(copy))
    assert copy.digest(CONFIG) == before
    assert not is_active(fault, target(copy))
    with pytest.raises(FaultError, match="not active"):
        clear(fault, target(copy))


def test_clearing_one_fault_leaves_what_else_differs(copy: Workspace) -> None:
    inject("play_dead", target(copy))
    inject("latency", target(copy))
    values = live(copy) | {"capacity": 7}
    (copy.root / CONFIG).write_text(json.dumps(values), encoding="utf-8")
    clear("play_dead", target(copy))
    assert {key: pair[1] for key, pair in copy.config_drift(CONFIG).items()} == {"delay_ms": 500, "capacity": 7}
    assert is_active("latency", target(copy))


def test_a_fault_that_was_repaired_shows_as_inactive(copy: Workspace) -> None:
    committed = copy.read(CONFIG)
    inject("play_dead", target(copy))
    copy.commit_text(CONFIG, committed, message="Repair", trailers={}, expect_digest=None)
    assert not is_active("play_dead", target(copy))


def test_crash_kills_and_is_over(copy: Workspace, victim: subprocess.Popen[bytes]) -> None:
    inject("crash", target(copy, victim))
    assert victim.wait(timeout=10) == -signal.SIGKILL
    assert not is_active("crash", target(copy, victim))
    with pytest.raises(FaultError, match="no running process"):
        inject("crash", target(copy, victim))
    with pytest.raises(FaultError, match="over as soon"):
        clear("crash", target(copy))


def test_hang_stops_and_clear_continues(copy: Workspace, victim: subprocess.Popen[bytes], wait: Wait) -> None:
    inject("hang", target(copy, victim))
    wait(lambda: is_active("hang", target(copy, victim)))
    clear("hang", target(copy, victim))
    wait(lambda: run_state(victim.pid) == "S")
    assert not is_active("hang", target(copy, victim))


def test_a_reused_pid_is_never_signalled(copy: Workspace, victim: subprocess.Popen[bytes]) -> None:
    ticks = start_ticks(victim.pid)
    if ticks is None:
        pytest.skip("start times are not known on this system")
    other = FaultTarget(copy.root, CONFIG, victim.pid, ticks + 1)
    for fault in ("crash", "hang"):
        with pytest.raises(FaultError, match="no running process"):
            inject(fault, other)
    inject("corrupt_config", other)
    assert victim.poll() is None
    assert run_state(victim.pid) != "T"
    for pid in (None, 0, 1, -1):
        with pytest.raises(FaultError, match="no running process"):
            inject("crash", FaultTarget(copy.root, CONFIG, pid, None))


def test_corrupt_config_is_not_json_and_kills(copy: Workspace, victim: subprocess.Popen[bytes]) -> None:
    before = copy.digest(CONFIG)
    inject("corrupt_config", target(copy, victim))
    assert victim.wait(timeout=10) == -signal.SIGKILL
    with pytest.raises(ValueError):
        json.loads(copy.read(CONFIG))
    assert is_active("corrupt_config", target(copy))
    assert not is_active("play_dead", target(copy))
    with pytest.raises(FaultError, match="clear corrupt_config first"):
        inject("latency", target(copy))
    clear("corrupt_config", target(copy))
    assert copy.digest(CONFIG) == before


@pytest.mark.parametrize(
    ("fault", "parameters", "said"),
    [
        ("explode", {}, "known are play_dead, latency, crash, hang, corrupt_config"),
        ("latency", {"delay": 5}, "known: delay_ms"),
        ("latency", {"delay_ms": "soon"}, "whole number"),
        ("latency", {"delay_ms": 0}, "within 1..60000"),
        ("play_dead", {"x": 1}, "known: none"),
    ],
)
def test_a_wrong_order_is_one_line_and_changes_nothing(
    copy: Workspace, fault: str, parameters: dict[str, object], said: str
) -> None:
    with pytest.raises(FaultError) as caught:
        inject(fault, target(copy), parameters)
    assert said in str(caught.value)
    assert copy.changed() == []


def test_every_fault_says_what_is_really_wrong() -> None:
    assert set(FAULTS) == {"play_dead", "latency", "crash", "hang", "corrupt_config"}
    assert all(fault.title and fault.ground_truth and fault.key for fault in FAULTS.values())
    assert [name for name, fault in FAULTS.items() if not fault.lasting] == ["crash"]
