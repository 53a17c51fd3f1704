"""One HTTP look at a subject: what answered, how fast, and how far our own loop was late meanwhile.

A probe is never retried: a retry hides an outage. Confirmation is a separate probe (``monitor.judge``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from monitor.lag import LagMeter

BODY_CAP = 64 * 1024
_KEEPALIVE_SECONDS = 2.0
"""Shorter than the grid and than servers' own idle limits (uvicorn closes after 5 s): an idle connection that
the server is just closing would look like an outage. The scrape after a probe still reuses it."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe saw. ``at`` is when it started, seconds since the epoch."""

    at: float
    status: int = 0
    """The HTTP status, 0 when nothing answered."""
    response_ms: float | None = None
    """From the start of the connection (or of the request, on a kept one) to the end of the body."""
    connected: bool = False
    body: bytes | None = None
    """At most ``BODY_CAP`` bytes."""
    error: str | None = None
    truncated: bool = False
    lag_ms: float = 0.0
    """How late our own event loop was at worst while the probe ran."""


def not_running(at: float, detail: str) -> ProbeResult:
    """What a probe would say when our process does not run: whoever else answers on the port is not it."""
    text = "the process is not running"
    return ProbeResult(at=at, error=f"{text}: {detail}" if detail else text)


class Prober:
    """A reused HTTP client; close it with ``aclose()``. Safe to share between subjects."""

    def __init__(self, *, clock: Callable[[], float] = time.time, transport: Any = None) -> None:
        self._clock = clock
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": "harness-probe", "accept": "*/*", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=_KEEPALIVE_SECONDS),
            transport=transport,
        )

    async def get(self, url: str, *, timeout_seconds: float = 2.0, cap: int = BODY_CAP) -> ProbeResult:
        """GET ``url`` once, in ``timeout_seconds`` altogether. A failure is a result, never an exception."""
        at = self._clock()
        sent = _Stopwatch()
        status, body, truncated, error = 0, b"", False, None
        with LagMeter() as lag:
            try:
                async with (
                    asyncio.timeout(timeout_seconds),
                    self._client.stream(
                        "GET", url, timeout=timeout_seconds, extensions={"trace": sent.trace}
                    ) as response,
                ):
                    async for chunk in response.aiter_raw():
                        body += chunk
                        if len(body) >= cap:
                            truncated = len(body) > cap
                            body = body[:cap]
                            break
                    status = response.status_code
            except (TimeoutError, httpx.TimeoutException):
                error = f"no answer within {timeout_seconds:g} s"
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, OverflowError, ExceptionGroup) as problem:
                error = _plain(problem)
        answered = error is None
        return ProbeResult(
            at=at,
            status=status if answered else 0,
            response_ms=sent.elapsed_ms() if answered else None,
            connected=answered or sent.connected,
            body=body if answered else None,
            error=error,
            truncated=truncated,
            lag_ms=lag.worst_ms,
        )

    async def aclose(self) -> None:
        await self._client.aclose()


class _Stopwatch:
    """Starts when the wire is first touched: the client's set-up before that is not the service's time."""

    def __init__(self) -> None:
        self._created = time.perf_counter()
        self._started: float | None = None
        self.connected = False

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        if self._started is None and name.endswith(("connect_tcp.started", "send_request_headers.started")):
            self._started = time.perf_counter()
        if name.endswith(("connect_tcp.complete", "send_request_headers.started")):
            self.connected = True

    def elapsed_ms(self) -> float:
        started = self._created if self._started is None else self._started
        return (time.perf_counter() - started) * 1000.0


def _plain(problem: Exception) -> str:
    """One short line for a person, without the library's vocabulary."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    text = " ".join(str(problem).split())
    if isinstance(problem, httpx.ConnectError):
        refused = "attempts failed" in text or "refused" in text
        return "connection refused" if refused else f"no connection: {text}"
    if isinstance(problem, (httpx.ReadError, httpx.WriteError, httpx.CloseError)) or "disconnected" in text:
        return "the connection broke off"
    if isinstance(problem, httpx.RemoteProtocolError):
        return f"not a valid HTTP answer: {text[:120]}"
    return text[:160] or type(problem).__name__
