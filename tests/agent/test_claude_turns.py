"""A whole turn through the real SDK and a real socket: what is sent, what comes back, what is shown meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agent.brains.brain import BrainError, Exchange, ToolCall, ToolOutcome, Turn, Usage
from tests.agent import claude_bench
from tests.agent.claude_bench import MODEL, Seen, answered, brain, brief
from tests.agent.messages_script import Reply, Text, Thinking, ToolUse, calls, sign
from tests.agent.messages_script import Usage as Spent
from tests.agent.messages_server import MessagesServer

no_anthropic_environment = claude_bench.no_anthropic_environment

STATUS = calls(ToolUse("service_status"), thinking="First I look — ünïcode too.", text="Looking.")
CHANGE = calls(ToolUse("update_config", {"set": {"delay_ms": 0}, "why": "mend"}), text="Removing the delay.")


async def test_a_turn_carries_calls_text_thinking_and_usage() -> None:
    reply = Reply(
        (
            Thinking("because"),
            Text("I do two things."),
            ToolUse("service_status"),
            ToolUse("update_config", {"set": {}}),
        ),
        usage=Spent(input=10, output=20, cache_read=30, cache_write=40),
    )
    async with MessagesServer([reply]) as server, brain(server.url) as mind:
        turn = await mind.next(brief(), [], Seen())
    assert [(call.name, dict(call.arguments)) for call in turn.calls] == [
        ("service_status", {}),
        ("update_config", {"set": {}}),
    ]
    assert (turn.text, turn.thinking, turn.stop_reason, turn.model) == (
        "I do two things.",
        "because",
        "tool_use",
        MODEL,
    )
    assert turn.usage == Usage(input_tokens=10, output_tokens=20, cache_read_tokens=30, cache_write_tokens=40)


async def test_deltas_are_emitted_as_they_stream_and_add_up_to_the_turn() -> None:
    seen = Seen()
    async with MessagesServer([STATUS, CHANGE]) as server, brain(server.url) as mind:
        first = await mind.next(brief(), [], seen)
        assert seen.text("thinking") == first.thinking == "First I look — ünïcode too."
        assert seen.text("text") == "Looking."
        assert seen.text("call") == "service_status {}"
        await mind.next(brief(), [answered(first)], seen)
    assert seen.text("call").endswith('update_config {"set": {"delay_ms": 0}, "why": "mend"}')
    assert len(seen.deltas) > 6


async def test_signed_thinking_goes_back_byte_identical() -> None:
    """The double itself refuses a thinking block that is not what it signed."""
    async with MessagesServer([STATUS, CHANGE]) as server, brain(server.url) as mind:
        first = await mind.next(brief(), [], Seen())
        await mind.next(brief(), [answered(first)], Seen())
        sent = server.requests[1].body["messages"][1]["content"]
    assert server.refused == []
    assert sent == [dict(block) for block in first.blocks]
    assert sent[0] == {
        "type": "thinking",
        "thinking": "First I look — ünïcode too.",
        "signature": sign("First I look — ünïcode too."),
    }


async def test_thinking_of_another_model_is_not_sent_back() -> None:
    foreign = Turn(
        (ToolCall("toolu_x", "service_status", {}),),
        text="Looking.",
        model="claude-other",
        blocks=({"type": "thinking", "thinking": "mine", "signature": "theirs"},),
    )
    async with MessagesServer([CHANGE]) as server, brain(server.url) as mind:
        await mind.next(brief(), [answered(foreign)], Seen())
    assert server.refused == []
    kinds = [block["type"] for block in server.requests[0].body["messages"][1]["content"]]
    assert kinds == ["text", "tool_use"]


async def test_the_prefix_of_consecutive_requests_is_identical_to_the_byte() -> None:
    """Live values in a later brief must not change what the endpoint has cached."""
    async with MessagesServer([STATUS, CHANGE, STATUS]) as server, brain(server.url) as mind:
        history: list[Exchange] = []
        for step in range(3):
            told = brief(invariants=({"name": "x", "state": "violated", "value": str(step)},), context=f"now {step}")
            turn = await mind.next(told, history, Seen())
            history.append(answered(turn, text=f"result {step}"))
        bodies = [request.body for request in server.requests]

    def prefix(body: dict[str, object]) -> bytes:
        parts = [json.dumps(body[name], ensure_ascii=False) for name in ("tools", "system", "messages")]
        return "".join(parts).removesuffix("]").encode()

    assert prefix(bodies[1]).startswith(prefix(bodies[0]))
    assert prefix(bodies[2]).startswith(prefix(bodies[1]))
    assert len(bodies[2]["messages"]) == 5


async def test_the_raw_bytes_of_the_history_are_the_beginning_of_the_next_request() -> None:
    async with MessagesServer([STATUS, CHANGE]) as server, brain(server.url) as mind:
        first = await mind.next(brief(), [], Seen())
        await mind.next(brief(), [answered(first)], Seen())
        raw = [request.raw for request in server.requests]
    start = [body[body.index(b'"messages"') :] for body in raw]
    end = start[0].index(b"]}]") + len(b"]}")
    assert start[1][:end] == start[0][:end]


async def test_what_is_asked_for() -> None:
    async with MessagesServer([STATUS]) as server, brain(server.url) as mind:
        await mind.next(brief(), [], Seen())
        body = server.requests[0].body
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["system"][-1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert [tool["name"] for tool in body["tools"]] == ["service_status", "update_config"]
    assert "tool_choice" not in body
    assert "temperature" not in body


async def test_nobody_to_wait_for_means_the_short_cache() -> None:
    async with MessagesServer([STATUS]) as server, brain(server.url) as mind:
        await mind.next(brief(mode="autonomous"), [], Seen())
    assert server.requests[0].body["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
async def test_both_auth_headers_go_to_a_compatible_endpoint(header: str) -> None:
    double = MessagesServer([STATUS], key="sk-mine-12345", header=header)
    async with double as server, brain(server.url, api_key="sk-mine-12345") as mind:
        assert (await mind.next(brief(), [], Seen())).calls
        assert mind.label == f"compatible endpoint: {MODEL}"


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_a_base_url_needs_no_key_and_may_end_in_v1(suffix: str) -> None:
    async with MessagesServer([STATUS]) as server, brain(server.url + suffix, api_key=None) as mind:
        assert (await mind.next(brief(), [], Seen())).calls


@pytest.mark.parametrize(
    "unknown", [["thinking"], ["cache_control"], ["ttl"], ["display"], ["thinking", "cache_control"]]
)
async def test_options_an_endpoint_does_not_know_are_left_out_once_and_for_all(unknown: list[str]) -> None:
    async with MessagesServer([STATUS, CHANGE], unknown=unknown) as server, brain(server.url) as mind:
        first = await mind.next(brief(), [], Seen())
        probes = len(server.refused)
        await mind.next(brief(), [answered(first)], Seen())
    assert 1 <= probes <= 2
    assert len(server.refused) == probes, "the probe is remembered"
    sent = json.dumps(server.requests[1].body["messages"]) if unknown == ["thinking"] else ""
    assert '"signature"' not in sent


async def test_a_complete_call_with_end_turn_counts_after_message_stop() -> None:
    reply = Reply((ToolUse("service_status"),), stop_reason="end_turn")
    async with MessagesServer([reply]) as server, brain(server.url) as mind:
        assert [call.name for call in (await mind.next(brief(), [], Seen())).calls] == ["service_status"]


async def test_an_answer_without_a_call_is_a_turn_and_the_next_request_asks_for_one() -> None:
    async with MessagesServer([calls(text="All well."), STATUS]) as server, brain(server.url) as mind:
        turn = await mind.next(brief(), [], Seen())
        assert (turn.calls, turn.text, turn.stop_reason) == ((), "All well.", "end_turn")
        await mind.next(brief(), [Exchange(turn, ())], Seen())
    assert "finish_ticket" in server.requests[1].body["messages"][-1]["content"][0]["text"]


async def test_an_empty_answer_does_not_spoil_the_history() -> None:
    async with MessagesServer([Reply((), stop_reason="end_turn"), STATUS]) as server, brain(server.url) as mind:
        turn = await mind.next(brief(), [], Seen())
        await mind.next(brief(), [Exchange(turn, ())], Seen())
    assert server.refused == []


async def test_unknown_tools_are_passed_through() -> None:
    async with MessagesServer([calls(ToolUse("rm_rf", {"path": "/"}))]) as server, brain(server.url) as mind:
        assert (await mind.next(brief(), [], Seen())).calls[0].name == "rm_rf"


async def test_a_paused_turn_is_resumed_and_becomes_one() -> None:
    paused = Reply((Text("Still at it."),), stop_reason="pause_turn")
    async with MessagesServer([paused, STATUS]) as server, brain(server.url) as mind:
        turn = await mind.next(brief(), [], Seen())
    assert server.requests[1].body["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Still at it."}],
    }
    assert turn.text == "Still at it.\n\nLooking."
    assert turn.usage is not None
    assert turn.usage.output_tokens == 160
    assert [block["type"] for block in turn.blocks] == ["text", "thinking", "text", "tool_use"]


async def test_endless_pauses_end() -> None:
    paused = Reply((Text("Still at it."),), stop_reason="pause_turn")
    async with MessagesServer([paused] * 9) as server, brain(server.url) as mind:
        with pytest.raises(BrainError, match="paused"):
            await mind.next(brief(), [], Seen())
    assert len(server.requests) == 5


async def test_connections_are_used_again_for_the_next_turn() -> None:
    async with MessagesServer([STATUS, CHANGE]) as server, brain(server.url) as mind:
        first = await mind.next(brief(), [], Seen())
        await mind.next(brief(), [answered(first)], Seen())
    assert server.connections == 1


async def test_every_status_of_an_outcome_reaches_the_model() -> None:
    turn = Turn((ToolCall("toolu_1", "update_config", {}), ToolCall("toolu_2", "service_status", {})))
    outcomes = (ToolOutcome("toolu_1", "rejected", "a person said: not during business hours"),)
    async with MessagesServer([STATUS]) as server, brain(server.url) as mind:
        await mind.next(brief(), [Exchange(turn, outcomes)], Seen())
    rejected, unanswered = server.requests[0].body["messages"][-1]["content"]
    assert rejected["is_error"] is True
    assert "status: rejected\na person said: not during business hours" in rejected["content"]
    assert "unknown" in unanswered["content"]


def test_importing_the_brain_does_not_import_the_sdk() -> None:
    code = (
        "import sys, agent.brains.claude, agent.brains.claude_summary\n"
        "agent.brains.claude.ClaudeBrain(api_key='k', base_url=None, model='m')\n"
        "print([name for name in ('anthropic', 'httpx2', 'textual') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
