"""The small language in which a runbook reads results: ``step.path OP value``.

``status.config.drift.delay_ms.live > 0`` · ``status.probe.connected == false`` · ``logs.lines contains "invalid"`` ·
``status.config.drift.delay_ms exists`` · ``… missing``. No code is run; a path that is not there compares as
missing, which only ``missing`` and ``!=`` accept.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SHAPE = re.compile(
    r"^\s*(?P<path>[A-Za-z_][\w.\-]*)\s+(?P<op>==|!=|<=|>=|<|>|contains|exists|missing)\s*(?P<value>.*)$"
)
_HOLE = re.compile(r"\{([A-Za-z_][\w.\-]*)\}")
MISSING: Any = object()
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class ExpressionError(ValueError):
    """The text is not in the language: what it was and what is accepted."""


@dataclass(frozen=True, slots=True)
class Expression:
    path: str
    operator: str
    value: Any
    text: str

    def holds(self, results: Mapping[str, Any]) -> bool:
        """Whether it is true of the results, a mapping from step id to that step's data."""
        found = look_up(self.path, results)
        if self.operator == "exists":
            return found is not MISSING
        if self.operator == "missing":
            return found is MISSING
        if self.operator == "==":
            return found is not MISSING and bool(found == self.value)
        if self.operator == "!=":
            return found is MISSING or bool(found != self.value)
        if self.operator == "contains":
            return _contains(found, self.value)
        if not isinstance(found, int | float) or isinstance(found, bool):
            return False
        return bool(_COMPARE[self.operator](found, self.value))


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return str(value) in found
    if isinstance(found, list):
        return any(str(value) in item if isinstance(item, str) else item == value for item in found)
    return isinstance(found, Mapping) and value in found


def parse(text: str) -> Expression:
    """Parse one expression.

    Raises:
        ExpressionError: it is not ``path OP value``, or the value is not JSON.
    """
    match = _SHAPE.match(text)
    if match is None:
        raise ExpressionError(f"{text!r} is not `path OP value` with ==, !=, <, <=, >, >=, contains, exists or missing")
    operator, raw = match["op"], match["value"].strip()
    if operator in {"exists", "missing"}:
        if raw:
            raise ExpressionError(f"{text!r}: {operator} takes no value")
        return Expression(match["path"], operator, None, text)
    try:
        value = json.loads(raw)
    except ValueError:
        raise ExpressionError(f"{text!r}: {raw!r} is not a JSON value (quote strings)") from None
    if operator in {"<", "<=", ">", ">="} and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ExpressionError(f"{text!r}: {operator} needs a number")
    return Expression(match["path"], operator, value, text)


def look_up(path: str, results: Mapping[str, Any]) -> Any:
    """The value at a dotted path, or ``MISSING``."""
    found: Any = results
    for part in path.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.lstrip("-").isdigit() and -len(found) <= int(part) < len(found):
            found = found[int(part)]
        else:
            return MISSING
    return found


def fill(value: Any, results: Mapping[str, Any]) -> Any:
    """Replace ``{path}`` in strings, keys included; a string that is one hole becomes the value itself.

    Raises:
        ExpressionError: a path is not among the results.
    """
    if isinstance(value, str):
        whole = _HOLE.fullmatch(value)
        if whole is not None:
            return _found(whole[1], results)
        return _HOLE.sub(lambda hole: _shown(_found(hole[1], results)), value)
    if isinstance(value, Mapping):
        return {str(fill(key, results)): fill(item, results) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, results) for item in value]
    return value


def _found(path: str, results: Mapping[str, Any]) -> Any:
    found = look_up(path, results)
    if found is MISSING:
        raise ExpressionError(f"{path} is not among the results")
    return found


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
