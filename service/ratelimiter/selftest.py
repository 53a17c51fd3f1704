"""The limiter's own tests, standard library only: run them in a deployed copy before and after a change.

``python -m unittest -q service.ratelimiter.selftest``
"""

# It is plain unittest, so that a deployed copy needs no test runner.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import asyncio
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from service.ratelimiter.app import RateLimiter, build_app
from service.ratelimiter.bucket import NANOSECONDS, Buckets, Policy, TooManyTokens
from service.ratelimiter.config import ConfigError, LiveConfig, parse_config, read_config
from service.ratelimiter.logs import JsonLog

DEPLOYED = Path(__file__).resolve().parents[2] / "service_config.json"
BESIDE = Path(__file__).with_name("service_config.json")


class Clock:
    """A clock that stands until it is moved; nanoseconds."""

    now = 0

    def __call__(self) -> int:
        return self.now


class BucketTest(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.buckets = Buckets(Policy(10, 2), clock_ns=self.clock)

    def test_a_full_bucket_grants_its_capacity_and_no_more(self) -> None:
        granted = sum(self.buckets.take("k").allowed for _ in range(20))
        self.assertEqual(granted, 10)

    def test_waiting_exactly_retry_after_is_enough_and_less_is_not(self) -> None:
        self.buckets.take("k", 10)
        denied = self.buckets.take("k", 3)
        self.assertFalse(denied.allowed)
        self.clock.now += denied.retry_after_ns - 1
        self.assertFalse(self.buckets.take("k", 3).allowed)
        self.clock.now += 1
        self.assertTrue(self.buckets.take("k", 3).allowed)

    def test_keys_do_not_share(self) -> None:
        self.buckets.take("a", 10)
        self.assertTrue(self.buckets.take("b", 10).allowed)

    def test_tokens_come_back_at_the_refill_rate(self) -> None:
        self.buckets.take("k", 10)
        self.clock.now += 3 * NANOSECONDS
        self.assertEqual(self.buckets.take("k", 0).remaining, 6)

    def test_more_than_the_capacity_is_an_error_rather_than_a_wait(self) -> None:
        with self.assertRaises(TooManyTokens):
            self.buckets.take("k", 11)


class ConfigTest(unittest.TestCase):
    def test_the_deployed_configuration_is_valid(self) -> None:
        read_config(DEPLOYED if DEPLOYED.exists() else BESIDE)

    def test_wrong_types_and_unknown_keys_are_refused(self) -> None:
        for text in ('{"delay_ms": "200"}', '{"enabled": 1}', '{"capacity": 0}', '{"capacty": 5}', "{", "[]"):
            with self.subTest(text), self.assertRaises(ConfigError):
                parse_config(text.encode(), "service_config.json")


class HttpTest(unittest.TestCase):
    """Straight into the application, without a socket."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "service_config.json"
        self.file.write_text('{"capacity": 2, "refill_per_second": 1}', encoding="utf-8")
        sink = (Path(folder.name) / "log").open("w", encoding="utf-8")
        self.addCleanup(sink.close)
        self.limiter = RateLimiter(LiveConfig(self.file), JsonLog(sink))
        self.app = build_app(self.limiter)

    def call(self, method: str, path: str, body: str = "") -> tuple[int, dict[str, str], Any]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body.encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
        scope |= {"headers": [], "query_string": b"", "http_version": "1.1", "scheme": "http"}
        scope |= {"server": ("127.0.0.1", 8001), "client": ("127.0.0.1", 50_000), "root_path": ""}
        asyncio.run(self.app(scope, receive, send))
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, json.loads(sent[1]["body"])

    def test_checks_are_allowed_then_denied_with_a_wait(self) -> None:
        answers = [self.call("POST", "/v1/check", '{"key": "k"}') for _ in range(3)]
        self.assertEqual([status for status, _, _ in answers], [200, 200, 429])
        self.assertIn("retry-after", answers[2][1])
        self.assertGreater(answers[2][2]["retry_after_ms"], 0)

    def test_a_changed_file_is_obeyed_and_a_broken_one_is_not(self) -> None:
        self.file.write_text('{"enabled": false}', encoding="utf-8")
        self.limiter.poll_config()
        self.assertEqual(self.call("GET", "/health")[0], 503)
        self.file.write_text("{ broken", encoding="utf-8")
        self.limiter.poll_config()
        status, _, body = self.call("GET", "/health")
        self.assertEqual((status, body["config"]["state"]), (503, "invalid"))

    def test_malformed_requests_are_refused(self) -> None:
        self.assertEqual(self.call("POST", "/v1/check", "{")[0], 400)
        self.assertEqual(self.call("POST", "/v1/check", '{"key": ""}')[0], 422)


if __name__ == "__main__":
    unittest.main()
