"""What /metrics exposes. Label sets are fixed at start: never a label per key."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from service.ratelimiter.config import ServiceConfig

CONTENT_TYPE: str = CONTENT_TYPE_PLAIN_0_0_4
SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The service's own registry. allowed + denied + error = answers given by /v1/check."""

    def __init__(self, keys: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        requests = Counter(
            "rate_limiter_requests",
            "Answers given by /v1/check, by decision.",
            ["decision"],
            registry=self._registry,
        )
        self.allowed = requests.labels("allowed")
        self.denied = requests.labels("denied")
        self.error = requests.labels("error")
        self.seconds = Histogram(
            "rate_limiter_request_duration_seconds",
            "Time from a check's arrival to its answer, in seconds.",
            buckets=SECONDS_BUCKETS,
            registry=self._registry,
        )
        known = Gauge("rate_limiter_keys", "Keys now remembered.", registry=self._registry)
        known.set_function(lambda: float(keys()))
        self._valid = self._gauge("config_valid", "1 when service_config.json as it stands is obeyed.")
        self._enabled = self._gauge("config_enabled", "1 when the service is enabled.")
        self._delay = self._gauge("config_delay_seconds", "Delay added to every answer, in seconds.")
        self._capacity = self._gauge("config_capacity_tokens", "Tokens that a full bucket holds.")
        self._refill = self._gauge("config_refill_tokens_per_second", "Tokens that come back per second.")

    def show_config(self, values: ServiceConfig, valid: bool) -> None:
        self._valid.set(valid)
        self._enabled.set(values.enabled)
        self._delay.set(values.delay_ms / 1000)
        self._capacity.set(values.capacity)
        self._refill.set(values.refill_per_second)

    def render(self) -> bytes:
        """The exposition text, version 0.0.4."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"rate_limiter_{name}", meaning, registry=self._registry)
