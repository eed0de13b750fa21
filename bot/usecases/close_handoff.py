"""A human is done with somebody: the handoff is closed and the bot may speak again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.conversation import Holder, load
from bot.storage import conversations
from bot.storage.sealing import Sealer
from bot.storage.tables import Alert, Conversation, Handoff


class NoSuchHandoff(Exception):
    """There is no open handoff with this number."""


def close_handoff(db: Session, sealer: Sealer, handoff_id: int, now: datetime) -> None:
    """Close an open handoff; the person counts as no longer in danger, and keeps the place at which they were.

    Locks the conversation before the handoff, like a turn does: the other way round the two would wait for each other.
    Raises NoSuchHandoff.
    """
    conversation_id = db.scalar(select(Handoff.conversation_id).where(Handoff.id == handoff_id))
    row = db.get(Conversation, conversation_id, with_for_update=True) if conversation_id else None
    handoff = db.scalar(select(Handoff).where(Handoff.id == handoff_id, Handoff.state != "closed").with_for_update())
    if row is None or handoff is None:
        raise NoSuchHandoff(f"There is no open handoff {handoff_id}.")
    handoff.state, handoff.updated_at = "closed", now
    for alert in db.scalars(select(Alert).where(Alert.handoff_id == handoff_id, Alert.acknowledged_at.is_(None))):
        alert.acknowledged_at = now
    state = load(sealer.open(row.sealed_state))
    state = replace(state, holder=Holder.BOT, in_danger=False, asked=None, told=None, waking=None)
    conversations.store(row, sealer, state, now)
