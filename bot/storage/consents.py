"""The consent ledger: who agreed to or revoked what, when, how, and by which message."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot.domain.effects import Choice, RecordConsent
from bot.storage.tables import Consent

SHARE = "share:"
"""How the scopes begin by which a person releases something to an agency; the slug of one service follows."""
AGENCY = "share:agency:"
"""The same for all services of one organization; its `<source>/<key>` follows."""


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


def holds(db: Session, conversation_id: int, scope: str, now: datetime, wider: str | None = None) -> bool:
    """Whether the person agrees to this now: the last entry for the scope says so, and its time is not over.

    `wider` is another scope that covers this one, such as all of an agency: then the newest entry of either counts, so that
    what was taken back stays taken back. A release to an agency counts only if it has an end (34 USC 12291(b)(2)).
    """
    scopes = [scope] if wider is None else [scope, wider]
    # STOP takes back everything (47 CFR 64.1200(a)(10)); START brings our answers back, and no agreement of before.
    counts = or_(Consent.scope.in_(scopes), Consent.choice == Choice.OPTED_OUT)
    rows = select(Consent).where(Consent.conversation_id == conversation_id, counts)
    last = db.scalar(rows.order_by(Consent.id.desc()).limit(1))
    if last is None or last.choice != Choice.AGREED:
        return False
    return last.until > now if last.until is not None else not last.scope.startswith(SHARE)
