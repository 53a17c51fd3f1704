"""The faults that chaos can inject into a subject, and how each is undone.

What a fault changes in the deployed copy is uncommitted on purpose: it is drift, as an unwatched hand would
leave it. Whether a fault is active is read from the world, so one that was repaired shows as inactive.
Everything here is synchronous and touches the disk, git or processes: call it through ``asyncio.to_thread``.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service import strict_json
from service.files import write_atomically
from service.processes import is_same, run_state
from service.workspace import ConfigUnreadable, Workspace, WorkspaceError


class FaultError(RuntimeError):
    """The fault cannot be injected or cleared; one line: what, why, and the mend."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A whole number that tunes a fault."""

    default: int
    minimum: int
    maximum: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    title: str
    key: str
    """The key that a console may offer for it."""
    description: str
    ground_truth: str
    """What is really wrong; kept where the agent's tools cannot read it."""
    lasting: bool = True
    """False when it is over as soon as it happened."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """Where a fault strikes. ``config_file`` is relative to the root; ``pid`` is the service's own."""

    workspace_root: Path
    config_file: str
    pid: int | None
    start_ticks: int | None


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "play_dead",
            "Play dead",
            "space",
            "Sets enabled to false: every answer becomes 503 while the process looks well.",
            "service_config.json on disk has enabled=false, uncommitted; restarting does not help.",
        ),
        Fault(
            "latency",
            "Latency",
            "z",
            "Sets delay_ms: every answer becomes slow but stays right.",
            "service_config.json on disk has a raised delay_ms, uncommitted; restarting does not help.",
            parameters={"delay_ms": Parameter(500, 1, 60_000, "delay added to every answer, in milliseconds")},
        ),
        Fault(
            "crash",
            "Crash",
            "1",
            "Kills the process with SIGKILL.",
            "The process was killed by SIGKILL from outside; nothing is wrong with code or configuration.",
            lasting=False,
        ),
        Fault(
            "hang",
            "Hang",
            "2",
            "Stops the process with SIGSTOP: it lives but answers nothing.",
            "The process was stopped by SIGSTOP; it needs SIGCONT or to be killed and started again.",
        ),
        Fault(
            "corrupt_config",
            "Corrupt configuration",
            "3",
            "Cuts service_config.json in half and kills the process, which then cannot start.",
            "service_config.json on disk is not JSON, uncommitted, so every start ends with exit code 78.",
        ),
    )
}


