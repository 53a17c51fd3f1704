"""``audit list|show|verify``: the journal and its hash chain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.failure import Failure
from console.verbs.common import Json, emit, ledger_alone, number, perform

app = typer.Typer(help="The journal, and whether anybody touched it.", no_args_is_help=True, rich_markup_mode=None)


def _rows(entries: list[dict[str, Any]]) -> list[str]:
    from console.plain import plain

    return [
        f"{entry['id']:>6}  {entry['recorded_at']}  #{entry['ticket_id']} [{entry['step']}] "
        f"{entry['kind']:<12} {plain(entry['summary'])}"
        for entry in entries
    ] or ["the journal is empty"]


async def _entries(ticket: int | None) -> list[dict[str, Any]]:
    async with ledger_alone() as ledger:
        if ticket is not None:
            await ledger.ticket(ticket)
        return [entry.public() for entry in await ledger.journal(ticket)]


@app.command("list")
def list_entries(json: Json = False) -> None:
    """Every journal row, oldest first."""
    entries = perform(lambda: _entries(None))
    emit(entries, as_json=json, lines=lambda: _rows(entries))


@app.command("show")
def show(ticket: Annotated[int, typer.Argument(metavar="TICKET", callback=number)], json: Json = False) -> None:
    """The journal of one ticket."""
    entries = perform(lambda: _entries(ticket))
    emit(entries, as_json=json, lines=lambda: _rows(entries))


@app.command("verify")
def verify(json: Json = False) -> None:
    """Walk the hash chain again; exit code 1 when it is broken."""

    async def work() -> dict[str, Any]:
        async with ledger_alone() as ledger:
            report = await ledger.verify_chain()
            return {"ok": report.ok, "count": report.count, "broken_at": report.broken_at, "why": report.why}

    document = perform(work)
    emit(
        document,
        as_json=json,
        lines=lambda: [f"{document['count']} rows, chain whole"] if document["ok"] else [],
    )
    if not document["ok"]:
        raise Failure(f"the chain breaks at row {document['broken_at']}: {document['why']}")
