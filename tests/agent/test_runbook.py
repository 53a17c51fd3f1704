"""The rules brain: it reads what came back, and says so when it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import service.ratelimiter
from agent.brains.brain import Brief, Exchange, ToolOutcome, Turn
from agent.brains.expressions import ExpressionError, fill, parse
from agent.brains.runbook import decide
from agent.brains.runbook_file import Runbook, RunbookError, load_runbooks, parse_runbook
from agent.tools.registry import TOOLS, specs

SHIPPED, PROBLEMS = load_runbooks(Path(service.ratelimiter.__file__).parent, "runbooks/*.md")


def brief(invariant: str = "rate_limiter_healthy", **changes: Any) -> Brief:
    values: dict[str, Any] = {
        "ticket_id": 1, "subject": "ratelimiter", "source": "invariant", "objective": f"Restore {invariant}",
        "criteria": (invariant,), "context": "", "rules": "", "notes": "", "invariants": (), "recent_changes": "",
        "similar": "", "tools": specs(), "mode": "supervised", "fingerprint": f"invariant/ratelimiter/{invariant}",
    }  # fmt: skip
    return Brief(**{**values, **changes})


def status(**changes: Any) -> dict[str, Any]:
    """What service_status returns of a healthy service, with changes."""
    return {
        "process": {"state": "running", "running": True, "ready": True, "detail": ""},
        "probe": {"connected": True, "status": 200, "response_ms": 3.0, "error": None},
        "config": {"readable": True, "error": None, "values": {"enabled": True, "delay_ms": 0}, "drift": {}},
        **changes,
    }


def play(told: Brief, answers: dict[str, Any], runbooks: list[Runbook] = SHIPPED) -> list[Turn]:
    """Let the rules run to their end; ``answers`` gives the data of each call by step id or tool name."""
    history: list[Exchange] = []
    turns: list[Turn] = []
    while len(turns) < 20:
        turn = decide(told, runbooks, history)
        turns.append(turn)
        if turn.calls[0].name == "finish_ticket":
            return turns
        (call,) = turn.calls
        step = call.id.split(":")[1]
        answer = answers.get(step, answers.get(call.name, {}))
        status_, data = answer if isinstance(answer, tuple) else ("ok", answer)
        history.append(
            Exchange(turn, (ToolOutcome(call.id, status_, str(data), data if isinstance(data, dict) else {}, 7),))
        )
    raise AssertionError("the rules did not end")


def tools_of(turns: list[Turn]) -> list[str]:
    return [turn.calls[0].name for turn in turns]


def end_of(turns: list[Turn]) -> Any:
    return turns[-1].calls[0].arguments["verdict"]


def test_the_shipped_runbooks_are_whole_and_name_only_tools_that_exist() -> None:
    assert PROBLEMS == []
    assert {runbook.slug for runbook in SHIPPED} == {"not-answering", "slow", "change-setting"}
    for runbook in SHIPPED:
        for step in runbook.step:
            assert step.tool is None or step.tool in TOOLS


def test_play_dead_is_switched_on_again_without_a_restart() -> None:
    dead = status(
        probe={"connected": True, "status": 503, "response_ms": 2.0, "error": None},
        config={"readable": True, "error": None, "values": {"enabled": False, "delay_ms": 0}, "drift": {}},
    )
    turns = play(brief(), {"status": dead, "enable": {"commit": "abc"}, "service_status": status()})
    assert tools_of(turns) == [
        "service_status", "query_logs", "update_config", "service_status", "service_status", "finish_ticket",
    ]  # fmt: skip
    assert turns[2].calls[0].arguments["set"] == {"enabled": True}
    assert "503" in turns[2].text
    assert end_of(turns) == "fixed"


def test_a_process_that_is_gone_is_started() -> None:
    gone = status(
        process={"state": "backoff", "running": False, "ready": False, "detail": "ended by SIGKILL"},
        probe={"connected": False, "status": 0, "response_ms": None, "error": "not running"},
    )
    turns = play(brief(), {"status": gone, "after": gone, "start": {"ready": True}, "check": status()})
    assert "restart_service" in tools_of(turns)
    assert "update_config" not in tools_of(turns)
    assert end_of(turns) == "fixed"


def test_a_hung_process_is_restarted() -> None:
    hung = status(probe={"connected": False, "status": 0, "response_ms": None, "error": "no answer within 2 s"})
    turns = play(brief(), {"status": hung, "after": hung, "unhang": {"ready": True}, "check": status()})
    assert tools_of(turns).count("restart_service") == 1
    assert end_of(turns) == "fixed"


def test_an_unreadable_configuration_is_restored_before_the_start() -> None:
    gone = {"state": "backoff", "running": False, "ready": False, "detail": "exit code 78"}
    silent = {"connected": False, "status": 0, "response_ms": None, "error": "not running"}
    bad = status(process=gone, probe=silent, config={"readable": False, "error": "not JSON", "values": {}, "drift": {}})
    after = status(process=gone, probe=silent)
    answers = {"status": bad, "restore": {"commit": "abc"}, "after": after, "start": {"ready": True}, "check": status()}
    tools = tools_of(play(brief(), answers))
    assert tools.index("update_config") < tools.index("restart_service")


def test_a_taken_port_needs_a_person() -> None:
    blocked = status(process={"state": "blocked", "running": False, "ready": False, "detail": "port 8001 is taken"})
    turns = play(brief(), {"service_status": blocked})
    assert end_of(turns) == "needs_human"
    assert "port 8001" in turns[-1].text


def test_slowness_without_a_delay_is_inconclusive_rather_than_a_guess() -> None:
    slow = status(probe={"connected": True, "status": 200, "response_ms": 700.0, "error": None})
    turns = play(brief("rate_limiter_latency"), {"service_status": slow})
    assert end_of(turns) == "inconclusive"
    assert tools_of(turns) == ["service_status", "service_status", "finish_ticket"]


@pytest.mark.parametrize("refusal", ["rejected", "timed_out", "denied"])
def test_a_refusal_is_respected_and_a_person_is_called(refusal: str) -> None:
    slow = status(config={"readable": True, "error": None, "values": {"enabled": True, "delay_ms": 500}, "drift": {}})
    turns = play(brief("rate_limiter_latency"), {"status": slow, "undelay": (refusal, "because I say so")})
    assert tools_of(turns) == ["service_status", "update_config", "finish_ticket"]
    assert end_of(turns) == "needs_human"
    assert "because I say so" in turns[-1].text


def test_what_was_withdrawn_is_looked_at_afresh_but_not_for_ever() -> None:
    slow = status(config={"readable": True, "error": None, "values": {"enabled": True, "delay_ms": 500}, "drift": {}})
    turns = play(brief("rate_limiter_latency"), {"status": slow, "undelay": ("withdrawn", "it changed")})
    assert tools_of(turns).count("update_config") == 3
    assert end_of(turns) == "needs_human"


def test_no_runbook_is_said_plainly() -> None:
    turns = play(brief("something_else"), {})
    assert end_of(turns) == "inconclusive"
    assert "No runbook" in turns[0].text


@pytest.mark.parametrize(
    ("objective", "key", "value"),
    [
        ("raise the default capacity to 200", "capacity", 200),
        ("Please set refill_per_second to 2.5 for the weekend", "refill_per_second", 2.5),
        ("lower delay_ms to 0", "delay_ms", 0),
    ],
)
def test_a_persons_setting_is_changed_to_what_was_asked(objective: str, key: str, value: float) -> None:
    told = brief(source="human", objective=objective, fingerprint="human/x")
    turns = play(told, {"service_status": status(), "set": {"commit": "abc"}})
    assert turns[1].calls[0].arguments["set"] == {key: value}
    assert end_of(turns) == "fixed"


def test_a_request_that_no_rule_understands_goes_to_a_person() -> None:
    turns = play(brief(source="human", objective="make it nicer", fingerprint="human/x"), {})
    assert end_of(turns) == "inconclusive"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no front matter", "front matter"),
        ("+++\nname =\n+++\n", "not TOML"),
        ('+++\nname="x"\nanswers=["a"]\n+++\n', "step"),
        ('+++\nname="x"\nanswers=["a"]\n[[step]]\nid="s"\n+++\n', "tool or verdict"),
        ('+++\nname="x"\nanswers=["a"]\n[[step]]\nid="s"\ntool="t"\notherwise="gone"\n+++\n', "gone"),
        ('+++\nname="x"\nanswers=["a"]\n[[step]]\nid="s"\ntool="t"\nwhen=["a is b"]\n+++\n', "OP value"),
        ('+++\nname="x"\n[[step]]\nid="s"\ntool="t"\n+++\n', "answers"),
    ],
)
def test_a_bad_runbook_is_one_line_that_names_it(text: str, told: str) -> None:
    with pytest.raises(RunbookError) as caught:
        parse_runbook(text, "bad.md")
    assert str(caught.value).startswith("bad.md:")
    assert told in str(caught.value)


RESULTS = {"s": {"n": 5, "word": "abc", "list": ["one two", "three"], "flag": True, "none": None}}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("s.n > 4", True), ("s.n >= 6", False), ("s.n == 5", True), ("s.n != 5", False), ("s.gone != 5", True),
        ("s.gone == 5", False), ("s.gone missing", True), ("s.n exists", True), ("s.flag == true", True),
        ("s.flag > 0", False), ('s.word contains "b"', True), ('s.list contains "two"', True), ("s.none == null", True),
        ('s.list.0 == "one two"', True), ("s.list.9 exists", False), ("s.none > 1", False),
    ],
)  # fmt: skip
def test_expressions(text: str, holds: bool) -> None:
    assert parse(text).holds(RESULTS) is holds


@pytest.mark.parametrize("text", ["", "a", "a == ", "a == b", "a > true", "a exists 1", "__import__('os') == 1"])
def test_a_bad_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_filling_keeps_types_and_refuses_what_is_not_there() -> None:
    assert fill({"{s.word}": "{s.n}"}, RESULTS) == {"abc": 5}
    assert fill("n is {s.n}, flag {s.flag}", RESULTS) == "n is 5, flag true"
    with pytest.raises(ExpressionError):
        fill("{s.gone}", RESULTS)
