"""Every way the console can end, on a real pseudo-terminal: the service ends too, the terminal is itself again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Harness, children_of
from tests.terminal import Terminal

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]

LEAVES_ALTERNATE_SCREEN = b"\x1b[?1049l"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path / "home")
    yield made
    gone(made, 10)


def opened(harness: Harness, columns: int = 120, rows: int = 36) -> Terminal:
    terminal = Terminal([sys.executable, "-m", "console"], harness.environment, columns, rows)
    terminal.wait_for(b"healthy", 40)
    return terminal


def ended(terminal: Terminal, seconds: float = 15) -> int:
    """The exit code once the program has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        terminal.read(0.02)
        pid, status = os.waitpid(terminal.pid, os.WNOHANG)
        if pid:
            while terminal.read(0.05):
                pass
            terminal.forget()
            return os.waitstatus_to_exitcode(status)
    raise AssertionError("the console did not end")


def gone(harness: Harness, seconds: float = 4) -> None:
    deadline = time.monotonic() + seconds
    while children_of(harness.home):
        assert time.monotonic() < deadline, f"orphans: {children_of(harness.home)}"
        time.sleep(0.02)


def test_q_ends_the_console_and_its_service(harness: Harness) -> None:
    with opened(harness) as terminal:
        terminal.write(b"q")
        assert ended(terminal) == 0
        assert LEAVES_ALTERNATE_SCREEN in terminal.output
    gone(harness)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal_and_ends_the_service(harness: Harness, number: signal.Signals) -> None:
    with opened(harness) as terminal:
        os.kill(terminal.pid, number)
        assert ended(terminal) == 128 + number
        assert LEAVES_ALTERNATE_SCREEN in terminal.output
    gone(harness)


def test_a_closed_terminal_ends_everything(harness: Harness) -> None:
    terminal = opened(harness)
    os.close(terminal.fd)
    deadline = time.monotonic() + 15
    while not os.waitpid(terminal.pid, os.WNOHANG)[0]:
        assert time.monotonic() < deadline, "the console outlived its terminal"
        time.sleep(0.02)
    gone(harness)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.parametrize("ending", ["kill-session", "kill-server"])
def test_a_multiplexer_that_goes_away_takes_everything_with_it(
    harness: Harness, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    socket = tmp_path_factory.mktemp("t") / "s"
    tmux = ["tmux", "-S", str(socket)]
    command = [*tmux, "new-session", "-d", "-s", "x", "-x", "80", "-y", "24", sys.executable, "-m", "console"]
    subprocess.run(command, env=harness.environment, check=True)
    harness.until(lambda: harness.subject()["state"] == "healthy", 40)
    subprocess.run([*tmux, ending], env=harness.environment, check=True)
    gone(harness, 20)


def test_kill_nine_leaves_no_orphan_even_of_a_hung_service(harness: Harness) -> None:
    with opened(harness) as terminal:
        harness.ok("chaos", "inject", "hang")
        os.kill(terminal.pid, signal.SIGKILL)
        assert ended(terminal) == -signal.SIGKILL
    gone(harness)


def test_a_second_console_is_a_viewer_that_can_stop_everything(harness: Harness) -> None:
    with opened(harness) as first, opened(harness) as second:
        second.wait_for(b"viewer", 10)
        second.write(b"K")
        first.wait_for(b"STOPPED", 10)
        assert harness.json("status")["stopped"] is True
        second.write(b"q")
        assert ended(second) == 0
        assert harness.subject()["state"] == "healthy"


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (60, 18), (80, 24)])
def test_any_terminal_gets_a_screen_that_can_be_left(harness: Harness, columns: int, rows: int) -> None:
    with Terminal([sys.executable, "-m", "console"], harness.environment, columns, rows) as terminal:
        terminal.wait_for(b"40" if columns == 40 else b"healthy", 40)
        terminal.write(b"q")
        assert ended(terminal) == 0
    gone(harness)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HARNESS_MODE", "reckless", b"HARNESS_MODE"),
        ("HARNESS_DATABASE_URL", "nonsense://x", b"HARNESS_DATABASE_URL"),
    ],
)
def test_a_bad_setting_is_told_on_the_screen(harness: Harness, name: str, value: str, told: bytes) -> None:
    harness.environment[name] = value
    with Terminal([sys.executable, "-m", "console"], harness.environment) as terminal:
        terminal.wait_for(told, 40)
        terminal.write(b"q")
        assert ended(terminal) != 0
