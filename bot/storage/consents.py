"""The consent ledger: who agreed to or revoked what, when, how, and by which message."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from bot.domain.effects import Choice, Method, RecordConsent
from bot.storage.tables import Consent, Conversation

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

    An agreement counts for the address at which it was given; what they take back at any of their addresses is taken back
    at all of them, since they say it of themselves and not of a telephone.
    `wider` is another scope that covers this one, such as all of an agency: then the newest entry of either counts, so that
    what was taken back stays taken back. A release to an agency counts only if it has an end (34 USC 12291(b)(2)).
    """
    scopes = _scopes(scope, wider)
    # STOP takes back everything (47 CFR 64.1200(a)(10)); START brings our answers back, and no agreement of before.
    counts = or_(Consent.scope.in_(scopes), Consent.choice == Choice.OPTED_OUT)
    rows = select(Consent).where(Consent.conversation_id == conversation_id, counts)
    last = db.scalar(rows.order_by(Consent.id.desc()).limit(1))
    if last is None or last.choice != Choice.AGREED:
        return False
    back = taken_back(db, conversation_id, scope, wider)
    if back is not None and back.id > last.id:
        return False
    return last.until > now if last.until is not None else not last.scope.startswith(SHARE)


def taken_back(db: Session, conversation_id: int, scope: str, wider: str | None = None) -> Consent | None:
    """The newest entry by which this person took it back, or everything, at any of their addresses; None: they never did."""
    person = select(Conversation.person_id).where(Conversation.id == conversation_id).scalar_subquery()
    own = Consent.conversation_id == conversation_id
    # That a number is somebody else's now was told by the carrier: it ends what was agreed to there, and the person has
    # said nothing by it about their other numbers.
    withdrawn = and_(
        Consent.choice != Choice.AGREED,
        Consent.scope.in_(_scopes(scope, wider)),
        or_(own, Consent.method != Method.CARRIER),
    )
    rows = select(Consent).join(Conversation, Conversation.id == Consent.conversation_id)
    rows = rows.where(Conversation.person_id == person, or_(withdrawn, Consent.choice == Choice.OPTED_OUT))
    return db.scalar(rows.order_by(Consent.id.desc()).limit(1))


def _scopes(scope: str, wider: str | None) -> list[str]:
    return [scope] if wider is None else [scope, wider]
