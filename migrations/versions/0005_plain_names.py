"""columns and a table get names that say what they hold"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Renaming changes the catalog and no row, so it takes milliseconds whatever is stored. Processes of the version before
# do not know the new names: they are stopped first.
_COLUMNS = (
    ("conversation", "waking", "timeout_at"),
    ("handoff", "rung", "tier"),
    ("handoff", "rung_due_at", "due_at"),
    ("handoff", "told_at", "last_notice_at"),
    ("call_out", "rung", "tier"),
    ("referral", "told_by", "reported_by"),
    ("measure", "told_by", "reported_by"),
)
_INDEXES = (
    ("conversation_waking", "conversation_timeout"),
    ("handoff_rung_due", "handoff_due"),
)


def upgrade() -> None:
    for table, old, new in _COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    for old, new in _INDEXES:
        op.execute(f"alter index {old} rename to {new}")
    op.rename_table("canned_reply", "ready_reply")
