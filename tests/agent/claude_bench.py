"""What the tests of the claude brain share: a brief, a brain aimed at the double, and a way to see its deltas."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.brains.brain import BrainError, Brief, Delta, Exchange, ToolOutcome, ToolSpec, Turn
from agent.brains.claude import ClaudeBrain
from tests.agent.messages_script import Answer, Refuse
from tests.agent.messages_server import MessagesServer

MODEL = "claude-test-1"

TOOLS = (
    ToolSpec(
        "update_config",
        "Set keys of the configuration.",
        {"type": "object", "properties": {"set": {"type": "object"}, "why": {"type": "string"}}},
    ),
    ToolSpec("service_status", "State of the service.", {"type": "object", "properties": {}}),
)


@pytest.fixture(scope="session", autouse=True)
def no_anthropic_environment() -> Iterator[None]:
    """No variable of the machine may reach the SDK: a test must never talk to the real API."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("ANTHROPIC_")}
    yield
    os.environ.update(kept)


def brief(**changes: Any) -> Brief:
    given: dict[str, Any] = {
        "ticket_id": 7,
        "subject": "ratelimiter",
        "source": "invariant",
        "objective": "rate_limiter_latency is violated: bring it back.",
        "criteria": ("rate_limiter_latency", "rate_limiter_healthy"),
        "context": "",
        "rules": "Mode: supervised.",
        "notes": "The limiter obeys service_config.json.",
        "invariants": (
            {
                "name": "rate_limiter_latency",
                "state": "violated",
                "value": "503 ms",
                "condition": "[RESPONSE_TIME] < 200",
            },
        ),
        "recent_changes": "",
        "similar": "",
        "tools": TOOLS,
        "mode": "supervised",
    }
    return Brief(**(given | changes))


def answered(turn: Turn, text: str = "done", status: str = "ok") -> Exchange:
    """The turn with the same outcome for each of its calls."""
    return Exchange(turn, tuple(ToolOutcome(call.id, status, text, {}, 11) for call in turn.calls))


class Seen:
    """Collects deltas; usable as ``emit``."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []

    def __call__(self, delta: Delta) -> None:
        self.deltas.append(delta)

    def text(self, channel: str) -> str:
        return "".join(delta.text for delta in self.deltas if delta.channel == channel)


@asynccontextmanager
async def brain(url: str, **settings: Any) -> AsyncIterator[ClaudeBrain]:
    given: dict[str, Any] = {"api_key": "sk-test-key-0001", "base_url": url, "model": MODEL}
    made = ClaudeBrain(**(given | settings))
    try:
        yield made
    finally:
        await made.aclose()


async def failure(answer: Answer, **settings: Any) -> BrainError:
    """The error that an answer leads to, checked for what holds of every error."""
    async with MessagesServer([answer]) as server, brain(server.url, **settings) as mind:
        with pytest.raises(BrainError) as caught:
            await mind.next(brief(), [], Seen())
        assert server.connections == 1 or isinstance(answer, Refuse)
        assert len(server.requests) == 1, "retries are the agent loop's"
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert "sk-test-key-0001" not in text
    return caught.value
