"""A scripted model that works a Harness ticket by what the tool results in the request say.

It is not a model: a handful of rules with prose around them, enough to stream a whole incident through the real brain.
Everything it decides on is in the request, so it works for any ticket, in any order, over restarts of the harness.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.agent.messages_script import Reply, ToolUse, Usage, calls
from tests.agent.messages_server import Request

_DATA = re.compile(r'<data name="([^"]*)">\n(.*?)\n</data>', re.DOTALL)
_WANTED = re.compile(r"config\.(\w+)\s*==\s*(\S+)")


@dataclass(frozen=True)
class Step:
    """One call of the conversation so far and what came back."""

    name: str
    input: Mapping[str, Any]
    status: str
    result_id: int | None
    text: str


@dataclass(frozen=True)
class Remedy:
    tool: str
    input: Mapping[str, Any]
    cause: str
    doing: str


def incident(*, pace: float = 0.0) -> Callable[[Request], Reply]:
    """The script for ``MessagesServer``; ``pace`` is seconds between streamed pieces."""

    def script(request: Request) -> Reply:
        steps = conversation(request.body)
        thinking, text, uses = _next(opening(request.body), steps)
        # Figures that behave as a growing cached conversation does.
        usage = Usage(input=220, output=90 + len(thinking) // 4, cache_read=2600 + 700 * len(steps), cache_write=700)
        return calls(*uses, thinking=thinking, text=text, pace=pace, piece=14, usage=usage)

    return script


def opening(body: Mapping[str, Any]) -> dict[str, str]:
    """The data blocks of the first message by name."""
    content = body["messages"][0]["content"]
    text = content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)
    return {name: html.unescape(inner) for name, inner in _DATA.findall(text)}


def conversation(body: Mapping[str, Any]) -> list[Step]:
    """Every call so far with its result, in order."""
    results: dict[str, str] = {}
    uses: list[Mapping[str, Any]] = []
    for message in body["messages"]:
        if isinstance(message["content"], str):
            continue
        for block in message["content"]:
            if block["type"] == "tool_use":
                uses.append(block)
            elif block["type"] == "tool_result":
                results[block["tool_use_id"]] = str(block.get("content", ""))
    return [_step(use, results.get(use["id"], "")) for use in uses]


def _step(use: Mapping[str, Any], result: str) -> Step:
    status = re.match(r"status: (\S+)", result)
    number = re.search(r"^result id: (\d+)$", result, re.MULTILINE)
    inner = _DATA.search(result)
    plain = re.sub(r"^(status|result id): .*$", "", result, flags=re.MULTILINE).strip()
    return Step(
        name=str(use["name"]),
        input=use["input"],
        status=status[1] if status else "ok",
        result_id=int(number[1]) if number else None,
        text=html.unescape(inner[2]) if inner else plain,
    )


def _next(told: Mapping[str, str], steps: list[Step]) -> tuple[str, str, list[ToolUse]]:
    objective = told.get("objective", "the objective")
    if not steps:
        return (
            f"The ticket says: {objective} I should see the live state before I form an opinion: is the process up, "
            "what does a fresh probe say, and does the configuration on disk differ from its last commit?",
            "Checking the service before anything else.",
            [ToolUse("service_status")],
        )
    last = steps[-1]
    refused = next((step for step in steps if step.status in ("rejected", "denied", "timed_out")), None)
    if refused is not None:
        return _hand_over(f"{refused.name} was not carried out ({refused.status}): {refused.text}", steps)
    if last.name == "finish_ticket":
        return _hand_over(f"the criteria did not hold: {last.text}", steps)
    if last.name != "service_status" and (last.status == "withdrawn" or _changed(last)):
        return (
            "That should have an effect. I look again instead of assuming that it helped.",
            "Looking at the service again after the change.",
            [ToolUse("service_status")],
        )
    status = _status(steps)
    if status is None:
        return _hand_over("the status of the service cannot be read", steps)
    remedy = _remedy(status, told)
    done = [step for step in steps if _changed(step)]
    if not done and not any(step.name == "query_logs" for step in steps):
        return _corroborate(status)
    if remedy is not None and not any(s.name == remedy.tool and s.input == remedy.input for s in steps):
        thinking = (
            f"{remedy.cause} The logs show nothing that speaks against it. The smallest reversible change is clear: "
            f"{remedy.doing}. It is one step and can be undone."
        )
        return thinking, f"{remedy.cause} {remedy.doing[0].upper()}{remedy.doing[1:]}.", [_use(remedy)]
    if remedy is not None:
        return _hand_over(f"{remedy.cause} It was tried and did not help", steps)
    what = "; ".join(_said(step) for step in done) or "nothing had to be changed, it recovered"
    summary = f"{objective} Done: {what}."
    return (
        "The state now matches what the criteria ask for. The harness will check them itself; I give it the results "
        "that show the cause and the mend.",
        "Handing over to verification.",
        [_finish("fixed", summary, steps)],
    )


def _corroborate(status: Mapping[str, Any]) -> tuple[str, str, list[ToolUse]]:
    config = status.get("config", {})
    uses = [ToolUse("query_logs", {"limit": 20})]
    if config.get("file"):
        uses.append(ToolUse("read_file", {"path": config["file"]}))
    return (
        "The status points somewhere, but one source is not proof. The log and the file itself are cheap to read and "
        "independent of each other, so I read both at once.",
        "Reading the log and the configuration as a second source.",
        uses,
    )


def _remedy(status: Mapping[str, Any], told: Mapping[str, str]) -> Remedy | None:
    """What is wrong and the smallest change that would mend it; None when nothing is."""
    config, process, probe = (status.get(name, {}) for name in ("config", "process", "probe"))
    if not config.get("readable", True):
        return Remedy(
            "update_config",
            {"restore": True, "why": "Restore the last committed configuration"},
            "The configuration file cannot be read any more.",
            "restore the last committed one",
        )
    drift = {key: row["committed"] for key, row in config.get("drift", {}).items()}
    values = {key: row.get("live") for key, row in config.get("drift", {}).items()}
    if drift:
        listed = ", ".join(f"{key} is {json.dumps(values[key])}, committed {json.dumps(drift[key])}" for key in drift)
        return Remedy(
            "update_config",
            {"set": drift, "why": f"Put {', '.join(drift)} back to the committed value"},
            f"The configuration on disk differs from its last commit: {listed}.",
            f"set {', '.join(drift)} back",
        )
    wanted = _wanted(told.get("success criteria", ""), config.get("values", {}))
    if wanted:
        return Remedy(
            "update_config",
            {"set": wanted, "why": told.get("objective", "")[:120]},
            f"The ticket asks for {', '.join(f'{key} = {json.dumps(value)}' for key, value in wanted.items())}.",
            "set it in the configuration",
        )
    if not process.get("running", True):
        return Remedy("restart_service", {}, "The process is gone; nothing listens on its port.", "restart it")
    if probe and not probe.get("status") and process.get("state") not in ("starting", "pending"):
        return Remedy("restart_service", {}, "The process exists and answers nothing: it hangs.", "restart it")
    return None


def _wanted(criteria: str, values: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for key, text in _WANTED.findall(criteria):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if values.get(key) != value:
            wanted[key] = value
    return wanted


def _status(steps: list[Step]) -> dict[str, Any] | None:
    for step in reversed(steps):
        if step.name == "service_status" and step.status == "ok":
            try:
                made = json.loads(step.text[step.text.index("{") :])
            except ValueError:
                return None
            return made if isinstance(made, dict) else None
    return None


def _changed(step: Step) -> bool:
    return step.status == "ok" and step.name in ("update_config", "restart_service", "edit_file")


def _said(step: Step) -> str:
    if step.name == "restart_service":
        return "restarted the service"
    return str(step.input.get("why") or step.name)


def _use(remedy: Remedy) -> ToolUse:
    return ToolUse(remedy.tool, remedy.input)


def _hand_over(why: str, steps: list[Step]) -> tuple[str, str, list[ToolUse]]:
    said = " ".join(why.split())[:600]
    return (
        f"I should not go on by myself: {said}. Guessing would make it worse; a person has to decide.",
        "Handing the ticket to a person.",
        [_finish("needs_human", f"A person has to decide: {said}", steps)],
    )


def _finish(verdict: str, summary: str, steps: list[Step]) -> ToolUse:
    evidence = [step.result_id for step in steps if step.status == "ok" and step.result_id is not None]
    return ToolUse("finish_ticket", {"verdict": verdict, "summary": summary[:1900], "evidence": evidence[-10:]})
