"""What can go wrong at the ledger; every message is one line: what, why and the mend."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger could not do what was asked."""


class NotFound(LedgerError):
    """The row asked for does not exist."""


class LostLease(LedgerError):
    """The fencing token is stale: somebody else holds the ticket, or it is closed. Nothing was changed."""


class AlreadyDecided(LedgerError):
    """The approval is no longer pending (or no longer usable); the message says how it ended."""
