"""Tools that change the deployed copy: an edit and a configuration update, each one commit."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from agent.action import Action
from agent.tools.base import Arguments, Result, Situation, Tool, ToolError, Workbench
from service import strict_json
from service.workspace import Workspace, WorkspaceConflict, WorkspaceError


class EditArguments(Arguments):
    path: str = Field(description="File path relative to the deployed copy.", min_length=1, max_length=512)
    old: str = Field(description="Exact text to replace; it must occur exactly once.", min_length=1)
    new: str = Field(description="Text to put in its place.")
    why: str = Field("", description="One line for the commit message.", max_length=200)


class ConfigArguments(Arguments):
    set: dict[str, JsonValue] = Field(default_factory=dict, description="Keys to set, with their new values.")
    restore: bool = Field(
        False,
        description="Start from the last committed file instead of the file on disk (drops every uncommitted change).",
    )
    why: str = Field("", description="One line for the commit message.", max_length=200)


class _Write(Tool[Any]):
    """A change of one file that ends as one commit with ``Ticket:`` and ``Action:`` trailers."""

    recovery = "probe"

    async def _planned(
        self, arguments: Arguments, bench: Workbench, path: str, before: str | None, after: str, summary: str
    ) -> Action:
        workspace, subject = bench.workspace, bench.subject
        forbidden = ""
        if not workspace.is_editable(path, subject.editable):
            forbidden = f"{path} is not among the editable files of {subject.name}: {', '.join(subject.editable)}"
        try:
            digest = await asyncio.to_thread(workspace.digest, path)
            head = await asyncio.to_thread(workspace.head)
        except WorkspaceError as error:
            raise ToolError(str(error)) from None
        return Action(
            tool=self.name,
            arguments=arguments.model_dump(),
            target=f"{subject.name}: {path}",
            effect="reversible",
            recovery="probe",
            summary=summary,
            diff=unified(path, before or "", after),
            undo=f"git revert of the commit this makes (HEAD is {head[:8]})",
            pre_image=digest,
            head=head,
            forbidden=forbidden,
            settle={"path": path, "post_image": hashlib.sha256(after.encode()).hexdigest()},
        )

    async def _commit(
        self, action: Action, bench: Workbench, situation: Situation, path: str, text: str, message: str
    ) -> Result:
        trailers = {"Ticket": str(situation.ticket.id), "Action": situation.action_id}
        try:
            sha = await asyncio.to_thread(
                lambda: bench.workspace.commit_text(
                    path, text, message=message, trailers=trailers, expect_digest=action.pre_image
                )
            )
        except (WorkspaceConflict, WorkspaceError) as error:
            raise ToolError(str(error)) from None
        return self._done(sha, path)

    def _done(self, sha: str, path: str) -> Result:
        return Result(f"committed {sha[:8]}: {path}", {"commit": sha, "path": path})

    async def settle(self, settle: Mapping[str, Any], bench: Workbench, situation: Situation) -> Result | None:
        workspace, path = bench.workspace, str(settle["path"])

        def look() -> str | None:
            sha = workspace.find_commit("Action", situation.action_id)
            if sha is not None or workspace.digest(path) != settle["post_image"]:
                return sha
            # The file was written and the commit was not: finish what was begun.
            trailers = {"Ticket": str(situation.ticket.id), "Action": situation.action_id}
            text = workspace.read(path)
            return workspace.commit_text(
                path, text, message=f"Change {path}", trailers=trailers, expect_digest=str(settle["post_image"])
            )

        try:
            sha = await asyncio.to_thread(look)
        except WorkspaceError as error:
            raise ToolError(str(error)) from None
        return None if sha is None else self._done(sha, path)


def unified(path: str, before: str, after: str) -> str:
    """A unified diff of one file, or a line that says nothing differs."""
    lines = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=3)
    )
    return "\n".join(lines) if lines else f"{path}: no difference"


class EditFile(_Write):
    name = "edit_file"
    description = (
        "Replace an exact text that occurs once in a file of the deployed copy; the change becomes a git commit. "
        "Code takes effect at the next restart_service."
    )
    arguments = EditArguments

    async def plan(self, arguments: EditArguments, bench: Workbench) -> Action:
        before = await _read(bench.workspace, arguments.path)
        after = _replaced(before, arguments.old, arguments.new, arguments.path)
        config = bench.subject.config
        is_config = config is not None and arguments.path == config.file
        if config is not None and is_config:
            await _check(bench, config.check, after, [])
        summary = arguments.why or f"Editing {arguments.path}"
        action = await self._planned(arguments, bench, arguments.path, before, after, summary)
        # Code can do anything once it runs, so a commit that can be reverted does not make it harmless.
        return action if is_config else replace(action, effect="disruptive")

    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        given = action.arguments
        path = str(given["path"])
        before = await _read(bench.workspace, path)
        after = _replaced(before, str(given["old"]), str(given["new"]), path)
        message = str(given["why"]) or f"Edit {path}"
        return await self._commit(action, bench, situation, path, after, message)


async def _read(workspace: Workspace, path: str) -> str:
    try:
        return await asyncio.to_thread(workspace.read, path)
    except WorkspaceError as error:
        raise ToolError(str(error)) from None


def _replaced(before: str, old: str, new: str, path: str) -> str:
    count = before.count(old)
    if count != 1:
        raise ToolError(f"the text to replace occurs {count} times in {path}; give one that occurs exactly once")
    return before.replace(old, new)


class UpdateConfig(_Write):
    name = "update_config"
    description = (
        "Set keys of the service's configuration file, checked by the service's own schema; the change becomes a git "
        "commit and the service picks it up live. Use restore=true when the file on disk cannot be read."
    )
    arguments = ConfigArguments

    async def plan(self, arguments: ConfigArguments, bench: Workbench) -> Action:
        path, before, after, summary = await self._change(arguments.set, arguments.restore, bench)
        return await self._planned(arguments, bench, path, before, after, summary)

    async def run(self, action: Action, bench: Workbench, situation: Situation) -> Result:
        given = action.arguments
        path, _, after, summary = await self._change(given["set"], bool(given["restore"]), bench)
        return await self._commit(action, bench, situation, path, after, str(given["why"]) or summary)

    async def _change(self, changes: Mapping[str, Any], restore: bool, bench: Workbench) -> tuple[str, str, str, str]:
        config = bench.subject.config
        if config is None:
            raise ToolError(f"{bench.subject.name} declares no configuration file; use edit_file")
        if not changes and not restore:
            raise ToolError("nothing to do: give keys to set, or restore=true")
        before = await _read_damaged(bench.workspace, config.file)
        base = before
        if restore:
            committed = await asyncio.to_thread(bench.workspace.read_at, "HEAD", config.file)
            if committed is None:
                raise ToolError(f"{config.file} has no committed version to restore")
            base = committed
        values = _object(base, config.file)
        unknown = [key for key in changes if key not in values]
        merged = {**values, **changes}
        after = base if not changes else json.dumps(merged, indent=2, ensure_ascii=False) + "\n"
        await _check(bench, config.check, after, unknown)
        what = ", ".join(f"{key} {json.dumps(values.get(key))} → {json.dumps(new)}" for key, new in changes.items())
        if restore:
            what = f"{config.file} to its last commit" + (f", {what}" if what else "")
        return config.file, before, after, f"{'Restoring' if restore else 'Setting'} {what}"


async def _read_damaged(workspace: Workspace, path: str) -> str:
    if not await asyncio.to_thread(workspace.exists, path):
        return ""
    return await _read(workspace, path)


def _object(text: str, path: str) -> dict[str, Any]:
    try:
        values = strict_json.loads(text)
    except ValueError as error:
        raise ToolError(f"{path} is not valid JSON ({error}); use restore=true to start from the last commit") from None
    if not isinstance(values, dict):
        raise ToolError(f"{path} is not a JSON object; use restore=true to start from the last commit")
    return values


async def _check(bench: Workbench, check: tuple[str, ...] | None, text: str, unknown: list[str]) -> None:
    """Ask the service itself whether it would accept the configuration.

    Raises:
        ToolError: it would not, in the service's own words.
    """
    if not check:
        if unknown:
            raise ToolError(f"unknown configuration key {unknown[0]!r}")
        return
    with tempfile.TemporaryDirectory(prefix="harness-check-") as folder:
        candidate = Path(folder) / "candidate.json"
        candidate.write_text(text)
        argv = [*(part.format(python=sys.executable) for part in check), str(candidate)]
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=bench.workspace.root,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            )
            try:
                async with asyncio.timeout(15):
                    _, error = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        except (OSError, TimeoutError) as failure:
            raise ToolError(f"the configuration check could not run: {failure or 'no answer in 15 s'}") from None
    if process.returncode != 0:
        lines = error.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise ToolError(f"the service refuses this configuration: {lines[-1].replace(str(candidate), 'it')}")
