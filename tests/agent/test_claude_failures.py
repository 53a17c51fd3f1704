"""Every way a turn can fail: never a Turn, always one clear line, and the right word about trying again."""

from __future__ import annotations

import asyncio
import email.utils
import re
import socket
import time
from typing import Any

import pytest

from agent.brains.brain import BrainError
from agent.brains.claude import ClaudeBrain
from tests.agent import claude_bench
from tests.agent.claude_bench import Seen, brain, brief, failure
from tests.agent.messages_script import Answer, Refuse, Reply, Text, Thinking, ToolUse, calls
from tests.agent.messages_server import MessagesServer

no_anthropic_environment = claude_bench.no_anthropic_environment

CALL = ToolUse("update_config", {"set": {"replicas": 10}})


async def test_a_bad_key_names_the_setting_and_is_not_tried_again() -> None:
    async with MessagesServer([calls(CALL)], key="sk-right") as server, brain(server.url) as mind:
        with pytest.raises(BrainError, match="set a valid ANTHROPIC_API_KEY") as caught:
            await mind.next(brief(), [], Seen())
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("answer", "words", "wait"),
    [
        (Refuse(429, "rate_limit_error", "slow down", {"retry-after": "37"}), "limits the rate: slow down", 37.0),
        (Refuse(429, "rate_limit_error", "slow", {"retry-after": "3600"}), "limits the rate", 3600.0),
        (Refuse(429, "rate_limit_error", "slow", {"retry-after-ms": "1500"}), "limits the rate", 1.5),
        (Refuse(429, "rate_limit_error", "slow"), "limits the rate", 15.0),
        (Refuse(429, "rate_limit_error", "slow", {"retry-after": "soon"}), "limits the rate", 15.0),
        (Refuse(529, "overloaded_error", "Overloaded"), "is overloaded", 10.0),
        (Refuse(500, "api_error", "oops"), r"failed \(500\): oops", 5.0),
        (Refuse(503, "api_error", "later", {"retry-after": "2"}), r"failed \(503\)", 2.0),
        (Refuse(408, "timeout_error", "slow"), "gave up", 2.0),
        (Refuse(402, "billing_error", "no credit"), "billing reasons: no credit", None),
        (Refuse(403, "permission_error", "not yours"), "HARNESS_MODEL", None),
        (Refuse(404, "not_found_error", "model: x"), "check HARNESS_MODEL and ANTHROPIC_BASE_URL", None),
        (Refuse(413, "request_too_large", "big"), "too large", None),
        (
            Refuse(429, "rate_limit_error", "spent", error_code="enforced_spend_limit_reached"),
            "billing reasons",
            None,
        ),
    ],
)
async def test_http_errors(answer: Refuse, words: str, wait: float | None) -> None:
    error = await failure(answer)
    assert re.search(words, str(error))
    assert error.retry_after == wait


async def test_retry_after_may_be_a_date() -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    error = await failure(Refuse(429, "rate_limit_error", "slow", {"retry-after": date}))
    assert error.retry_after == pytest.approx(100, abs=5)


async def test_what_the_endpoint_says_cannot_break_the_line_or_show_the_key() -> None:
    error = await failure(Refuse(500, "api_error", "a\nb\x1b[31m key sk-test-key-0001 " + "x" * 5000))
    assert "a b [31m key [key]" in str(error)
    assert len(str(error)) < 400


async def test_a_400_that_is_no_matter_of_options_is_final() -> None:
    """A compatible endpoint is asked once more without any option; then the answer stands."""
    refuse = Refuse(400, "invalid_request_error", "prompt is too long")
    async with MessagesServer([refuse, refuse, refuse]) as server, brain(server.url) as mind:
        with pytest.raises(BrainError, match=r"refuses the request \(400\): prompt is too long") as caught:
            await mind.next(brief(), [], Seen())
    assert caught.value.retry_after is None
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("kind", "words", "wait"),
    [
        ("overloaded_error", "is overloaded", 10.0),
        ("api_error", "failed: Overloaded", 5.0),
        ("rate_limit_error", "limits the rate", 15.0),
        ("invalid_request_error", "refuses the request", None),
    ],
)
@pytest.mark.parametrize("after", [0, 2, 5])
async def test_an_error_event_in_the_stream(kind: str, words: str, wait: float | None, after: int) -> None:
    error = await failure(Reply((Text("hello"), CALL), error_after=after, error_kind=kind))
    assert words in str(error)
    assert error.retry_after == wait


@pytest.mark.parametrize("cut", [0, 1, 700, 1500])
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_cut_connection_is_worth_another_try_at_once(cut: int, how: Any) -> None:
    error = await failure(Reply((Text("hello " * 40), CALL), cut=cut, how=how))
    assert error.retry_after is not None
    assert error.retry_after <= 5.0


async def test_a_stalled_stream_ends_after_the_allowed_silence() -> None:
    error = await failure(Reply((Text("hello"), CALL), cut=700, how="stall"), stall_seconds=0.2)
    assert "sent nothing for 0.2 s" in str(error)
    assert error.retry_after is not None


async def test_a_stream_that_trickles_for_ever_meets_the_deadline_of_the_turn() -> None:
    slow = Reply((Text("x" * 4000), CALL), pace=0.05, piece=1)
    error = await failure(slow, turn_deadline_seconds=0.6, stall_seconds=30)
    assert "did not finish the turn within 0.6 s" in str(error)
    assert error.retry_after is not None


