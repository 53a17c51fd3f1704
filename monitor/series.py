"""A fixed-size ring of samples: what sparklines and percentiles read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice


class Series:
    """The last ``size`` samples in two flat lists; None is a gap (nothing answered), never a zero."""

    __slots__ = ("_ats", "_count", "_next", "_size", "_values")

    def __init__(self, size: int = 720) -> None:
        if size < 1:
            raise ValueError("a series holds at least one sample")
        self._size = size
        self._ats = [0.0] * size
        self._values: list[float | None] = [None] * size
        self._next = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, at: float, value: float | None) -> None:
        """Append a sample taken at ``at`` (seconds since the epoch); the oldest leaves when full."""
        self._ats[self._next] = at
        self._values[self._next] = value
        self._next = (self._next + 1) % self._size
        self._count = min(self._count + 1, self._size)

    def samples(self, since: float | None = None) -> list[tuple[float, float | None]]:
        """Oldest first; only those taken after ``since`` when it is given."""
        start = (self._next - self._count) % self._size
        order = ((start + offset) % self._size for offset in range(self._count))
        return [(self._ats[i], self._values[i]) for i in order if since is None or self._ats[i] > since]

    def history(self, count: int = 120) -> list[float | None]:
        """The last ``count`` values, oldest first, gaps as None."""
        values = (value for _, value in self.samples())
        return list(islice(values, max(0, self._count - count), None))

    @property
    def last(self) -> float | None:
        """The newest value; None when it is a gap or there is none."""
        return self._values[self._next - 1] if self._count else None

    def percentiles(self, ranks: Sequence[float], count: int = 120) -> list[float | None]:
        """Percentiles (ranks 0..100) of the values among the last ``count`` samples; None without values."""
        return percentiles(self.history(count), ranks)


def percentiles(values: Iterable[float | None], ranks: Sequence[float]) -> list[float | None]:
    """Linear interpolation between the closest ranks, gaps left out."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return [None for _ in ranks]
    found: list[float | None] = []
    for rank in ranks:
        position = (len(ordered) - 1) * min(100.0, max(0.0, rank)) / 100.0
        low = int(position)
        high = min(low + 1, len(ordered) - 1)
        found.append(ordered[low] + (ordered[high] - ordered[low]) * (position - low))
    return found
