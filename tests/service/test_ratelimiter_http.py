"""The rate limiter as a real process: HTTP, headers, live configuration, refusal to start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import service

ROOT = Path(service.__file__).parent.parent
pytestmark = pytest.mark.process
Wait = Callable[[Callable[[], object]], None]


def start(config: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service.ratelimiter", "--config", str(config), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Running:
    """A served limiter, its configuration file and a client."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "service_config.json"
        self.config.write_text('{"capacity": 5, "refill_per_second": 0.5}', encoding="utf-8")
        self.process = start(self.config, "--port", "0")
        assert self.process.stdout is not None
        first = json.loads(self.process.stdout.readline())
        assert first["event"] == "listening"
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{first['port']}", trust_env=False)

    def check(self, **body: object) -> httpx.Response:
        return self.client.post("/v1/check", json=body)

    def stop(self) -> list[dict[str, object]]:
        """The log lines."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        lines, _ = self.process.communicate(timeout=15)
        return [json.loads(line) for line in lines.splitlines()]


@pytest.fixture
def limiter(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    try:
        yield running
    finally:
        running.client.close()
        running.process.kill()
        running.process.communicate()


def test_allows_then_denies_with_the_standard_headers(limiter: Running) -> None:
    allowed = limiter.check(key="k", tokens=4)
    assert allowed.status_code == 200
    assert allowed.json() == {"allowed": True, "limit": 5, "remaining": 1, "retry_after_ms": 0}
    assert allowed.headers["ratelimit-policy"] == '"default";q=5;w=10'
    assert re.fullmatch(r'"default";r=1;t=[12]', allowed.headers["ratelimit"])
    denied = limiter.check(key="k", tokens=2)
    assert denied.status_code == 429
    body = denied.json()
    assert body["allowed"] is False
    assert 1500 < body["retry_after_ms"] <= 2000
    assert denied.headers["retry-after"] == "2"
    assert denied.headers["ratelimit"] == '"default";r=1;t=2'
    assert limiter.check(key="other").json()["remaining"] == 4


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "Invalid JSON"),
        (b"", 400, "Invalid JSON"),
        (b"[]", 422, "object"),
        (b"{}", 422, "key"),
        (b'{"key": ""}', 422, "key"),
        (b'{"key": 5}', 422, "key"),
        (b'{"key": "k", "tokens": "3"}', 422, "tokens"),
        (b'{"key": "k", "tokens": -1}', 422, "tokens"),
        (b'{"key": "k", "token": 1}', 422, "token"),
        (b'{"key": "k", "tokens": 6}', 422, "at most 5"),
        (b'{"key": "' + b"k" * 300 + b'"}', 422, "key"),
        (b'{"key": "' + b"k" * 9000 + b'"}', 413, "4096"),
    ],
)
def test_malformed_requests_get_a_clear_4xx(tmp_path: Path, body: bytes, status: int, said: str) -> None:
    # Not through a process: the answers are the application's own.
    from fastapi.testclient import TestClient

    from service.ratelimiter.app import RateLimiter, build_app
    from service.ratelimiter.config import LiveConfig
    from service.ratelimiter.logs import JsonLog

    config = tmp_path / "service_config.json"
    config.write_text('{"capacity": 5}', encoding="utf-8")
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        answer = TestClient(build_app(RateLimiter(LiveConfig(config), JsonLog(log)))).post("/v1/check", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_wrong_paths_and_methods_are_told(limiter: Running) -> None:
    assert limiter.client.get("/nowhere").status_code == 404
    assert limiter.client.get("/v1/check").status_code == 405


def test_configuration_is_obeyed_live_and_the_last_good_one_kept(limiter: Running, wait: Wait) -> None:
    def health() -> httpx.Response:
        return limiter.client.get("/health")

    assert health().json()["limits"] == {"capacity": 5, "refill_per_second": 0.5}
    limiter.config.write_text('{"capacity": 50}', encoding="utf-8")
    wait(lambda: health().json()["limits"]["capacity"] == 50)

    limiter.config.write_text('{"capacity": "60"}', encoding="utf-8")
    wait(lambda: health().json()["config"]["state"] == "invalid")
    assert "capacity" in health().json()["config"]["error"]
    assert health().status_code == 200
    assert limiter.check(key="k").json()["limit"] == 50

    limiter.config.unlink()
    wait(lambda: "cannot be read" in str(health().json()["config"]["error"]))

    limiter.config.write_text('{"enabled": false}', encoding="utf-8")
    wait(lambda: health().status_code == 503)
    assert health().json()["status"] == "disabled"
    assert health().json()["config"]["state"] == "current"
    assert limiter.check(key="k").status_code == 503
    limiter.config.write_text("{}", encoding="utf-8")
    wait(lambda: health().status_code == 200)

    events = [line for line in limiter.stop() if str(line["event"]).startswith("config_")]
    assert [line["event"] for line in events] == [
        "config_applied",
        "config_invalid",
        "config_invalid",
        "config_applied",
        "config_applied",
    ]


def test_delay_slows_answers_but_not_metrics(limiter: Running, wait: Wait) -> None:
    def seconds(path: str) -> float:
        began = time.perf_counter()
        assert limiter.client.get(path).status_code == 200
        return time.perf_counter() - began

    limiter.config.write_text('{"delay_ms": 300}', encoding="utf-8")
    wait(lambda: seconds("/health") >= 0.3)
    assert min(seconds("/metrics") for _ in range(3)) < 0.3


def test_metrics_add_up(limiter: Running) -> None:
    for body in ({"key": "k", "tokens": 5}, {"key": "k"}, {"key": "k", "tokens": 9}, {"key": ""}):
        limiter.check(**body)
    text = limiter.client.get("/metrics").text
    for decision, count in (("allowed", 1), ("denied", 1), ("error", 2)):
        assert f'rate_limiter_requests_total{{decision="{decision}"}} {count}.0' in text
    assert "rate_limiter_request_duration_seconds_count 4.0" in text
    assert "rate_limiter_config_capacity_tokens 5.0" in text


def test_stops_cleanly_on_term_and_logs_json_only(limiter: Running) -> None:
    limiter.check(key="k", tokens=5)
    limiter.check(key="k", tokens=1)
    lines = limiter.stop()
    assert limiter.process.returncode == 0
    assert [line["event"] for line in lines] == ["denied", "stopped"]
    assert {"ts", "level", "event"} <= set(lines[0])


def test_an_invalid_configuration_prevents_the_start_with_one_line(tmp_path: Path) -> None:
    config = tmp_path / "service_config.json"
    config.write_text('{"enabled": tr', encoding="utf-8")
    process = start(config, "--port", "0")
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 78
    (line,) = out.splitlines()
    assert json.loads(line)["event"] == "config_invalid"


def test_a_taken_port_prevents_the_start_with_one_line(tmp_path: Path) -> None:
    config = tmp_path / "service_config.json"
    config.write_text("{}", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(config, "--port", port)
        out, _ = process.communicate(timeout=15)
    assert process.returncode == 69
    (line,) = out.splitlines()
    assert port in json.loads(line)["error"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{}", 0, ""),
        ('{"capacty": 1}', 1, "did you mean capacity?"),
        ("null", 1, "object"),
        (None, 1, "cannot be read"),
    ],
)
def test_check_config(tmp_path: Path, text: str | None, code: int, said: str) -> None:
    config = tmp_path / "service_config.json"
    if text is not None:
        config.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "service.ratelimiter", "--check-config", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == code


def test_the_limiter_imports_nothing_of_the_harness() -> None:
    program = (
        "import sys, service.ratelimiter.serve, service.ratelimiter.selftest\n"
        "ours = ('monitor', 'agent', 'console', 'service')\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in ours))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(name == "service" or name.startswith("service.ratelimiter") for name in done.stdout.split())


def test_exits_with_its_parent_when_asked(tmp_path: Path, wait: Wait, is_alive: Callable[[int], bool]) -> None:
    config = tmp_path / "service_config.json"
    config.write_text("{}", encoding="utf-8")
    argv = [sys.executable, "-m", "service.ratelimiter", "--config", str(config), "--port", "0", "--exit-with-parent"]
    parent_program = (
        f"import subprocess, time; p = subprocess.Popen({argv!r}); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", parent_program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert json.loads(parent.stdout.readline())["event"] == "listening"
        assert is_alive(pid)
    finally:
        parent.kill()
        parent.communicate()
    wait(lambda: not is_alive(pid))


def test_a_pipe_in_place_of_the_configuration_is_refused_at_once(tmp_path: Path) -> None:
    from service.ratelimiter.config import ConfigError, read_config

    os.mkfifo(tmp_path / "service_config.json")
    with pytest.raises(ConfigError, match="not a regular file"):
        read_config(tmp_path / "service_config.json")
