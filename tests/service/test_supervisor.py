"""The supervisor over real processes: readiness, restarts, backoff, ports, output."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from service.output import FILE_BYTES, RING_LINES, Output
from service.subject import Subject
from service.supervisor import ProcessState, Supervisor
from service.workspace import Workspace

pytestmark = pytest.mark.process
Wait = Callable[[Callable[[], object]], Awaitable[None]]
Stub = Callable[..., Subject]
Supervise = Callable[..., Supervisor]
Alive = Callable[[int], bool]


async def test_starts_becomes_ready_and_stops_when_not_desired(
    supervise: Supervise, stub: Stub, wait_async: Wait, is_alive: Alive
) -> None:
    states: list[ProcessState] = []
    supervisor = supervise(stub(), states=states)
    await wait_async(lambda: supervisor.state.ready)
    running = supervisor.state
    assert running.pid is not None
    assert is_alive(running.pid)
    assert running.port
    assert running.commit
    assert running.generation == 1
    supervisor.desire(False, 2)
    await wait_async(lambda: supervisor.state.state == "stopped")
    assert not is_alive(running.pid)
    assert supervisor.state.pid is None
    assert [one.state for one in states if one.state] == sorted(
        (one.state for one in states), key=["starting", "running", "stopping", "stopped"].index
    )


async def test_a_higher_generation_restarts_on_the_same_port(
    supervise: Supervise, stub: Stub, wait_async: Wait, is_alive: Alive
) -> None:
    supervisor = supervise(stub())
    await wait_async(lambda: supervisor.state.ready)
    before = supervisor.state
    supervisor.desire(True, 1)
    supervisor.desire(True, 2)
    await wait_async(lambda: supervisor.state.generation == 2 and supervisor.state.ready)
    after = supervisor.state
    assert before.pid is not None
    assert not is_alive(before.pid)
    assert (after.restarts, after.port) == (1, before.port)
    assert after.pid != before.pid


async def test_an_end_is_seen_at_once_and_waits_grow(supervise: Supervise, stub: Stub, wait_async: Wait) -> None:
    states: list[ProcessState] = []
    restart = "initial_backoff_seconds = 0.05, backoff_factor = 3, max_backoff_seconds = 86400, jitter = 0"
    supervisor = supervise(stub("fail", restart=restart), states=states)
    await wait_async(lambda: sum(one.state == "backoff" for one in states) >= 3)
    ends = [one for one in states if one.state == "backoff"]
    assert all(one.exit_code == 1 and one.pid is None for one in ends)
    assert "it cannot start: no reason" in ends[0].detail
    assert [one.restarts for one in ends[:3]] == [0, 1, 2]
    assert supervisor.tail(1) == ["it cannot start: no reason"]


async def test_waits_are_exponential_with_jitter_and_a_desire_skips_them(
    tmp_path: Path, stub: Stub, wait_async: Wait
) -> None:
    subject = stub(restart="initial_backoff_seconds = 100, backoff_factor = 3, max_backoff_seconds = 250, jitter = 0.2")
    states: list[ProcessState] = []
    supervisor = Supervisor(
        subject,
        Workspace.lay(tmp_path / "home", subject).root,
        port=0,
        log_path=tmp_path / "log",
        on_state=states.append,
        run_tag="t",
        random=lambda: 1.0,
    )
    supervisor.desire(True, 1)
    task = asyncio.create_task(supervisor.run())
    try:
        for generation in (1, 2):
            await wait_async(lambda: supervisor.state.ready)
            assert supervisor.state.generation == generation
            assert supervisor.state.pid is not None
            os.kill(supervisor.state.pid, signal.SIGKILL)
            await wait_async(lambda: supervisor.state.state == "backoff")
            assert supervisor.state.exit_code == -9
            assert "SIGKILL; next start in 120 s" in supervisor.state.detail
            supervisor.desire(True, generation + 1)
        await wait_async(lambda: supervisor.state.ready)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("policy", "state"), [("never", "failed"), ("on_failure", "backoff")])
async def test_the_restart_policy_decides(
    supervise: Supervise, stub: Stub, wait_async: Wait, policy: str, state: str
) -> None:
    supervisor = supervise(stub("fail", restart=f'policy = "{policy}", initial_backoff_seconds = 900'))
    await wait_async(lambda: supervisor.state.state == state)
    supervisor.desire(True, 2)
    await wait_async(lambda: supervisor.state.generation == 2 and supervisor.state.state == state)


async def test_a_command_that_does_not_exist_is_one_line(supervise: Supervise, stub: Stub, wait_async: Wait) -> None:
    subject = stub()
    process = subject.process.model_copy(update={"command": ("no-such-program",)})
    supervisor = supervise(subject.model_copy(update={"process": process}))
    await wait_async(lambda: supervisor.state.detail)
    assert "not started: no-such-program: No such file or directory" in supervisor.state.detail


async def test_a_taken_port_blocks_with_one_clear_line_and_starts_when_freed(
    supervise: Supervise, stub: Stub, wait_async: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.supervisor.BLOCKED_RETRY_SECONDS", 0.05)
    states: list[ProcessState] = []
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        supervisor = supervise(stub(), port=port, states=states)
        await wait_async(lambda: supervisor.state.state == "blocked")
        assert supervisor.state.detail == (
            f"port {port} is taken by another process; free it or set HARNESS_SERVICE_PORT=0"
        )
        assert len(states) == 1
    await wait_async(lambda: supervisor.state.ready)
    assert supervisor.state.port == port


async def test_output_never_fills_the_pipe_and_is_kept(
    supervise: Supervise, stub: Stub, wait_async: Wait, tmp_path: Path
) -> None:
    supervisor = supervise(stub("flood"))
    await wait_async(lambda: "flooded" in supervisor.tail(10))
    assert len(supervisor.tail(10_000)) == RING_LINES
    logs = tmp_path / "logs"

    def kept() -> bool:
        try:  # a rotation may be under way
            return b"listening" in (logs / "service.log").read_bytes()
        except FileNotFoundError:
            return False

    await wait_async(kept)
    assert (logs / "service.log.1").exists()
    assert sum(path.stat().st_size for path in logs.iterdir()) <= 5 * FILE_BYTES


async def test_a_service_that_ignores_term_is_killed_after_its_time(
    supervise: Supervise, stub: Stub, wait_async: Wait, is_alive: Alive
) -> None:
    supervisor = supervise(stub("deaf"))
    await wait_async(lambda: supervisor.state.ready)
    pid = supervisor.state.pid
    assert pid is not None
    supervisor.desire(False, 2)
    await wait_async(lambda: supervisor.state.state == "stopped")
    assert supervisor.state.exit_code == -9
    assert not is_alive(pid)


async def test_a_stopped_service_is_continued_so_that_it_can_end_by_itself(
    supervise: Supervise, stub: Stub, wait_async: Wait
) -> None:
    supervisor = supervise(stub())
    await wait_async(lambda: supervisor.state.ready)
    assert supervisor.state.pid is not None
    os.kill(supervisor.state.pid, signal.SIGSTOP)
    supervisor.desire(False, 2)
    await wait_async(lambda: supervisor.state.state == "stopped")
    assert supervisor.state.exit_code == -signal.SIGTERM


async def test_stopping_takes_grandchildren_in_sessions_of_their_own(
    supervise: Supervise, stub: Stub, wait_async: Wait, is_alive: Alive
) -> None:
    supervisor = supervise(stub("grandchildren"))
    await wait_async(lambda: supervisor.state.ready and len(grandchildren(supervisor)) == 2)
    found = grandchildren(supervisor)
    assert all(map(is_alive, found))
    supervisor.desire(False, 2)
    await wait_async(lambda: supervisor.state.state == "stopped")
    assert not any(map(is_alive, found))


async def test_no_secret_of_the_harness_reaches_the_service(
    supervise: Supervise, stub: Stub, wait_async: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("GRAFANA_API_TOKEN", "secret")
    supervisor = supervise(stub("environment"))
    await wait_async(lambda: supervisor.state.ready)
    (line,) = [line for line in supervisor.tail(100) if line.startswith("environment")]
    assert "PATH" in line.split()
    assert not re.search("KEY|TOKEN|PYTEST", line)


async def test_cancelling_in_any_moment_of_a_start_leaves_nothing(tmp_path: Path, stub: Stub, is_alive: Alive) -> None:
    subject = stub()
    root = Workspace.lay(tmp_path / "home", subject).root
    pids: set[int] = set()
    for turns in range(0, 30, 2):
        supervisor = Supervisor(subject, root, port=0, log_path=tmp_path / "log", on_state=lambda _: None, run_tag="t")
        supervisor.desire(True, 1)
        task = asyncio.create_task(supervisor.run())
        for _ in range(turns):
            await asyncio.sleep(0.002)
        pids |= {supervisor.state.pid} - {None}  # type: ignore[arg-type]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert supervisor._running is None
    assert pids
    assert not any(map(is_alive, pids))


async def test_leftovers_of_a_crashed_run_are_killed_before_the_start_and_others_spared(
    supervise: Supervise, stub: Stub, wait_async: Wait, is_alive: Alive, tmp_path: Path
) -> None:
    subject = stub()
    root = Workspace.lay(tmp_path / "home", subject).root
    probe = Supervisor(subject, root, port=0, log_path=tmp_path / "x", on_state=lambda _: None, run_tag="this-run")
    mine = probe._environment(0)
    processes = [
        await asyncio.create_subprocess_exec("sleep", "300", env=environment, start_new_session=True)
        for environment in (mine, {**mine, "HARNESS_HOME_TAG": "another"}, {"PATH": os.environ["PATH"]})
    ]
    try:
        supervisor = supervise(subject)
        await wait_async(lambda: supervisor.state.ready)
        assert [is_alive(process.pid) for process in processes] == [False, True, True]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


def test_a_disk_that_refuses_is_noted_and_the_lines_stay(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    output = Output(tmp_path / "file" / "service.log")
    output.feed(b"one\ntw")
    output.feed(b"o\n" + b"y" * 40_000)
    output.end()
    output.write_out()
    assert output.error is not None
    assert output.tail(100)[:2] == ["one", "two"]
    assert sum(map(len, output.tail(100)[2:])) == 40_000


def grandchildren(supervisor: Supervisor) -> list[int]:
    return [int(line.split()[1]) for line in supervisor.tail(100) if line.startswith("grandchild")]
