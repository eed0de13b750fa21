"""Promises to ask again, each a row with the time at which it falls due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.storage.tables import CheckIn


def plan(db: Session, conversation_id: int, flow: str, after: Iterable[timedelta], now: datetime) -> None:
    for delay in after:
        db.add(CheckIn(conversation_id=conversation_id, flow=flow, due_at=now + delay, state="planned"))
