"""How a run ended, in one line for a person."""

from __future__ import annotations

import json
from collections.abc import Sequence

from service.guarded import Exit

MAX_CHARACTERS = 200


def last_words(ended: Exit, lines: Sequence[str]) -> str:
    """The way it ended and, when it ended itself with an error, the last thing it said about it."""
    if ended.code in (None, 0):
        return str(ended)
    for line in reversed(lines):
        said = _error_in(line)
        if said:
            return f"{ended}: {said[:MAX_CHARACTERS]}"
    return str(ended)


def _error_in(line: str) -> str:
    """The message of a JSON log line, else the line itself."""
    try:
        row = json.loads(line)
    except ValueError:
        return line.strip()
    if not isinstance(row, dict):
        return line.strip()
    return str(row.get("error") or row.get("message") or "")
