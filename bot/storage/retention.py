"""Deleting words past their retention time, in batches; people with an open handoff are left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from bot.storage.tables.residents import Conversation, Handoff, Message, Person
from bot.storage.tables.staff import Note


def delete_old_bodies(db: Session, before: datetime, limit: int) -> list[int | None]:
    """Delete the words and pictures of at most `limit` messages older than `before` (aware UTC), oldest first.

    Returns the conversation of each; None for a text to or from staff.
    """
    open_handoff = exists().where(Handoff.conversation_id == Message.conversation_id, Handoff.state != "closed")
    old = (
        select(Message.id)
        .where(Message.at < before, Message.sealed_body.is_not(None), Message.due_at.is_(None), ~open_handoff)
        .order_by(Message.id)
        .limit(limit)
    )
    deleted = (
        update(Message)
        .where(Message.id.in_(old.scalar_subquery()))
        .values(sealed_body=None, sealed_media=None)
        .returning(Message.conversation_id)
    )
    return list(db.scalars(deleted))


def lock_quiet(db: Session, conversation_ids: Collection[int], before: datetime) -> Sequence[Conversation]:
    """Those of these conversations that have not changed since `before` (aware UTC), locked. Rows that another transaction
    has locked are left out."""
    rows = select(Conversation).where(Conversation.id.in_(conversation_ids), Conversation.updated_at < before)
    return db.scalars(rows.with_for_update(skip_locked=True)).all()


def lock_forgettable(db: Session, before: datetime, limit: int) -> Sequence[Conversation]:
    """At most `limit` conversations that have not changed since `before` (aware UTC) and whose answers were not deleted
    since they last changed, locked. Rows that another transaction has locked are left out."""
    open_handoff = exists().where(Handoff.conversation_id == Conversation.id, Handoff.state != "closed")
    changed = or_(Conversation.forgotten_at.is_(None), Conversation.forgotten_at < Conversation.updated_at)
    old = select(Conversation).where(Conversation.updated_at < before, changed, ~open_handoff).limit(limit)
    return db.scalars(old.with_for_update(skip_locked=True)).all()


def delete_words_about(db: Session, conversation: Conversation) -> None:
    """Delete the person's name, the notes about them, and why they were handed to a human."""
    db.execute(update(Person).where(Person.id == conversation.person_id).values(sealed_name=None))
    db.execute(update(Note).where(Note.conversation_id == conversation.id).values(sealed_body=None))
    db.execute(update(Handoff).where(Handoff.conversation_id == conversation.id).values(sealed_because=None))
