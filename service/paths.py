"""Paths that stay inside one folder, and globs over them."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath


class PathRefused(ValueError):
    """The path is not one inside the folder; one line."""


def jailed(root: Path, path: str, *, for_writing: bool = False) -> Path:
    """``path``, relative to ``root``, as an absolute path that is certain to lie inside it.

    Refuses absolute paths, ``..``, anything in ``.git``, and symbolic links that leave the folder (for
    writing: any symbolic link as the last part). Raises PathRefused.
    """
    pure = PurePosixPath(path)
    if not path or "\0" in path or path.strip() in ("", "."):
        raise PathRefused("an empty path was given; name a file inside the deployed copy")
    if pure.is_absolute() or ".." in pure.parts or path.startswith("~"):
        raise PathRefused(f"{path}: leaves the deployed copy; give a path relative to it")
    if any(part.lower() == ".git" for part in pure.parts):
        raise PathRefused(f"{path}: .git is not to be touched; use the history instead")
    top = Path(os.path.realpath(root))
    full = top / pure
    if for_writing and full.is_symlink():
        raise PathRefused(f"{path}: is a symbolic link; write to the file it names")
    real = Path(os.path.realpath(full))
    if real != top and top not in real.parents:
        raise PathRefused(f"{path}: a symbolic link leads out of the deployed copy")
    if top / ".git" in (real, *real.parents):
        raise PathRefused(f"{path}: .git is not to be touched; use the history instead")
    return real


def matches(path: str, globs: Sequence[str]) -> bool:
    """Whether one of the globs matches the whole path; ``*`` stays within a folder, ``**`` does not."""
    return any(_compiled(glob).fullmatch(path) for glob in globs)


@functools.lru_cache(maxsize=512)
def _compiled(glob: str) -> re.Pattern[str]:
    parts: list[str] = []
    rest = glob
    while rest:
        if rest.startswith("**/"):
            parts.append("(?:.*/)?")
            rest = rest[3:]
        elif rest.startswith("**"):
            parts.append(".*")
            rest = rest[2:]
        elif rest[0] == "*":
            parts.append("[^/]*")
            rest = rest[1:]
        elif rest[0] == "?":
            parts.append("[^/]")
            rest = rest[1:]
        else:
            parts.append(re.escape(rest[0]))
            rest = rest[1:]
    return re.compile("".join(parts), re.DOTALL)
