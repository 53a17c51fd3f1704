"""``tickets list|show|new|retry|cancel``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.failure import UsageFailure
from console.live_operator import LiveOperator
from console.verbs.common import Json, by, emit, ledger_alone, number, opened, perform, subject_of, table
from monitor.records import CLOSED_STATUSES, OPEN_STATUSES

app = typer.Typer(help="The ticket queue.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_tickets(
    status: Annotated[str | None, typer.Option("--status", help="open, closed, or one status.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 100,
    json: Json = False,
) -> None:
    """Tickets, newest first."""
    wanted = _statuses(status)

    async def work() -> list[dict[str, Any]]:
        async with ledger_alone() as ledger:
            return [ticket.public() for ticket in await ledger.tickets(statuses=wanted, limit=limit)]

    rows = perform(work)
    header = ["ID", "PRIORITY", "SOURCE", "STATUS", "OUTCOME", "CREATED", "OBJECTIVE"]
    keys = ("id", "priority", "source", "status", "outcome", "created_at", "objective")
    emit(
        rows,
        as_json=json,
        lines=lambda: (
            table([[str(row[key] or "-") for key in keys] for row in rows], header) if rows else ["no tickets"]
        ),
    )


def _statuses(text: str | None) -> list[str] | None:
    if text is None:
        return None
    if text == "open":
        return sorted(OPEN_STATUSES)
    if text == "closed":
        return sorted(CLOSED_STATUSES)
    if text not in OPEN_STATUSES | CLOSED_STATUSES:
        known = ", ".join(sorted(OPEN_STATUSES | CLOSED_STATUSES))
        raise UsageFailure(f"there is no status {text!r}; there are open, closed, {known}")
    return [text]


@app.command("show")
def show(wanted: Annotated[int, typer.Argument(metavar="N", callback=number)], json: Json = False) -> None:
    """One ticket with its journal and approvals."""

    async def work() -> dict[str, Any]:
        async with ledger_alone() as ledger:
            ticket = await ledger.ticket(wanted)
            return {
                **ticket.public(),
                "journal": [entry.public() for entry in await ledger.journal(wanted)],
                "approvals": [row.public() for row in await ledger.approvals(ticket_id=wanted)],
            }

    document = perform(work)
    emit(document, as_json=json, lines=lambda: _lines(document))


def _lines(document: dict[str, Any]) -> list[str]:
    from console.plain import plain

    lines = [
        f"#{document['id']} {document['status']}"
        + (f" ({document['outcome']})" if document["outcome"] else "")
        + f" · {document['priority']} · {document['source']} · {document['subject']}",
        plain(document["objective"]),
        f"created {document['created_at']}" + (f", closed {document['closed_at']}" if document["closed_at"] else ""),
        "criteria: " + "; ".join(plain(text) for text in document["criteria"]),
    ]
    lines += [
        f"  {entry['recorded_at']}  [{entry['step']}] {entry['kind']:<12} {plain(entry['summary'])}"
        for entry in document["journal"]
    ]
    lines += [
        f"  approval {row['id']}: {row['tool']} {row['status']}"
        + (f" ({plain(row['reason'])})" if row["reason"] else "")
        for row in document["approvals"]
    ]
    return lines


@app.command("new")
def new(
    objective: Annotated[str, typer.Option("--objective", "-o", help="What should be so, in one sentence.")],
    criterion: Annotated[
        list[str] | None, typer.Option("--criterion", "-c", help="A success criterion; may be repeated.")
    ] = None,
    priority: Annotated[str, typer.Option("--priority", "-p")] = "medium",
    context: Annotated[str, typer.Option("--context")] = "",
    subject: Annotated[str | None, typer.Option("--subject")] = None,
    json: Json = False,
) -> None:
    """File a ticket for the agent."""

    async def work() -> dict[str, Any]:
        async with opened() as runtime:
            operator = LiveOperator(runtime, by())
            name = subject_of(runtime, subject)
            filed = await operator.file_ticket(name, objective, criterion or [], priority, context)
            return (await runtime.ledger.ticket(filed)).public()

    ticket = perform(work)
    emit(ticket, as_json=json, lines=lambda: [f"filed ticket {ticket['id']}"])


@app.command("retry")
def retry(wanted: Annotated[int, typer.Argument(metavar="N", callback=number)]) -> None:
    """Put a failed or cancelled ticket back into the queue."""

    async def work() -> None:
        async with ledger_alone() as ledger:
            await ledger.retry(wanted, by())

    perform(work)
    typer.echo(f"ticket {wanted} is pending again")


@app.command("cancel")
def cancel(
    wanted: Annotated[int, typer.Argument(metavar="N", callback=number)],
    reason: Annotated[str, typer.Option("--reason")] = "",
) -> None:
    """Cancel an open ticket; its pending approvals are withdrawn."""

    async def work() -> None:
        async with ledger_alone() as ledger:
            await ledger.cancel(wanted, by(), reason)

    perform(work)
    typer.echo(f"ticket {wanted} is cancelled")
