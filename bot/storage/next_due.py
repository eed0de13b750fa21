"""The earliest moment at which anything falls due: a rung, a silence that counts as an answer, a check-in, a
text that is to leave."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage.database import plain

_NEXT = """
select least(
  (select min(rung_due_at) from handoff),
  (select min(waking) from conversation),
  (select min(due_at) from check_in),
  (select min(due_at) from message where outbound and state in ('waiting', 'claimed', 'unknown', 'answered')))
"""


def moment(db: Session) -> datetime | None:
    """Aware UTC; it may be long past. None where nothing is due ever."""
    row = plain(db).execute(_NEXT).fetchone()
    found: datetime | None = row[0] if row else None
    return found
