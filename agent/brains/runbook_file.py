"""A runbook: a Markdown file whose TOML front matter is an ordered list of steps.

Front matter stands between two ``+++`` lines; the prose after it is for people.

``name``, ``answers`` (invariants) or ``objective`` (a regular expression with named groups, for people's tickets),
then ``[[step]]`` tables: ``id``, ``say``, ``when`` (all must hold, else the step is skipped), ``tool``, ``arguments``,
``expect`` (must hold of the results afterwards), ``otherwise`` (step to go on with when they do not; default: a
person). A step without ``tool`` has ``verdict`` and ends the work.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.brains.expressions import Expression, ExpressionError, parse


class RunbookError(ValueError):
    """The file is not a runbook: file, field and what is wrong, in one line."""


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    say: str = ""
    when: tuple[str, ...] = ()
    tool: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    expect: tuple[str, ...] = ()
    otherwise: str | None = None
    verdict: Literal["fixed", "needs_human", "inconclusive"] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Step:
        if (self.tool is None) == (self.verdict is None):
            raise ValueError(f"step {self.id!r} needs either tool or verdict")
        for text in (*self.when, *self.expect):
            parse(text)
        return self

    def conditions(self) -> list[Expression]:
        return [parse(text) for text in self.when]

    def expectations(self) -> list[Expression]:
        return [parse(text) for text in self.expect]


class Runbook(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str
    name: str
    answers: tuple[str, ...] = ()
    objective: str | None = None
    step: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _coherent(self) -> Runbook:
        ids = [step.id for step in self.step]
        if len(set(ids)) != len(ids):
            raise ValueError("two steps have the same id")
        for step in self.step:
            if step.otherwise is not None and step.otherwise not in ids:
                raise ValueError(f"step {step.id!r} goes to {step.otherwise!r}, which is no step")
        if self.objective is not None:
            try:
                re.compile(self.objective)
            except re.error as error:
                raise ValueError(f"objective is not a regular expression: {error}") from None
        if not self.answers and self.objective is None:
            raise ValueError("a runbook answers invariants or matches an objective")
        return self


def parse_runbook(text: str, name: str) -> Runbook:
    """Read one runbook.

    Raises:
        RunbookError: no front matter, not TOML, or not a runbook.
    """
    parts = re.split(r"^\+\+\+\s*$", text, maxsplit=2, flags=re.MULTILINE)
    if len(parts) != 3 or parts[0].strip():
        raise RunbookError(f"{name}: the TOML front matter must stand first, between two +++ lines")
    try:
        data = tomllib.loads(parts[1])
        return Runbook.model_validate({**data, "slug": Path(name).stem})
    except tomllib.TOMLDecodeError as error:
        raise RunbookError(f"{name}: front matter is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunbookError(f"{name}: {where + ': ' if where else ''}{first['msg']}") from None
    except ExpressionError as error:
        raise RunbookError(f"{name}: {error}") from None


def load_runbooks(root: Path, pattern: str) -> tuple[list[Runbook], list[str]]:
    """Every runbook below ``root``, sorted by name, and one line for each file that is not one."""
    found: list[Runbook] = []
    problems: list[str] = []
    for path in sorted(root.glob(pattern)):
        try:
            found.append(parse_runbook(path.read_text(encoding="utf-8"), path.name))
        except (OSError, UnicodeDecodeError, RunbookError) as error:
            problems.append(str(error))
    return found, problems
