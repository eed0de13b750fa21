"""Deletion: erasure of people who asked for it, and of texts and answers past their retention time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import load
from bot.storage import erasures
from bot.storage.cases import cases
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation, Handoff, Message, Person
from bot.storage.tables.staff import Note


def carry_out_erasures(db: Session, sealer: Sealer, now: datetime) -> int:
    """Carry out the erasure requests that are due. Returns how many."""
    asked = erasures.lock_due(db, now)
    for erasure in asked:
        erasures.erase(db, sealer, erasure, now)
    return len(asked)


def delete_old_texts(db: Session, sealer: Sealer, now: datetime, keep: timedelta, limit: int = 500) -> int:
    """Delete the bodies of messages older than `keep`, except for people with an open handoff. Returns how many.

    In small batches: deleting a year at once would block the webhook.
    """
    open_handoff = exists().where(Handoff.conversation_id == Message.conversation_id, Handoff.state != "closed")
    old = (
        select(Message.id)
        .where(Message.at < now - keep, Message.sealed_body.is_not(None), Message.due_at.is_(None), ~open_handoff)
        .order_by(Message.id)
        .limit(limit)
    )
    rows = db.execute(
        update(Message)
        .where(Message.id.in_(old.scalar_subquery()))
        .values(sealed_body=None, sealed_media=None)
        .returning(Message.conversation_id)
    ).all()
    _delete_recent_texts(db, sealer, {row.conversation_id for row in rows if row.conversation_id is not None}, now - keep)
    return len(rows)


def _delete_recent_texts(db: Session, sealer: Sealer, conversation_ids: set[int], before: datetime) -> None:
    """Delete the last few texts from the conversations' states too."""
    quiet = select(Conversation).where(Conversation.id.in_(conversation_ids), Conversation.updated_at < before)
    for row in db.scalars(quiet.with_for_update(skip_locked=True)):
        state = load(sealer.open(row.sealed_state))
        if state.recent:
            row.sealed_state = sealer.seal(replace(state, recent=()).dump())


def delete_old_answers(db: Session, sealer: Sealer, now: datetime, keep: timedelta, limit: int = 200) -> int:
    """Delete the answers, the name and the place in the flow of people who have not written for `keep`. Returns how many.

    Language, opt-out and address stay: a person who comes back after years is answered in their language, or left alone.
    """
    open_handoff = exists().where(Handoff.conversation_id == Conversation.id, Handoff.state != "closed")
    news = or_(Conversation.forgotten_at.is_(None), Conversation.forgotten_at < Conversation.updated_at)
    old = select(Conversation).where(Conversation.updated_at < now - keep, news, ~open_handoff).limit(limit)
    rows = db.scalars(old.with_for_update(skip_locked=True)).all()
    for row in rows:
        state = load(sealer.open(row.sealed_state))
        # Safe contact stays too: the danger at home may still be the same.
        chosen = {"language": state.language, "language_chosen": state.language_chosen, "safe": state.safe}
        kept = State(channel=state.channel, **chosen, ended=True, turn=state.turn)  # type: ignore[arg-type]
        row.sealed_state, row.flow_version, row.step, row.waking = sealer.seal(kept.dump()), None, None, None
        row.holder, row.in_danger, row.forgotten_at = kept.holder.value, False, now
        db.execute(update(Person).where(Person.id == row.person_id).values(sealed_name=None))
        db.execute(update(Note).where(Note.conversation_id == row.id).values(sealed_body=None))
        db.execute(update(Handoff).where(Handoff.conversation_id == row.id).values(sealed_because=None))
        if cases.lock_open_case(db, row.person_id) is None:
            # With an open case the person may still talk with their social worker and never text.
            cases.delete_words(db, row.person_id, row.id)
    return len(rows)
