"""Git as a subprocess, deaf to the user's configuration and to hooks. Synchronous."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

TIMEOUT_SECONDS = 30
STALE_LOCK_SECONDS = 5.0
_SETTINGS = (
    "user.name=harness",
    "user.email=harness@localhost",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.fsync=committed",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)


class GitError(RuntimeError):
    """Git could not do it; one line."""


class Git:
    """One repository, named explicitly so that a repository around it is never taken for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = ["git", f"--git-dir={root / '.git'}", f"--work-tree={root}", "--literal-pathspecs"]
        for setting in _SETTINGS:
            self._prefix += ["-c", setting]

    def run(self, *arguments: str, accept: Sequence[int] = (0,), stdin: bytes = b"") -> bytes:
        """Standard output of ``git arguments``. Raises GitError on another exit code than accepted."""
        return self.run_code(*arguments, accept=accept, stdin=stdin)[1]

    def run_code(self, *arguments: str, accept: Sequence[int] = (0,), stdin: bytes = b"") -> tuple[int, bytes]:
        try:
            done = subprocess.run(
                [*self._prefix, *arguments],
                cwd=self.root,
                env=_environment(),
                input=stdin,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise GitError("git was not found; install git and start again") from None
        except subprocess.TimeoutExpired:
            raise GitError(f"git {arguments[0]} took longer than {TIMEOUT_SECONDS} s") from None
        except OSError as error:
            raise GitError(f"git cannot run in {self.root}: {error.strerror or error}") from None
        if done.returncode not in accept:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            raise GitError(f"git {arguments[0]} failed: {said[0] if said else done.returncode}")
        return done.returncode, done.stdout

    def text(self, *arguments: str) -> str:
        return self.run(*arguments).decode("utf-8", "replace")

    def change(self, *arguments: str) -> None:
        """A command that takes git's own locks; one left by a killed git is removed. Raises GitError."""
        deadline = time.monotonic() + STALE_LOCK_SECONDS
        for name in ("index.lock", "HEAD.lock", "refs/heads/main.lock"):
            lock = self.root / ".git" / name
            while lock.exists():
                if time.monotonic() >= deadline:
                    lock.unlink(missing_ok=True)
                time.sleep(0.02)
        self.run(*arguments)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """One writer at a time among all threads and processes; the kernel lets go when one dies."""
        try:
            lock = open(self.root / ".git" / "harness.lock", "a")  # noqa: SIM115
        except OSError as error:
            raise GitError(f"{self.root} cannot be written: {error.strerror or error}") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _environment() -> dict[str, str]:
    """Nothing inherited but what finding and running git needs: no GIT_*, no secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }
