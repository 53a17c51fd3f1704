"""``init``, ``stop``, ``resume``, ``mode``."""

from __future__ import annotations

from typing import Annotated

import typer

from console.failure import UsageFailure
from console.verbs.common import by, ledger_alone, opened, perform
from monitor.records import MODES


def register(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("stop")(stop)
    app.command("resume")(resume)
    app.command("mode")(mode)


def init() -> None:
    """Create the home: ledger and deployed copies. Safe to repeat."""

    async def work() -> tuple[str, list[str]]:
        async with opened() as runtime:
            return str(runtime.home), [f"{name}: {bench.workspace.root}" for name, bench in runtime.benches.items()]

    home, copies = perform(work)
    typer.echo(f"home {home}")
    for line in copies:
        typer.echo(f"deployed copy {line}")


def stop(reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")] = "") -> None:
    """The kill switch: nothing more runs until `harness resume`, not even after a restart."""

    async def work() -> None:
        async with ledger_alone() as ledger:
            await ledger.stop(by(), reason or "harness stop")

    perform(work)
    typer.echo("stopped: the agent does nothing until `harness resume`")


def resume() -> None:
    """Lift the kill switch."""

    async def work() -> None:
        async with ledger_alone() as ledger:
            await ledger.resume(by())

    perform(work)
    typer.echo("resumed")


def mode(
    name: Annotated[str | None, typer.Argument(help="observe, supervised or autonomous; none shows it.")] = None,
) -> None:
    """Show or set what the agent may do without asking."""
    if name is not None and name not in MODES:
        raise UsageFailure(f"there is no mode {name!r}; there are {', '.join(MODES)}")

    async def work() -> str:
        async with ledger_alone() as ledger:
            if name is not None:
                await ledger.set_mode(name, by())
            return (await ledger.control()).mode

    typer.echo(perform(work))
