"""Events as the harness publishes them, with sensible contents, at a frozen time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.events import Event
from monitor.records import iso

NOW = 1_790_000_000.0
"""Where the frozen clock stands (epoch seconds)."""

DIFF = """--- a/service_config.json
+++ b/service_config.json
@@ -1,6 +1,6 @@
 {
   "enabled": true,
-  "delay_ms": 500,
+  "delay_ms": 0,
   "capacity": 100,
   "refill_per_second": 50
 }
"""


def snapshot(state: str = "healthy", *, last: float | None = 3.2, at: float = NOW - 2, **changes: Any) -> Event:
    healthy = "holding" if state in ("healthy", "degraded") else "violated"
    latency = "unknown" if last is None else "violated" if last >= 200 else "holding"
    wave = [2.8, 3.1, 2.9, 3.4, 6.2, 3.0, 2.7, 3.3, 3.1, 9.0, 3.2, 2.9] * 5
    tail: list[float | None] = []
    if last is None:
        tail = [None] * 4
    elif last >= 200:
        tail = [last] * 6
    data: dict[str, Any] = {
        "subject": "ratelimiter",
        "at": at,
        "tick": 100,
        "state": state,
        "pid": 48213,
        "port": 8001,
        "restarts": 0,
        "started_at": NOW - 764,
        "process_state": "running",
        "detail": "",
        "invariants": [
            {
                "name": "rate_limiter_healthy",
                "state": healthy,
                "value": "200" if healthy == "holding" else "503",
                "condition": "[STATUS] == 200",
                "severity": "critical",
                "reason": "",
                "since": NOW - 700,
            },
            {
                "name": "rate_limiter_latency",
                "state": latency,
                "value": "–" if last is None else f"{last:.0f} ms",
                "condition": "[RESPONSE_TIME] < 200",
                "severity": "warning",
                "reason": "",
                "since": NOW - 700,
            },
        ],
        "latency": {
            "last_ms": last,
            "p50_ms": 3.1,
            "p95_ms": 8.4 if (last or 0) < 200 else 503.0,
            "history": [*wave, *tail],
        },
        "traffic": {"requests_per_second": 20.1, "denied_per_second": 1.4},
        "config_drift": [],
        "faults": [],
        "ticks": [],
    }
    data.update(changes)
    return Event("tick.completed", at, {"snapshot": data}, subject="ratelimiter")


def ticket(
    number: int,
    objective: str,
    *,
    status: str = "pending",
    outcome: str | None = None,
    priority: str = "high",
    source: str = "invariant",
    age: float = 30.0,
    what: str = "status",
    closed: float | None = None,
    **changes: Any,
) -> Event:
    row: dict[str, Any] = {
        "id": number,
        "subject": "ratelimiter",
        "source": source,
        "fingerprint": f"f{number}",
        "priority": priority,
        "status": status,
        "outcome": outcome,
        "objective": objective,
        "criteria": ["rate_limiter_healthy"],
        "context": "",
        "evidence": {},
        "parent_id": None,
        "occurrences": 1,
        "attempts": 1,
        "created_at": iso(NOW - age),
        "updated_at": iso(NOW - age / 2),
        "closed_at": iso(NOW - closed) if closed is not None else None,
        "fence": 1,
        "lease_owner": None,
        "lease_expires_at": None,
    }
    row.update(changes)
    return Event("ticket.changed", NOW - age, {"ticket": row, "what": what, "detail": ""}, ticket_id=number)


_ENTRY = iter(range(1, 10**9))


def entry(ticket_id: int, step: int, kind: str, summary: str, payload: Mapping[str, Any] | None = None) -> Event:
    number = next(_ENTRY)
    row = {
        "id": number,
        "ticket_id": ticket_id,
        "step": step,
        "kind": kind,
        "summary": summary,
        "payload": dict(payload or {}),
        "recorded_at": iso(NOW - 60 + number % 50),
        "previous_hash": "",
        "hash": "",
    }
    return Event("journal.appended", NOW, {"entry": row}, ticket_id=ticket_id)


def approval(
    number: int, ticket_id: int = 12, *, status: str = "pending", left: float = 252.0, **changes: Any
) -> Event:
    row: dict[str, Any] = {
        "id": number,
        "ticket_id": ticket_id,
        "action_id": f"call{number}",
        "tool": "update_config",
        "arguments": {"file": "service_config.json", "set": {"delay_ms": 0}},
        "effect": "reversible",
        "target": "service_config.json of ratelimiter (live)",
        "rule": "reversible-asks",
        "why": "Every answer takes 500 ms longer since delay_ms was set to 500 outside of a commit; "
        "the committed value is 0, and nothing in the log asks for the delay.",
        "diff": DIFF,
        "undo": "git revert of the commit this makes; the service reloads its configuration by itself",
        "digest": "d" * 64,
        "status": status,
        "requested_at": iso(NOW - 48),
        "expires_at": iso(NOW + left),
        "decided_at": None,
        "decided_by": None,
        "reason": None,
        "edited_arguments": None,
        "consumed_at": None,
    }
    row.update(changes)
    kind = "approval.requested" if status == "pending" else "approval.decided"
    return Event(kind, NOW, {"approval": row}, ticket_id=ticket_id)


def control(mode: str = "supervised", *, stopped: bool = False) -> Event:
    row = {
        "mode": mode,
        "stopped": stopped,
        "stop_reason": "stopped from the console" if stopped else None,
        "stopped_by": "you" if stopped else None,
        "stopped_at": iso(NOW - 5) if stopped else None,
    }
    return Event("control.changed", NOW, {"control": row, "by": "you"})


def delta(ticket_id: int, step: int, channel: str, text: str) -> Event:
    return Event(
        "brain.delta",
        NOW,
        {"ticket_id": ticket_id, "step": step, "channel": channel, "text": text},
        ticket_id=ticket_id,
    )
