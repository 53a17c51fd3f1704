"""Regular expression search in a process of its own, so that a catastrophic pattern can be ended."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 5.0
MAX_MATCHES = 200
MAX_FILE_BYTES = 1024 * 1024
MAX_LINE_CHARACTERS = 400
MAX_PATTERN_CHARACTERS = 1000

_PROGRAM = """
import json, re, sys
pattern, files, most, most_bytes, width = json.load(sys.stdin)
wanted = re.compile(pattern)
found = []
for name, path in files:
    try:
        with open(path, "rb") as file:
            data = file.read(most_bytes)
    except OSError:
        continue
    if b"\\0" in data:
        continue
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if wanted.search(line):
            found.append((name, number, line[:width]))
            if len(found) >= most:
                break
    if len(found) >= most:
        break
json.dump(found, sys.stdout)
"""


class SearchError(RuntimeError):
    """The search cannot be done; one line."""


@dataclass(frozen=True, slots=True)
class Match:
    """``line`` counts from 1; ``text`` is cut to 400 characters."""

    path: str
    line: int
    text: str


def search_files(pattern: str, files: Sequence[tuple[str, Path]]) -> list[Match]:
    """Lines of the files that match, in order, at most 200. Raises SearchError."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise SearchError(f"the pattern is longer than {MAX_PATTERN_CHARACTERS} characters")
    try:
        re.compile(pattern)
    except (re.error, RecursionError) as error:
        raise SearchError(f"{pattern!r} is not a regular expression: {error}") from None
    order = [pattern, [(n, str(p)) for n, p in files], MAX_MATCHES, MAX_FILE_BYTES, MAX_LINE_CHARACTERS]
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SearchError(f"{pattern!r} took longer than {TIMEOUT_SECONDS:g} s; use a simpler pattern") from None
    if done.returncode:
        raise SearchError(f"the search failed with code {done.returncode}")
    return [Match(*row) for row in json.loads(done.stdout)]
