"""Questions about the events of a handoff, which are written with each change of it (handoffs.py)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage.tables.staff import HandoffEvent


def latest_id(db: Session, handoff_id: int, kind: str) -> int | None:
    """The id of the handoff's newest event of this kind; None if there is none. Ids grow with time."""
    rows = select(func.max(HandoffEvent.id)).where(HandoffEvent.handoff_id == handoff_id, HandoffEvent.kind == kind)
    return db.scalar(rows)


def has_event(db: Session, handoff_id: int, kind: str, since: datetime | None = None) -> bool:
    """Whether the handoff has an event of this kind, at or after `since` (aware UTC) where that is given."""
    rows = select(HandoffEvent.id).where(HandoffEvent.handoff_id == handoff_id, HandoffEvent.kind == kind)
    if since is not None:
        rows = rows.where(HandoffEvent.at >= since)
    return db.scalar(rows.limit(1)) is not None


def list_since(db: Session, handoff_id: int, since: datetime) -> Sequence[HandoffEvent]:
    """The handoff's events at or after `since` (aware UTC), in no particular order."""
    return db.scalars(select(HandoffEvent).where(HandoffEvent.handoff_id == handoff_id, HandoffEvent.at >= since)).all()
