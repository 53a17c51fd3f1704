"""One line that says what a step does, made by rule from its calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.brains.brain import ToolCall

LIMIT = 100


def _config(given: Mapping[str, Any]) -> str:
    changes = given.get("set")
    if isinstance(changes, Mapping) and changes:
        if changes == {"delay_ms": 0}:
            return "Removing artificial delay from config"
        what = ", ".join(f"{key} to {json.dumps(value, ensure_ascii=False)}" for key, value in changes.items())
        return f"Setting {what} in config"
    return "Restoring the last committed config"


_RULES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "service_status": lambda given: "Checking the service",
    "read_file": lambda given: f"Reading {given.get('path', 'a file')}",
    "list_files": lambda given: "Listing the deployed files",
    "search_code": lambda given: f"Searching the code for {given.get('pattern', '?')}",
    "query_logs": lambda given: (
        "Reading the service log" + (f" for {given['contains']}" if given.get("contains") else "")
    ),
    "run_command": lambda given: "Running " + " ".join(str(part) for part in given.get("argv") or ()),
    "edit_file": lambda given: str(given.get("why") or f"Editing {given.get('path', 'a file')}"),
    "update_config": _config,
    "restart_service": lambda given: "Restarting the service",
    "run_tests": lambda given: "Running the service's own tests",
    "create_ticket": lambda given: f"Filing a ticket: {given.get('objective', '')}",
    "add_note": lambda given: "Writing a note on the ticket",
    "finish_ticket": lambda given: f"Finishing: {str(given.get('verdict', '?')).replace('_', ' ')}",
}


def summarise_calls(calls: Sequence[ToolCall], text: str = "") -> str:
    """What a turn with these calls does; its own first line of text when it calls nothing."""
    parts = []
    for call in calls:
        rule = _RULES.get(call.name)
        parts.append(rule(call.arguments) if rule else f"Calling {call.name}")
    line = "; ".join(dict.fromkeys(parts)) or first_line(text) or "No tool call"
    return first_line(line, LIMIT)


def first_line(text: str, limit: int = 120) -> str:
    """The first line of ``text``, cut to ``limit`` characters."""
    stripped = text.strip()
    line = stripped.splitlines()[0].strip() if stripped else ""
    return line if len(line) <= limit else line[: limit - 1] + "…"
