"""The earliest time at which anything is due: an escalation tier, a silence time-out, a check-in, or an outgoing text."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage.database import driver_connection

_NEXT = """
select least(
  (select min(due_at) from handoff),
  (select min(timeout_at) from conversation),
  (select min(due_at) from check_in),
  (select min(due_at) from message where outbound and state in ('waiting', 'claimed', 'unknown', 'answered')))
"""


def find_earliest(db: Session) -> datetime | None:
    """The earliest due time, aware UTC; it may be long past. None if nothing is due."""
    row = driver_connection(db).execute(_NEXT).fetchone()
    found: datetime | None = row[0] if row else None
    return found
