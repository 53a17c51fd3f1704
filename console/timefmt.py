"""Times as an operator reads them: short ages, and the wall clock."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any


def age(seconds: float | None) -> str:
    """A duration in seconds by its largest unit alone; nothing known is a dash."""
    return span(seconds).split(" ", 1)[0]


def span(seconds: float | None) -> str:
    """A duration in seconds with its two largest units."""
    if seconds is None:
        return "–"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600:02d}h"


def wall(at: float | None) -> str:
    """Seconds since the epoch as local ``HH:MM:SS``."""
    return "--:--:--" if at is None else time.strftime("%H:%M:%S", time.localtime(at))


def moment(value: Any) -> float | None:
    """Seconds since the epoch from a number or an ISO 8601 string; None from anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def milliseconds(value: float | None) -> str:
    """A latency with a precision that fits its size."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} ms"
    if value < 10_000:
        return f"{value:.0f} ms"
    return f"{value / 1000:.1f} s"
