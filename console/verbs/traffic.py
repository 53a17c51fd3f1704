"""``traffic``: drive the managed service for a while."""

from __future__ import annotations

import random
from typing import Annotated, Any

import typer

from console.failure import Failure
from console.verbs.common import Json, emit, opened, perform


def register(app: typer.Typer) -> None:
    app.command("traffic")(traffic)


def traffic(
    rps: Annotated[float, typer.Option("--rps", min=0.1, max=2000, help="Requests per second.")] = 20.0,
    duration: Annotated[float, typer.Option("--duration", min=0.1, max=86400, help="Seconds.")] = 60.0,
    burst: Annotated[
        float, typer.Option("--burst", min=1, max=50, help="Factor in the first of every ten seconds.")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Send requests to the running service and say how they went."""
    from service.traffic import drive

    async def work() -> dict[str, Any]:
        async with opened() as runtime:
            name, subject = next(iter(runtime.subjects.items()))
            observed = await runtime.ledger.observed(name)
            if subject.workload is None:
                raise Failure(f"{name} declares no [workload] to send")
            if observed is None or not observed.ready or observed.port is None:
                raise Failure(f"{name} is not running; start it with harness run or harness-tui")
            report = await drive(
                f"http://127.0.0.1:{observed.port}",
                rate_per_second=rps,
                duration=duration,
                burst=burst,
                keys=subject.workload.keys,
                path=subject.workload.path,
                body=subject.workload.body,
                rng=random.Random(),
            )
            fields = ("sent", "allowed", "denied", "errors", "p50_ms", "p95_ms")
            return {field: getattr(report, field) for field in fields}

    document = perform(work)
    emit(document, as_json=json, lines=lambda: ["  ".join(f"{key} {value}" for key, value in document.items())])
