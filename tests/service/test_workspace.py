"""The deployed copy: laid once, jailed, every change a commit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from service.subject import Subject
from service.workspace import ConfigUnreadable, Workspace, WorkspaceConflict, WorkspaceError

CONFIG = "service_config.json"


def commit(copy: Workspace, text: str, **trailers: str) -> str:
    return copy.commit_text(CONFIG, text, message="Change", trailers=trailers, expect_digest=copy.digest(CONFIG))


def test_the_copy_holds_what_runs_and_passes_its_own_tests(copy: Workspace, ratelimiter: Subject) -> None:
    files = copy.list()
    assert {CONFIG, "subject.toml", "AGENTS.md", "service/__init__.py", "service/ratelimiter/__main__.py"} <= set(files)
    assert not [name for name in files if "pycache" in name]
    assert copy.changed() == []
    argv = [word.replace("{python}", sys.executable) for word in ratelimiter.tests]
    done = subprocess.run(argv, cwd=copy.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_laying_again_leaves_the_copy_as_it_is(copy: Workspace, ratelimiter: Subject) -> None:
    head = commit(copy, '{"capacity": 7}')
    (copy.root / CONFIG).write_text("{}", encoding="utf-8")
    again = Workspace.lay(copy.root.parent.parent, ratelimiter)
    assert again.head() == head
    assert again.read(CONFIG) == "{}"
    assert [path.name for path in copy.root.parent.iterdir()] == [copy.root.name]


def test_many_lay_the_same_home_at_once(tmp_path: Path, ratelimiter: Subject) -> None:
    failed: list[BaseException] = []

    def lay() -> None:
        try:
            Workspace.lay(tmp_path, ratelimiter).head()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=lay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [path.name for path in (tmp_path / "subjects").iterdir()] == ["ratelimiter"]


def test_a_home_that_cannot_be_used_is_one_line(tmp_path: Path, ratelimiter: Subject) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="HARNESS_HOME"):
        Workspace.lay(tmp_path / "file", ratelimiter)
    foreign = tmp_path / "home" / "subjects" / "ratelimiter"
    foreign.mkdir(parents=True)
    (foreign / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="move it away"):
        Workspace.lay(tmp_path / "home", ratelimiter)
    with pytest.raises(WorkspaceError, match="harness init"):
        Workspace.at(tmp_path / "nowhere", "ratelimiter")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../outside", "a/../../outside", ".git/config", "x/.GIT/hooks", "~/x", "", ".", "a\0b", "out/file"],
)
def test_nothing_outside_the_copy_can_be_named(copy: Workspace, path: str) -> None:
    (copy.root / "out").symlink_to(copy.root.parent)
    (copy.root.parent / "file").write_text("secret", encoding="utf-8")
    for call in (
        lambda: copy.read(path),
        lambda: copy.exists(path),
        lambda: copy.digest(path),
        lambda: copy.diff(path),
        lambda: copy.read_at("HEAD", path),
        lambda: copy.commit_text(path, "x", message="m", trailers={}, expect_digest=None),
    ):
        with pytest.raises(WorkspaceError) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert not copy.is_editable(path, ("**",))
    assert (copy.root.parent / "file").read_text(encoding="utf-8") == "secret"


def test_a_link_is_never_written_through(copy: Workspace) -> None:
    (copy.root / "link.json").symlink_to(copy.root / CONFIG)
    with pytest.raises(WorkspaceError, match="symbolic link"):
        copy.commit_text("link.json", "x", message="m", trailers={}, expect_digest=None)


def test_a_named_pipe_does_not_hold_the_reader(copy: Workspace) -> None:
    os.mkfifo(copy.root / "pipe")
    with pytest.raises(WorkspaceError, match="regular"):
        copy.read("pipe")


def test_a_change_is_one_commit_of_one_file_with_trailers(copy: Workspace) -> None:
    (copy.root / "AGENTS.md").write_text("scribble", encoding="utf-8")
    sha = commit(copy, '{"capacity": 7}\n', Ticket="12", Action="a-1")
    newest = copy.log(1)[0]
    assert (newest.sha, newest.subject, newest.ticket, newest.action) == (sha, "Change", "12", "a-1")
    assert copy.head() == sha
    assert copy.read_at(sha, CONFIG) == '{"capacity": 7}\n'
    assert copy.changed() == ["AGENTS.md"]
    assert copy.find_commit("Action", "a-1") == sha
    assert copy.find_commit("Action", "a") is None
    assert f"diff --git a/{CONFIG}" not in copy.diff()
    assert "+scribble" in copy.diff("AGENTS.md")


def test_a_change_made_for_other_bytes_is_refused(copy: Workspace) -> None:
    seen = copy.digest(CONFIG)
    head = copy.head()
    (copy.root / CONFIG).write_text('{"capacity": 1}', encoding="utf-8")
    with pytest.raises(WorkspaceConflict):
        copy.commit_text(CONFIG, "{}", message="m", trailers={}, expect_digest=seen)
    assert copy.read(CONFIG) == '{"capacity": 1}'
    assert copy.head() == head
    with pytest.raises(WorkspaceConflict):
        copy.commit_text(CONFIG, "{}", message="m", trailers={}, expect_digest="absent")
    copy.commit_text("new.json", "{}", message="m", trailers={}, expect_digest="absent")
    assert "new.json" in copy.list("*.json")


def test_a_change_that_a_crash_cut_after_writing_can_be_finished(copy: Workspace) -> None:
    seen = copy.digest(CONFIG)
    (copy.root / CONFIG).write_text('{"capacity": 9}', encoding="utf-8")
    copy.commit_text(CONFIG, '{"capacity": 9}', message="m", trailers={"Action": "a"}, expect_digest=seen)
    assert copy.changed() == []


def test_bringing_back_what_was_committed_is_on_record(copy: Workspace) -> None:
    committed = copy.read(CONFIG)
    (copy.root / CONFIG).write_text('{"enabled": false}', encoding="utf-8")
    sha = commit(copy, committed, Action="a-2")
    assert copy.log(1)[0].sha == sha
    assert copy.changed() == []


def test_a_lock_of_a_killed_git_does_not_stop_work_for_good(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.git.STALE_LOCK_SECONDS", 0.05)
    (copy.root / ".git" / "index.lock").write_text("", encoding="utf-8")
    assert commit(copy, "{}") == copy.head()


def test_the_users_git_settings_and_hooks_change_nothing(
    copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[commit]\ngpgsign=true\n[core]\nhooksPath=" + str(tmp_path), encoding="utf-8")
    hook = tmp_path / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    inside = copy.root / ".git" / "hooks"
    inside.mkdir(exist_ok=True)
    (inside / "pre-commit").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (inside / "pre-commit").chmod(0o755)
    assert commit(copy, "{}") == copy.head()


def test_revert_brings_the_file_back_as_a_new_commit(copy: Workspace) -> None:
    before = copy.read(CONFIG)
    sha = commit(copy, '{"capacity": 3}\n')
    undone = copy.revert(sha, message="Undo", trailers={"Ticket": "5"})
    assert copy.read(CONFIG) == before
    assert copy.log(1)[0].ticket == "5"
    assert undone == copy.head() != sha


def test_revert_refuses_when_later_work_is_in_the_way_and_changes_nothing(copy: Workspace) -> None:
    sha = commit(copy, '{"capacity": 3}\n')
    (copy.root / CONFIG).write_text('{"capacity": 4}\n', encoding="utf-8")
    with pytest.raises(WorkspaceConflict, match="uncommitted"):
        copy.revert(sha, message="Undo", trailers={})
    later = commit(copy, '{"capacity": 5}\n')
    with pytest.raises(WorkspaceConflict, match="later commits"):
        copy.revert(sha, message="Undo", trailers={})
    assert copy.head() == later
    assert copy.read(CONFIG) == '{"capacity": 5}\n'
    assert copy.changed() == []
    assert commit(copy, "{}") == copy.head()


def test_drift_is_what_differs_from_the_commit(copy: Workspace) -> None:
    assert copy.config_drift(CONFIG) == {}
    (copy.root / CONFIG).write_text('{"enabled": 1, "delay_ms": 500, "capacity": 100.0, "new": 1}', encoding="utf-8")
    drift = copy.config_drift(CONFIG)
    assert drift == {"enabled": (True, 1), "delay_ms": (0, 500), "refill_per_second": (10, None), "new": (None, 1)}
    for broken in ("{", "[]", ""):
        (copy.root / CONFIG).write_text(broken, encoding="utf-8")
        with pytest.raises(ConfigUnreadable, match=CONFIG):
            copy.config_drift(CONFIG)


def test_globs_of_the_editable_files(copy: Workspace, ratelimiter: Subject) -> None:
    allowed = ("service/ratelimiter/app.py", "service/ratelimiter/new.py", CONFIG)
    refused = ("subject.toml", "AGENTS.md", "service/__init__.py", "service/ratelimiter/deep/x.py", f"./{CONFIG}")
    assert all(copy.is_editable(path, ratelimiter.editable) for path in allowed)
    assert not any(copy.is_editable(path, ratelimiter.editable) for path in refused)


def test_search_finds_lines_and_survives_a_pattern_made_to_hang(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy.root / "trap.txt").write_text("a" * 60 + "!\n" + "needle\n" * 300, encoding="utf-8")
    found = copy.search("^needle$", "*.txt")
    assert (found[0].path, found[0].line, found[0].text) == ("trap.txt", 2, "needle")
    assert len(found) == 200
    with pytest.raises(WorkspaceError, match="regular expression"):
        copy.search("(")
    monkeypatch.setattr("service.search.TIMEOUT_SECONDS", 0.3)
    with pytest.raises(WorkspaceError, match="simpler"):
        copy.search("^(a+)+$", "*.txt")


def test_reading_is_bounded(copy: Workspace) -> None:
    (copy.root / "big.log").write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(WorkspaceError, match="more than"):
        copy.read("big.log")
    with pytest.raises(WorkspaceError, match="no such file"):
        copy.read("none.log")
    with pytest.raises(WorkspaceError, match="not a commit"):
        copy.read_at("--output=/tmp/x", CONFIG)
    assert copy.read_at("HEAD", "none.log") is None


@pytest.mark.parametrize("text", ['{"delay_ms": NaN}', '{"delay_ms": 1e999}', "[" * 100_000])
def test_what_is_not_json_by_the_standard_is_unreadable(copy: Workspace, text: str) -> None:
    (copy.root / CONFIG).write_text(text)
    with pytest.raises(ConfigUnreadable, match=CONFIG):
        copy.config_drift(CONFIG)


def test_a_pipe_is_not_waited_for(copy: Workspace) -> None:
    (copy.root / CONFIG).unlink()
    os.mkfifo(copy.root / CONFIG)
    for look in (copy.digest, copy.read, copy.config_drift):
        with pytest.raises(WorkspaceError, match="not a regular file"):
            look(CONFIG)
