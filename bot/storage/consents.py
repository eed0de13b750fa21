"""The consent ledger: who agreed to or revoked what, when, how, and by which message."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.effects import RecordConsent
from bot.storage.tables import Consent


def record(
    db: Session, effect: RecordConsent, conversation_id: int, message_id: int | None, language: str, now: datetime
) -> None:
    """Add an entry; entries are never changed. Whether texts may be sent is a column of the conversation, saved with it."""
    db.add(
        Consent(
            conversation_id=conversation_id,
            message_id=message_id,
            scope=effect.scope,
            choice=effect.choice.value,
            method=effect.method.value,
            source=effect.text or ("message" if message_id else "line"),
            language=language,
            at=now,
        )
    )
