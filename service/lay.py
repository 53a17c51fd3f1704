"""Laying a subject's deployed copy: its code and configuration as a git repository of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from service.git import Git
from service.paths import matches
from service.subject import Subject

NEVER = ("**/__pycache__/**", "**/*.pyc", ".git/**", "**/.*")
IGNORED = "__pycache__/\n*.pyc\n.harness-*.tmp\n"


def lay_copy(root: Path, subject: Subject) -> None:
    """Create ``root`` as a repository with one commit, or leave it untouched if it is there.

    Complete or absent: it is built beside its place and then renamed. Raises OSError, GitError.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        _copy_files(building, subject)
        git = Git(building)
        git.run("init", "--quiet", "--initial-branch=main", "--template=")
        (building / ".git" / "info").mkdir(exist_ok=True)
        (building / ".git" / "info" / "exclude").write_text(IGNORED, encoding="utf-8")
        git.run("add", "--all")
        git.run("commit", "--quiet", "--no-verify", "-m", f"Deployed copy of {subject.name}")
        building.chmod(0o755)
        try:
            os.rename(building, root)
        except OSError:
            # Another process laid it in the meantime: its copy is as good.
            if not (root / ".git").is_dir():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _copy_files(target: Path, subject: Subject) -> None:
    source = (subject.source.resolve().parent / subject.code_root).resolve()
    files = sorted(path for path in source.rglob("*") if path.is_file())
    for rule in subject.deploy:
        for path in files:
            name = path.relative_to(source).as_posix()
            if not matches(name, (rule.source,)) or matches(name, NEVER):
                continue
            # The part of the path that the glob spells out is not repeated under ``to``.
            fixed = PurePosixPath(rule.source.split("*")[0] + "_").parent
            place = target / rule.to / PurePosixPath(name).relative_to(fixed)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    for package in {path.parent for path in target.rglob("__init__.py")}:
        parent = package.parent
        while parent != target and target in parent.parents:
            if not (parent / "__init__.py").exists():
                (parent / "__init__.py").write_text('"""Holds what is deployed."""\n', encoding="utf-8")
            parent = parent.parent
