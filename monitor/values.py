"""Values as conditions and success criteria write them, and what comparing them means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

OPERATORS = ("==", "!=", "<=", ">=", "<", ">")
_SHOWN = 80


class ConditionError(ValueError):
    """The text is not a condition; the message is one line: what, where, and the nearest valid form."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """``pat(john*)``: a case-sensitive glob over the whole value."""

    glob: str


@dataclass(frozen=True, slots=True)
class Choice:
    """``any(200, 429)``: equal to one of them."""

    options: tuple[Any, ...]


def compare(actual: Any, operator: str, expected: Any) -> bool:
    """``actual operator expected`` as conditions and criteria mean it; no order among non-numbers."""
    if operator in ("==", "!="):
        return _equal(actual, expected) == (operator == "==")
    left, right = as_number(actual), as_number(expected)
    if left is None or right is None:
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def parse_literal(text: str) -> Any:
    """A value as written: JSON, ``"quoted"`` or ``'quoted'``, ``pat(…)``, ``any(…)``, or bare text.

    Raises:
        ConditionError: unbalanced quotes or brackets, or an empty value.
    """
    text = text.strip()
    if not text:
        raise ConditionError("a value is missing after the operator")
    for name in ("pat", "any"):
        if text.startswith(f"{name}("):
            if not text.endswith(")"):
                raise ConditionError(f"{text!r} lacks its closing bracket")
            inner = text[len(name) + 1 : -1].strip()
            if not inner:
                raise ConditionError(f"{name}() is empty")
            if name == "pat":
                return Pattern(_unquoted(inner))
            options = tuple(parse_literal(part) for part in _split_outside(inner))
            if any(isinstance(option, Choice) for option in options):
                raise ConditionError("any(…) cannot hold another any(…)")
            return Choice(options)
    if text[0] in "\"'" and (len(text) < 2 or text[-1] != text[0]):
        raise ConditionError(f"{text!r} lacks its closing quote")
    if text[0] == "'":
        return text[1:-1]
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return _unquoted(text)


def _equal(actual: Any, expected: Any) -> bool:
    if isinstance(expected, Choice):
        return any(_equal(actual, option) for option in expected.options)
    if isinstance(expected, Pattern):
        return fnmatchcase(as_text(actual), expected.glob)
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    if isinstance(actual, (int, float)) and isinstance(expected, (int, float)):
        return actual == expected
    if isinstance(actual, str) or isinstance(expected, str):
        return as_text(actual) == as_text(expected)
    return bool(actual == expected)


def as_number(value: Any) -> float | None:
    return value if is_number(value) else None


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def show(value: Any) -> str:
    if isinstance(value, Pattern):
        return f"pat({value.glob})"
    if isinstance(value, Choice):
        return f"any({', '.join(show(option) for option in value.options)})"
    text = " ".join(as_text(value).split()) or "(empty)"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _split_outside(text: str) -> list[str]:
    parts, depth, quote, current = [], 0, "", ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        if char == "," and depth == 0 and not quote:
            parts.append(current)
            current = ""
        else:
            current += char
    return [*parts, current]


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
