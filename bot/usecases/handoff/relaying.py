"""Relays the person's texts to the telephone of the social worker who owns the handoff."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.handoff.states import UNCLAIMED_STATES, HandoffState
from bot.domain.messages.message import OutboxLane
from bot.domain.messages.segments import MAX_BODY_LENGTH
from bot.storage.handoff import handoffs
from bot.storage.staff import staff, staff_threads
from bot.storage.staff.staff_threads import StaffMessageSubject
from bot.storage.tables.staff import StaffThread
from bot.usecases.context import Context
from bot.usecases.handoff.escalation import remind_owner
from bot.usecases.handoff.sla_times import start_reply_deadlines


def relay_to_owner(
    db: Session, context: Context, conversation_id: int, text: str, media: int, urgent: bool, now: datetime
) -> list[int]:
    """A person who waits, or talks with a human, wrote again: update the handoff and relay the text to the owner.

    `urgent`: the text holds danger. The turn has locked the conversation. Returns ids of outbox rows to send now.
    """
    handoff = handoffs.find_open(db, conversation_id, lock=True)
    if handoff is None:
        return []
    handoff.updated_at = now
    if handoff.state in UNCLAIMED_STATES:
        return []
    if handoff.state == HandoffState.HANDED_BACK:
        return []
    ids: list[int] = []
    start_reply_deadlines(handoff, now, context.hand_back_after)
    for thread in staff_threads.list_bound_threads(db, conversation_id):
        if thread.staff_id == handoff.owner_id and _reaches_owner(db, context, thread):
            ids += _relay(db, context, thread, handoff.id, text, media, now)
    if urgent:
        handoffs.add_alert(db, handoff, now)
        handoffs.add_event_and_touch(db, handoff, "danger_again", now)
        ids += remind_owner(db, context, handoff, "alert_danger_again", now)
    return ids


def _reaches_owner(db: Session, context: Context, thread: StaffThread) -> bool:
    """Whether the thread still belongs to the owner's telephone number, and takes texts."""
    if thread.opted_out or thread.unreachable:
        return False
    owner = staff.get(db, thread.staff_id)
    phone = staff.phone_of(context.sealer, owner) if owner is not None and owner.left_at is None else None
    return phone is not None and phone == context.sealer.open_address(thread.sealed_address)


def _relay(
    db: Session, context: Context, thread: StaffThread, handoff_id: int, words: str, media: int, now: datetime
) -> list[int]:
    """Write the person's words into the thread. Pictures are not relayed, only announced with a link."""
    prefix = context.staff_texts.text("from_person_prefix", handoff=handoff_id)
    ids = []
    if words.strip():
        body = f"{prefix} {words}"
        for start in range(0, len(body), MAX_BODY_LENGTH):
            part = body[start : start + MAX_BODY_LENGTH]
            ids.append(
                staff_threads.enqueue_in_thread(
                    db, context.sealer, thread, part, OutboxLane.CRISIS, now, StaffMessageSubject("relay", handoff_id)
                )
            )
    if media:
        said = context.staff_texts.text("relay_media", link=f"{context.console_url}/handoffs/{handoff_id}")
        text = f"{prefix} {said}"
        ids.append(
            staff_threads.enqueue_in_thread(
                db, context.sealer, thread, text, OutboxLane.REPLY, now, StaffMessageSubject("relay_media", handoff_id)
            )
        )
    return ids
