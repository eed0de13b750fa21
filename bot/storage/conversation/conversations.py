"""Conversation rows outside a turn: locking one, and what is stored about it in columns of its own."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.storage.tables.residents import Conversation


def is_empty(db: Session) -> bool:
    """Whether no person has ever texted."""
    return db.scalar(select(Conversation.id).limit(1)) is None


def lock_row(db: Session, conversation_id: int) -> Conversation | None:
    """The row, locked until the transaction ends; None if there is none.

    It is read again: what this session read before the lock was granted may be outdated by a turn.
    """
    return db.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def lock_for_messages(db: Session, conversation_id: int) -> None:
    """Lock the row before its messages and handoffs, as a turn does: any other order can deadlock. Reads nothing."""
    db.execute(select(Conversation.id).where(Conversation.id == conversation_id).with_for_update())


def holder_of(db: Session, conversation_id: int | None) -> str | None:
    """Who holds the conversation, a value of `Holder`; None if there is no such conversation."""
    return db.scalar(select(Conversation.holder).where(Conversation.id == conversation_id))
