"""The consent ledger: who agreed to or revoked what, when, how, and by which message."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from bot.domain.conversation.effects import ConsentChoice, ConsentMethod, RecordConsent
from bot.storage.tables.residents import Consent, Conversation

SHARE_PREFIX = "share:"
"""Prefix of scopes that release information to one service; the service's slug follows."""
AGENCY_PREFIX = "share:agency:"
"""Prefix of scopes for all services of one organization; its `<source>/<key>` follows."""


def record(
    db: Session, effect: RecordConsent, conversation_id: int, message_id: int | None, language: str, now: datetime
) -> None:
    """Add an entry; entries are never changed. Whether texts may be sent is a column of the conversation."""
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


def is_agreed(db: Session, conversation_id: int, scope: str, now: datetime, wider_scope: str | None = None) -> bool:
    """Whether consent holds now: the last entry for the scope agrees and has not expired.

    Consent counts for the address at which it was given; a withdrawal at any of the person's addresses counts for all of
    them, because it is about the person and not about a telephone.
    `wider_scope` is another scope that covers this one, such as a whole agency: then the newest entry of either counts, so
    that a withdrawal stays in force. A release to an agency counts only if it has an end date (34 USC 12291(b)(2)).
    """
    scopes = _scopes(scope, wider_scope)
    # STOP withdraws everything (47 CFR 64.1200(a)(10)); START only allows texts again and restores no earlier consent.
    counts = or_(Consent.scope.in_(scopes), Consent.choice == ConsentChoice.OPTED_OUT)
    rows = select(Consent).where(Consent.conversation_id == conversation_id, counts)
    last = db.scalar(rows.order_by(Consent.id.desc()).limit(1))
    if last is None or last.choice != ConsentChoice.AGREED:
        return False
    back = last_withdrawal(db, conversation_id, scope, wider_scope)
    if back is not None and back.id > last.id:
        return False
    return last.until > now if last.until is not None else not last.scope.startswith(SHARE_PREFIX)


def last_withdrawal(db: Session, conversation_id: int, scope: str, wider_scope: str | None = None) -> Consent | None:
    """The newest entry by which this person withdrew this consent, or all, at any address; None if they never did."""
    person = select(Conversation.person_id).where(Conversation.id == conversation_id).scalar_subquery()
    own = Consent.conversation_id == conversation_id
    # If the carrier reports that a number was reassigned, that ends the consent given there, but says nothing about the
    # person's other numbers.
    withdrawn = and_(
        Consent.choice != ConsentChoice.AGREED,
        Consent.scope.in_(_scopes(scope, wider_scope)),
        or_(own, Consent.method != ConsentMethod.CARRIER),
    )
    rows = select(Consent).join(Conversation, Conversation.id == Consent.conversation_id)
    rows = rows.where(Conversation.person_id == person, or_(withdrawn, Consent.choice == ConsentChoice.OPTED_OUT))
    return db.scalar(rows.order_by(Consent.id.desc()).limit(1))


def _scopes(scope: str, wider_scope: str | None) -> list[str]:
    return [scope] if wider_scope is None else [scope, wider_scope]
