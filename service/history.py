"""Commits as records: the log, and trailers that tie a commit to the ticket and the action it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.git import Git, GitError

_TRAILER = re.compile(r"[A-Z][A-Za-z-]{0,40}")


@dataclass(frozen=True, slots=True)
class Commit:
    """``at`` is seconds since the epoch; ``ticket`` and ``action`` come from the trailers of those names."""

    sha: str
    at: float
    subject: str
    ticket: str | None
    action: str | None


def read_log(git: Git, limit: int) -> list[Commit]:
    """The newest commits first. Raises GitError."""
    form = "%H%x1f%ct%x1f%s" + "".join(
        f"%x1f%(trailers:key={key},valueonly,separator=%x2C)" for key in ("Ticket", "Action")
    )
    text = git.text("log", f"--max-count={int(limit)}", f"--format={form}%x1e")
    commits = []
    for row in text.split("\x1e")[:-1]:
        sha, at, subject, ticket, action = row.strip("\n").split("\x1f")
        commits.append(Commit(sha, float(at), subject, ticket.strip() or None, action.strip() or None))
    return commits


def find_commit(git: Git, trailer: str, value: str) -> str | None:
    """The newest commit that carries ``trailer: value``. Raises GitError."""
    form = f"%H%x1f%(trailers:key={_checked(trailer)},valueonly,separator=%x1d)%x1e"
    text = git.text("log", "--fixed-strings", f"--grep={trailer}: {value}", f"--format={form}")
    for row in text.split("\x1e")[:-1]:
        sha, values = row.strip("\n").split("\x1f")
        if value in [one.strip() for one in values.split("\x1d")]:
            return sha
    return None


def message_with(title: str, trailers: Mapping[str, str]) -> str:
    """A commit message that ends with the trailers. Raises GitError for one that is not a line of text."""
    lines = []
    for name, value in trailers.items():
        if "\n" in value or not value.strip():
            raise GitError(f"the trailer {name} must be one line of text")
        lines.append(f"{_checked(name)}: {value.strip()}")
    return (title.strip() or "Change") + ("\n\n" + "\n".join(lines) if lines else "")


def _checked(name: str) -> str:
    if not _TRAILER.fullmatch(name):
        raise GitError(f"{name!r}: is not a trailer name such as Ticket")
    return name
