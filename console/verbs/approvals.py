"""``approvals list|approve|reject``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.failure import RefusedFailure
from console.verbs.common import Json, by, emit, ledger_alone, number, perform, table
from monitor.ledger import AlreadyDecided

app = typer.Typer(help="What waits for a person.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_approvals(
    every: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False, json: Json = False
) -> None:
    """Pending approvals, first come first."""

    async def work() -> list[dict[str, Any]]:
        async with ledger_alone() as ledger:
            rows = await ledger.approvals(statuses=None if every else ["pending"])
            return [row.public() for row in rows]

    rows = perform(work)
    header = ["ID", "TICKET", "TOOL", "EFFECT", "STATUS", "EXPIRES", "TARGET"]
    keys = ("id", "ticket_id", "tool", "effect", "status", "expires_at", "target")
    emit(
        rows,
        as_json=json,
        lines=lambda: table([[str(row[key]) for key in keys] for row in rows], header) if rows else ["nothing waits"],
    )


def _decide(wanted: int, status: str, reason: str | None) -> None:
    async def work() -> None:
        async with ledger_alone() as ledger:
            try:
                await ledger.decide(wanted, status, by=by(), reason=reason)
            except AlreadyDecided as error:
                raise RefusedFailure(str(error)) from None

    perform(work)
    typer.echo(f"approval {wanted} {status}")


@app.command("approve")
def approve(wanted: Annotated[int, typer.Argument(metavar="N", callback=number)]) -> None:
    """Allow exactly this action, once."""
    _decide(wanted, "approved", None)


@app.command("reject")
def reject(
    wanted: Annotated[int, typer.Argument(metavar="N", callback=number)],
    reason: Annotated[str, typer.Option("--reason", help="The agent is told it.")],
) -> None:
    """Refuse it; the reason reaches the agent."""
    if not reason.strip():
        from console.failure import UsageFailure

        raise UsageFailure("a rejection needs a reason; the agent is told it")
    _decide(wanted, "rejected", reason.strip())
