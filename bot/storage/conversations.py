"""Conversations outside of a turn: those whose time has come, and the one that is woken."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.conversation import Conversation as State
from bot.domain.conversation import load
from bot.storage.sealing import Sealer
from bot.storage.tables import Conversation


def waking(db: Session, now: datetime, limit: int = 100) -> list[int]:
    """Conversations in which silence has lasted long enough to count as an answer."""
    rows = select(Conversation.id).where(Conversation.waking <= now).order_by(Conversation.waking).limit(limit)
    return list(db.scalars(rows))


def lock_waking(db: Session, sealer: Sealer, conversation_id: int, now: datetime) -> tuple[Conversation, State] | None:
    """The row, locked, with its state; None where the person has written meanwhile, so that nothing is left to wake."""
    row = db.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id, Conversation.waking <= now)
        .with_for_update(skip_locked=True)
    )
    return (row, load(sealer.open(row.sealed_state))) if row else None


def store(row: Conversation, sealer: Sealer, state: State, now: datetime) -> None:
    """Write the state back to its locked row."""
    frame = state.frame
    row.sealed_state = sealer.seal(state.dump())
    row.flow_version = (frame.version or None) if frame else None
    row.step = frame.step if frame else None
    row.holder, row.in_danger, row.waking, row.updated_at = state.holder.value, state.in_danger, state.waking, now
