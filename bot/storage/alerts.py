"""Alarms for the operator. Alerts about a handoff are written by handoffs.py."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.storage.tables.residents import Alert

REPEAT_AFTER = timedelta(minutes=10)
"""The same alarm is not repeated within this time: a thousand texts that hit one broken flow page the operator once."""


def raise_alarm(db: Session, kind: str, detail: str, conversation_id: int | None, now: datetime) -> None:
    """Alert the operator, at most once in ten minutes for the same kind and detail.

    `detail` names rows and steps, never people's words or numbers.
    """
    same = select(Alert.id).where(
        Alert.kind == kind, Alert.detail == detail, Alert.raised_at > now - REPEAT_AFTER, Alert.acknowledged_at.is_(None)
    )
    if db.scalar(same.limit(1)) is None:
        db.add(Alert(kind=kind, conversation_id=conversation_id, urgency="now", detail=detail, raised_at=now))
        db.flush()


def was_raised(db: Session, kind: str, detail: str, since: datetime) -> bool:
    """Whether this alarm was raised at or after `since`, acknowledged or not."""
    rows = select(Alert.id).where(Alert.kind == kind, Alert.detail == detail, Alert.raised_at >= since)
    return db.scalar(rows.limit(1)) is not None
