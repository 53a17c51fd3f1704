"""Rates from a metrics page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.probes import Prober
from monitor.scrape import PAGE_CAP, Counters, Scraper, rates, read_counters
from service.subject import Metrics, Series
from tests.monitor.loopback import Loopback

METRICS = Metrics(requests="hits_total", denied=Series(name="hits_total", label="decision", value="denied"))


def page(allowed: float, denied: float) -> bytes:
    return (
        "# HELP hits_total Requests.\n# TYPE hits_total counter\n"
        f'hits_total{{decision="allowed"}} {allowed}\nhits_total{{decision="denied"}} {denied}\n'
        "# TYPE other gauge\nother 5\n"
    ).encode()


def test_counters_are_summed_over_labels() -> None:
    assert read_counters(page(10, 4).decode(), METRICS, 1.0) == Counters(1.0, 14.0, 4.0)


@pytest.mark.parametrize("text", ["", "other 5\n", "hits_total{ nonsense", "hits_total{} not-a-number\n"])
def test_a_page_without_the_counter_is_no_data(text: str) -> None:
    assert read_counters(text, METRICS, 1.0) is None


def test_a_reset_counts_from_zero() -> None:
    found = rates(Counters(0.0, 1000.0, 50.0), Counters(5.0, 10.0, 5.0))
    assert found is not None
    assert (found.requests_per_second, found.denied_per_second) == (2.0, 1.0)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0.1, 100))
def test_rates_are_never_negative(before: float, after: float, seconds: float) -> None:
    found = rates(Counters(0.0, before, 0.0), Counters(seconds, after, 0.0))
    assert found is not None
    assert found.requests_per_second >= 0


def test_two_scrapes_are_needed() -> None:
    assert rates(None, Counters(1.0, 1.0, 1.0)) is None
    assert rates(Counters(1.0, 1.0, 1.0), None) is None
    assert rates(Counters(1.0, 1.0, 1.0), Counters(1.0, 2.0, 1.0)) is None


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    loopback = Loopback()
    await loopback.start()
    yield loopback
    await loopback.stop()


async def test_scraping_a_server(server: Loopback) -> None:
    prober, now = Prober(), 0.0
    scraper = Scraper(METRICS, prober, lambda: now)
    server.pages["/metrics"] = page(10, 0)
    assert await scraper.scrape(server.url) is None
    now, server.pages["/metrics"] = 5.0, page(100, 10)
    traffic = await scraper.scrape(server.url)
    assert traffic is not None
    assert traffic.public() == {"requests_per_second": 20.0, "denied_per_second": 2.0}
    server.pages["/metrics"] = b"#" * (PAGE_CAP + 1)
    assert await scraper.scrape(server.url) is None
    now, server.pages["/metrics"] = 10.0, page(200, 10)
    assert await scraper.scrape(server.url) is None, "nothing to compare with after a page that was not read"
    assert await Scraper(None, prober, lambda: now).scrape(server.url) is None
    await prober.aclose()
