"""service_config.json: its schema, and the live copy that keeps the last good values.

The file is looked at by ``stat`` a few times a second; what is invalid is never obeyed but always reported.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

POLL_SECONDS = 0.2
MAX_BYTES = 65_536


class ConfigError(ValueError):
    """The file cannot be obeyed; one line that says where and why."""


class ServiceConfig(BaseModel):
    """The values of service_config.json. Types are strict: "200" is not a number, 1 is not true."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    enabled: bool = Field(True, description="false answers every check and /health with 503")
    delay_ms: int = Field(0, ge=0, le=60_000, description="added to every answer but /metrics; milliseconds")
    capacity: int = Field(100, ge=1, le=1_000_000_000, description="tokens a full bucket holds; the burst")
    refill_per_second: float = Field(10.0, ge=0.000_001, le=1_000_000, description="tokens that come back per second")


def parse_config(data: bytes, name: str) -> ServiceConfig:
    """The bytes of a configuration file as values. Raises ConfigError."""
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{name}: {len(data)} bytes is more than the {MAX_BYTES} a configuration may have")
    try:
        return ServiceConfig.model_validate_json(data)
    except ValidationError as error:
        raise ConfigError(f"{name}: " + "; ".join(_complaint(dict(one)) for one in error.errors())) from None


def _complaint(error: dict[str, object]) -> str:
    location = error.get("loc")
    field = ".".join(str(part) for part in location) if isinstance(location, tuple) else ""
    if error.get("type") == "extra_forbidden":
        near = difflib.get_close_matches(field, ServiceConfig.model_fields, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"unknown key {field}{hint}"
    message = str(error.get("msg", "invalid"))
    return f"{field}: {message}" if field else message


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration in force: its values, and the first 12 hex digits of the SHA-256 of its bytes."""

    values: ServiceConfig
    version: str


def read_config(path: Path) -> Loaded:
    """Read and check the file. Raises ConfigError also when it cannot be read."""
    try:
        # O_NONBLOCK: a named pipe in its place must not stop the service.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"{path.name}: is not a regular file")
            data = os.read(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"{path.name}: cannot be read: {error.strerror or error}") from None
    return Loaded(parse_config(data, path.name), hashlib.sha256(data).hexdigest()[:12])


Change = Literal["same", "applied", "invalid"]


class LiveConfig:
    """The configuration in force, refreshed by ``poll``. Raises ConfigError when the first read fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature = self._stat()
        self._loaded = read_config(path)
        self.error: str | None = None
        """Why the file as it now stands is not obeyed; None when it is."""

    @property
    def values(self) -> ServiceConfig:
        return self._loaded.values

    def poll(self) -> Change:
        """Look whether the file changed and obey it if it is valid; one ``stat`` when it did not change."""
        signature = self._stat()
        if signature == self._signature:
            return "same"
        # Remembered before reading: a write that falls between the two is then seen by the next poll.
        self._signature = signature
        try:
            loaded = read_config(self._path)
        except ConfigError as error:
            changed = self.error != str(error)
            self.error = str(error)
            return "invalid" if changed else "same"
        recovered = self.error is not None
        self.error = None
        if loaded == self._loaded and not recovered:
            return "same"
        self._loaded = loaded
        return "applied"

    def public(self) -> dict[str, object]:
        """The ``config`` member of /health."""
        return {
            "state": "current" if self.error is None else "invalid",
            "error": self.error,
            "version": self._loaded.version,
        }

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            seen = os.stat(self._path)
        except OSError:
            return None
        return (seen.st_mtime_ns, seen.st_size, seen.st_ino)
