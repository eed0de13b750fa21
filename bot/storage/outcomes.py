"""How flows ended, for reports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage.tables import Outcome


def record(db: Session, conversation_id: int, flow: str, outcome: str, now: datetime) -> None:
    db.add(Outcome(conversation_id=conversation_id, flow=flow, outcome=outcome, at=now))
