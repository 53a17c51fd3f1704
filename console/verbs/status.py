"""``status``: subjects, invariants, mode, brain, stop state, owner."""

from __future__ import annotations

import time
from typing import Any

import typer

from console.home import holder
from console.runtime import Runtime
from console.verbs.common import Json, emit, opened, perform, table
from monitor.records import iso

STALE_SECONDS = 15.0


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(json: Json = False) -> None:
    """The present of the home, from the ledger; works while a console runs and while none does."""
    document = perform(_document)
    emit(document, as_json=json, lines=lambda: _lines(document))


async def _document() -> dict[str, Any]:
    async with opened() as runtime:
        control = await runtime.ledger.control()
        waiting = await runtime.ledger.approvals(statuses=["pending"])
        owners = {part: holder(runtime.home, part) for part in ("service", "monitor", "agent")}
        return {
            "subjects": [await subject_status(runtime, name, owners) for name in runtime.subjects],
            "mode": control.mode,
            "brain": runtime.brain.label,
            "stopped": control.stopped,
            "stop_reason": control.stop_reason,
            "owner_pid": owners["service"] or owners["monitor"] or owners["agent"],
            "approvals_waiting": len(waiting),
            "home": str(runtime.home),
        }


async def subject_status(runtime: Runtime, name: str, owners: dict[str, int | None]) -> dict[str, Any]:
    """One subject as of the last tick; a state nobody watches any more is ``unknown`` or ``stopped``."""
    observed = await runtime.ledger.observed(name)
    snapshot = await runtime.ledger.snapshot(name) or {}
    running = owners["service"] is not None and observed is not None
    young = time.time() - snapshot.get("at", 0.0) < STALE_SECONDS
    # A snapshot of a process that is not the one that runs tells of a life before this one.
    same_process = observed is None or snapshot.get("pid") in {observed.pid, None}
    fresh = owners["monitor"] is not None and young and same_process
    state = snapshot.get("state", "unknown") if fresh else "unknown" if running else "stopped"
    invariants = [
        {
            "name": invariant.name,
            "state": next((row["state"] for row in rows if row["name"] == invariant.name), "unknown"),
            "value": next((row["value"] for row in rows if row["name"] == invariant.name), None),
            "condition": invariant.condition,
        }
        for rows in [snapshot.get("invariants", []) if fresh else []]
        for invariant in runtime.subjects[name].invariants
    ]
    return {
        "name": name,
        "state": state,
        "pid": observed.pid if running and observed is not None else None,
        "port": observed.port if running and observed is not None else None,
        "restarts": observed.restarts if running and observed is not None else 0,
        "detail": observed.detail if running and observed is not None else "no process runs this home's service",
        "sampled_at": iso(snapshot.get("at")),
        "invariants": invariants,
        "slos": [],
        "faults": [{**fault, "since": iso(fault["since"])} for fault in await runtime.chaos.active(name)],
    }


def _lines(document: dict[str, Any]) -> list[str]:
    owner = f"owner pid {document['owner_pid']}" if document["owner_pid"] else "nothing runs"
    from console.plain import plain

    lines = [
        f"mode {document['mode']} · brain {document['brain']} · {owner}"
        + (f" · STOPPED: {plain(document['stop_reason'])}" if document["stopped"] else "")
        + (f" · {document['approvals_waiting']} approvals wait" if document["approvals_waiting"] else "")
    ]
    for subject in document["subjects"]:
        where = f"pid {subject['pid']} port {subject['port']}" if subject["pid"] else subject["detail"]
        lines.append(f"{subject['name']}: {subject['state']} ({plain(where)})")
        rows = [[row["name"], row["state"], str(row["value"] or ""), row["condition"]] for row in subject["invariants"]]
        lines += [f"  {line}" for line in table(rows, ["INVARIANT", "STATE", "VALUE", "CONDITION"])]
        lines += [f"  fault {fault['name']} since {fault['since']}" for fault in subject["faults"]]
    return lines
