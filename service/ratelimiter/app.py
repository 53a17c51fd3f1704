"""The HTTP face: POST /v1/check, GET /health, GET /metrics.

Headers follow draft-ietf-httpapi-ratelimit-headers: ``RateLimit-Policy: "default";q=100;w=10`` and
``RateLimit: "default";r=42;t=1``, with ``Retry-After`` on every 429.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.ratelimiter.bucket import NANOSECONDS, Buckets, Decision, KeyTableFull, Policy, TooManyTokens
from service.ratelimiter.config import LiveConfig, ServiceConfig
from service.ratelimiter.logs import JsonLog
from service.ratelimiter.metrics import CONTENT_TYPE, Metrics

MAX_BODY_BYTES = 4096
MAX_KEY_CHARACTERS = 256


class CheckRequest(BaseModel):
    """May ``key`` spend ``tokens`` now? 0 tokens only looks."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: str = Field(min_length=1, max_length=MAX_KEY_CHARACTERS)
    tokens: int = Field(1, ge=0, le=1_000_000_000)


class Problem(Exception):
    """An answer other than 200 and 429, told as application/problem+json (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.headers = dict(headers or {})

    def response(self) -> Response:
        body = {"type": "about:blank", "title": self.title, "status": self.status, "detail": str(self)}
        return Response(json.dumps(body), self.status, self.headers, "application/problem+json")


class RateLimiter:
    """The service's state and its three answers. ``poll_config`` must be called a few times a second."""

    def __init__(self, config: LiveConfig, log: JsonLog) -> None:
        self.config = config
        self.log = log
        self.buckets = Buckets(_policy(config.values))
        self.metrics = Metrics(lambda: len(self.buckets))
        self.metrics.show_config(config.values, True)

    def poll_config(self) -> None:
        """Obey service_config.json as it now stands, or say once why not."""
        change = self.config.poll()
        if change == "same":
            return
        values = self.config.values
        if change == "applied":
            self.buckets.change(_policy(values))
            self.log.write("info", "config_applied", version=self.config.public()["version"], **values.model_dump())
        else:
            self.log.write(
                "error",
                "config_invalid",
                error=self.config.error,
                effect="the last good values stay in force",
            )
        self.metrics.show_config(values, self.config.error is None)

    async def health(self) -> Response:
        """200 when checks are answered, 503 when the service is disabled."""
        await self._delay()
        values = self.config.values
        body = {
            "status": "ok" if values.enabled else "disabled",
            "config": self.config.public(),
            "limits": {"capacity": values.capacity, "refill_per_second": values.refill_per_second},
        }
        return Response(json.dumps(body), 200 if values.enabled else 503, media_type="application/json")

    async def check(self, request: Request) -> Response:
        """200 allowed or 429 denied; both say what is left."""
        started = time.perf_counter()
        try:
            wanted = await _parse(request)
            await self._delay()
            if not self.config.values.enabled:
                raise Problem(503, "Disabled", "the service is disabled: enabled is false in its configuration")
            decision = self._decide(wanted)
        except Problem as problem:
            self.metrics.error.inc()
            level = "error" if problem.status >= 500 else "warning"
            self.log.request(level, "refused", status=problem.status, detail=str(problem))
            return problem.response()
        finally:
            self.metrics.seconds.observe(time.perf_counter() - started)
        if decision.allowed:
            self.metrics.allowed.inc()
        else:
            self.metrics.denied.inc()
            retry_after_ms = _ceil_ms(decision.retry_after_ns)
            self.log.request("info", "denied", key=wanted.key, tokens=wanted.tokens, retry_after_ms=retry_after_ms)
        return _answer(decision, self.buckets.policy)

    def _decide(self, wanted: CheckRequest) -> Decision:
        try:
            return self.buckets.take(wanted.key, wanted.tokens)
        except TooManyTokens as error:
            raise Problem(422, "Unprocessable", str(error)) from None
        except KeyTableFull as error:
            raise Problem(503, "Too many keys", str(error), {"Retry-After": "1"}) from None

    async def _delay(self) -> None:
        if self.config.values.delay_ms:
            await asyncio.sleep(self.config.values.delay_ms / 1000)


def build_app(limiter: RateLimiter) -> FastAPI:
    """The ASGI application around one limiter."""
    app = FastAPI(title="Rate limiter", docs_url=None, redoc_url=None)
    schema = {"content": {"application/json": {"schema": CheckRequest.model_json_schema()}}, "required": True}

    @app.post("/v1/check", openapi_extra={"requestBody": schema}, responses={429: {"description": "Denied"}})
    async def check(request: Request) -> Response:
        return await limiter.check(request)

    @app.get("/health", responses={503: {"description": "Disabled"}})
    async def health() -> Response:
        return await limiter.health()

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(limiter.metrics.render(), media_type=CONTENT_TYPE)

    @app.exception_handler(HTTPException)
    async def framework_error(_: Request, error: HTTPException) -> Response:
        title = str(error.detail)
        return Problem(error.status_code, title, title.lower(), error.headers).response()

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return Problem(500, "Internal error", f"{type(error).__name__}; see the log").response()

    return app


async def _parse(request: Request) -> CheckRequest:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise Problem(413, "Content too large", f"the body is over {MAX_BODY_BYTES} bytes")
    except ClientDisconnect:
        raise Problem(400, "Bad request", "the client went away before its request was complete") from None
    try:
        return CheckRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        malformed = first["type"] == "json_invalid"
        detail = f"{field}: {first['msg']}" if field else str(first["msg"])
        expected = 'expected {"key": text, "tokens": whole number}'
        raise Problem(400 if malformed else 422, "Bad request", f"{detail}; {expected}") from None


def _answer(decision: Decision, policy: Policy) -> Response:
    wait = decision.retry_after_ns if not decision.allowed else decision.next_token_ns
    headers = {"RateLimit-Policy": f'"default";q={policy.capacity};w={policy.window_seconds}'}
    headers["RateLimit"] = f'"default";r={decision.remaining}' + (f";t={_ceil_seconds(wait)}" if wait else "")
    if not decision.allowed:
        headers["Retry-After"] = str(_ceil_seconds(wait))
    body = {
        "allowed": decision.allowed,
        "limit": decision.limit,
        "remaining": decision.remaining,
        "retry_after_ms": _ceil_ms(decision.retry_after_ns),
    }
    return Response(json.dumps(body), 200 if decision.allowed else 429, headers, "application/json")


def _policy(values: ServiceConfig) -> Policy:
    return Policy(values.capacity, values.refill_per_second)


def _ceil_seconds(nanoseconds: int) -> int:
    return -(-nanoseconds // NANOSECONDS)


def _ceil_ms(nanoseconds: int) -> int:
    return -(-nanoseconds // 1_000_000)
