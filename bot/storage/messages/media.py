"""Where the carrier stores the pictures and voice notes of a text."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.domain.messages.message import Media
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Message


@dataclass(frozen=True, slots=True)
class MessageMedia:
    """The media of one text from a person, with its conversation."""

    conversation_id: int
    media: tuple[Media, ...]


def find_for_message(db: Session, sealer: Sealer, message_id: int) -> MessageMedia | None:
    """The media of a text; None if there is no such text from a person. Empty if they were deleted with its words."""
    row = db.get(Message, message_id)
    if row is None or row.conversation_id is None or row.outbound:
        return None
    pairs = sealer.open_json(row.sealed_media) if row.sealed_media else []
    return MessageMedia(row.conversation_id, tuple(Media(url, kind) for url, kind in pairs))
