"""The ledger: the one truth, in which every change and the event that tells of it are one transaction.

``Ledger`` brings SQLAlchemy with it, so it is imported only when first asked for; the errors cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.ledger.errors import AlreadyDecided, LedgerError, LostLease, NotFound

if TYPE_CHECKING:
    from monitor.ledger.database import Ledger
    from monitor.ledger.journal import ChainReport

__all__ = ["AlreadyDecided", "ChainReport", "Ledger", "LedgerError", "LostLease", "NotFound"]


def __getattr__(name: str) -> Any:
    if name == "Ledger":
        from monitor.ledger.database import Ledger

        return Ledger
    if name == "ChainReport":
        from monitor.ledger.journal import ChainReport

        return ChainReport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
