"""Background traffic: an open loop at the asked rate."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine

import httpx
import pytest

from service.traffic import MAX_IN_FLIGHT, drive

BODY = '{"key": "{key}"}'
Handler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def client(handler: Handler) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


async def test_counts_what_came_of_each_request() -> None:
    seen: Counter[str] = Counter()

    async def answer(request: httpx.Request) -> httpx.Response:
        seen[json.loads(request.content)["key"]] += 1
        number = sum(seen.values()) % 4
        if number == 3:
            raise httpx.ConnectError("refused")
        return httpx.Response((200, 429, 500)[number])

    told: Counter[str] = Counter()
    async with client(answer) as http:
        report = await drive(
            "http://x/",
            rate_per_second=200,
            duration=0.2,
            keys=3,
            path="/v1/check",
            body=BODY,
            rng=random.Random(1),
            client=http,
            on_result=lambda outcome, _: told.update([outcome]),
        )
    assert report.sent == 40
    assert (report.allowed, report.denied, report.errors) == (10, 10, 20)
    assert told == {"allowed": 10, "denied": 10, "error": 20}
    assert set(seen) == {"key-0", "key-1", "key-2"}
    assert report.p50_ms is not None
    assert report.p95_ms is not None
    assert report.p50_ms <= report.p95_ms


async def test_a_burst_multiplies_the_rate_of_the_first_second() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200)

    async with client(answer) as http:
        report = await drive(
            "http://x",
            rate_per_second=50,
            duration=0.4,
            burst=3.0,
            keys=1,
            path="/",
            body="",
            rng=random.Random(),
            client=http,
        )
    assert report.sent == 60


async def test_a_service_that_does_not_answer_slows_nothing_and_piles_up_nothing() -> None:
    waiting = asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        await waiting.wait()
        return httpx.Response(200)

    async with client(answer) as http:
        began = time.monotonic()
        task = asyncio.create_task(
            drive(
                "http://x",
                rate_per_second=500,
                duration=0.4,
                keys=1,
                path="/",
                body="",
                rng=random.Random(),
                client=http,
            )
        )
        await asyncio.sleep(0.5)
        waiting.set()
        report = await task
    assert time.monotonic() - began < 5
    assert report.sent == MAX_IN_FLIGHT
    assert report.sent + report.dropped == 200


async def test_runs_until_cancelled_and_leaves_no_request_behind() -> None:
    open_now = 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal open_now
        open_now += 1
        try:
            await asyncio.sleep(60)
        finally:
            open_now -= 1
        return httpx.Response(200)

    async with client(answer) as http:
        task = asyncio.create_task(
            drive("http://x", rate_per_second=200, keys=1, path="/", body="", rng=random.Random(), client=http)
        )
        async with asyncio.timeout(10):
            while open_now < 3:
                await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert open_now == 0


async def test_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="positive"):
        await drive("http://x", rate_per_second=0, keys=1, path="/", body="", rng=random.Random())
