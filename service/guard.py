"""The lifeline: a small process between the harness and a service, so that the service never outlives it.

Run as a script with the standard library alone::

    python -I -S guard.py --report-fd N --deadline SECONDS -- argv...

Standard input is the lifeline. End of file (the harness is gone, however it went, or lets go) stops the
service within a second; a byte asks for the same with the whole ``--deadline``. TERM, HUP and INT count as
end of file. Stopping is CONT, TERM, wait, KILL for the service's process group and for every descendant; on
Linux the guard is their subreaper, so those in a session of their own or forked twice are found too, and
should the guard itself be killed, the kernel kills the service. What happens is reported as JSON lines on
the report descriptor: ``{"event": "started", "pid": …}``, ``{"event": "exited", "code": …, "signal": …}``,
``{"event": "failed", "error": …}``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

GONE_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform.startswith("linux")


def _prctl() -> Callable[[int, int], Any] | None:
    if not LINUX:
        return None
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda option, value: prctl(option, value, 0, 0, 0)


class Guard:
    """One service, from its start to the end of its last descendant."""

    def __init__(self, argv: list[str], report_fd: int, deadline_seconds: float) -> None:
        self._argv = argv
        self._report_fd = report_fd
        self._deadline_seconds = deadline_seconds
        self._prctl = _prctl()
        self._child = 0
        self._status: int | None = None
        self._kill_at: float | None = None
        self._signalled = False

    def run(self) -> int:
        if self._prctl is not None:
            self._prctl(PR_SET_CHILD_SUBREAPER, 1)
        wake, waker = os.pipe()
        for descriptor in (wake, waker):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._note_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        os.set_inheritable(self._report_fd, False)
        if not self._start():
            return 1
        self._watch(wake)
        # Before the report: who hears that the service has ended finds nothing of it left.
        self._sweep()
        status = self._status if self._status is not None else 0
        code = os.waitstatus_to_exitcode(status)
        self._report(event="exited", code=code if code >= 0 else None, signal=-code if code < 0 else None)
        return 0

    def _start(self) -> bool:
        """Fork and execute the service in a session of its own."""
        failed, failing = os.pipe()
        guard = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            self._become_service(guard, failing)
        os.close(failing)
        with os.fdopen(failed, "rb") as pipe:
            error = pipe.read()
        if error:
            os.waitpid(self._child, 0)
            self._report(event="failed", error=error.decode("utf-8", "replace"))
            return False
        self._report(event="started", pid=self._child)
        return True

    def _become_service(self, guard: int, failing: int) -> None:
        """In the child: never returns."""
        try:
            os.setsid()
            if self._prctl is not None:
                self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != guard:
                    os._exit(1)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(1, 2)
            os.execvp(self._argv[0], self._argv)  # noqa: S606
        except OSError as error:
            os.write(failing, f"{self._argv[0]}: {error.strerror or error}".encode())
        finally:
            os._exit(127)

    def _note_signal(self, *_: object) -> None:
        """In a signal handler: the loop, woken through its pipe, does the work."""
        self._signalled = True

    def _watch(self, wake: int) -> None:
        """Until the service has ended, by itself or because it was stopped."""
        watched = [0, wake]
        while self._status is None:
            timeout = None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())
            ready, _, _ = select.select(watched, [], [], timeout)
            if wake in ready:
                os.read(wake, 4096)
            if self._signalled:
                self._signalled = False
                self._stop(GONE_SECONDS)
            if 0 in ready:
                if os.read(0, 4096):
                    self._stop(self._deadline_seconds)
                else:
                    watched.remove(0)
                    self._stop(GONE_SECONDS)
            self._reap()
            if self._status is None and self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._signal_all(signal.SIGKILL)
                self._kill_at = time.monotonic() + 0.1

    def _stop(self, seconds: float) -> None:
        """Ask everything to end; what has not after ``seconds`` is killed. Again: only hastens it."""
        kill_at = time.monotonic() + seconds
        if self._kill_at is not None:
            self._kill_at = min(self._kill_at, kill_at)
            return
        self._kill_at = kill_at
        if self._child and self._status is None:
            # A stopped process takes no TERM until it continues.
            self._signal_all(signal.SIGCONT)
            self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: int) -> None:
        """To the service's process group and to every descendant outside it."""
        targets = _descendants(os.getpid())
        if self._status is None:
            try:
                os.killpg(self._child, number)
            except (ProcessLookupError, PermissionError):
                targets.append(self._child)
        for pid in targets:
            try:
                if os.getpgid(pid) != self._child:
                    os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                pass

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child:
                self._status = status

    def _sweep(self) -> None:
        """Kill what the service left behind, until nothing is left."""
        if not LINUX:
            # Without a subreaper those whose parent ended are found by their group alone.
            try:
                os.killpg(self._child, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            left = _descendants(os.getpid())
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            time.sleep(0.005)
            self._reap()

    def _report(self, **fields: object) -> None:
        try:
            os.write(self._report_fd, json.dumps(fields).encode() + b"\n")
        except OSError:
            pass


def _descendants(top: int) -> list[int]:
    """Every process below ``top``, parents first."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    queue = [top]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _parents() -> list[tuple[int, int]]:
    """(pid, parent) of every process."""
    if not LINUX:
        listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False)
        rows = (line.split() for line in listing.stdout.splitlines())
        return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2]
    pairs = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    pairs.append((int(name), int(file.read().rpartition(")")[2].split()[1])))
            except (OSError, IndexError):
                continue
    return pairs


def main(argv: list[str]) -> int:
    if len(argv) < 6 or argv[0] != "--report-fd" or argv[2] != "--deadline" or argv[4] != "--":
        sys.stderr.write("usage: guard.py --report-fd N --deadline SECONDS -- argv...\n")
        return 2
    return Guard(argv[5:], int(argv[1]), float(argv[3])).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
