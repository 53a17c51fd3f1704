"""The Typer application, and the one place where failures become a line and an exit code."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import click
import typer

from console.failure import DONE, FAILED, USAGE, Failure
from console.plain import plain
from console.verbs import approvals, audit, chaos, control, doctor, loops, status, tickets, traffic

app = typer.Typer(
    name="harness",
    help="An AI agent keeps services healthy while you hold the approval key. Without a command: the console.",
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in (control, loops, status, traffic, doctor):
    module.register(app)
app.add_typer(tickets.app, name="tickets")
app.add_typer(approvals.app, name="approvals")
app.add_typer(chaos.app, name="chaos")
app.add_typer(audit.app, name="audit")


def _version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"harness {version('harness-tui')}")
        except PackageNotFoundError:
            typer.echo("harness (not installed)")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        from console.cli import open_console

        raise typer.Exit(open_console())


def run() -> int:
    """Run the command line; the exit code. Every failure is one line on stderr."""
    try:
        result = app(standalone_mode=False)
        return result if isinstance(result, int) else DONE
    except typer.Exit as ending:
        return ending.exit_code
    except Failure as failure:
        print(f"harness: {plain(failure)}", file=sys.stderr)
        return failure.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except (KeyboardInterrupt, EOFError):
        return 130
    except Exception as error:
        shown = getattr(error, "format_message", None)
        if callable(shown) and isinstance(getattr(error, "exit_code", None), int):
            print(f"harness: {shown()}; see `harness --help`", file=sys.stderr)
            return USAGE
        if isinstance(error, click.exceptions.Abort):
            return 130
        print(f"harness: unexpected {type(error).__name__}: {plain(error)}", file=sys.stderr)
        return FAILED
