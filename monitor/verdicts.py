"""Reading the tick ring of a snapshot: has the harness itself seen a recovery?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def recovered(snapshot: Mapping[str, Any] | None, names: Collection[str], since: float, ticks: int = 3) -> bool:
    """True when each of ``names`` was holding in the last ``ticks`` ticks that looked at it, all of them
    started after ``since`` (seconds since the epoch). ``unknown`` is not holding; no names, or no ticks asked for,
    is never proof.
    """
    if not snapshot or not names or ticks < 1:
        return False
    ring = snapshot.get("ticks") or ()
    return all(_held(ring, name, since, ticks) for name in names)


def _held(ring: Any, name: str, since: float, ticks: int) -> bool:
    looked = [(tick["at"], tick["verdicts"][name]) for tick in ring if name in tick["verdicts"]][-ticks:]
    return len(looked) == ticks and all(at > since and state == "holding" for at, state in looked)
