"""Reading stored texts: the thread of one address, and the replies to one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation, Message


@dataclass(frozen=True, slots=True)
class ThreadText:
    """One text of a thread, decrypted. `body` is "" if the words were deleted."""

    id: int
    outbound: bool
    body: str
    at: datetime
    state: str
    segments: int
    media: int


def list_replies(db: Session, inbound_id: int) -> Sequence[Message]:
    """The stored replies to one message, in order."""
    conversation = select(Message.conversation_id).where(Message.id == inbound_id).scalar_subquery()
    rows = select(Message).where(
        Message.conversation_id == conversation, Message.id > inbound_id, Message.replies_to == inbound_id
    )
    return db.scalars(rows.order_by(Message.id)).all()


def renew_inline_replies(db: Session, inbound_id: int, due_at: datetime) -> Sequence[Message]:
    """The replies to one message that are sent in the HTTP answer to the carrier, not through the outbox.

    Each is checked at `due_at`. One statement, so that the outbox cannot claim a row that is returned here.
    """
    conversation = select(Message.conversation_id).where(Message.id == inbound_id).scalar_subquery()
    riding = (
        update(Message)
        .where(
            Message.conversation_id == conversation,
            Message.id > inbound_id,
            Message.replies_to == inbound_id,
            Message.state == DeliveryState.ANSWERED.value,
        )
        .values(due_at=due_at)
        .returning(Message)
    )
    return sorted(db.scalars(riding).all(), key=lambda row: row.id)


def list_texts(db: Session, sealer: Sealer, address: Address, after: int = 0, limit: int = 200) -> list[ThreadText]:
    """The newest `limit` texts to and from this address after row `after`, oldest first."""
    rows = db.scalars(
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.lookup == sealer.blind_index(address), Message.id > after)
        .order_by(Message.id.desc())
        .limit(limit)
    ).all()
    return [_to_text(sealer, row) for row in reversed(rows)]


def last_inbound_at(db: Session, conversation_id: int) -> datetime | None:
    """When the person last wrote (UTC); None if never."""
    return db.scalar(select(func.max(Message.at)).where(Message.conversation_id == conversation_id, ~Message.outbound))


def has_key(db: Session, conversation_id: int, key: str) -> bool:
    """Whether a text with this key was written to the person."""
    rows = select(Message.id).where(Message.conversation_id == conversation_id, Message.key == key, Message.outbound)
    return db.scalar(rows.limit(1)) is not None


def handoff_of_staff_text(db: Session, message_id: int) -> int | None:
    """The handoff in which a social worker wrote this text; None if there is no such text of a social worker."""
    rows = select(Message.handoff_id).where(Message.id == message_id, Message.outbound, Message.staff_id.is_not(None))
    return db.scalar(rows)


def _to_text(sealer: Sealer, row: Message) -> ThreadText:
    media = len(sealer.open_json(row.sealed_media)) if row.sealed_media else 0
    body = sealer.open(row.sealed_body) if row.sealed_body else ""
    return ThreadText(row.id, row.outbound, body, row.at, row.state, row.segments or 0, media)
