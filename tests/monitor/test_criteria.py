"""Success criteria: reading them, and looking whether they hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.criteria import CriterionError, base_url_of, check, describe, parse_criterion
from monitor.probes import Prober
from monitor.verdicts import recovered
from service.subject import builtin_subjects, load_subject
from service.workspace import Workspace
from tests.monitor.loopback import Loopback

NAMES = ("rate_limiter_healthy", "rate_limiter_latency")
FILE = "service_config.json"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rate_limiter_healthy", "the invariant rate_limiter_healthy holds"),
        ("config.capacity == 200", "the configuration, committed and live, has capacity == 200"),
        ("config.limits.free.capacity>=5", "the configuration, committed and live, has limits.free.capacity >= 5"),
        ("config.enabled == true", "the configuration, committed and live, has enabled == true"),
        ("GET /health [STATUS] == 200", "GET /health answers with [STATUS] == 200"),
        ("GET /health [BODY].limits.capacity == 200", "GET /health answers with [BODY].limits.capacity == 200"),
    ],
)
def test_what_can_be_written(text: str, sentence: str) -> None:
    criterion = parse_criterion(f"  {text} ", NAMES)
    assert criterion.text == text
    assert describe(criterion) == sentence


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "empty"),
        ("rate_limiter_helthy", "did you mean rate_limiter_healthy?"),
        ("zzz", "known are rate_limiter_healthy, rate_limiter_latency"),
        ("the service is fast", "write an invariant's name"),
        ("config.capacity", "config.KEY OPERATOR VALUE"),
        ("config.capacity = 200", "config.KEY OPERATOR VALUE"),
        ("config.capacity > big", "compares numbers"),
        ("config.capacity == any()", "empty"),
        ("POST /v1/check [STATUS] == 200", "only reads"),
        ("get /health [STATUS] == 200", "write GET"),
        ("GET /health", "GET /path CONDITION"),
        ("GET health [STATUS] == 200", "GET /path CONDITION"),
        ("GET /health [STATSU] == 200", "did you mean [STATUS]?"),
        ("a\nb", "one line"),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, hint: str) -> None:
    with pytest.raises(CriterionError) as raised:
        parse_criterion(text, NAMES)
    assert hint in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.text(max_size=50) | st.text(max_size=30).map(lambda tail: f"config.{tail}"))
def test_any_text_is_a_criterion_or_a_criterion_error(text: str) -> None:
    try:
        describe(parse_criterion(text, NAMES))
    except CriterionError as error:
        assert "\n" not in str(error)  # noqa: PT017


def snapshot(state: str = "holding", **more: Any) -> dict[str, Any]:
    row = {"name": NAMES[0], "state": state, "value": "200", "reason": "[STATUS] is 200"}
    return {"invariants": [row], "pid": 1, "port": 2, "config_file": FILE, **more}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.lay(tmp_path, load_subject(builtin_subjects()["ratelimiter"]))


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    loopback = Loopback()
    await loopback.start()
    yield loopback
    await loopback.stop()


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    one = Prober()
    yield one
    await one.aclose()


@pytest.mark.parametrize("state", ["holding", "violated", "unknown"])
async def test_an_invariant_is_read_from_the_snapshot(state: str, workspace: Workspace, prober: Prober) -> None:
    criterion = parse_criterion(NAMES[0], NAMES)
    assert (await check(criterion, snapshot(state), workspace, prober, None)).state == state
    assert (await check(criterion, None, workspace, prober, None)).state == "unknown"
    other = parse_criterion(NAMES[1], NAMES)
    assert (await check(other, snapshot(state), workspace, prober, None)).state == "unknown"


async def test_configuration_must_be_right_in_the_commit_and_on_disk(workspace: Workspace, prober: Prober) -> None:
    config = json.loads(workspace.read(FILE))
    wanted = config["capacity"] + 50
    criterion = parse_criterion(f"config.capacity == {wanted}", NAMES)

    async def look() -> tuple[str, str]:
        found = await check(criterion, snapshot(), workspace, prober, None)
        return found.state, found.reason

    assert (await look())[0] == "violated"
    (workspace.root / FILE).write_text(json.dumps({**config, "capacity": wanted}))
    state, reason = await look()
    assert state == "violated"
    assert "committed" in reason
    workspace.commit_text(
        FILE, json.dumps({**config, "capacity": wanted}), message="raise", trailers={}, expect_digest=None
    )
    assert (await look())[0] == "holding"
    (workspace.root / FILE).write_text(json.dumps(config))
    state, reason = await look()
    assert state == "violated"
    assert "live" in reason
    (workspace.root / FILE).write_text("{")
    assert (await look()) == ("violated", f"the live {FILE} is not valid JSON")
    (workspace.root / FILE).unlink()
    assert (await look())[0] == "violated"


async def test_an_absent_key_and_a_subject_without_configuration(workspace: Workspace, prober: Prober) -> None:
    criterion = parse_criterion("config.nope == 1", NAMES)
    found = await check(criterion, snapshot(), workspace, prober, None)
    assert (found.state, found.value) == ("violated", "absent")
    found = await check(criterion, snapshot(config_file=None), workspace, prober, None)
    assert found.state == "unknown"


async def test_an_answer_is_asked_for_only_from_our_own_process(
    workspace: Workspace, prober: Prober, server: Loopback
) -> None:
    criterion = parse_criterion("GET /health [BODY].limits.capacity == 100", NAMES)
    status = parse_criterion("GET /health [STATUS] == 200", NAMES)
    assert (await check(criterion, snapshot(), workspace, prober, server.url)).state == "holding"
    server.body = b'{"limits":{"capacity":99}}'
    found = await check(criterion, snapshot(), workspace, prober, server.url)
    assert (found.state, found.value) == ("violated", "99")
    asked = len(server.requests)
    assert (await check(criterion, snapshot(), workspace, prober, None)).state == "unknown"
    found = await check(status, snapshot(), workspace, prober, None)
    assert found.state == "violated"
    assert "not running" in found.reason
    assert len(server.requests) == asked


def test_where_the_subject_listens() -> None:
    assert base_url_of(snapshot(port=8001)) == "http://127.0.0.1:8001"
    assert base_url_of(snapshot(pid=None)) is None
    assert base_url_of(None) is None


def ring(*states: str, start: float = 100.0) -> dict[str, Any]:
    ticks = [{"n": n, "at": start + 5 * n, "verdicts": {"a": state}} for n, state in enumerate(states)]
    return {"ticks": ticks}


@pytest.mark.parametrize(
    ("snapshot_", "since", "expected"),
    [
        (ring("holding", "holding", "holding"), 99.0, True),
        (ring("violated", "holding", "holding", "holding"), 99.0, True),
        (ring("holding", "holding", "holding"), 100.0, False),
        (ring("holding", "holding"), 99.0, False),
        (ring("holding", "holding", "unknown"), 99.0, False),
        (ring("holding", "holding", "holding", "violated"), 99.0, False),
        ({}, 0.0, False),
        (None, 0.0, False),
    ],
)
def test_three_holding_ticks_after_the_change(snapshot_: dict[str, Any] | None, since: float, expected: bool) -> None:
    assert recovered(snapshot_, ["a"], since, 3) is expected


def test_an_invariant_never_looked_at_is_no_proof_and_a_slow_one_counts_its_own_ticks() -> None:
    assert not recovered(ring("holding", "holding", "holding"), ["a", "b"], 0.0, 3)
    assert not recovered(ring("holding", "holding", "holding"), [], 0.0, 3)
    slow = ring("holding", "holding", "holding", "holding")
    slow["ticks"][0]["verdicts"]["b"] = slow["ticks"][3]["verdicts"]["b"] = "holding"
    assert recovered(slow, ["a", "b"], 0.0, 2)
    assert not recovered(slow, ["a", "b"], 101.0, 2)
