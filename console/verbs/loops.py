"""``run``, and the parts of it alone: ``service``, ``monitor``, ``agent``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from console.headless import run_parts
from console.home import PARTS
from console.verbs.common import number, perform

For = Annotated[float | None, typer.Option("--for", min=0.1, help="Stop by itself after so many seconds.")]
JsonLines = Annotated[bool, typer.Option("--json", help="One JSON event per line on stdout.")]


def _number(value: int | None) -> int | None:
    return None if value is None else number(value)


def register(app: typer.Typer) -> None:
    app.command("run")(run)
    app.command("service")(service)
    app.command("monitor")(monitor)
    app.command("agent")(agent)


def _run(parts: Sequence[str], json: bool, seconds: float | None, **agent_options: object) -> None:
    code = perform(lambda: run_parts(parts, as_json=json, seconds=seconds, **agent_options))  # type: ignore[arg-type]
    raise typer.Exit(code)


def run(json: JsonLines = False, seconds: For = None) -> None:
    """The same loops as the console, without a screen."""
    _run(PARTS, json, seconds)


def service(json: JsonLines = False, seconds: For = None) -> None:
    """The managed service alone, kept running."""
    _run(("service",), json, seconds)


def monitor(json: JsonLines = False, seconds: For = None) -> None:
    """The monitor alone."""
    _run(("monitor",), json, seconds)


def agent(
    ticket: Annotated[
        int | None, typer.Option("--ticket", metavar="N", help="Work only this one.", callback=_number)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after one ticket, or when none waits.")] = False,
    json: JsonLines = False,
    seconds: For = None,
) -> None:
    """The agent alone, working tickets from the shared ledger."""
    _run(("agent",), json, seconds, only=ticket, once=once)
