"""Alembic's migrations of the ledger, run by ``monitor.ledger.migrate``."""
