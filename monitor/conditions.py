"""The language in which an HTTP invariant is written: Gatus conditions.

``[STATUS] == any(200, 429)`` · ``[RESPONSE_TIME] < 200`` (milliseconds) · ``[CONNECTED] == true`` ·
``[BODY].limits.capacity >= 100`` · ``len([BODY].items) > 0`` · ``has([BODY].error) == false`` ·
``[BODY].name == pat(rate-*)``.

A verdict is three-valued. When nothing answered, ``[STATUS]`` is violated and ``[RESPONSE_TIME]`` and
``[BODY]`` are unknown: one outage must not be charged to every rule that reads the answer.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from monitor.values import OPERATORS, Choice, ConditionError, Pattern, compare, is_number, parse_literal, show

if TYPE_CHECKING:
    from monitor.probes import ProbeResult

__all__ = ["Condition", "ConditionError", "Verdict", "VerdictState", "parse_condition"]

VerdictState = Literal["holding", "violated", "unknown"]
PLACEHOLDERS = ("STATUS", "RESPONSE_TIME", "CONNECTED", "BODY")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>|=")
_OPERAND = re.compile(r"\[([A-Za-z_]+)\](.*)", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]\s()]+)|\[(\d{1,9})\]")
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a condition says of one probe. ``reason`` is one line; ``value`` is what was seen."""

    state: VerdictState
    value: str
    reason: str


@dataclass(frozen=True)
class Condition:
    """A parsed condition; build it with ``parse_condition``."""

    text: str
    placeholder: str
    path: tuple[str | int, ...]
    function: Literal["", "len", "has"]
    operator: str
    expected: Any

    @cached_property
    def threshold_ms(self) -> float | None:
        """The bound in milliseconds when this is an upper bound on ``[RESPONSE_TIME]``, else None."""
        if self.placeholder == "RESPONSE_TIME" and self.operator in ("<", "<="):
            return float(self.expected)
        return None

    def evaluate(self, result: ProbeResult) -> Verdict:
        """The verdict on one probe; pure, never raises."""
        if self.placeholder == "CONNECTED":
            return self._judge(result.connected, suffix=f": {result.error}" if result.error else "")
        if result.status == 0:
            why = result.error or "no response"
            if self.placeholder == "STATUS":
                return Verdict("violated", "no response", why)
            return Verdict("unknown", "no response", f"{self._subject} cannot be judged: {why}")
        if self.placeholder == "STATUS":
            return self._judge(result.status)
        if self.placeholder == "RESPONSE_TIME":
            if result.response_ms is None:
                return Verdict("unknown", "not measured", "the response time was not measured")
            return self._judge(result.response_ms)
        return self._judge_body(result)

    @property
    def _subject(self) -> str:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        inner = f"[{self.placeholder}]{path}"
        return f"{self.function}({inner})" if self.function else inner

    def _judge_body(self, result: ProbeResult) -> Verdict:
        body = result.body or b""
        if not self.path and not self.function:
            if result.truncated:
                return Verdict("unknown", "too large", "the body is larger than what a probe reads")
            return self._judge(body.decode("utf-8", "replace"))
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            if result.truncated:
                return Verdict("unknown", "too large", "the body is larger than what a probe reads")
            if self.function == "has":
                return self._judge(False)
            if self.function == "len" and not self.path:
                return self._judge(len(body.decode("utf-8", "replace")))
            return Verdict("violated", "not JSON", f"{self._subject} cannot be read: the body is not JSON")
        found, value = _walk(document, self.path)
        if self.function == "has":
            return self._judge(found)
        if not found:
            return Verdict("violated", "absent", f"{self._subject} is absent, must be {self._wanted}")
        if self.function == "len":
            if not isinstance(value, (str, list, dict)):
                return Verdict("violated", show(value), f"{self._subject}: {show(value)} has no length")
            value = len(value)
        return self._judge(value)

    @property
    def _wanted(self) -> str:
        return f"{self.operator} {show(self.expected)}"

    def _judge(self, actual: Any, suffix: str = "") -> Verdict:
        shown = f"{actual:.0f} ms" if self.placeholder == "RESPONSE_TIME" else show(actual)
        if compare(actual, self.operator, self.expected):
            return Verdict("holding", shown, f"{self._subject} is {shown}")
        return Verdict("violated", shown, f"{self._subject} is {shown}, must be {self._wanted}{suffix}")


