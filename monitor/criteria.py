"""Success criteria: what must be seen to hold before a ticket may close as fixed.

Three forms, one per line of a ticket:

- ``rate_limiter_healthy``: an invariant of the subject holds,
- ``config.capacity == 200``: the committed configuration and the file on disk both say so,
- ``GET /health [BODY].limits.capacity == 200``: the running service answers so (``monitor.conditions``).
"""

from __future__ import annotations

import asyncio
import difflib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.conditions import Condition, VerdictState, parse_condition
from monitor.values import OPERATORS, ConditionError, compare, is_number, parse_literal, show

if TYPE_CHECKING:
    from monitor.probes import Prober
    from service.workspace import Workspace

_CONFIG = re.compile(r"config\.(?P<key>\w+(?:\.\w+)*)\s*(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>.+)")
_REQUEST = re.compile(r"GET\s+(?P<path>/\S*)\s+(?P<condition>.+)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_FORMS = "write an invariant's name, config.KEY == VALUE, or GET /path [STATUS] == 200"
_ABSENT = object()


class CriterionError(ValueError):
    """The text is not a criterion; the message is one line with the nearest valid form."""


@dataclass(frozen=True, slots=True)
class InvariantHolds:
    text: str
    name: str


@dataclass(frozen=True, slots=True)
class ConfigIs:
    text: str
    key: str
    operator: str
    expected: Any


@dataclass(frozen=True, slots=True)
class Answers:
    text: str
    path: str
    condition: Condition


Criterion = InvariantHolds | ConfigIs | Answers


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """``unknown`` is neither holding nor violated. ``value`` is what was seen, ``reason`` one line."""

    state: VerdictState
    value: str
    reason: str


def parse_criterion(text: str, invariant_names: Collection[str]) -> Criterion:
    """Read one criterion of a subject whose invariants are ``invariant_names``.

    Raises:
        CriterionError: one line: what is wrong and what would be right.
    """
    text = text.strip()
    if not text:
        raise CriterionError(f"the criterion is empty; {_FORMS}")
    if "\n" in text or len(text) > 500:
        raise CriterionError("a criterion is one line of at most 500 characters")
    if text in invariant_names:
        return InvariantHolds(text, text)
    if text.startswith("config."):
        return _parse_config(text)
    if re.match(r"(GET|POST|PUT|DELETE|HEAD|PATCH)\b", text, re.IGNORECASE):
        return _parse_request(text)
    if _NAME.fullmatch(text):
        known = sorted(invariant_names)
        near = difflib.get_close_matches(text, known, n=1, cutoff=0.4)
        if near:
            raise CriterionError(f"no invariant is named {text!r}; did you mean {near[0]}?")
        listed = f"known are {', '.join(known)}" if known else "this subject has none"
        raise CriterionError(f"no invariant is named {text!r}; {listed}")
    raise CriterionError(f"{text!r} is not a criterion; {_FORMS}")


def _parse_config(text: str) -> ConfigIs:
    match = _CONFIG.fullmatch(text)
    if match is None:
        operators = " ".join(OPERATORS)
        raise CriterionError(f"{text!r} is not config.KEY OPERATOR VALUE; operators are {operators}")
    try:
        expected = parse_literal(match["value"])
    except ConditionError as error:
        raise CriterionError(f"{text!r}: {error}") from None
    if match["op"] not in ("==", "!=") and not is_number(expected):
        raise CriterionError(f"{text!r}: {match['op']} compares numbers, and {show(expected)} is not one")
    return ConfigIs(text, match["key"], match["op"], expected)


def _parse_request(text: str) -> Answers:
    if not text.startswith("GET"):
        method = text.split()[0]
        raise CriterionError(f"a criterion only reads: write GET /path CONDITION, not {method}")
    match = _REQUEST.fullmatch(text)
    if match is None:
        raise CriterionError(f"{text!r} is not GET /path CONDITION, as GET /health [STATUS] == 200")
    try:
        return Answers(text, match["path"], parse_condition(match["condition"]))
    except ConditionError as error:
        raise CriterionError(f"{text!r}: {error}") from None


def describe(criterion: Criterion) -> str:
    """The criterion as a sentence for people."""
    match criterion:
        case InvariantHolds(name=name):
            return f"the invariant {name} holds"
        case ConfigIs(key=key, operator=operator, expected=expected):
            return f"the configuration, committed and live, has {key} {operator} {show(expected)}"
        case Answers(path=path, condition=condition):
            return f"GET {path} answers with {condition.text}"


def base_url_of(snapshot: Mapping[str, Any] | None) -> str | None:
    """Where the subject's own process listens, or None while it does not run."""
    if not snapshot or snapshot.get("pid") is None or snapshot.get("port") is None:
        return None
    return f"http://127.0.0.1:{snapshot['port']}"


async def check(
    criterion: Criterion,
    snapshot: Mapping[str, Any] | None,
    workspace: Workspace,
    prober: Prober,
    base_url: str | None,
    *,
    config_file: str | None = None,
) -> CriterionResult:
    """Look at the world once. ``base_url`` None means that the process is not running.

    ``config_file`` defaults to the one the snapshot names. Never raises for what it sees.
    """
    match criterion:
        case InvariantHolds():
            return _check_invariant(criterion, snapshot)
        case ConfigIs():
            file = config_file or (snapshot or {}).get("config_file")
            if not file:
                return CriterionResult("unknown", "no file", "the subject declares no configuration file")
            return await asyncio.to_thread(_check_config, criterion, workspace, str(file))
        case Answers():
            return await _check_answer(criterion, prober, base_url)


def _check_invariant(criterion: InvariantHolds, snapshot: Mapping[str, Any] | None) -> CriterionResult:
    for row in (snapshot or {}).get("invariants", ()):
        if row["name"] == criterion.name:
            return CriterionResult(row["state"], str(row["value"]), str(row["reason"]))
    return CriterionResult("unknown", "not watched", f"{criterion.name} is not being watched")


def _check_config(criterion: ConfigIs, workspace: Workspace, file: str) -> CriterionResult:
    from service.workspace import WorkspaceError

    seen: dict[str, Any] = {}
    for where in ("committed", "live"):
        try:
            text = workspace.read_at("HEAD", file) if where == "committed" else workspace.read(file)
            document = json.loads(text) if text is not None else {}
        except (ValueError, RecursionError):
            return CriterionResult("violated", "unreadable", f"the {where} {file} is not valid JSON")
        except WorkspaceError as error:
            return CriterionResult("violated", "unreadable", str(error))
        value = _look_up(document, criterion.key)
        seen[where] = value
        if value is _ABSENT:
            return CriterionResult("violated", "absent", f"the {where} {file} has no {criterion.key}")
        if not compare(value, criterion.operator, criterion.expected):
            wanted = f"{criterion.operator} {show(criterion.expected)}"
            reason = f"the {where} {file} has {criterion.key} = {show(value)}, must be {wanted}"
            return CriterionResult("violated", show(value), reason)
    shown = show(seen["live"])
    return CriterionResult("holding", shown, f"{criterion.key} is {shown}, committed and live")


def _look_up(document: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(document, dict) or part not in document:
            return _ABSENT
        document = document[part]
    return document


async def _check_answer(criterion: Answers, prober: Prober, base_url: str | None) -> CriterionResult:
    if base_url is None:
        from monitor.probes import not_running

        result = not_running(0.0, "")
    else:
        result = await prober.get(base_url + criterion.path)
    verdict = criterion.condition.evaluate(result)
    return CriterionResult(verdict.state, verdict.value, verdict.reason)
