"""Drive the real command line in a home of its own: real processes, real git, a real ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


class Harness:
    """One home, and at most one ``harness run`` in it."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if key in os.environ}
        self.environment = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "HARNESS_HOME": str(home),
            "HARNESS_SERVICE_PORT": "0",
            "HARNESS_TRAFFIC_RPS": "2",
            "TERM": "xterm-256color",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def copy(self) -> Path:
        return self.home / "subjects" / "ratelimiter"

    def command(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            env=self.environment,
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        done = self.command(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--json"))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``harness run`` and wait until its service is healthy."""
        log = (self.home.parent / "run.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "console", "run", "--json", *arguments],
            env=self.environment,
            cwd=self.home.parent,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self.until(lambda: self.subject()["state"] == "healthy", 30)
        return self.process

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def subject(self) -> dict[str, Any]:
        status: dict[str, Any] = self.json("status")["subjects"][0]
        return status

    def tickets(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json("tickets", "list")
        return rows

    def until(self, seen: Callable[[], Any], seconds: float) -> Any:
        """Poll the command line until ``seen`` is true; fails with the run's log."""
        deadline = time.monotonic() + seconds
        while True:
            value = seen()
            if value:
                return value
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"harness run ended with {self.process.returncode}\n{self.log()}")
            assert time.monotonic() < deadline, f"not within {seconds} s\n{self.log()}"
            time.sleep(0.1)

    def log(self) -> str:
        path = self.home.parent / "run.log"
        return path.read_text(errors="replace")[-6000:] if path.exists() else ""

    def commits(self) -> list[str]:
        done = subprocess.run(
            ["git", "-c", f"safe.directory={self.copy}", "log", "--format=%s%n%b"],
            cwd=self.copy, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()


def children_of(home: Path) -> list[int]:
    """Processes that carry this home's path in their environment or command line, other than this one."""
    needle = str(home).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        try:
            text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            text += os.readlink(folder / "cwd").encode()
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if needle in text and state != "Z":
            found.append(pid)
    return found
