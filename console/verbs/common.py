"""What the verbs share: opening a home without running it, printing, and naming failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import typer

from console.failure import Failure, NotFoundFailure
from console.home import prepare
from console.live_operator import user
from console.operator import OperatorError
from console.runtime import Runtime
from console.settings import load_settings
from monitor.ledger import Ledger, LedgerError, NotFound

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


@asynccontextmanager
async def ledger_alone() -> AsyncIterator[Ledger]:
    """The ledger and nothing else, so that the kill switch and decisions work whatever became of a deployed copy."""
    settings = load_settings()
    try:
        await asyncio.to_thread(prepare, settings.home)
    except Failure:
        if settings.database_url is None:
            raise
    ledger = await Ledger.open(settings.ledger_url)
    try:
        yield ledger
    finally:
        await ledger.close()


def perform(work: Callable[[], Awaitable[R]]) -> R:
    """Run ``work`` to its end; errors of the floors below become failures with an exit code."""

    async def inner() -> R:
        try:
            return await work()
        except NotFound as error:
            raise NotFoundFailure(str(error)) from None
        except OperatorError as error:
            # The operator's requests fail with one line; what kind of failure it was says the exit code.
            raise error.__cause__ if isinstance(error.__cause__, Failure) else Failure(str(error)) from None
        except LedgerError as error:
            raise Failure(str(error)) from None

    return asyncio.run(inner())


def number(value: int) -> int:
    """The number of a ticket or approval as a command's argument; one that no ledger can hold is not found."""
    if not 0 < value < 2**31:
        raise NotFoundFailure(f"there is no number {value}; they are counted from 1")
    return value


def subject_of(runtime: Runtime, name: str | None) -> str:
    """The subject a command is about: the one named, else the first.

    Raises:
        NotFoundFailure: there is none of that name.
    """
    if name is not None and name not in runtime.subjects:
        raise NotFoundFailure(f"there is no subject {name!r}; there are {', '.join(runtime.subjects)}")
    return name or next(iter(runtime.subjects))


def by() -> str:
    return f"{user()} (command line)"


def emit(document: Any, *, as_json: bool, lines: Callable[[], list[str]]) -> None:
    """Print a document as JSON or as lines for a person."""
    if as_json:
        from console.plain import visible_json

        typer.echo(visible_json(document))
        return
    for line in lines():
        typer.echo(line)


def table(rows: list[list[str]], header: list[str]) -> list[str]:
    """Left-aligned columns; the last one takes what it needs."""
    from console.plain import plain

    cells = [[plain(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
