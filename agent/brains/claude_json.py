"""Tool input as it was really sent: strict JSON or nothing."""

from __future__ import annotations

import json
import math
from typing import Any


def strict_object(raw: str) -> dict[str, Any]:
    """``raw`` as a JSON object.

    A lenient reader turns a damaged input into a plausible one, and a plausible input gets executed. So a duplicate
    key, NaN, an infinity, a number too large for a float, half a surrogate pair and trailing text are all refused.

    Raises:
        ValueError: it is not exactly one strict JSON object; the message says why in one line.
    """
    try:
        value = json.loads(raw, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"it is a JSON {_KINDS.get(type(value), 'value')}, not an object")
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair") from None
    return value


_KINDS = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return made


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number
