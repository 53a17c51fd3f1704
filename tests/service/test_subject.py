"""subject.toml: what it gives, and one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.subject import Subject, SubjectError, builtin_subjects, load_subject

SMALLEST = """
[subject]
name = "thing"
[[process]]
name = "thing"
command = ["{python}", "-m", "http.server", "{port}"]
readiness_probe = { http_get = { path = "/" } }
"""


def load(folder: Path, text: str) -> Subject:
    file = folder / "subject.toml"
    file.write_text(text, encoding="utf-8")
    return load_subject(file)


def test_the_rate_limiter_declares_the_two_first_invariants() -> None:
    subject = load_subject(builtin_subjects()["ratelimiter"])
    found = {one.name: (one.path, one.condition, one.severity, one.interval_seconds) for one in subject.invariants}
    assert found == {
        "rate_limiter_healthy": ("/health", "[STATUS] == 200", "critical", 5.0),
        "rate_limiter_latency": ("/health", "[RESPONSE_TIME] < 200", "warning", 5.0),
    }
    assert subject.process.port == 8001
    assert subject.config is not None
    assert subject.config.file == "service_config.json"
    assert subject.metrics_path == "/metrics"


def test_a_service_of_ones_own_needs_a_name_a_command_and_a_probe(tmp_path: Path) -> None:
    subject = load(tmp_path, SMALLEST)
    assert subject.process.restart.policy == "always"
    assert subject.invariants == ()
    assert subject.source == tmp_path / "subject.toml"


def test_for_is_how_a_file_says_for_seconds(tmp_path: Path) -> None:
    more = '[[invariant]]\nname = "up"\ncondition = "[STATUS] == 200"\nfor = 10\n'
    assert load(tmp_path, SMALLEST + more).invariants[0].for_seconds == 10


INVARIANT = '[[invariant]]\nname = "up"\ncondition = "[STATUS] == 200"\n'


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[subject]", "[subjct]", "unknown table [subjct] (did you mean subject?)"),
        (
            'name = "thing"\n[[process]]',
            'nam = "thing"\n[[process]]',
            "subject.nam: unknown field (did you mean name?)",
        ),
        ('name = "thing"\n[[process]]', "[[process]]", "name: is required"),
        ('name = "thing"\n[[process]]', 'name = "../x"\n[[process]]', "name: "),
        ("[[process]]", "[process]", "exactly one [[process]] is needed"),
        ("command =", "comand =", "process.comand"),
        ("{port}", "{prot}", "unknown placeholder {prot}; known are {python} and {port}"),
        ("http_get = {", "http_gett = {", "process.readiness_probe"),
        ('path = "/"', 'path = "health"', "process.readiness_probe.http_get.path"),
        ('path = "/"', 'path = "/", prot = 1', "(did you mean port?)"),
        ("readiness_probe", 'port = "soon"\nreadiness_probe', "process.port"),
        ("readiness_probe", "restart = { jitter = 3 }\nreadiness_probe", "process.restart.jitter"),
        ("readiness_probe", "restart = { initial_backoff_seconds = nan }\nreadiness_probe", "initial_backoff_seconds"),
        ("[subject]", '[subject]\neditable = ["/etc/*"]', "relative path"),
        ("[subject]", '[subject]\ncode_root = "../.."', "relative path"),
        ("[subject]", "[subject", "is not valid TOML"),
        ("[subject]", INVARIANT + INVARIANT + "[subject]", "two invariants are named 'up'"),
        ("[subject]", INVARIANT + 'severity = "critcal"\n[subject]', "invariant.0.severity"),
        ("[subject]", INVARIANT.replace("[[invariant]]", "[invariant]") + "[subject]", "[[invariant]]"),
        ("[subject]", "[tests]\nargv = []\n[subject]", "[tests] needs exactly one field, command"),
    ],
)
def test_every_mistake_is_one_line_with_file_and_field(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in SMALLEST
    with pytest.raises(SubjectError) as caught:
        load(tmp_path, SMALLEST.replace(before, after, 1))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "subject.toml"))
    assert said in message
    assert "\n" not in message


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="cannot be read"):
        load_subject(tmp_path / "none.toml")
    (tmp_path / "subject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SubjectError, match="UTF-8"):
        load_subject(tmp_path / "subject.toml")
