"""The tables. ``migrations/`` creates them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

REVISIONS = ("0001",)
"""Every schema revision this program knows, oldest first; the last is the one it works with."""
HEAD = REVISIONS[-1]
VERSION_TABLE = "harness_schema"

metadata = MetaData()
_LONG = BigInteger().with_variant(Integer(), "sqlite")
_OPEN = text("status IN ('pending', 'in_progress', 'awaiting_approval', 'verifying')")

tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("priority_rank", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("outcome", Text),
    Column("objective", Text, nullable=False),
    Column("criteria", Text, nullable=False),
    Column("context", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("parent_id", Integer, ForeignKey("tickets.id")),
    Column("occurrences", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("closed_at", Double),
    Column("fence", Integer, nullable=False),
    Column("lease_owner", Text),
    Column("lease_expires_at", Double),
    CheckConstraint(
        "status IN ('pending', 'in_progress', 'awaiting_approval', 'verifying', 'completed', 'failed', 'cancelled')",
        name="ck_tickets_status",
    ),
    Index("uq_tickets_open_fingerprint", "fingerprint", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_tickets_fingerprint", "fingerprint", "id"),
    Index("ix_tickets_status", "status", "priority_rank", "id"),
    sqlite_autoincrement=True,
)

_WAITING = text("status = 'pending'")
approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", Integer, ForeignKey("tickets.id"), nullable=False),
    Column("action_id", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("diff", Text, nullable=False),
    Column("undo", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("requested_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("decided_at", Double),
    Column("decided_by", Text),
    Column("reason", Text),
    Column("edited_arguments", Text),
    Column("consumed_at", Double),
    CheckConstraint(
        "status IN ('pending', 'approved', 'edited', 'rejected', 'timed_out', 'withdrawn')",
        name="ck_approvals_status",
    ),
    Index(
        "uq_approvals_pending",
        "ticket_id",
        "digest",
        unique=True,
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    ),
    Index("ix_approvals_status", "status", "id"),
    Index("ix_approvals_ticket", "ticket_id", "id"),
    sqlite_autoincrement=True,
)

journal = Table(
    "journal",
    metadata,
    Column("id", _LONG, primary_key=True, autoincrement=False),
    Column("ticket_id", Integer, ForeignKey("tickets.id")),
    Column("step", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("recorded_at", Double, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_journal_ticket", "ticket_id", "id"),
)

journal_head = Table(
    "journal_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_id", _LONG, nullable=False),
    Column("hash", Text, nullable=False),
)
"""One row: where the chain ends, so that entries cut off its end are missed too."""

events = Table(
    "events",
    metadata,
    Column("id", _LONG, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("subject", Text),
    Column("ticket_id", Integer),
    Column("data", Text, nullable=False),
    Index("ix_events_ticket", "ticket_id", "id"),
    sqlite_autoincrement=True,
)

control = Table(
    "control",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mode", Text, nullable=False),
    Column("stopped", Boolean, nullable=False),
    Column("stop_reason", Text),
    Column("stopped_by", Text),
    Column("stopped_at", Double),
)

desired = Table(
    "desired",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("running", Boolean, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("commit", Text),
    Column("updated_at", Double, nullable=False),
    Column("by", Text, nullable=False),
)

observed = Table(
    "observed",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("pid", Integer),
    Column("start_ticks", BigInteger),
    Column("port", Integer),
    Column("generation", Integer, nullable=False),
    Column("commit", Text),
    Column("restarts", Integer, nullable=False),
    Column("started_at", Double),
    Column("exit_code", Integer),
    Column("detail", Text, nullable=False),
    Column("owner_pid", Integer),
    Column("updated_at", Double, nullable=False),
)

_ACTIVE = text("active")
faults = Table(
    "faults",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("ground_truth", Text, nullable=False),
    Column("injected_at", Double, nullable=False),
    Column("cleared_at", Double),
    Column("by", Text, nullable=False),
    Index("uq_faults_active", "subject", "name", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    sqlite_autoincrement=True,
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("data", Text, nullable=False),
)
