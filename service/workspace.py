"""A subject's deployed copy: the git repository it runs from, and the only place an operator edits.

Everything here is synchronous and may wait for the disk or for git: call it through ``asyncio.to_thread``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from service import strict_json
from service.files import open_regular, write_atomically
from service.git import Git, GitError
from service.history import Commit, find_commit, message_with, read_log
from service.lay import lay_copy
from service.paths import PathRefused, jailed, matches
from service.search import Match, SearchError, search_files
from service.subject import Subject

__all__ = [
    "Commit",
    "ConfigUnreadable",
    "Match",
    "Workspace",
    "WorkspaceConflict",
    "WorkspaceError",
]

MAX_READ_BYTES = 1024 * 1024
MAX_DIFF_CHARACTERS = 256 * 1024
ABSENT = "absent"
COMMIT = ("commit", "--quiet", "--no-verify", "--allow-empty", "-m")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./~^-]{0,120}")


class WorkspaceError(RuntimeError):
    """It cannot be done in this copy; one line: what, why, and the mend."""


class WorkspaceConflict(WorkspaceError):
    """The file on disk is not the one the change was made for."""


class ConfigUnreadable(WorkspaceError):
    """The configuration file on disk is not a JSON object."""


# Named here because inside the class ``list`` is a method.
Names = list[str]
Commits = list[Commit]
Matches = list[Match]


class Workspace:
    """One deployed copy at ``root``. Paths are relative to it and cannot leave it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._git = Git(root)
        self._config_at_head: tuple[str, str, dict[str, Any]] | None = None

    @classmethod
    def lay(cls, home: Path, subject: Subject) -> Workspace:
        """The copy of ``subject`` in ``home``, created with a first commit if it is not there."""
        root = home / "subjects" / subject.name
        try:
            if not (root / ".git").is_dir():
                if root.exists() and any(root.iterdir()):
                    raise WorkspaceError(f"{root} is not a deployed copy (no .git); move it away and start again")
                lay_copy(root, subject)
        except OSError as error:
            raise WorkspaceError(f"{root} cannot be written: {error.strerror or error}; set HARNESS_HOME") from None
        except GitError as error:
            raise WorkspaceError(f"{root} cannot be laid: {error}") from None
        return cls.at(home, subject.name)

    @classmethod
    def at(cls, home: Path, name: str) -> Workspace:
        """The existing copy of the subject ``name``."""
        root = home / "subjects" / name
        if not (root / ".git").is_dir():
            raise WorkspaceError(f"{root} is not there yet; run: harness init")
        return cls(root)

    # --- looking ---

    def head(self) -> str:
        """The commit now deployed."""
        with contextlib.suppress(OSError):
            pointer = (self.root / ".git" / "HEAD").read_text("ascii").strip()
            name = pointer.removeprefix("ref: ")
            sha = (self.root / ".git" / name).read_text("ascii").strip() if name != pointer else pointer
            if re.fullmatch(r"[0-9a-f]{40,64}", sha):
                return sha
        return self._text("rev-parse", "--verify", "HEAD").strip()

    def log(self, limit: int = 10) -> Commits:
        """The newest commits first."""
        try:
            return read_log(self._git, limit)
        except GitError as error:
            raise WorkspaceError(str(error)) from None

    def read(self, path: str) -> str:
        """The file as text (what is not UTF-8 shows as U+FFFD); at most 1 MiB."""
        return self._bytes(path).decode("utf-8", "replace")

    def read_at(self, rev: str, path: str) -> str | None:
        """The file as it was at a commit; None when it was not there."""
        self._jail(path)
        sha = self._commit(rev)
        code, data = self._call("cat-file", "-p", f"{sha}:{path}", accept=(0, 128))
        if code:
            return None
        self._check_size(path, len(data))
        return data.decode("utf-8", "replace")

    def exists(self, path: str) -> bool:
        return self._jail(path).is_file()

    def list(self, glob: str = "**/*") -> Names:
        """Files, tracked and new ones, that match the glob."""
        names = self._text("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        found = sorted({name for name in names if name and matches(name, (glob,))})
        return [name for name in found if (self.root / name).is_file()]

    def search(self, pattern: str, glob: str = "**/*") -> Matches:
        """Lines that match a regular expression, at most 200, within 5 s."""
        files = []
        for name in self.list(glob):
            with contextlib.suppress(WorkspaceError):
                files.append((name, self._jail(name)))
        try:
            return search_files(pattern, files)
        except SearchError as error:
            raise WorkspaceError(str(error)) from None

    def changed(self) -> Names:
        """Paths whose bytes on disk differ from the last commit, new files included."""
        rows = self._text("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames").split("\0")
        return sorted(row[3:] for row in rows if row)

    def diff(self, path: str | None = None) -> str:
        """Unified diff from the last commit to the disk, tracked files only; at most 256 Ki characters."""
        where = []
        if path is not None:
            self._jail(path)
            where = ["--", path]
        text = self._text("diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD", *where)
        return text if len(text) <= MAX_DIFF_CHARACTERS else text[:MAX_DIFF_CHARACTERS] + "\n… (cut)\n"

    def digest(self, path: str) -> str:
        """SHA-256 of the file's bytes in hex, or ``absent``."""
        target = self._jail(path)
        try:
            with open_regular(target) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return ABSENT
        except OSError as error:
            raise WorkspaceError(f"{path}: cannot be read: {error.strerror or error}") from None

    def is_editable(self, path: str, globs: Sequence[str]) -> bool:
        """Whether an operator may change the file: one of the globs matches and it is inside the copy."""
        try:
            jailed(self.root, path, for_writing=True)
        except PathRefused:
            return False
        return os.path.normpath(path) == path and matches(path, globs)

    def find_commit(self, trailer: str, value: str) -> str | None:
        """The newest commit that carries ``trailer: value``."""
        try:
            return find_commit(self._git, trailer, value)
        except GitError as error:
            raise WorkspaceError(str(error)) from None

    def config_drift(self, file: str) -> dict[str, tuple[Any, Any]]:
        """Keys whose live value differs from the committed one: ``(committed, live)``, None where not set.

        Raises ConfigUnreadable when the file on disk is not a JSON object.
        """
        committed = self._committed_config(file)
        try:
            live = strict_json.loads(self._bytes(file))
        except (ValueError, WorkspaceError) as error:
            raise ConfigUnreadable(f"{file}: {error}") from None
        if not isinstance(live, dict):
            raise ConfigUnreadable(f"{file}: is not a JSON object")
        keys = [*committed, *(key for key in live if key not in committed)]
        drift = {key: (committed.get(key), live.get(key)) for key in keys}
        return {key: pair for key, pair in drift.items() if not _same(*pair)}

    # --- changing ---

    def commit_text(
        self, path: str, text: str, *, message: str, trailers: Mapping[str, str], expect_digest: str | None
    ) -> str:
        """Write ``text`` to ``path`` and commit that file alone; the commit's sha.

        Recorded even when it only brings back what was committed. Raises WorkspaceConflict when the file on
        disk has neither ``expect_digest`` (``absent`` for a new file, None for any) nor already the wanted
        bytes, as after a crash between writing and committing.
        """
        target = self._jail(path, for_writing=True)
        data = text.encode("utf-8")
        self._check_size(path, len(data))
        full = self._message(message, trailers)
        with self._lock():
            found = self.digest(path)
            if expect_digest not in (None, found) and found != hashlib.sha256(data).hexdigest():
                raise WorkspaceConflict(f"{path}: changed on disk since it was read; read it again")
            before = target.read_bytes() if found != ABSENT else None
            try:
                write_atomically(target, data)
            except OSError as error:
                raise WorkspaceError(f"{path}: cannot be written: {error.strerror or error}") from None
            try:
                self._write("add", "--force", "--", path)
                self._write(*COMMIT, full, "--only", "--", path)
            except WorkspaceError:
                with contextlib.suppress(OSError):
                    if before is None:
                        target.unlink()
                    else:
                        write_atomically(target, before)
                raise
            return self.head()

    def revert(self, sha: str, *, message: str, trailers: Mapping[str, str]) -> str:
        """Commit the opposite of ``sha``; the new commit.

        Raises WorkspaceConflict, with nothing changed, when later changes are in the way.
        """
        full = self._message(message, trailers)
        with self._lock():
            commit = self._commit(sha)
            touched = self._text("diff-tree", "--no-commit-id", "--name-only", "-r", "-z", commit).split("\0")
            dirty = sorted(set(filter(None, touched)) & set(self.changed()))
            if dirty:
                raise WorkspaceConflict(f"{dirty[0]}: has uncommitted changes; restore it first")
            try:
                self._write("revert", "--no-commit", "--no-edit", commit)
            except WorkspaceError:
                with contextlib.suppress(WorkspaceError):
                    self._write("revert", "--abort")
                why = "later commits changed the same lines; edit the file instead"
                raise WorkspaceConflict(f"{commit[:9]}: {why}") from None
            paths = [name for name in touched if name]
            where = ["--only", "--", *paths] if paths else []
            try:
                self._write(*COMMIT, full, *where)
            finally:
                with contextlib.suppress(WorkspaceError):
                    self._write("revert", "--quit")
            return self.head()

    # --- inside ---

    def _jail(self, path: str, *, for_writing: bool = False) -> Path:
        try:
            return jailed(self.root, path, for_writing=for_writing)
        except PathRefused as error:
            raise WorkspaceError(str(error)) from None

    def _bytes(self, path: str) -> bytes:
        target = self._jail(path)
        try:
            with open_regular(target) as file:
                self._check_size(path, os.fstat(file.fileno()).st_size)
                return file.read(MAX_READ_BYTES)
        except FileNotFoundError:
            raise WorkspaceError(f"{path}: no such file in the deployed copy") from None
        except OSError as error:
            raise WorkspaceError(f"{path}: cannot be read: {error.strerror or error}") from None

    @staticmethod
    def _check_size(path: str, size: int) -> None:
        if size > MAX_READ_BYTES:
            raise WorkspaceError(f"{path}: {size} bytes is more than the {MAX_READ_BYTES} handled at once")

    def _committed_config(self, file: str) -> dict[str, Any]:
        head = self.head()
        if self._config_at_head is None or self._config_at_head[:2] != (head, file):
            try:
                values = strict_json.loads(self.read_at(head, file) or "{}")
            except ValueError:
                values = {}
            self._config_at_head = (head, file, values if isinstance(values, dict) else {})
        return self._config_at_head[2]

    def _commit(self, rev: str) -> str:
        if not _REVISION.fullmatch(rev):
            raise WorkspaceError(f"{rev!r}: is not a commit")
        code, out = self._call("rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}", accept=(0, 1, 128))
        if code:
            raise WorkspaceError(f"{rev}: no such commit in the deployed copy")
        return out.decode("ascii").strip()

    def _call(self, *arguments: str, accept: Sequence[int] = (0,)) -> tuple[int, bytes]:
        try:
            return self._git.run_code(*arguments, accept=accept)
        except GitError as error:
            raise WorkspaceError(str(error)) from None

    def _text(self, *arguments: str) -> str:
        return self._call(*arguments)[1].decode("utf-8", "replace")

    @staticmethod
    def _message(title: str, trailers: Mapping[str, str]) -> str:
        try:
            return message_with(title, trailers)
        except GitError as error:
            raise WorkspaceError(str(error)) from None

    def _write(self, *arguments: str) -> None:
        try:
            self._git.change(*arguments)
        except GitError as error:
            raise WorkspaceError(str(error)) from None

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            with self._git.exclusive():
                yield
        except GitError as error:
            raise WorkspaceError(str(error)) from None


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, but 10 is 10.0."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
