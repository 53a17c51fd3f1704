"""A throw-away PostgreSQL server of the tests' own: free loopback port, temporary data, gone at the end."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

_PARENT_DEATH_SIGNAL = 1


class Unavailable(Exception):
    """No server can be started here; the message says why."""


def find_binaries() -> Path:
    """The directory that holds ``initdb`` and ``postgres``. Raises ``Unavailable``."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[4]))
    on_path = shutil.which("postgres")
    candidates = [
        *(path.parent for path in reversed(installed)),
        *([Path(on_path).parent] if on_path else []),
    ]
    for directory in candidates:
        if (directory / "initdb").exists():
            return directory
    raise Unavailable("no PostgreSQL server is installed here (postgres and initdb)")


def _unprivileged() -> dict[str, Any]:
    """How to start a program as somebody PostgreSQL accepts: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise Unavailable("running as root, and there is neither a user 'postgres' nor 'nobody' to start PostgreSQL as")


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGQUIT)


class Server:
    """A running server; ``database()`` makes a fresh one and returns its URL."""

    def __init__(self) -> None:
        self.binaries = find_binaries()
        self._account = _unprivileged()
        self._home = Path(tempfile.mkdtemp(prefix="harness-postgres-"))
        if self._account:
            os.chown(self._home, self._account["user"], self._account["group"])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._environment = {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self._home)}
        data = self._home / "data"
        self._run("initdb", "-D", str(data), "-U", "harness", "-A", "trust", "--no-sync", "-E", "UTF8")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "60",
            "shared_buffers": "16MB",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self._log = (self._home / "log").open("wb")
        self._process = subprocess.Popen(
            [str(self.binaries / "postgres"), "-D", str(data), *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd="/",
            env=self._environment,
            preexec_fn=_die_with_parent,
            **self._account,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            capture_output=True,
            text=True,
            cwd="/",
            env=self._environment,
            check=False,
            **self._account,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self._run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "harness", "-c", "", "postgres")
                return
            except RuntimeError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def database(self) -> str:
        name = f"t_{uuid.uuid4().hex}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "harness", name)
        return f"postgresql://harness@127.0.0.1:{self.port}/{name}"

    def sql(self, url: str, statement: str) -> None:
        """Run SQL behind the ledger's back."""
        self._run("psql", "-v", "ON_ERROR_STOP=1", "-c", statement, url)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)