async def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with brain(url) as mind:
        with pytest.raises(BrainError, match=r"cannot be reached .*check ANTHROPIC_BASE_URL") as caught:
            await mind.next(brief(), [], Seen())
    assert caught.value.retry_after == 5.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"base_url": None, "api_key": None}, "set ANTHROPIC_API_KEY"),
        ({"base_url": None, "api_key": "  "}, "set ANTHROPIC_API_KEY"),
        ({"base_url": "localhost:8080"}, "give an http:// or https:// address"),
        ({"base_url": "ftp://example.org"}, "give an http:// or https:// address"),
        ({"base_url": "http://127.0.0.1:9", "api_key": "schlüssel"}, "ANTHROPIC_API_KEY holds characters"),
        ({"base_url": "http://127.0.0.1:9", "api_key": "a\nb"}, "ANTHROPIC_API_KEY holds characters"),
    ],
)
async def test_settings_that_cannot_work_say_so(settings: dict[str, Any], words: str) -> None:
    mind = ClaudeBrain(**({"model": "m", "api_key": "k", "base_url": None} | settings))
    with pytest.raises(BrainError, match=words) as caught:
        await mind.next(brief(), [], Seen())
    assert caught.value.retry_after is None


async def test_a_refusal_is_final_and_executes_nothing() -> None:
    reply = Reply(
        (Text("I cannot"), CALL),
        stop_reason="refusal",
        stop_details={"type": "refusal", "category": "cyber", "explanation": "It looks like an exploit."},
    )
    error = await failure(reply)
    assert "refused to work on this (cyber): It looks like an exploit" in str(error)
    assert error.retry_after is None


@pytest.mark.parametrize(("reason", "words"), [("refusal", "refused"), ("max_tokens", "more than 8192 tokens")])
async def test_a_half_written_call_does_not_hide_why_the_answer_ended(reason: str, words: str) -> None:
    error = await failure(Reply((ToolUse("update_config", raw='{"set": {"a": 1'),), stop_reason=reason))
    assert words in str(error)


async def test_max_tokens_with_a_plausible_call_is_no_turn_and_the_next_try_has_more_room() -> None:
    cut = Reply((CALL,), stop_reason="max_tokens")
    async with MessagesServer([cut, cut, calls(CALL)]) as server, brain(server.url, max_tokens=10_000) as mind:
        with pytest.raises(BrainError, match="more than 10000 tokens") as first:
            await mind.next(brief(), [], Seen())
        with pytest.raises(BrainError, match="more than 20000 tokens"):
            await mind.next(brief(), [], Seen())
        await mind.next(brief(), [], Seen())
    assert first.value.retry_after is not None
    assert [request.body["max_tokens"] for request in server.requests] == [10_000, 20_000, 32_768]


async def test_max_tokens_at_the_largest_room_is_final() -> None:
    error = await failure(Reply((CALL,), stop_reason="max_tokens"), max_tokens=32_768)
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("reason", "words"),
    [("model_context_window_exceeded", "no longer fits"), ("invented_next_year", "'invented_next_year'")],
)
async def test_other_reasons_to_stop(reason: str, words: str) -> None:
    error = await failure(Reply((CALL,), stop_reason=reason))
    assert words in str(error)
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ('{"replicas": 1', "not usable"),
        ('{"replicas": 1, "replicas": 2}', "'replicas' occurs twice"),
        ('{"set": {"a": 1, "a": 1}}', "'a' occurs twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "Infinity is not JSON"),
        ('{"a": 1e999}', "too large"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a": 1} {"b": 2}', "not usable"),
        ("[1]", "array, not an object"),
        ('"x"', "string, not an object"),
        ("null", "null, not an object"),
        ("[" * 100_000, "not usable"),
        ('{"a": 1,}', "not usable"),
    ],
)
async def test_tool_input_that_is_not_strict_json(raw: str, words: str) -> None:
    error = await failure(Reply((ToolUse("update_config", raw=raw),), piece=4096))
    assert "update_config" in str(error)
    assert words in str(error)
    assert error.retry_after is not None


async def test_a_page_instead_of_a_stream_says_where_to_point() -> None:
    error = await failure(Reply(wire=b"<html>hello</html>", content_type="text/html"))
    assert "answered text/html instead of an event stream" in str(error)
    assert error.retry_after is None


async def test_cancelling_drops_the_connection_at_once() -> None:
    slow = Reply((Thinking("x" * 4000), CALL), pace=0.05, piece=1)
    async with MessagesServer([slow]) as server, brain(server.url) as mind:
        started = asyncio.Event()
        task = asyncio.create_task(mind.next(brief(), [], lambda delta: started.set()))
        async with asyncio.timeout(10):
            await started.wait()
        before = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ended = time.perf_counter() - before
        async with asyncio.timeout(5):
            await server.requests[0].gone.wait()
    assert ended < 0.5


async def test_after_any_failure_the_next_turn_works() -> None:
    script: list[Answer] = [Reply((CALL,), cut=900), Reply((CALL,), cut=900, how="reset"), Refuse(529), calls(CALL)]
    async with MessagesServer(script) as server, brain(server.url) as mind:
        for _ in range(3):
            with pytest.raises(BrainError):
                await mind.next(brief(), [], Seen())
        assert (await mind.next(brief(), [], Seen())).calls[0].arguments == {"set": {"replicas": 10}}
