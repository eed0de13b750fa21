"""Deleting what is no longer to be kept: people who asked for it, and words past their time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from bot.storage import erasures
from bot.storage.sealing import Sealer
from bot.storage.tables import Handoff, Message


def erase_asked(db: Session, sealer: Sealer, now: datetime) -> int:
    """Carry out the requests to delete that are due. Returns how many."""
    asked = erasures.due(db, now)
    for erasure in asked:
        erasures.erase(db, sealer, erasure, now)
    return len(asked)


def forget_old_words(db: Session, now: datetime, keep: timedelta, limit: int = 500) -> int:
    """Delete the words of texts older than `keep`, but for people with an open handoff. Returns how many texts.

    In small portions: a delete of a year at once would hold up the webhook.
    """
    open_handoff = exists().where(Handoff.conversation_id == Message.conversation_id, Handoff.state != "closed")
    old = (
        select(Message.id)
        .where(Message.at < now - keep, Message.sealed_body.is_not(None), Message.due_at.is_(None), ~open_handoff)
        .order_by(Message.id)
        .limit(limit)
    )
    rows = db.execute(
        update(Message)
        .where(Message.id.in_(old.scalar_subquery()))
        .values(sealed_body=None, sealed_media=None)
        .returning(Message.id)
    ).all()
    return len(rows)
