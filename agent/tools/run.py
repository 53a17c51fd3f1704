"""Tools that run something: a restart, the subject's tests, a command."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from agent.action import Action
from agent.tools.base import Arguments, Result, Situation, Tool, ToolError, Workbench, clip
from agent.tools.observe import NoArguments
from monitor.records import Observed


class RestartArguments(Arguments):
    why: str = Field("", description="One line: why a restart helps.", max_length=200)


class CommandArguments(Arguments):
    argv: list[str] = Field(description="Program and arguments; no shell.", min_length=1, max_length=64)
    why: str = Field("", description="One line: what this should show.", max_length=200)


class RestartService(Tool[RestartArguments]):
    name = "restart_service"
    description = (
        "Restart the service from its deployed copy at HEAD and wait until it is ready. Ends a hung process too."
    )
    arguments = RestartArguments
    recovery = "probe"
    deadline = 45.0

    async def plan(self, arguments: RestartArguments, bench: Workbench) -> Action:
        observed = await bench.ledger.observed(bench.subject.name)
        desired = await bench.ledger.desired(bench.subject.name)
        if observed is None or desired is None:
            raise ToolError(f"{bench.subject.name} has no supervisor; start it with harness run")
        serving = await _is_serving(bench, observed)
        head = await asyncio.to_thread(bench.workspace.head)
        state = f"{observed.state}, pid {observed.pid}" if observed.pid else observed.state
        return Action(
            tool=self.name,
            arguments=arguments.model_dump(),
            target=f"{bench.subject.name}: process",
            effect="disruptive" if serving else "reversible",
            recovery="probe",
            summary=f"Restarting {bench.subject.name}",
            diff=f"now: {state} ({observed.detail})\nstop it, then start {bench.subject.name} at {head[:8]}",
            undo="none needed: the same code and configuration start again",
            pre_image=f"{observed.pid}:{observed.start_ticks}:{desired.generation}",
            head=head,
            settle={"generation": desired.generation},
        )

    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        desired = await bench.ledger.set_desired(
            bench.subject.name,
            running=True,
            restart=True,
            by=f"agent: ticket {situation.ticket.id}, action {situation.action_id}",
        )
        return await _until_ready(bench, desired.generation)

    async def settle(self, settle: Mapping[str, Any], bench: Workbench, situation: Situation) -> Result | None:
        desired = await bench.ledger.desired(bench.subject.name)
        if desired is None or situation.action_id not in desired.by:
            return None
        return await _until_ready(bench, desired.generation)


async def _is_serving(bench: Workbench, observed: Observed) -> bool:
    """Whether a restart would take something away from anybody: the critical invariants hold now."""
    if observed.pid is None or not observed.ready:
        return False
    snapshot = await bench.ledger.snapshot(bench.subject.name) or {}
    critical = {item.name for item in bench.subject.invariants if item.severity == "critical"}
    rows = [row for row in snapshot.get("invariants", ()) if row["name"] in critical]
    return all(row["state"] == "holding" for row in rows)


async def _until_ready(bench: Workbench, generation: int, within: float = 30.0) -> Result:
    observed: Observed | None = None
    for _ in range(int(within / 0.1)):
        observed = await bench.ledger.observed(bench.subject.name)
        if observed is not None and observed.generation >= generation:
            if observed.ready:
                text = f"restarted: pid {observed.pid} is ready (generation {generation})"
                return Result(text, {"pid": observed.pid, "ready": True, "generation": generation, "detail": ""})
            if observed.state in {"backoff", "failed", "blocked"}:
                break
        await asyncio.sleep(0.1)
    detail = observed.detail if observed else "nothing was observed"
    text = f"the restart was made, but the service is not ready: {detail}"
    return Result(text, {"pid": None, "ready": False, "generation": generation, "detail": detail})


class RunTests(Tool[NoArguments]):
    name = "run_tests"
    description = "Run the subject's own tests on the deployed copy."
    arguments = NoArguments
    deadline = 120.0

    async def plan(self, arguments: NoArguments, bench: Workbench) -> Action:
        if not bench.subject.tests:
            raise ToolError(f"{bench.subject.name} declares no tests")
        argv = _argv(bench.subject.tests)
        return Action(
            tool=self.name,
            arguments={},
            target=f"{bench.subject.name}: tests",
            effect="read_only",
            recovery="read",
            summary=f"Running the tests of {bench.subject.name}",
            diff=shlex.join(argv),
        )

    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        return await _command(bench, _argv(bench.subject.tests), 110.0, may_write=False)


def _argv(declared: tuple[str, ...] | list[str]) -> list[str]:
    return [part.format(python=sys.executable) for part in declared]


class RunCommand(Tool[CommandArguments]):
    name = "run_command"
    description = "Run one program in the deployed copy (no shell, no network). A person is always asked first."
    arguments = CommandArguments
    recovery = "opaque"
    deadline = 70.0

    async def plan(self, arguments: CommandArguments, bench: Workbench) -> Action:
        if any("\0" in part for part in arguments.argv):
            raise ToolError("an argument holds a NUL byte")
        level = await bench.sandbox.level()
        line = shlex.join(arguments.argv)
        return Action(
            tool=self.name,
            arguments=arguments.model_dump(),
            target=f"{bench.subject.name}: deployed copy (sandbox {level})",
            effect="disruptive",
            recovery="opaque",
            summary=f"Running {line[:60]}",
            diff=f"$ {line}",
            undo="unknown: a command has no general undo",
            head=await asyncio.to_thread(bench.workspace.head),
        )

    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        return await _command(bench, list(action.arguments["argv"]), 60.0)


async def _command(bench: Workbench, argv: list[str], deadline: float, *, may_write: bool = True) -> Result:
    try:
        result = await bench.sandbox.run(argv, deadline=deadline, may_write=may_write)
    except OSError as error:
        raise ToolError(f"{argv[0]} cannot be started: {error.strerror or error}") from None
    ending = "killed at the deadline" if result.exit_code is None else f"exit code {result.exit_code}"
    text = f"{ending} after {result.seconds} s (sandbox {result.level})\n{clip(result.output)}"
    data = {
        "exit_code": result.exit_code,
        "passed": result.exit_code == 0,
        "level": result.level,
        "output": clip(result.output),
        "truncated": result.truncated,
    }
    return Result(text, data)
