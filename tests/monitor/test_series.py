"""The ring of samples and the percentiles read from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.series import Series, percentiles

VALUES = st.lists(st.none() | st.floats(0, 1e6), max_size=60)


@given(VALUES, st.integers(1, 20), st.integers(1, 30))
def test_it_holds_the_newest_in_order(values: list[float | None], size: int, count: int) -> None:
    series = Series(size)
    for at, value in enumerate(values):
        series.add(float(at), value)
    kept = values[-size:]
    assert [value for _, value in series.samples()] == kept
    assert series.history(count) == kept[-count:]
    assert len(series) == len(kept)
    assert series.last == (kept[-1] if kept else None)


def test_samples_since_a_moment() -> None:
    series = Series(4)
    for at in range(6):
        series.add(float(at), at * 10.0)
    assert series.samples(since=3.0) == [(4.0, 40.0), (5.0, 50.0)]


def test_percentiles_interpolate_and_skip_gaps() -> None:
    assert percentiles([None, 10.0, 20.0, None, 30.0], (0, 50, 75, 100)) == [10.0, 20.0, 25.0, 30.0]
    assert percentiles([None], (50, 95)) == [None, None]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_a_percentile_lies_among_its_values(values: list[float], rank: float) -> None:
    (found,) = percentiles(values, (rank,))
    assert found is not None
    assert min(values) <= found <= max(values)


def test_a_series_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Series(0)
