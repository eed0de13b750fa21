"""Services that were offered to a person; whether they helped is learned later."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage.tables import Referral


def offer(db: Session, conversation_id: int, need: str, near: str | None, services: Iterable[int], now: datetime) -> None:
    """A referral for each service that was texted, in the state `requested`."""
    for service in services:
        db.add(
            Referral(
                conversation_id=conversation_id,
                service_id=service,
                need=need,
                near=near,
                state="requested",
                made_at=now,
            )
        )
