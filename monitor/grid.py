"""Due times on a monotonic grid: anchor + k x interval, so that checks never drift and never bunch up."""

from __future__ import annotations


class Grid:
    """``next_at`` is the next due time. Slots that passed while we were busy are skipped and counted."""

    def __init__(self, interval: float, now: float) -> None:
        if interval <= 0:
            raise ValueError("the interval of a grid is longer than zero seconds")
        self.interval = interval
        self.next_at = now
        self.missed = 0

    def advance(self, now: float) -> None:
        """Call when the slot at ``next_at`` was taken: moves to the first slot later than ``now``."""
        self.next_at += self.interval
        if self.next_at <= now:
            skipped = int((now - self.next_at) // self.interval) + 1
            self.missed += skipped
            self.next_at += skipped * self.interval

    def reanchor(self, now: float) -> None:
        """Make ``now`` a slot; the following ones are one interval apart from it."""
        self.next_at = now
