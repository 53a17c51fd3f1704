"""Token buckets in exact integer arithmetic (GCRA), one integer per key.

Per key the *theoretical arrival time* is kept: the instant at which its bucket is full again. Time is
counted in nanoseconds multiplied by the numerator of the refill rate, so one token costs a whole number of
units and nothing is ever rounded: no interval admits more than ``capacity + refill * t``, and nothing is
refused that an exact bucket would allow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

NANOSECONDS = 1_000_000_000
MAX_KEYS = 100_000


class TooManyTokens(ValueError):
    """More tokens were asked for than the bucket can ever hold."""


class KeyTableFull(RuntimeError):
    """A new key came while the table holds its maximum of keys that are all still in use."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What every bucket obeys: ``capacity`` in tokens, ``refill_per_second`` in tokens per second."""

    capacity: int
    refill_per_second: float

    @property
    def rate(self) -> Fraction:
        """The refill rate as the decimal number that was written, not as its binary neighbour."""
        return Fraction(repr(self.refill_per_second))

    @property
    def window_seconds(self) -> int:
        """Whole seconds in which an empty bucket fills, at least 1 (``w`` of the RateLimit-Policy header)."""
        return max(1, -(-self.capacity // self.rate))


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request for tokens."""

    allowed: bool
    limit: int
    remaining: int
    """Whole tokens left, 0..limit."""
    retry_after_ns: int
    """0 when allowed; else after exactly this long the same request, made alone, succeeds."""
    next_token_ns: int
    """Until one more whole token is there; 0 when the bucket is full."""


class Buckets:
    """All buckets of one policy. Not thread-safe: a decision is one synchronous call on one event loop.

    A key untouched for as long as an empty bucket needs to fill is full, so forgetting it loses nothing. Keys
    live in two generations for that; the elder is dropped whole when it is that old.
    """

    def __init__(
        self, policy: Policy, *, clock_ns: Callable[[], int] = time.monotonic_ns, max_keys: int = MAX_KEYS
    ) -> None:
        self._clock_ns = clock_ns
        self._max_keys = max_keys
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._latest = clock_ns()
        self._adopt(policy)
        self._rotated_at = self._latest

    @property
    def policy(self) -> Policy:
        return self._policy

    def __len__(self) -> int:
        """Keys now remembered."""
        return len(self._young) + len(self._old)

    def take(self, key: str, tokens: int = 1) -> Decision:
        """Take ``tokens`` from the bucket of ``key`` if it has them all, else take none; 0 only looks.

        Raises TooManyTokens above the capacity, KeyTableFull when a new key finds no room, ValueError when
        negative.
        """
        if tokens < 0:
            raise ValueError("tokens must not be negative")
        if tokens > self._policy.capacity:
            raise TooManyTokens(
                f"{tokens} tokens can never be granted: the bucket holds at most {self._policy.capacity}"
            )
        now_ns = self._now()
        if now_ns - self._rotated_at >= self._fill_ns:
            self._rotate()
        now = now_ns * self._scale
        full_at = self._young.get(key)
        if full_at is None:
            full_at = self._old.get(key, now)
        start = full_at if full_at > now else now
        after = start + tokens * self._cost
        wait = after - self._depth - now
        if wait > 0:
            return self._decision(False, start - now, -(-wait // self._scale))
        if tokens:
            self._remember(key, after)
        return self._decision(True, after - now, 0)

    def change(self, policy: Policy) -> None:
        """Adopt a new policy; each bucket keeps the tokens it has, cut to the new capacity.

        Walks over every key once (about a tenth of a second for 100,000).
        """
        if policy == self._policy:
            return
        now_ns = self._now()
        scale, cost, depth = self._scale, self._cost, self._depth
        keys = {**self._old, **self._young}
        self._adopt(policy)
        now_before, now_after = now_ns * scale, now_ns * self._scale
        self._old = {}
        self._young = {}
        for key, full_at in keys.items():
            missing_before = min(depth, max(0, full_at - now_before))
            # Rounded up: a bucket may lose less than one unit (a billionth of a token), never gain one.
            level = depth - missing_before
            missing = self._depth - min(self._depth, level * self._cost // cost)
            if missing:
                self._young[key] = now_after + missing
        self._rotated_at = now_ns

    def _adopt(self, policy: Policy) -> None:
        if policy.capacity < 1 or policy.refill_per_second <= 0:
            raise ValueError("capacity and refill_per_second must be positive")
        rate = policy.rate
        self._policy = policy
        self._scale = rate.numerator
        self._cost = rate.denominator * NANOSECONDS
        self._depth = policy.capacity * self._cost
        self._fill_ns = -(-self._depth // self._scale)

    def _now(self) -> int:
        """The clock, never running backwards."""
        now = self._clock_ns()
        if now > self._latest:
            self._latest = now
        return self._latest

    def _rotate(self) -> None:
        """Forget the keys that are full for certain: those untouched since the last rotation, or all."""
        idle = self._latest - self._rotated_at >= 2 * self._fill_ns
        self._old = {} if idle else self._young
        self._young = {}
        self._rotated_at = self._latest

    def _remember(self, key: str, full_at: int) -> None:
        known = key in self._young or self._old.pop(key, None) is not None
        if not known and len(self) >= self._max_keys:
            raise KeyTableFull(f"{self._max_keys} keys are in use; try again when some have gone idle")
        self._young[key] = full_at

    def _decision(self, allowed: bool, missing: int, retry_after_ns: int) -> Decision:
        """``missing``: units by which the bucket is short of full."""
        remaining, rest = divmod(self._depth - missing, self._cost)
        next_token = -(-(self._cost - rest) // self._scale) if missing > 0 else 0
        return Decision(allowed, self._policy.capacity, remaining, retry_after_ns, next_token)
