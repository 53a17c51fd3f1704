"""JSON lines on standard output: lifecycle, errors, and requests not allowed, up to a budget per second."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

REQUEST_LINES_PER_SECOND = 20


class JsonLog:
    """Writes one JSON object per line. ``clock`` gives seconds since the epoch."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.time) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._clock = clock
        self._second = 0
        self._spent = 0
        self._suppressed = 0

    def write(self, level: str, event: str, **fields: object) -> None:
        """One line, flushed. A reader that went away silences the log, never the service."""
        stamp = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        row = {"ts": stamp.replace("+00:00", "Z"), "level": level, "event": event, **fields}
        try:
            self._stream.write(json.dumps(row, separators=(",", ":"), default=str) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass

    def request(self, level: str, event: str, **fields: object) -> None:
        """A request not allowed; beyond the second's budget it is counted and told of in the next line."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._spent = second, 0
        if self._spent >= REQUEST_LINES_PER_SECOND:
            self._suppressed += 1
            return
        self._spent += 1
        suppressed, self._suppressed = self._suppressed, 0
        extra: dict[str, object] = {"suppressed": suppressed} if suppressed else {}
        self.write(level, event, **fields, **extra)


class JsonHandler(logging.Handler):
    """Brings what libraries log (warnings and worse) into the same lines."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields["error"] = f"{type(error).__name__}: {error}"
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._log.write(record.levelname.lower(), "library", **fields)
