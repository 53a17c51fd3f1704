"""What the tests of the ground floor share: a tiny misbehaving service, deployed copies, waiting with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from service.processes import run_state
from service.subject import Subject, builtin_subjects, load_subject
from service.supervisor import ProcessState, Supervisor
from service.workspace import Workspace

# Answers 200 to everything; each further argument is one way to misbehave.
STUB = r"""
import os, signal, socket, sys, time
port, modes = int(sys.argv[1]), sys.argv[2:]
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())
if "deaf" in modes:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "grandchildren" in modes:
    for _ in range(2):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                say("grandchild", os.getpid())
                open(f"grandchild-{os.getpid()}", "w").close()
                time.sleep(300)
            os._exit(0)
if "flood" in modes:
    for number in range(20_000):
        say(f"line {number} " + "x" * 100)
    say("flooded")
if "fail" in modes:
    sys.exit("it cannot start: no reason")
if "environment" in modes:
    say("environment", *sorted(os.environ))
listener = socket.create_server(("127.0.0.1", port))
say("listening")
while True:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
"""

SUBJECT = """
[subject]
name = "stub"
[[process]]
name = "stub"
command = ["{{python}}", "-S", "stub.py", "{{port}}", {modes}]
readiness_probe = {{ http_get = {{ path = "/" }}, period_seconds = 0.02 }}
restart = {{ {restart} }}
shutdown = {{ timeout_seconds = 0.3 }}
"""


def alive(pid: int) -> bool:
    return run_state(pid) not in (None, "Z", "X")


def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


async def until_async(true: Callable[[], object], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    return alive


@pytest.fixture
def wait() -> Callable[[Callable[[], object]], None]:
    return until


@pytest.fixture
def wait_async() -> Callable[[Callable[[], object]], Awaitable[None]]:
    return until_async


@pytest.fixture
def stub(tmp_path: Path) -> Callable[..., Subject]:
    """Writes a stub subject that misbehaves as named."""

    def write(*modes: str, restart: str = "initial_backoff_seconds = 0.05, jitter = 0") -> Subject:
        folder = tmp_path / "source"
        folder.mkdir(exist_ok=True)
        (folder / "stub.py").write_text(STUB, encoding="utf-8")
        listed = ", ".join(f'"{mode}"' for mode in modes)
        file = folder / "subject.toml"
        file.write_text(SUBJECT.format(modes=listed, restart=restart), encoding="utf-8")
        return load_subject(file)

    return write


@pytest.fixture
def ratelimiter() -> Subject:
    return load_subject(builtin_subjects()["ratelimiter"])


@pytest.fixture
def copy(tmp_path: Path, ratelimiter: Subject) -> Workspace:
    """A deployed copy of the rate limiter."""
    return Workspace.lay(tmp_path / "home", ratelimiter)


@pytest.fixture
async def supervise(tmp_path: Path) -> AsyncIterator[Callable[..., Supervisor]]:
    """Starts supervisors that are stopped when the test ends; ``states`` of each holds all it showed."""
    tasks: list[asyncio.Task[None]] = []

    def start(subject: Subject, *, port: int = 0, states: list[ProcessState] | None = None) -> Supervisor:
        supervisor = Supervisor(
            subject,
            Workspace.lay(tmp_path / "home", subject).root,
            port=port,
            log_path=tmp_path / "logs" / "service.log",
            on_state=(states if states is not None else []).append,
            run_tag="this-run",
        )
        supervisor.desire(True, 1)
        tasks.append(asyncio.create_task(supervisor.run()))
        return supervisor

    yield start
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