def inject(fault: str, target: FaultTarget, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Bring the fault about; what was done, JSON-ready. Raises FaultError."""
    known = _known(fault)
    values = _parameters(known, parameters or {})
    if is_active(fault, target):
        raise FaultError(f"{fault} is already active; clear it first")
    if fault == "play_dead":
        return _set_key(target, "enabled", False)
    if fault == "latency":
        return _set_key(target, "delay_ms", values["delay_ms"])
    if fault == "crash":
        return {"pid": _signal(target, signal.SIGKILL)}
    if fault == "hang":
        return {"pid": _signal(target, signal.SIGSTOP)}
    return _corrupt(target)


def clear(fault: str, target: FaultTarget) -> dict[str, Any]:
    """Undo exactly what the fault changed; what was done. Raises FaultError, also when it is not active."""
    known = _known(fault)
    if not known.lasting:
        raise FaultError(f"{fault} cannot be cleared: it is over as soon as it happened")
    if not is_active(fault, target):
        raise FaultError(f"{fault} is not active")
    if fault == "hang":
        return {"pid": _signal(target, signal.SIGCONT)}
    if fault == "corrupt_config":
        _write(target, _committed(target))
        return {"restored": target.config_file}
    key = "enabled" if fault == "play_dead" else "delay_ms"
    committed = _object(_committed(target))
    live = _read_live(target)
    if key in committed:
        live[key] = committed[key]
    else:
        live.pop(key, None)
    # The committed bytes, when nothing else differs, so that no drift in mere layout is left.
    _write(target, _committed(target) if live == committed else _text(live))
    return {"restored": f"{target.config_file}: {key}"}


def is_active(fault: str, target: FaultTarget) -> bool:
    """Whether the world is as the fault left it. Raises FaultError: unknown fault, unreadable copy."""
    known = _known(fault)
    if not known.lasting:
        return False
    if fault == "hang":
        pid = target.pid
        return pid is not None and is_same(pid, target.start_ticks) and run_state(pid) == "T"
    try:
        drift = Workspace(target.workspace_root).config_drift(target.config_file)
    except ConfigUnreadable:
        return fault == "corrupt_config"
    except WorkspaceError as error:
        raise FaultError(str(error)) from None
    if fault == "play_dead":
        return drift.get("enabled", (None, None))[1] is False
    if fault == "latency":
        committed, live = drift.get("delay_ms", (0, 0))
        return isinstance(live, int) and live > (committed if isinstance(committed, int) else 0)
    return False


def _known(fault: str) -> Fault:
    if fault not in FAULTS:
        raise FaultError(f"unknown fault {fault!r}; known are {', '.join(FAULTS)}")
    return FAULTS[fault]


def _parameters(fault: Fault, given: Mapping[str, Any]) -> dict[str, int]:
    values = {name: parameter.default for name, parameter in fault.parameters.items()}
    for name, value in given.items():
        parameter = fault.parameters.get(name)
        if parameter is None:
            known = ", ".join(fault.parameters) or "none"
            raise FaultError(f"{fault.name} has no parameter {name!r}; known: {known}")
        try:
            number = int(str(value))
        except ValueError:
            raise FaultError(f"{fault.name}: {name} must be a whole number, not {value!r}") from None
        if not parameter.minimum <= number <= parameter.maximum:
            limits = f"{parameter.minimum}..{parameter.maximum}"
            raise FaultError(f"{fault.name}: {name} must be within {limits}, not {number}")
        values[name] = number
    return values


def _set_key(target: FaultTarget, key: str, value: Any) -> dict[str, Any]:
    live = _read_live(target)
    before = live.get(key)
    if before == value and type(before) is type(value):
        raise FaultError(f"{target.config_file} already has {key} = {json.dumps(value)}; nothing would change")
    live[key] = value
    _write(target, _text(live))
    return {"file": target.config_file, "key": key, "before": before, "after": value}


def _corrupt(target: FaultTarget) -> dict[str, Any]:
    text = _text(_read_live(target))
    _write(target, text[: len(text) // 2].rstrip() + ' "\x00')
    done: dict[str, Any] = {"file": target.config_file}
    if target.pid is not None and is_same(target.pid, target.start_ticks):
        done["pid"] = _signal(target, signal.SIGKILL)
    return done


def _signal(target: FaultTarget, number: signal.Signals) -> int:
    pid = target.pid
    if pid is None or pid <= 1 or pid == os.getpid() or not is_same(pid, target.start_ticks):
        raise FaultError("the service has no running process; start it first")
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise FaultError("the service's process has just ended; try again when it runs") from None
    except PermissionError:
        raise FaultError(f"process {pid} may not be signalled; it belongs to another user") from None
    return pid


def _read_live(target: FaultTarget) -> dict[str, Any]:
    try:
        return _object(Workspace(target.workspace_root).read(target.config_file))
    except WorkspaceError as error:
        raise FaultError(str(error)) from None
    except ValueError:
        raise FaultError(f"{target.config_file} is not valid now; clear corrupt_config first") from None


def _committed(target: FaultTarget) -> str:
    try:
        text = Workspace(target.workspace_root).read_at("HEAD", target.config_file)
    except WorkspaceError as error:
        raise FaultError(str(error)) from None
    if text is None:
        raise FaultError(f"{target.config_file} is not in the last commit, so there is nothing to restore")
    return text


def _object(text: str) -> dict[str, Any]:
    value = strict_json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n"


def _write(target: FaultTarget, text: str) -> None:
    try:
        write_atomically(target.workspace_root / target.config_file, text.encode())
    except OSError as error:
        raise FaultError(f"{target.config_file}: cannot be written: {error.strerror or error}") from None
