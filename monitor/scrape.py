"""From a subject's /metrics page to rates: requests and denials per second between two scrapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.probes import Prober
    from service.subject import Metrics

PAGE_CAP = 512 * 1024
"""A larger page is not parsed: it would hold up the event loop."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals at one moment (``at`` on a monotonic clock, seconds), since the process started."""

    at: float
    requests: float
    denied: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """Per second, over the time between two scrapes."""

    requests_per_second: float
    denied_per_second: float

    def public(self) -> dict[str, float]:
        return {
            "requests_per_second": round(self.requests_per_second, 3),
            "denied_per_second": round(self.denied_per_second, 3),
        }


def read_counters(page: str, metrics: Metrics, at: float) -> Counters | None:
    """Sum the subject's counters over their labels; None when the page is not in the exposition format."""
    from prometheus_client.parser import text_string_to_metric_families

    requests = denied = 0.0
    found = False
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == metrics.requests:
                    requests += float(sample.value)
                    found = True
                series = metrics.denied
                if series and sample.name == series.name and sample.labels.get(series.label) == series.value:
                    denied += float(sample.value)
    except (ValueError, KeyError, IndexError):
        return None
    return Counters(at, requests, denied) if found else None


def rates(before: Counters | None, now: Counters | None) -> Traffic | None:
    """Increase per second; a counter that fell was reset and counts from zero. None without two scrapes."""
    if before is None or now is None or now.at <= before.at:
        return None
    seconds = now.at - before.at
    return Traffic(_increase(before.requests, now.requests) / seconds, _increase(before.denied, now.denied) / seconds)


def _increase(before: float, now: float) -> float:
    return now - before if now >= before else now


class Scraper:
    """Remembers the last counters of one subject."""

    def __init__(self, metrics: Metrics | None, prober: Prober, monotonic: Callable[[], float]) -> None:
        self._metrics = metrics
        self._prober = prober
        self._monotonic = monotonic
        self._last: Counters | None = None

    async def scrape(self, base_url: str) -> Traffic | None:
        """One scrape (at most 1 s); None when there is nothing to compare with or nothing was readable."""
        if self._metrics is None:
            return None
        url = base_url + self._metrics.path
        result = await self._prober.get(url, timeout_seconds=1.0, cap=PAGE_CAP)
        if result.status != 200 or result.truncated or result.body is None:
            self.forget()
            return None
        page = result.body.decode("utf-8", "replace")
        now = read_counters(page, self._metrics, self._monotonic())
        before, self._last = self._last, now
        return rates(before, now)

    def forget(self) -> None:
        """Start over: the next scrape has nothing to compare with."""
        self._last = None
