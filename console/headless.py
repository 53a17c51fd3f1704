"""The loops without a screen: events as lines on stdout, a clean end on every signal."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from console.failure import NotFoundFailure, RefusedFailure
from console.lines_out import LinesOut, ReaderGone
from console.runtime import Runtime
from console.settings import load_settings
from monitor.events import Event
from monitor.records import iso

LAST_WORDS_SECONDS = 2.0
"""How long a stalled reader of the output may hold up the end."""
_QUIET = frozenset({"brain.delta", "probe.sampled", "tick.completed"})
"""Kinds that a person reading along does not need; ``--json`` has all of them."""


async def run_parts(
    parts: Sequence[str],
    *,
    as_json: bool,
    seconds: float | None = None,
    only: int | None = None,
    once: bool = False,
) -> int:
    """Run ``parts`` until a signal, ``seconds`` have passed, or with ``once`` the agent has ended; the exit code."""
    runtime = Runtime(load_settings())
    ending = asyncio.Event()
    signals: list[int] = []
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        signals.append(number)
        ending.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal, number)
    subscription = runtime.hub.subscribe(keep=4096)
    try:
        await runtime.open(parts)
        if only is not None:
            ticket = await runtime.ledger.ticket(only)
            if not ticket.is_open:
                raise NotFoundFailure(f"ticket {only} is {ticket.status}; reopen it with harness tickets retry {only}")
        control = await runtime.ledger.control()
        if control.stopped and (once or only is not None):
            raise RefusedFailure(f"everything is stopped ({control.stop_reason}); lift it with harness resume")
        await runtime.start(agent_only=only, agent_once=once or only is not None)
        out = LinesOut()
        told = {"parts": list(parts), "brain": runtime.brain.label, "home": str(runtime.home)}
        writer = asyncio.create_task(_write(subscription, out, as_json, told))
        # A reader that has gone ends the run, as SIGPIPE would.
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(ending.wait()), writer]
        if once or only is not None:
            waits.append(asyncio.create_task(runtime.wait_for("agent")))
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            if task is not writer:
                task.cancel()
        await runtime.close()
        await asyncio.sleep(0)
        subscription.close()
        with suppress(TimeoutError, ReaderGone):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await writer
                await _say(out, as_json, "harness.ended", {"signal": signals[0] if signals else None})
    finally:
        await runtime.close()
    return 128 + signals[0] if signals and signals[0] == signal.SIGHUP else 0


async def _write(subscription: Any, out: LinesOut, as_json: bool, told: dict[str, Any]) -> None:
    await _say(out, as_json, "harness.started", told)
    async for event in subscription:
        line = json.dumps(event.public(), ensure_ascii=False, default=str) if as_json else _line(event)
        if line:
            await out.write(line)


async def _say(out: LinesOut, as_json: bool, kind: str, data: dict[str, Any]) -> None:
    event = Event(kind, time.time(), data)
    if as_json:
        await out.write(json.dumps(event.public(), ensure_ascii=False))
    else:
        with suppress(OSError):
            print(_line(event), file=sys.stderr, flush=True)


def _line(event: Event) -> str:
    """One event for a person, or nothing when it is not worth a line."""
    from console.plain import plain

    if event.kind in _QUIET:
        return ""
    data = event.data
    stamp = (iso(event.at) or "")[11:19]
    match event.kind:
        case "ticket.filed" | "ticket.changed":
            ticket = data["ticket"]
            outcome = f" {ticket['outcome']}" if ticket["outcome"] else ""
            what = data.get("what", "filed")
            text = f"#{ticket['id']} {ticket['status']}{outcome} ({what}) {data.get('detail') or ticket['objective']}"
        case "journal.appended":
            entry = data["entry"]
            text = f"#{entry['ticket_id']} [{entry['step']}] {entry['kind']} # {entry['summary']}"
        case "approval.requested" | "approval.decided":
            row = data["approval"]
            text = f"approval {row['id']} {row['status']}: {row['tool']} on {row['target']}"
        case "service.observed":
            row = data["observed"]
            text = f"{row['subject']} {row['state']} pid {row['pid']} {row['detail']}"
        case "invariant.changed":
            text = f"{data['name']} {data['state']} ({data['value']}) {data.get('reason') or ''}"
        case "control.changed":
            row = data["control"]
            text = f"mode {row['mode']}" + (f", STOPPED: {row['stop_reason']}" if row["stopped"] else "")
        case "fault.changed":
            row = data["fault"]
            text = f"{row['name']} {'injected' if row['active'] else 'over'}"
        case _:
            text = " ".join(f"{key}={value}" for key, value in data.items() if not isinstance(value, dict))
    return f"{stamp}  {event.kind:<18} {plain(text)}"
