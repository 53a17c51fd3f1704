"""However the harness goes, its service and all its descendants go too."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import service
from service.ports import any_free_port, is_free
from service.subject import Subject
from service.supervisor import Supervisor

pytestmark = pytest.mark.process
ROOT = Path(service.__file__).parent.parent
Wait = Callable[[Callable[[], object]], None]
Alive = Callable[[int], bool]
Stub = Callable[..., Subject]

HARNESS = """
import asyncio, dataclasses, json, sys
from pathlib import Path
from service.subject import load_subject
from service.supervisor import Supervisor
from service.workspace import Workspace

async def main():
    subject, home = load_subject(Path(sys.argv[1])), Path(sys.argv[2])
    def show(state):
        print(json.dumps(dataclasses.asdict(state)), flush=True)
    root = Workspace.lay(home, subject).root
    supervisor = Supervisor(
        subject, root, port=int(sys.argv[3]), log_path=home / "log", on_state=show, run_tag="run"
    )
    supervisor.desire(True, 1)
    await supervisor.run()

asyncio.run(main())
"""


class Harness:
    """A supervisor in a process of its own."""

    def __init__(self, subject: Subject, home: Path, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HARNESS, str(subject.source), str(home), str(port)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = 0
        self._copy = home / "subjects" / subject.name
        assert self.process.stdout is not None
        for line in self.process.stdout:
            state = json.loads(line)
            if state["ready"]:
                self.pid = state["pid"]
                break

    @property
    def below(self) -> list[int]:
        """The stub's grandchildren, of every start so far."""
        return [int(path.name.partition("-")[2]) for path in self._copy.glob("grandchild-*")]

    @property
    def guard(self) -> int:
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return int(fields[1])

    def end(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.communicate(timeout=15)


@pytest.fixture
def harness(stub: Stub, tmp_path: Path) -> Iterator[Callable[..., Harness]]:
    started: list[Harness] = []

    def start(*modes: str, port: int = 0) -> Harness:
        started.append(Harness(stub(*modes), tmp_path / "home", port or any_free_port()))
        assert started[-1].pid
        return started[-1]

    yield start
    for one in started:
        one.end()
        for pid in [one.pid, *one.below]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_end_of_the_harness_ends_the_service(
    harness: Callable[..., Harness], number: signal.Signals, wait: Wait, is_alive: Alive
) -> None:
    one = harness()
    guard = one.guard
    one.end(number)
    wait(lambda: not is_alive(one.pid) and not is_alive(guard))


def test_kill_9_of_the_harness_ends_a_stopped_deaf_service_with_grandchildren(
    harness: Callable[..., Harness], wait: Wait, is_alive: Alive
) -> None:
    one = harness("deaf", "grandchildren")
    wait(lambda: len(one.below) == 2)
    os.kill(one.pid, signal.SIGSTOP)
    one.end()
    wait(lambda: not any(map(is_alive, [one.pid, *one.below])))


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_kill_9_of_harness_and_guard_at_once_ends_the_service(
    harness: Callable[..., Harness], wait: Wait, is_alive: Alive
) -> None:
    one = harness("deaf")
    os.kill(one.pid, signal.SIGSTOP)
    os.kill(one.guard, signal.SIGKILL)
    one.end()
    wait(lambda: not is_alive(one.pid))


@pytest.mark.skipif(sys.platform != "linux", reason="leftovers are found through /proc")
def test_what_outlived_harness_and_guard_is_gone_when_the_next_run_starts(
    harness: Callable[..., Harness], wait: Wait, is_alive: Alive
) -> None:
    port = any_free_port()
    one = harness("grandchildren", port=port)
    wait(lambda: len(one.below) == 2)
    below, guard = one.below, one.guard
    os.kill(one.process.pid, signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    one.end()
    wait(lambda: not is_alive(one.pid))
    assert any(map(is_alive, below))
    two = harness(port=port)
    assert not any(map(is_alive, below))
    assert is_alive(two.pid)


def test_the_port_is_free_again_after_a_kill(harness: Callable[..., Harness], wait: Wait) -> None:
    port = any_free_port()
    one = harness(port=port)
    one.end()
    wait(lambda: is_free(port))


async def test_a_lost_guard_is_an_end_like_any_other(
    supervise: Callable[..., Supervisor],
    stub: Stub,
    wait_async: Callable[[Callable[[], object]], Awaitable[None]],
    is_alive: Alive,
) -> None:
    supervisor = supervise(stub("grandchildren"))
    below: list[int] = []

    def all_there() -> bool:
        below[:] = [int(line.split()[1]) for line in supervisor.tail(9) if line.startswith("grandchild")]
        return supervisor.state.ready and len(below) == 2

    await wait_async(all_there)
    first = supervisor.state.pid
    assert first is not None
    stat = await asyncio.to_thread(Path(f"/proc/{first}/stat").read_text, "utf-8")
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    await wait_async(lambda: supervisor.state.ready and supervisor.state.pid not in (None, first))
    assert not any(map(is_alive, [first, *below]))
