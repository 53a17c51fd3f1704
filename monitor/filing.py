"""What of a judgement becomes a ticket, and what does not.

One ticket per violation. A warning waits while a critical invariant is in doubt, because one outage violates
both. A ticket that was given up (failed, cancelled) is not filed again until the invariant has recovered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from monitor.judge import Step
from monitor.records import NewTicket
from monitor.watched import Watching

if TYPE_CHECKING:
    from monitor.ledger import Ledger

Occasion = Literal["new", "reopened", "restored"]


def fingerprint_of(subject: str, invariant: str) -> str:
    """What identifies the trouble."""
    return f"invariant/{subject}/{invariant}"


class Filing:
    """Files and closes the tickets of one subject's invariants."""

    def __init__(self, ledger: Ledger, subject: str, rows: Sequence[Watching]) -> None:
        self._ledger = ledger
        self._subject = subject
        self._rows = rows
        self._due: dict[str, Occasion] = {}
        self._recovered: set[str] = set()

    def resume(self) -> None:
        """After a restart: what was violated before is checked against the ledger when it is seen again."""
        self._due = {row.name: "restored" for row in self._rows if row.judge.state == "violated"}

    def note(self, row: Watching, step: Step) -> None:
        """Remember what a step asks for; ``settle`` does it."""
        if step.violated:
            self._due[row.name] = "reopened" if step.reopened else "new"
        elif step.state.state != "violated":
            self._due.pop(row.name, None)
        if step.recovered:
            self._recovered.add(row.name)

    async def settle(self, evidence: Mapping[str, Mapping[str, Any]]) -> None:
        """File and close what is due. ``evidence`` has a mapping per invariant.

        Raises:
            LedgerError: the ledger could not; what is due stays due.
        """
        if not self._due and not self._recovered:
            return
        for row in self._rows:
            if row.name in self._due and row.verdict.state == "violated" and not self._deferred(row):
                await self._file(row, self._due[row.name], evidence.get(row.name, {}))
                self._due.pop(row.name, None)
            if row.name in self._recovered:
                await self._ledger.close_unclaimed(
                    fingerprint_of(self._subject, row.name),
                    outcome="self_recovered",
                    detail=f"{row.name} held again ({row.verdict.value}) before anyone took the ticket",
                )
                self._recovered.discard(row.name)

    def _deferred(self, row: Watching) -> bool:
        return not row.critical and any(other.in_doubt for other in self._rows if other.critical)

    async def _file(self, row: Watching, occasion: Occasion, evidence: Mapping[str, Any]) -> None:
        fingerprint = fingerprint_of(self._subject, row.name)
        if occasion != "new":
            open_one = await self._ledger.open_ticket(fingerprint)
            if open_one is not None and occasion == "restored":
                return
            # Only a restart of the monitor may find a violation that was given up; one that follows a good tick is
            # new, or the service could stay down with nothing open.
            if open_one is None and occasion == "restored" and await self._given_up(fingerprint, row.episode_since):
                return
        await self._ledger.file_ticket(compose(self._subject, row, self._rows, fingerprint, evidence))

    async def _given_up(self, fingerprint: str, since: float | None) -> bool:
        last = await self._ledger.last_ticket(fingerprint)
        if last is None or last.status not in ("failed", "cancelled") or last.closed_at is None:
            return False
        return since is None or last.closed_at >= since


def compose(
    subject: str, row: Watching, rows: Sequence[Watching], fingerprint: str, evidence: Mapping[str, Any]
) -> NewTicket:
    """The ticket for a violated invariant, its words and criteria made from the rule."""
    criteria = dict.fromkeys([row.name, *(other.name for other in rows if other.critical)])
    about = f" ({row.invariant.description})" if row.invariant.description else ""
    where = f"GET {row.path} must satisfy {row.condition.text}"
    return NewTicket(
        subject=subject,
        source="invariant",
        fingerprint=fingerprint,
        objective=f"Restore {row.name} of {subject}: {where}, seen: {row.verdict.value}",
        criteria=tuple(criteria),
        priority="critical" if row.critical else "high",
        context=f"The invariant {row.name}{about} is violated: {row.verdict.reason}.",
        evidence=evidence,
    )
