"""What happened, as one frozen record that every floor and every process can read.

An event with an ``id`` came out of the ledger (it was committed together with the change it tells of, and
``id`` rises without being contiguous); one without is live only and may be coalesced or lost.

================================  =====  ==========================================================
kind                              kept   data
================================  =====  ==========================================================
``ticket.filed``                  yes    ``ticket`` (``Ticket.public()``)
``ticket.changed``                yes    ``ticket``, ``what`` (claimed, status, released, repeated,
                                         note, …), ``detail``
``approval.requested``            yes    ``approval`` (``Approval.public()``)
``approval.decided``              yes    ``approval``
``journal.appended``              yes    ``entry`` (``JournalEntry.public()``)
``control.changed``               yes    ``control`` (``Control.public()``), ``by``
``service.desired``               yes    ``desired`` (``Desired.public()``)
``service.observed``              yes    ``observed`` (``Observed.public()``)
``fault.changed``                 yes    ``fault`` (``FaultRecord.public()``)
``invariant.changed``             yes    ``name``, ``state``, ``value``, ``reason``
``loop.failed`` ``loop.resumed``  yes    ``loop`` (monitor, agent, supervisor, traffic), ``reason``
``tick.completed``                no     ``snapshot`` (see ``monitor.loop``), also the row that
                                         viewers read
``probe.sampled``                 no     ``response_ms`` or None, ``ok``, ``at``
``brain.delta``                   no     ``ticket_id``, ``step``, ``channel`` (thinking, text, call),
                                         ``text``
``brain.waiting``                 no     ``ticket_id``, ``reason``, ``until``
================================  =====  ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PERSISTED = frozenset(
    {
        "ticket.filed",
        "ticket.changed",
        "approval.requested",
        "approval.decided",
        "journal.appended",
        "control.changed",
        "service.desired",
        "service.observed",
        "fault.changed",
        "invariant.changed",
        "loop.failed",
        "loop.resumed",
    }
)
LIVE = frozenset({"tick.completed", "probe.sampled", "brain.delta", "brain.waiting"})


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. ``at`` is seconds since the Unix epoch, UTC."""

    kind: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None
    ticket_id: int | None = None
    id: int | None = None

    def public(self) -> dict[str, Any]:
        """The event as a JSON-ready mapping, times in ISO 8601 UTC."""
        from monitor.records import iso

        return {
            "id": self.id,
            "kind": self.kind,
            "at": iso(self.at),
            "subject": self.subject,
            "ticket_id": self.ticket_id,
            **self.data,
        }
