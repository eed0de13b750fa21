"""Conversations outside a turn: those in which the person's silence has timed out."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import load
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation


def list_timed_out(db: Session, now: datetime, limit: int = 100) -> list[int]:
    """Ids of conversations in which silence has lasted long enough to count as an answer, longest first."""
    rows = select(Conversation.id).where(Conversation.timeout_at <= now).order_by(Conversation.timeout_at).limit(limit)
    return list(db.scalars(rows))


def lock_timed_out(db: Session, sealer: Sealer, conversation_id: int, now: datetime) -> tuple[Conversation, State] | None:
    """The row, locked, with its state; None if the person has written meanwhile or another worker holds the lock."""
    row = db.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id, Conversation.timeout_at <= now)
        .with_for_update(skip_locked=True)
    )
    return (row, load(sealer.open(row.sealed_state))) if row else None


def save_state(row: Conversation, sealer: Sealer, state: State, now: datetime) -> None:
    """Write the state back to its locked row."""
    frame = state.frame
    row.sealed_state = sealer.seal(state.dump())
    row.flow_version = (frame.version or None) if frame else None
    row.step = frame.step if frame else None
    row.holder, row.in_danger, row.timeout_at, row.updated_at = state.holder.value, state.in_danger, state.timeout_at, now
