"""Every tool by name, and how a brain is told of them."""

from __future__ import annotations

from typing import Any

from agent.brains.brain import ToolSpec
from agent.tools.base import Tool
from agent.tools.change import EditFile, UpdateConfig
from agent.tools.observe import ListFiles, QueryLogs, ReadFile, SearchCode, ServiceStatus
from agent.tools.run import RestartService, RunCommand, RunTests
from agent.tools.tickets import AddNote, CreateTicket, FinishTicket

_ALL: tuple[Tool[Any], ...] = (
    ServiceStatus(),
    ReadFile(),
    ListFiles(),
    SearchCode(),
    QueryLogs(),
    RunCommand(),
    EditFile(),
    UpdateConfig(),
    RestartService(),
    RunTests(),
    CreateTicket(),
    AddNote(),
    FinishTicket(),
)
TOOLS: dict[str, Tool[Any]] = {tool.name: tool for tool in _ALL}


def specs() -> tuple[ToolSpec, ...]:
    """The tools as brains see them, in a fixed order."""
    return tuple(ToolSpec(tool.name, tool.description, _schema(tool)) for _, tool in sorted(TOOLS.items()))


def _schema(tool: Tool[Any]) -> dict[str, Any]:
    schema = tool.arguments.model_json_schema()
    schema.pop("title", None)
    for property_ in schema.get("properties", {}).values():
        property_.pop("title", None)
    return schema
