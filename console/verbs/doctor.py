"""``doctor``: what is configured, reachable, missing."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import socket
import sys
from typing import Annotated, Any

import typer

from console.home import holder
from console.plain import plain
from console.settings import load_settings
from console.verbs.common import emit, opened, perform
from service.workspace import WorkspaceError

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(json: Json = False) -> None:
    """Check this machine and home; exit code 1 when something that is needed is missing."""
    document = perform(_document)
    emit(document, as_json=json, lines=lambda: [_line(row) for row in document["checks"]])
    if any(row["verdict"] == "missing" for row in document["checks"]):
        raise typer.Exit(1)


def _line(row: dict[str, Any]) -> str:
    mark = {"ok": "✓", "note": "·", "missing": "✗"}[row["verdict"]]
    return f"{mark} {row['check']:<12} {plain(row['detail'])}"


async def _document() -> dict[str, Any]:
    settings = load_settings()
    checks: list[dict[str, Any]] = []

    def add(check: str, verdict: str, detail: str) -> None:
        checks.append({"check": check, "verdict": verdict, "detail": detail})

    add("python", "ok", f"{platform.python_version()} on {platform.system()} at {sys.executable}")
    git = shutil.which("git")
    add("git", "ok" if git else "missing", git or "not found; install git: deployed copies are git repositories")
    async with opened() as runtime:
        add("home", "ok", str(runtime.home))
        count = len(await runtime.ledger.tickets(limit=10_000))
        chain = await runtime.ledger.verify_chain()
        engine = "PostgreSQL" if "postgres" in settings.ledger_url else "SQLite"
        whole = "chain whole" if chain.ok else f"chain broken at row {chain.broken_at}"
        add(
            "ledger", "ok" if chain.ok else "missing", f"{engine}, {count} tickets, {chain.count} journal rows, {whole}"
        )
        owner = holder(runtime.home, "service")
        add("owner", "note", f"process {owner} runs this home" if owner else "no process runs this home now")
        for name, bench in runtime.benches.items():
            try:
                add("subject", "ok", f"{name} at {bench.workspace.head()[:8]} in {bench.workspace.root}")
            except WorkspaceError as error:
                add("subject", "missing", f"{name}: {error}")
        add("brain", "ok", f"{runtime.brain.name}: {runtime.brain.label}")
        level = await next(iter(runtime.benches.values())).sandbox.level()
        words = {
            "L3": "namespaces (bubblewrap), no network",
            "L1": "limits and process group only; install bubblewrap for L3",
        }
        add("sandbox", "ok" if level == "L3" else "note", f"{level}: {words[level]}")
        port = settings.service_port
        if owner is None and port and not _free(port):
            add("port", "note", f"{port} is taken; free it or set HARNESS_SERVICE_PORT=0")
    key = "set" if settings.anthropic_api_key else "not set; the rules brain works without it"
    add("claude key", "note", f"ANTHROPIC_API_KEY {key}")
    if settings.anthropic_base_url:
        add("claude url", "note", settings.anthropic_base_url)
    if importlib.util.find_spec("asyncpg") is None:
        add("postgres", "note", "asyncpg is not installed; needed only for a PostgreSQL ledger")
    return {"checks": checks}


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
