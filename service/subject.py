"""What a managed service is, read from its subject.toml.

Tables: ``[subject]``, exactly one ``[[process]]``, and optionally ``[config]``, ``[tests]``, ``[metrics]``,
``[workload]``, ``[[invariant]]`` and ``[[deploy]]``. Every mistake is told in one line that names the file,
the field, what is wrong and the nearest valid name.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

PLACEHOLDERS = ("python", "port")


class SubjectError(ValueError):
    """A subject file cannot be used; one line: file, field, what, and the mend."""


def _relative(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or ".git" in pure.parts or "\0" in path:
        raise ValueError(f"{path!r} must be a relative path inside the subject")
    return path


def _known_placeholders(command: tuple[str, ...]) -> tuple[str, ...]:
    for word in command:
        for name in re.findall(r"\{([A-Za-z_]*)\}", word):
            if name not in PLACEHOLDERS:
                raise ValueError(f"unknown placeholder {{{name}}}; known are {{python}} and {{port}}")
    return command


RelativePath = Annotated[str, AfterValidator(_relative)]
Command = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known_placeholders)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
UrlPath = Annotated[str, Field(pattern=r"^/\S*$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class HttpGet(_Table):
    path: UrlPath
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """None: the port the process was given."""


class ReadinessProbe(_Table):
    """When a started process counts as ready: the first 2xx or 3xx answer."""

    http_get: HttpGet
    period_seconds: PositiveSeconds = 0.5
    timeout_seconds: PositiveSeconds = 2.0
    failure_threshold: Annotated[int, Field(ge=1)] = 40
    """After so many failures in a row the start is reported as late; the process is left running."""
    initial_delay_seconds: Seconds = 0.0


class Restart(_Table):
    """What follows when the process ends unasked. Waits grow by ``backoff_factor`` up to the maximum."""

    policy: Literal["always", "on_failure", "never"] = "always"
    initial_backoff_seconds: PositiveSeconds = 1.0
    backoff_factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    max_backoff_seconds: PositiveSeconds = 300.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Each wait is multiplied by a random number in 1 ± jitter."""


class Shutdown(_Table):
    timeout_seconds: PositiveSeconds = 5.0
    """From SIGTERM to SIGKILL."""


class Process(_Table):
    name: Name
    command: Command
    """argv; ``{python}`` is this interpreter, ``{port}`` the port to listen on."""
    port: Annotated[int, Field(ge=1, le=65_535)] | Literal["auto"] = "auto"
    environment: dict[str, str] = {}
    readiness_probe: ReadinessProbe
    restart: Restart = Restart()
    shutdown: Shutdown = Shutdown()


class Invariant(_Table):
    """Something that must hold, judged on one GET."""

    name: Name
    description: str = ""
    path: UrlPath = ""
    """Default: the path of the readiness probe."""
    condition: Annotated[str, Field(min_length=1)]
    """In the syntax of Gatus, for example ``[STATUS] == 200``."""
    severity: Literal["critical", "warning"] = "critical"
    interval_seconds: PositiveSeconds = 5.0
    timeout_seconds: PositiveSeconds = 2.0
    for_seconds: Annotated[Seconds, Field(alias="for")] = 0.0
    """How long a failure must last before it counts."""
    confirm_after_seconds: tuple[PositiveSeconds, ...] = (1.0, 3.0)
    """A first failure is looked at again after these many seconds."""


class ConfigFile(_Table):
    """A JSON file that the service obeys live."""

    file: RelativePath
    check: Command | None = None
    """argv that ends with 0 when the file, given as one more argument, is valid."""


class Workload(_Table):
    """A request that background traffic repeats; ``{key}`` in the body is replaced."""

    path: UrlPath
    method: Literal["GET", "POST", "PUT"] = "POST"
    body: str = ""
    rate_per_second: Annotated[float, Field(gt=0, le=10_000)] = 5.0
    keys: Annotated[int, Field(ge=1, le=100_000)] = 10


class Series(_Table):
    """One series of a metric, by one label."""

    name: str
    label: str
    value: str


class Metrics(_Table):
    """Where the counters are that the console shows as rates."""

    path: UrlPath = "/metrics"
    requests: str
    denied: Series | None = None


class Deploy(_Table):
    """Which files of the code root go where in the deployed copy."""

    source: Annotated[RelativePath, Field(alias="from")]
    """A glob, relative to the code root."""
    to: RelativePath = "."


