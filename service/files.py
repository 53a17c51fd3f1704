"""Reading only what is a file; writing so that a reader sees the old bytes or the new ones, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from io import BufferedReader
from pathlib import Path


class IrregularFile(OSError):
    """A folder, a pipe or a device stands where a file should."""


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading; a named pipe in its place does not hold the reader.

    Raises:
        IrregularFile: it is a folder, a pipe or a device. OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IrregularFile(errno.EINVAL, "is not a regular file", str(path))
    return open(descriptor, "rb")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace or create ``path`` with ``data``, durably; a file keeps its mode. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        mode = 0o644
    descriptor, temporary = tempfile.mkstemp(prefix=".harness-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
