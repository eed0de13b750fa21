"""Record in the audit log what a staff member did."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage.staff import audits


def record_act(
    db: Session,
    staff_id: int | None,
    act: str,
    now: datetime,
    *,
    conversation_id: int | None = None,
    handoff_id: int | None = None,
    detail: str = "",
) -> None:
    """Record one act (a key of bot/domain/staff/audit_acts.py) in the caller's transaction. `now` is aware, in UTC.

    `staff_id`: None if it is unknown who did it. `detail`: fixed words and ids only, nothing that a person wrote.
    """
    audits.record(db, staff_id, act, now, conversation_id=conversation_id, handoff_id=handoff_id, detail=detail)
