"""Everything recorded about one address: what a page shows beside its thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot.domain.messages.message import Address
from bot.storage.sealing import Sealer
from bot.storage.tables.directory import Service
from bot.storage.tables.residents import CheckIn, Consent, Conversation, Handoff, Message, Outcome, Referral


@dataclass(frozen=True, slots=True)
class ConversationRecords:
    """The rows of one conversation, each kind oldest first; sealed columns are still sealed.

    `referrals` are paired with the service's name, or None if the service has left the directory. `flagged` are the
    inbound texts that met a safety rule or were left unanswered on purpose.
    """

    conversation: Conversation
    handoffs: Sequence[Handoff]
    referrals: Sequence[tuple[Referral, str | None]]
    check_ins: Sequence[CheckIn]
    consents: Sequence[Consent]
    outcomes: Sequence[Outcome]
    flagged: Sequence[Message]


def find_by_address(db: Session, sealer: Sealer, address: Address) -> ConversationRecords | None:
    """Everything recorded about this address; None if it has never written."""
    conversation = db.scalar(select(Conversation).where(Conversation.lookup == sealer.blind_index(address)))
    if conversation is None:
        return None
    mine = conversation.id
    referrals = db.execute(
        select(Referral, Service.name)
        .outerjoin(Service, Service.id == Referral.service_id)
        .where(Referral.conversation_id == mine)
        .order_by(Referral.id)
    )
    marked = select(Message).where(
        Message.conversation_id == mine, or_(Message.rules.is_not(None), Message.silence.is_not(None))
    )
    return ConversationRecords(
        conversation=conversation,
        handoffs=_all(db, Handoff, mine),
        referrals=[(row[0], row[1]) for row in referrals],
        check_ins=_all(db, CheckIn, mine),
        consents=_all(db, Consent, mine),
        outcomes=_all(db, Outcome, mine),
        flagged=db.scalars(marked.order_by(Message.id)).all(),
    )


def _all(db: Session, table: Any, conversation_id: int) -> Sequence[Any]:
    rows = select(table).where(table.conversation_id == conversation_id)
    return db.scalars(rows.order_by(table.id)).all()