def parse_condition(text: str) -> Condition:
    """Read one condition.

    Raises:
        ConditionError: one line saying what is wrong, where, and what would be right.
    """
    text = text.strip()
    if not text:
        raise ConditionError("the condition is empty; write for example [STATUS] == 200")
    if "\n" in text or len(text) > 500:
        raise ConditionError("a condition is one line of at most 500 characters")
    left, operator, right = _split_operator(text)
    if not _is_operand(left) and _is_operand(right):
        left, operator, right = right, _MIRRORED[operator], left
    if not _is_operand(left):
        raise ConditionError(f"{text!r} reads nothing from the answer; start it with {_known()}")
    if _is_operand(right):
        raise ConditionError(f"{text!r}: compare with a value, not with another placeholder")
    function, placeholder, path = _parse_operand(left)
    expected = parse_literal(right)
    _check_types(text, function, placeholder, operator, expected)
    return Condition(text, placeholder, path, function, operator, expected)


def _split_operator(text: str) -> tuple[str, str, str]:
    depth, quote, index = 0, "", 0
    while index < len(text):
        char = text[index]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif depth == 0 and (match := _OPERATOR.match(text, index)):
            if match.group() == "=":
                raise ConditionError(f"{text!r}: '=' at column {index + 1} is not an operator; write '=='")
            return text[:index].strip(), match.group(), text[match.end() :].strip()
        index += 1
    raise ConditionError(f"{text!r} has no operator; use one of {' '.join(OPERATORS)}")


def _is_operand(text: str) -> bool:
    return text.startswith(("len(", "has(")) or (_OPERAND.match(text) is not None)


def _parse_operand(text: str) -> tuple[Literal["", "len", "has"], str, tuple[str | int, ...]]:
    function: Literal["", "len", "has"] = ""
    name: Literal["len", "has"]
    for name in ("len", "has"):
        if text.startswith(f"{name}("):
            if not text.endswith(")"):
                raise ConditionError(f"{text!r} lacks its closing bracket")
            function, text = name, text[4:-1].strip()
            break
    match = _OPERAND.fullmatch(text)
    if match is None:
        raise ConditionError(f"{text!r} is not a placeholder; use {_known()}")
    placeholder, rest = match.group(1).upper(), match.group(2).strip()
    if placeholder not in PLACEHOLDERS:
        near = difflib.get_close_matches(placeholder, PLACEHOLDERS, n=1, cutoff=0.5)
        hint = f"did you mean [{near[0]}]?" if near else f"use {_known()}"
        raise ConditionError(f"[{match.group(1)}] is not a placeholder; {hint}")
    if placeholder != "BODY" and (rest or function):
        raise ConditionError(f"[{placeholder}] is a plain value; paths, len() and has() belong to [BODY]")
    path: list[str | int] = []
    position = 0
    while position < len(rest):
        step = _STEP.match(rest, position)
        if step is None:
            raise ConditionError(f"{rest[position:]!r} is not a path; write for example [BODY].items[0].id")
        path.append(step.group(1) if step.group(1) is not None else int(step.group(2)))
        position = step.end()
    if function == "has" and not path:
        raise ConditionError("has() asks for a path; write for example has([BODY].error) == false")
    return function, placeholder, tuple(path)


def _check_types(text: str, function: str, placeholder: str, operator: str, expected: Any) -> None:
    ordered = operator not in ("==", "!=")
    options = expected.options if isinstance(expected, Choice) else (expected,)
    if ordered and not is_number(expected):
        raise ConditionError(f"{text!r}: {operator} compares numbers, and {show(expected)} is not one")
    if placeholder in ("STATUS", "RESPONSE_TIME") or function == "len":
        unit = {"STATUS": "an HTTP status such as 200", "RESPONSE_TIME": "milliseconds such as 200"}
        wanted = unit.get(placeholder, "a number")
        for option in options:
            if not is_number(option) and not (placeholder == "STATUS" and isinstance(option, Pattern)):
                raise ConditionError(f"{text!r}: {show(option)} is not {wanted}")
    if (placeholder == "CONNECTED" or function == "has") and (
        ordered or not all(isinstance(option, bool) for option in options)
    ):
        raise ConditionError(f"{text!r}: compare with == true or == false")


def _walk(document: Any, path: tuple[str | int, ...]) -> tuple[bool, Any]:
    for step in path:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return False, None
            document = document[step]
        else:
            if not isinstance(document, dict) or step not in document:
                return False, None
            document = document[step]
    return True, document


def _known() -> str:
    return ", ".join(f"[{name}]" for name in PLACEHOLDERS)
