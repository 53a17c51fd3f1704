"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("status IN ('pending', 'in_progress', 'awaiting_approval', 'verifying')")
_WAITING = sa.text("status = 'pending'")
_ACTIVE = sa.text("active")


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("priority_rank", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("objective", sa.Text, nullable=False),
        sa.Column("criteria", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("tickets.id")),
        sa.Column("occurrences", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_expires_at", sa.Double),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'awaiting_approval', 'verifying',"
            " 'completed', 'failed', 'cancelled')",
            name="ck_tickets_status",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_tickets_open_fingerprint",
        "tickets",
        ["fingerprint"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_index("ix_tickets_fingerprint", "tickets", ["fingerprint", "id"])
    op.create_index("ix_tickets_status", "tickets", ["status", "priority_rank", "id"])
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ticket_id", sa.Integer, sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("action_id", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("diff", sa.Text, nullable=False),
        sa.Column("undo", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("requested_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("decided_at", sa.Double),
        sa.Column("decided_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("edited_arguments", sa.Text),
        sa.Column("consumed_at", sa.Double),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'edited', 'rejected', 'timed_out', 'withdrawn')",
            name="ck_approvals_status",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_approvals_pending",
        "approvals",
        ["ticket_id", "digest"],
        unique=True,
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
    op.create_index("ix_approvals_status", "approvals", ["status", "id"])
    op.create_index("ix_approvals_ticket", "approvals", ["ticket_id", "id"])
    op.create_table(
        "journal",
        sa.Column("id", _LONG, primary_key=True, autoincrement=False),
        sa.Column("ticket_id", sa.Integer, sa.ForeignKey("tickets.id")),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.Double, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("ix_journal_ticket", "journal", ["ticket_id", "id"])
    op.create_table(
        "journal_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_id", _LONG, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", _LONG, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("ticket_id", sa.Integer),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_ticket", "events", ["ticket_id", "id"])
    op.create_table(
        "control",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("stopped", sa.Boolean, nullable=False),
        sa.Column("stop_reason", sa.Text),
        sa.Column("stopped_by", sa.Text),
        sa.Column("stopped_at", sa.Double),
    )
    op.create_table(
        "desired",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("running", sa.Boolean, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("commit", sa.Text),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
    )
    op.create_table(
        "observed",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
        sa.Column("pid", sa.Integer),
        sa.Column("start_ticks", sa.BigInteger),
        sa.Column("port", sa.Integer),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("commit", sa.Text),
        sa.Column("restarts", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("exit_code", sa.Integer),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("owner_pid", sa.Integer),
        sa.Column("updated_at", sa.Double, nullable=False),
    )
    op.create_table(
        "faults",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("ground_truth", sa.Text, nullable=False),
        sa.Column("injected_at", sa.Double, nullable=False),
        sa.Column("cleared_at", sa.Double),
        sa.Column("by", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_faults_active",
        "faults",
        ["subject", "name"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.create_table(
        "snapshots",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
