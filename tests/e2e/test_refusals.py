"""What cannot be done is one clear line with the mend, and the right exit code; nothing is lost."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.e2e.harness import Harness

pytestmark = pytest.mark.process


def refused(harness: Harness, *arguments: str, code: int = 1, tells: str = "") -> str:
    done = harness.command(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert tells in done.stderr
    return done.stderr


def test_usage_and_lookups(harness: Harness) -> None:
    refused(harness, "nonsense", code=2)
    refused(harness, "tickets", "show", "x", code=2)
    refused(harness, "tickets", "show", "7", code=3, tells="7")
    refused(harness, "approvals", "approve", "7", code=3)
    refused(harness, "mode", "reckless", code=2, tells="supervised")
    refused(harness, "chaos", "inject", "earthquake", code=3, tells="play_dead")
    refused(harness, "chaos", "inject", "latency", "--set", "delay_ms", code=2)
    refused(harness, "chaos", "inject", "latency", "--set", "delay_ms=soon", code=2)
    refused(harness, "chaos", "inject", "crash", tells="start it")
    refused(harness, "tickets", "new", "-o", "x", "-c", "rate_limiter_healty", code=2, tells="rate_limiter_healthy")
    refused(harness, "tickets", "new", "-o", "x", "--subject", "nobody", code=3, tells="ratelimiter")
    refused(harness, "chaos", "inject", "latency", "--subject", "nobody", code=3, tells="ratelimiter")
    refused(harness, "tickets", "show", "9" * 30, code=3)
    told = refused(harness, "tickets", "new", "-o", "x", "-c", "config.capacitty == 200", code=2)
    assert "did you mean 'capacity'" in told
    refused(harness, "traffic", tells="not running")


def test_a_bad_setting_names_itself(harness: Harness) -> None:
    harness.environment["HARNESS_BRAIN"] = "magic"
    assert "HARNESS_BRAIN" in refused(harness, "status", code=2)
    del harness.environment["HARNESS_BRAIN"]
    harness.environment["HARNESS_SERVICE_PORT"] = "99999"
    assert "HARNESS_SERVICE_PORT" in refused(harness, "status", code=2)


def test_a_home_that_cannot_be_written(harness: Harness) -> None:
    harness.home.write_text("a file stands where the home should be")
    assert "HARNESS_HOME" in refused(harness, "init")
    assert harness.home.read_text().startswith("a file")


def test_a_ledger_that_is_no_database(harness: Harness) -> None:
    harness.ok("init")
    ledger = harness.home / "ledger.db"
    for path in harness.home.glob("ledger.db*"):
        path.unlink()
    ledger.write_bytes(b"this is no database, but somebody may want it back" * 100)
    assert str(ledger) in refused(harness, "status")
    assert ledger.read_bytes().startswith(b"this is no database")


def test_a_bad_subject_file_is_named(harness: Harness) -> None:
    harness.ok("init")
    subject = harness.copy / "subject.toml"
    subject.write_text(subject.read_text().replace("severity", "severety", 1))
    told = refused(harness, "status")
    assert "subject.toml" in told
    assert "severity" in told


def test_without_a_terminal_the_console_says_what_to_use(harness: Harness) -> None:
    assert "harness run" in refused(harness, code=2)


def test_init_is_idempotent_and_keeps_what_is_there(harness: Harness) -> None:
    harness.ok("init")
    config = harness.copy / "service_config.json"
    config.write_text(config.read_text().replace("100", "150"))
    harness.ok("init")
    assert "150" in config.read_text()
    assert (harness.home.stat().st_mode & 0o777) == 0o700


@pytest.mark.timeout(60)
def test_a_second_run_on_the_same_home_is_refused_and_the_first_goes_on(harness: Harness) -> None:
    process = harness.start()
    told = refused(harness, "run", "--for", "5")
    assert str(process.pid) in told
    assert process.poll() is None


@pytest.mark.timeout(60)
def test_a_taken_port_is_one_line_and_not_a_crash_loop(harness: Harness, tmp_path: Path) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        harness.environment["HARNESS_SERVICE_PORT"] = str(port)
        harness.environment["HARNESS_MODE"] = "observe"
        log = (tmp_path / "run.log").open("wb")
        import subprocess
        import sys

        harness.process = subprocess.Popen(
            [sys.executable, "-m", "console", "run", "--json"], env=harness.environment, stdout=log,
            stderr=subprocess.STDOUT, cwd=tmp_path,
        )  # fmt: skip
        log.close()
        subject = harness.until(lambda: (row := harness.subject())["detail"].startswith("port") and row, 20)
        assert f"port {port}" in subject["detail"]
        assert "HARNESS_SERVICE_PORT" in subject["detail"]
        assert subject["restarts"] == 0
    harness.until(lambda: harness.subject()["state"] == "healthy", 20)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_without_permission(harness: Harness) -> None:
    harness.home.mkdir(mode=0o500)
    assert "HARNESS_HOME" in refused(harness, "init")


def test_a_stop_is_shown_safely_and_refuses_work(harness: Harness) -> None:
    harness.ok("stop", "--reason", "\x1b[31mred\nsecond line \u202e")
    shown = harness.ok("status")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\u202e" not in harness.ok("status", "--json")
    assert harness.json("status")["stop_reason"] == "\x1b[31mred\nsecond line \u202e"
    refused(harness, "agent", "--once", code=4, tells="harness resume")


def test_the_kill_switch_works_with_a_broken_deployed_copy(harness: Harness) -> None:
    harness.ok("init")
    (harness.copy / "subject.toml").write_text("not [toml")
    refused(harness, "status", tells="subject.toml")
    harness.ok("stop")
    assert harness.json("approvals", "list") == []
    assert harness.json("tickets", "list") == []
    harness.ok("resume")


def test_the_same_objective_with_other_criteria_is_not_taken_for_the_open_ticket(harness: Harness) -> None:
    first = harness.json("tickets", "new", "-o", "Raise it", "-c", "config.capacity == 200")
    again = harness.json("tickets", "new", "-o", "Raise it", "-c", "config.capacity == 200")
    assert first["id"] == again["id"]
    refused(harness, "tickets", "new", "-o", "Raise it", "-c", "config.capacity == 300", tells="still open")
