"""What tests run as separate processes on one ledger: ``python -m tests.monitor.ledger_worker URL TASK …``.

Every task announces itself with ``ready``, begins when a line arrives on stdin, and prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from monitor.ledger import Ledger
from monitor.records import NewTicket


def _new(fingerprint: str) -> NewTicket:
    return NewTicket("ratelimiter", "invariant", fingerprint, "mend it", ("healthy",), "high")


async def _file(ledger: Ledger, count: int, fingerprints: int) -> None:
    for number in range(count):
        await ledger.file_ticket(_new(f"f{number % fingerprints}"))


async def _claim(ledger: Ledger, owner: str) -> None:
    claimed = []
    while ticket := await ledger.claim(owner, lease_seconds=600, subjects=None):
        claimed.append(ticket.id)
    print(json.dumps(claimed), flush=True)


async def _append(ledger: Ledger, count: int) -> None:
    for number in range(count):
        await ledger.append(None, number, "note", f"entry {number}", {"number": number})


async def _write_forever(ledger: Ledger) -> None:
    """Print a ticket's and a journal entry's id as soon as the ledger says they are kept."""
    number = 0
    while True:
        number += 1
        ticket, _ = await ledger.file_ticket(_new(f"unique/{number}"))
        entry = await ledger.append(ticket.id, 1, "note", "seen", {"number": number})
        print(json.dumps([ticket.id, entry.id]), flush=True)


async def _main(url: str, task: str, *arguments: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    ledger = await Ledger.open(url)
    if task == "file":
        await _file(ledger, int(arguments[0]), int(arguments[1]))
    elif task == "claim":
        await _claim(ledger, arguments[0])
    elif task == "append":
        await _append(ledger, int(arguments[0]))
    elif task == "write_forever":
        await _write_forever(ledger)
    await ledger.close()


if __name__ == "__main__":
    import sqlalchemy  # noqa: F401  (loaded before the starting shot, so that the processes really race)

    asyncio.run(_main(*sys.argv[1:]))