class Subject(_Table):
    name: Name
    description: str = ""
    type: Literal["single"] = "single"
    code_root: RelativePath = "."
    """The folder whose files are deployed, relative to subject.toml."""
    editable: tuple[RelativePath, ...] = ()
    """Globs, relative to the deployed copy, of the files an operator may change."""
    runbooks: RelativePath = "runbooks/*.md"
    agent_notes: RelativePath = "AGENTS.md"
    process: Process
    invariants: tuple[Invariant, ...] = ()
    config: ConfigFile | None = None
    tests: tuple[str, ...] = ()
    """argv that ends with 0 when the deployed copy's own tests pass."""
    workload: Workload | None = None
    metrics: Metrics | None = None
    deploy: tuple[Deploy, ...] = (Deploy(source="**/*"),)
    source: Path = Path("subject.toml")
    """The file it was read from."""

    @property
    def metrics_path(self) -> str:
        return self.metrics.path if self.metrics is not None else "/metrics"

    @model_validator(mode="after")
    def _names_differ(self) -> Subject:
        names = [invariant.name for invariant in self.invariants]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two invariants are named {name!r}")
        return self


def builtin_subjects() -> dict[str, Path]:
    """The subjects that come with the harness: name to the path of its subject.toml."""
    return {"ratelimiter": Path(__file__).parent / "ratelimiter" / "subject.toml"}


def load_subject(path: Path) -> Subject:
    """Read and check a subject file. Raises SubjectError with one line."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SubjectError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise SubjectError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise SubjectError(f"{path}: is not valid TOML: {error}") from None
    fields = _assemble(path, document)
    try:
        subject = Subject.model_validate({**fields, "source": path})
    except ValidationError as error:
        raise SubjectError(f"{path}: {_complaint(error)}") from None
    default = subject.process.readiness_probe.http_get.path
    invariants = tuple(one if one.path else one.model_copy(update={"path": default}) for one in subject.invariants)
    return subject.model_copy(update={"invariants": invariants})


_TABLES = ("subject", "process", "config", "tests", "invariant", "workload", "metrics", "deploy")
_OF_THE_SUBJECT = ("name", "description", "type", "code_root", "editable", "runbooks", "agent_notes")


def _assemble(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    """The document's tables as the fields of Subject."""
    for name in document:
        if name not in _TABLES:
            raise SubjectError(f"{path}: unknown table [{name}]{_nearest(name, _TABLES)}")
    head = document.get("subject")
    if not isinstance(head, dict):
        raise SubjectError(f"{path}: the table [subject] is missing; it needs at least a name")
    for name in head:
        if name not in _OF_THE_SUBJECT:
            raise SubjectError(f"{path}: subject.{name}: unknown field{_nearest(name, _OF_THE_SUBJECT)}")
    processes = document.get("process")
    if not isinstance(processes, list) or len(processes) != 1:
        count = len(processes) if isinstance(processes, list) else 0
        raise SubjectError(f"{path}: exactly one [[process]] is needed, {count} found")
    fields = {**head, "process": processes[0]}
    for table in ("config", "workload", "metrics"):
        if table in document:
            fields[table] = document[table]
    for table, field in (("invariant", "invariants"), ("deploy", "deploy")):
        if table in document:
            if not isinstance(document[table], list):
                raise SubjectError(f"{path}: [{table}] must be written [[{table}]]")
            fields[field] = document[table]
    if "tests" in document:
        tests = document["tests"]
        if not isinstance(tests, dict) or set(tests) != {"command"}:
            raise SubjectError(f"{path}: [tests] needs exactly one field, command")
        fields["tests"] = tests["command"]
    return fields


def _complaint(error: ValidationError) -> str:
    """The first mistake in one line."""
    errors = error.errors(include_url=False)
    # A misspelt field is also a missing one: the spelling is the better hint.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    # What pydantic adds for a member of a union ("int", "literal[...]") is no field of the file.
    location = [part for part in first["loc"] if isinstance(part, int) or part.isidentifier()]
    where = ".".join(str(part) for part in location).replace("invariants.", "invariant.")
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown field{_nearest(str(location[-1]), _fields_at(location[:-1]))}"
    if first["type"] == "missing":
        return f"{where}: is required"
    message = first["msg"].removeprefix("Value error, ")
    given = first["input"]
    shown = f", not {given!r}" if isinstance(given, str | int | float) and len(str(given)) < 60 else ""
    return f"{where}: {message}{shown}" if where else message


def _fields_at(location: list[int | str]) -> tuple[str, ...]:
    """Field names of the model that a location leads to."""
    model: type[BaseModel] = Subject
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        found = _model_in(field.annotation) if field is not None else None
        if found is None:
            return ()
        model = found
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, UnionType):
        for inner in get_args(annotation):
            found = _model_in(inner)
            if found is not None:
                return found
    return None


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else f"; known are {', '.join(known)}" if known else ""
