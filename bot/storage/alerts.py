"""What humans must be told: alarms for the operator. (Alerts about a handoff are made with it.)"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.storage.tables import Alert

QUIET = timedelta(minutes=10)
"""The same alarm within this time is the same trouble: a thousand texts that meet one broken flow are one page at night."""


def raise_alarm(db: Session, kind: str, detail: str, conversation_id: int | None, now: datetime) -> None:
    """Tell the operator, once in ten minutes for the same thing. `detail` names rows and steps, never words or numbers."""
    same = select(Alert.id).where(
        Alert.kind == kind, Alert.detail == detail, Alert.raised_at > now - QUIET, Alert.acknowledged_at.is_(None)
    )
    if db.scalar(same.limit(1)) is None:
        db.add(Alert(kind=kind, conversation_id=conversation_id, urgency="now", detail=detail, raised_at=now))
        db.flush()


def was_raised(db: Session, kind: str, detail: str, since: datetime) -> bool:
    """Whether this alarm was raised since then, dealt with or not."""
    rows = select(Alert.id).where(Alert.kind == kind, Alert.detail == detail, Alert.raised_at >= since)
    return db.scalar(rows.limit(1)) is not None
