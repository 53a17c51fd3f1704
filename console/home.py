"""The home: its folders, and the locks that say which process runs which loop."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from console.failure import Failure

PARTS = ("service", "monitor", "agent")
LOOKS = 4
LOOK_SECONDS = 0.01


def prepare(home: Path) -> None:
    """Create the home, private to its user.

    Raises:
        Failure: it cannot be created or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in ("locks", "logs", "subjects"):
            (home / folder).mkdir(exist_ok=True, mode=0o700)
        probe = home / "locks" / f".write-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Failure(f"the home {home} cannot be written ({reason}); set HARNESS_HOME to a folder of yours") from None


class Locks:
    """Advisory locks, one a part; the kernel releases them however the process ends."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "locks"
        self._held: dict[str, IO[str]] = {}

    def take(self, parts: Iterable[str]) -> str | None:
        """Take the locks of all ``parts`` or none; the first that another process holds, or None."""
        taken: list[str] = []
        for part in parts:
            handle = (self._folder / f"{part}.lock").open("a+")
            if not _locked(handle):
                handle.close()
                for name in taken:
                    self._held.pop(name).close()
                return part
            handle.seek(0)
            handle.truncate()
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            self._held[part] = handle
            taken.append(part)
        return None

    def release(self) -> None:
        for handle in self._held.values():
            with contextlib.suppress(OSError):
                handle.close()
        self._held.clear()


def _locked(handle: IO[str]) -> bool:
    """Take the lock; somebody who only looks at it (``holder``) has it for a moment, so that is waited out."""
    for attempt in range(LOOKS):
        if attempt:
            time.sleep(LOOK_SECONDS)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        return True
    return False


def holder(home: Path, part: str) -> int | None:
    """Process id of who holds a part's lock, or None when nobody does."""
    path = home / "locks" / f"{part}.lock"
    try:
        with path.open("r") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = handle.read().strip()
                return int(text) if text.isdigit() else None
            return None
    except FileNotFoundError:
        return None
