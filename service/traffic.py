"""Background traffic: requests at a steady rate, whether or not the service keeps up (an open loop)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import httpx

MAX_IN_FLIGHT = 64
REQUEST_SECONDS = 5.0
BURST_EVERY_SECONDS = 10.0
BURST_SECONDS = 1.0
BEHIND_SECONDS = 1.0
KEPT_TIMINGS = 100_000
TOLERANCE_SECONDS = 1e-6

Outcome = Literal["allowed", "denied", "error"]


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """What came of it; sent = allowed + denied + errors. Times from sending to the whole answer."""

    sent: int
    allowed: int
    """Answered with 2xx."""
    denied: int
    """Answered with 429."""
    errors: int
    """Any other answer, or none."""
    p50_ms: float | None
    p95_ms: float | None
    dropped: int = 0
    """Due while 64 requests were still unanswered, and so never sent."""


async def drive(
    url: str,
    *,
    rate_per_second: float,
    duration: float | None = None,
    burst: float = 1.0,
    keys: int,
    path: str,
    body: str,
    rng: random.Random,
    client: httpx.AsyncClient | None = None,
    on_result: Callable[[Outcome, float], None] | None = None,
    method: str = "POST",
) -> TrafficReport:
    """Send requests to ``url`` + ``path`` for ``duration`` seconds, or until cancelled when it is None.

    ``{key}`` in the body becomes one of ``keys`` names, drawn from ``rng``. In the first second of every ten
    the rate is multiplied by ``burst``. ``on_result`` is told each outcome and its milliseconds.
    """
    if rate_per_second <= 0 or burst <= 0 or keys < 1:
        raise ValueError("rate_per_second and burst must be positive, keys at least 1")
    import httpx

    own = client is None
    if client is None:
        # In a thread: building the TLS context takes some 20 ms even when it is not needed.
        client = await asyncio.to_thread(httpx.AsyncClient, trust_env=False, timeout=REQUEST_SECONDS)
    counts: dict[Outcome, int] = {"allowed": 0, "denied": 0, "error": 0}
    timings: deque[float] = deque(maxlen=KEPT_TIMINGS)
    address = url.rstrip("/") + path

    async def send(content: str) -> None:
        started = time.perf_counter()
        outcome: Outcome = "error"
        try:
            headers = {"content-type": "application/json"}
            answer = await client.request(method, address, content=content, headers=headers)
            if answer.is_success:
                outcome = "allowed"
            elif answer.status_code == 429:
                outcome = "denied"
        except httpx.HTTPError:
            pass
        milliseconds = (time.perf_counter() - started) * 1000
        counts[outcome] += 1
        timings.append(milliseconds)
        if on_result is not None:
            on_result(outcome, milliseconds)

    dropped = 0
    in_flight: set[asyncio.Task[None]] = set()
    began = due = time.monotonic()
    try:
        while duration is None or due - began < duration - TOLERANCE_SECONDS:
            now = time.monotonic()
            if due > now:
                await asyncio.sleep(due - now)
            elif now - due > BEHIND_SECONDS:
                # After a suspension of the machine: go on from now instead of making up for it at once.
                due = now
            if len(in_flight) >= MAX_IN_FLIGHT:
                dropped += 1
                await asyncio.sleep(0)
            else:
                content = body.replace("{key}", f"key-{rng.randrange(keys)}")
                task = asyncio.create_task(send(content))
                in_flight.add(task)
                task.add_done_callback(in_flight.discard)
            in_burst = (due - began) % BURST_EVERY_SECONDS < BURST_SECONDS
            due += 1 / (rate_per_second * (burst if in_burst else 1.0))
        if in_flight:
            await asyncio.wait(in_flight)
    finally:
        for task in in_flight:
            task.cancel()
        await asyncio.gather(*in_flight, return_exceptions=True)
        if own:
            await client.aclose()
    ordered = sorted(timings)
    return TrafficReport(
        sent=sum(counts.values()),
        allowed=counts["allowed"],
        denied=counts["denied"],
        errors=counts["error"],
        p50_ms=_percentile(ordered, 0.50),
        p95_ms=_percentile(ordered, 0.95),
        dropped=dropped,
    )


def _percentile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
