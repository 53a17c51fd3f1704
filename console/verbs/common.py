"""What the verbs share: opening a home without running it, printing, and naming failures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import typer

from console.failure import Failure, NotFoundFailure
from console.live_operator import user
from console.operator import OperatorError
from console.runtime import Runtime
from console.settings import load_settings
from monitor.ledger import LedgerError, NotFound

R = TypeVar("R")
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]


@asynccontextmanager
async def opened() -> AsyncIterator[Runtime]:
    """A runtime that runs no loop: the ledger, the deployed copies and the operator's requests."""
    runtime = Runtime(load_settings())
    await runtime.open()
    try:
        yield runtime
    finally:
        await runtime.close()


def perform(work: Callable[[], Awaitable[R]]) -> R:
    """Run ``work`` to its end; errors of the floors below become failures with an exit code."""

    async def inner() -> R:
        try:
            return await work()
        except NotFound as error:
            raise NotFoundFailure(str(error)) from None
        except (LedgerError, OperatorError) as error:
            raise Failure(str(error)) from None

    return asyncio.run(inner())


def by() -> str:
    return f"{user()} (command line)"


def emit(document: Any, *, as_json: bool, lines: Callable[[], list[str]]) -> None:
    """Print a document as JSON or as lines for a person."""
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))
        return
    for line in lines():
        typer.echo(line)


def table(rows: list[list[str]], header: list[str]) -> list[str]:
    """Left-aligned columns; the last one takes what it needs."""
    from console.plain import plain

    cells = [[plain(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
