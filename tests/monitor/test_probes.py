"""Probes against a real loopback server that is well, slow, silent, rude, or not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from monitor.lag import LagMeter
from monitor.probes import BODY_CAP, Prober
from tests.monitor.loopback import Loopback


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


async def test_a_healthy_answer(server: Loopback, prober: Prober) -> None:
    before = time.time()
    result = await prober.get(f"{server.url}/health")
    assert (result.status, result.connected, result.error) == (200, True, None)
    assert result.body == server.body
    assert not result.truncated
    assert before <= result.at <= time.time()
    assert result.response_ms is not None
    assert 0 < result.response_ms < 1000


async def test_the_first_probe_is_not_charged_for_our_own_set_up(server: Loopback) -> None:
    """A fresh client spends tens of milliseconds before it touches the wire."""
    fastest = []
    for _ in range(3):
        prober = Prober()
        started = time.perf_counter()
        result = await prober.get(f"{server.url}/health")
        whole = (time.perf_counter() - started) * 1000
        await prober.aclose()
        assert result.response_ms is not None
        assert result.response_ms <= whole
        fastest.append(result.response_ms)
    assert min(fastest) < 30


async def test_an_error_status_is_an_answer(server: Loopback, prober: Prober) -> None:
    server.status = 503
    result = await prober.get(f"{server.url}/health")
    assert (result.status, result.error) == (503, None)


async def test_refused(prober: Prober, server: Loopback) -> None:
    await server.stop()
    result = await prober.get(f"{server.url}/health")
    assert (result.status, result.connected, result.response_ms) == (0, False, None)
    assert result.error == "connection refused"
    await server.start()


@pytest.mark.parametrize(("mode", "error"), [("reset", "broke off"), ("garbage", "not a valid HTTP answer")])
async def test_a_rude_server(server: Loopback, prober: Prober, mode: str, error: str) -> None:
    server.mode = mode
    result = await prober.get(f"{server.url}/health")
    assert (result.status, result.connected) == (0, True)
    assert error in str(result.error)
    assert len(server.requests) == 1, "a probe is never retried"


@pytest.mark.parametrize("mode", ["hang", "drip"])
async def test_the_timeout_is_for_the_whole_probe(server: Loopback, prober: Prober, mode: str) -> None:
    server.mode = mode
    started = time.monotonic()
    result = await prober.get(f"{server.url}/health", timeout_seconds=0.2)
    assert time.monotonic() - started < 1.5
    assert (result.status, result.connected, result.body) == (0, True, None)
    assert result.error == "no answer within 0.2 s"


async def test_a_slow_answer_is_timed(server: Loopback, prober: Prober) -> None:
    server.delay = 0.15
    result = await prober.get(f"{server.url}/health")
    assert result.response_ms is not None
    assert 145 <= result.response_ms < 1500


async def test_a_redirect_is_not_followed(server: Loopback, prober: Prober) -> None:
    server.status, server.headers = 302, ("location: /elsewhere",)
    result = await prober.get(f"{server.url}/health")
    assert result.status == 302
    assert server.requests == ["/health"]


async def test_a_huge_body_is_cut_off(server: Loopback, prober: Prober) -> None:
    server.body = b"x" * (BODY_CAP * 40)
    result = await prober.get(f"{server.url}/health")
    assert result.status == 200
    assert result.truncated
    assert result.body is not None
    assert len(result.body) == BODY_CAP


async def test_a_body_of_exactly_the_cap_is_whole(server: Loopback, prober: Prober) -> None:
    server.body = b"x" * 1000
    result = await prober.get(f"{server.url}/health", cap=1000)
    assert (len(result.body or b""), result.truncated) == (1000, False)


async def test_a_connection_is_reused_at_once(server: Loopback, prober: Prober) -> None:
    await prober.get(f"{server.url}/health")
    await prober.get(f"{server.url}/metrics")
    assert server.connections == 1


async def test_a_proxy_of_the_environment_is_not_used(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    prober = Prober()
    assert (await prober.get(f"{server.url}/health")).status == 200
    await prober.aclose()


async def test_a_bad_url_is_a_result(prober: Prober) -> None:
    result = await prober.get("http://127.0.0.1:99999/health")
    assert result.status == 0
    assert result.error


async def test_our_own_lateness_is_on_record(server: Loopback, prober: Prober) -> None:
    server.delay = 0.05
    asyncio.get_running_loop().call_later(0.03, time.sleep, 0.2)
    result = await prober.get(f"{server.url}/health")
    assert result.lag_ms >= 120
    assert result.response_ms is not None
    assert result.response_ms >= 150


async def test_a_calm_loop_shows_little_lag() -> None:
    found = []
    for _ in range(5):
        with LagMeter() as lag:
            await asyncio.sleep(0.03)
        found.append(lag.worst_ms)
    assert min(found) < 20
