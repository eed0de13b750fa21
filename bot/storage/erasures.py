"""Erasing a person's data at their request.

The turn stores the request; the sweep carries it out after the confirming text has been sent, because that text needs the
number. What stays: that a request was made and done, the ledger of opt-outs, and counts without words or numbers.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from bot.domain.check_ins.decision import CheckInReason as Dropped
from bot.domain.conversation.state import Conversation as State
from bot.storage.cases import cases
from bot.storage.check_ins import check_ins
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation, Erasure, Handoff, Message, Person, Referral
from bot.storage.tables.staff import Note

SETTLE_TIME = timedelta(minutes=15)
"""How long the confirming text has to arrive before the number is deleted."""


def add_request(db: Session, conversation_id: int, now: datetime) -> None:
    db.add(Erasure(conversation_id=conversation_id, asked_at=now, done_at=None))


def lock_due(db: Session, now: datetime, limit: int = 50) -> list[Erasure]:
    """Requests that can be carried out, locked: SETTLE_TIME has passed and the person has no open handoff.

    A person in danger who asks to be deleted must first be spoken to.
    """
    open_handoff = exists().where(Handoff.conversation_id == Erasure.conversation_id, Handoff.state != "closed")
    rows = select(Erasure).where(Erasure.done_at.is_(None), Erasure.asked_at < now - SETTLE_TIME, ~open_handoff)
    return list(db.scalars(rows.order_by(Erasure.id).limit(limit).with_for_update(skip_locked=True)))


def _erase_from_staff(db: Session, conversation_id: int) -> None:
    """Delete the person's words relayed to and from social workers' telephones, and social workers' notes about them."""
    handoffs = select(Handoff.id).where(Handoff.conversation_id == conversation_id)
    relayed = update(Message).where(Message.staff_thread_id.is_not(None), Message.handoff_id.in_(handoffs))
    db.execute(relayed.values(sealed_body=None, due_at=None))
    db.execute(update(Note).where(Note.conversation_id == conversation_id).values(sealed_body=None))


def erase(db: Session, sealer: Sealer, erasure: Erasure, now: datetime) -> None:
    """Delete words, pictures, answers, name and number of the conversation, so that it cannot be traced to the person.

    The row itself stays for the counts; its number and blind index are overwritten. If the person has opted out, the
    index stays, because without it Warmline could not know whom never to text.
    """
    conversation = db.get_one(Conversation, erasure.conversation_id, with_for_update=True)
    db.execute(
        update(Message)
        .where(Message.conversation_id == conversation.id)
        .values(sealed_body=None, sealed_media=None, due_at=None, rules=None)
    )
    _erase_from_staff(db, conversation.id)
    db.execute(update(Handoff).where(Handoff.conversation_id == conversation.id).values(sealed_because=None))
    db.execute(delete(Referral).where(Referral.conversation_id == conversation.id))
    cases.delete_for_person(db, conversation.person_id, conversation.id)
    check_ins.drop_all(db, conversation.id, Dropped.ERASED.value, now, include_asked=True)
    db.execute(update(Person).where(Person.id == conversation.person_id).values(sealed_name=None, erased_at=now))
    conversation.sealed_state = sealer.seal(State(ended=True).dump())
    conversation.sealed_address = sealer.seal("web:erased")
    conversation.timeout_at = conversation.flow_version = conversation.step = None
    conversation.holder, conversation.in_danger = State().holder.value, False
    if not conversation.opted_out:
        conversation.lookup = f"erased {conversation.id}".encode()
    conversation.unreachable = "erased"
    erasure.done_at = now
