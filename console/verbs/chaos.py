"""``chaos list|inject|clear``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.failure import UsageFailure
from console.verbs.common import Json, by, emit, opened, perform, subject_of, table

app = typer.Typer(help="Faults to inject, and to clear.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_faults(json: Json = False) -> None:
    """Every fault and whether it is active."""

    async def work() -> list[dict[str, Any]]:
        async with opened() as runtime:
            return [
                {"subject": name, **fault} for name in runtime.subjects for fault in await runtime.chaos.catalogue(name)
            ]

    rows = perform(work)

    def lines() -> list[str]:
        shown = [[row["name"], "active" if row["active"] else "-", row["description"]] for row in rows]
        return table(shown, ["FAULT", "NOW", "WHAT IT DOES"])

    emit(rows, as_json=json, lines=lines)


@app.command("inject")
def inject(
    fault: Annotated[str, typer.Argument()],
    setting: Annotated[list[str] | None, typer.Option("--set", help="Parameter as key=value.")] = None,
    subject: Annotated[str | None, typer.Option("--subject")] = None,
) -> None:
    """Break the service."""
    parameters: dict[str, str] = {}
    for item in setting or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UsageFailure(f"--set takes key=value, not {item!r}")
        parameters[key] = value

    async def work() -> None:
        async with opened() as runtime:
            await runtime.chaos.inject(subject_of(runtime, subject), fault, parameters, by())

    perform(work)
    typer.echo(f"injected {fault}")


@app.command("clear")
def clear(
    fault: Annotated[str | None, typer.Argument()] = None,
    subject: Annotated[str | None, typer.Option("--subject")] = None,
) -> None:
    """Undo one fault, or all of them."""

    async def work() -> list[str]:
        async with opened() as runtime:
            return await runtime.chaos.clear(subject_of(runtime, subject), fault, by())

    cleared = perform(work)
    typer.echo(f"cleared {', '.join(cleared)}" if cleared else "no fault is active")
