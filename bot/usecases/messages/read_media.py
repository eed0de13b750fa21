"""Read where the pictures and voice notes of a person's message are, for staff who may read the conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.messages.message import Media
from bot.storage.messages import media
from bot.storage.sealing import Sealer
from bot.storage.staff import audits
from bot.usecases.handoff.read_handoff import PermittedReader, may_read_conversation


@dataclass(frozen=True, slots=True)
class MediaAccess:
    """Whether the reader may see the files of a message, and where they are; empty if they may not, or if the files were
    deleted with the words."""

    is_allowed: bool
    files: tuple[Media, ...]


def read_media(
    db: Session, sealer: Sealer, reader: PermittedReader, message_id: int, number: int, now: datetime
) -> MediaAccess | None:
    """The files of a message. Audited as a request for its `number`-th file, also if it is refused; the caller commits in
    both cases. None if there is no such message from a person."""
    found = media.find_for_message(db, sealer, message_id) if message_id < 2**63 else None
    if found is None:
        return None
    is_allowed = may_read_conversation(db, reader, found.conversation_id)
    audits.record(
        db, reader.id, "read_media" if is_allowed else "refused", now,
        conversation_id=found.conversation_id, detail=f"file {number} of message {message_id}",
    )  # fmt: skip
    return MediaAccess(is_allowed, found.media if is_allowed else ())
