"""Whole situations to look at: what had happened when the console was opened."""

from __future__ import annotations

from console.state import ConsoleState, reduce_all
from monitor.events import Event
from monitor.records import iso
from tests.console.happenings import NOW, approval, control, delta, entry, snapshot, ticket


def history() -> list[Event]:
    """A morning's closed tickets."""
    return [
        ticket(
            7,
            "ratelimiter answers 503",
            status="completed",
            outcome="fixed",
            priority="critical",
            age=7400,
            closed=7350,
        ),
        ticket(
            8,
            "Raise the default capacity to 200",
            status="completed",
            outcome="fixed",
            source="human",
            priority="medium",
            age=5200,
            closed=5000,
        ),
        ticket(9, "ratelimiter answers slowly", status="completed", outcome="self_recovered", age=3900, closed=3850),
        ticket(
            10,
            "Explain the denials between 09:00 and 09:05",
            status="failed",
            outcome="inconclusive",
            source="human",
            priority="low",
            age=2000,
            closed=1800,
        ),
        ticket(
            11,
            "ratelimiter process exited",
            status="completed",
            outcome="fixed",
            priority="critical",
            age=900,
            closed=860,
        ),
    ]


def healthy() -> list[Event]:
    return [control(), snapshot(), *history()]


def working() -> list[Event]:
    """Latency was injected; the agent is in the middle of it."""
    slow = snapshot(
        "degraded",
        last=503.0,
        config_drift=[{"key": "delay_ms", "committed": 0, "live": 500}],
        faults=[{"name": "latency", "since": NOW - 34}],
    )
    number = 12
    return [
        control(),
        *history(),
        slow,
        ticket(number, "ratelimiter answers in more than 200 ms", status="in_progress", what="claimed", age=31),
        ticket(13, "Raise the refill to 80 per second", source="human", priority="medium", age=12),
        entry(number, 0, "claimed", "claimed by ada-laptop, attempt 1"),
        entry(
            number,
            1,
            "turn",
            "Looking at the service",
            {"calls": [{"id": "a1", "name": "service_status", "arguments": {}}]},
        ),
        entry(
            number,
            1,
            "decision",
            "",
            {"call_id": "a1", "tool": "service_status", "outcome": "allow", "rule": "read-only"},
        ),
        entry(
            number,
            1,
            "result",
            "",
            {
                "call_id": "a1",
                "status": "ok",
                "text": "running, pid 48213, ready\nlatency p50 503 ms p95 504 ms\ndrift: delay_ms 500 (committed 0)",
            },
        ),
        entry(
            number,
            2,
            "turn",
            "Reading the deployed configuration",
            {"calls": [{"id": "a2", "name": "read_file", "arguments": {"path": "service_config.json"}}]},
        ),
        entry(
            number, 2, "decision", "", {"call_id": "a2", "tool": "read_file", "outcome": "allow", "rule": "read-only"}
        ),
        entry(
            number,
            2,
            "result",
            "",
            {"call_id": "a2", "status": "ok", "text": '{\n  "enabled": true,\n  "delay_ms": 500\n}'},
        ),
    ]


def streaming() -> list[Event]:
    return [
        *working(),
        delta(
            12,
            3,
            "thinking",
            "The file on disk says delay_ms 500, HEAD says 0. No commit explains it, so somebody "
            "changed the live copy by hand. Putting the committed value back is the smallest change that can work",
        ),
    ]


def asking(count: int = 1) -> list[Event]:
    """The agent wants to change the configuration and waits."""
    number = 12
    return [
        *working(),
        entry(
            number,
            3,
            "turn",
            "Removing artificial delay from config",
            {
                "calls": [
                    {
                        "id": "call1",
                        "name": "update_config",
                        "arguments": {"file": "service_config.json", "set": {"delay_ms": 0}},
                    }
                ]
            },
        ),
        entry(
            number,
            3,
            "decision",
            "",
            {"call_id": "call1", "tool": "update_config", "outcome": "ask", "rule": "reversible-asks"},
        ),
        ticket(
            number,
            "ratelimiter answers in more than 200 ms",
            status="awaiting_approval",
            age=31,
            updated_at=iso(NOW - 3),
        ),
        *[approval(1 + index) for index in range(count)],
    ]


def down() -> list[Event]:
    dead = snapshot(
        "down",
        last=None,
        config_drift=[{"key": "enabled", "committed": "true", "live": "false"}],
        faults=[{"name": "play_dead", "since": NOW - 8}],
        latency={"last_ms": None, "p50_ms": 3.1, "p95_ms": 8.4, "history": [3.0] * 40 + [None] * 5},
    )
    return [
        control(stopped=True),
        *history(),
        dead,
        ticket(12, "ratelimiter answers 503", status="pending", priority="critical", age=6),
    ]


SCENES = {
    "healthy": healthy,
    "working": working,
    "streaming": streaming,
    "asking": asking,
    "down": down,
}


def scene(name: str) -> ConsoleState:
    return reduce_all(ConsoleState(), SCENES[name]())
