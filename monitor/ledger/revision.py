"""Is the schema found on disk the one this program works with? Answered without importing Alembic."""

from __future__ import annotations

from monitor.ledger.errors import LedgerError
from monitor.ledger.schema import HEAD, REVISIONS


def check_revision(found: str | None, where: str) -> bool:
    """Whether migrations have to run. Raises ``LedgerError`` when the schema is newer than this program."""
    if found is not None and found not in REVISIONS:
        raise LedgerError(
            f"{where} was written by a newer Harness (schema {found}, this one knows up to {HEAD});"
            " upgrade with: pip install -U harness-tui"
        )
    return found != HEAD
