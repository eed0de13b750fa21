"""From the person to the worker's own telephone: what they write while the worker has them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.handoff import UNCLAIMED, HandoffState
from bot.domain.message import Lane
from bot.domain.segments import LONGEST_BODY
from bot.storage import handoffs, staff, staff_threads
from bot.storage.staff_tables import StaffThread
from bot.storage.staff_threads import Concerns
from bot.usecases.answering.attention import waits_for_owner
from bot.usecases.answering.calling import remind_owner
from bot.usecases.desk import Desk


def person_wrote(
    db: Session, desk: Desk, conversation_id: int, words: str, media: int, urgent: bool, now: datetime
) -> list[int]:
    """The person who waits, or talks with a human, wrote again: the handoff shows it, the worker's telephone gets it.

    `urgent`: the words hold danger. The conversation's row is locked by the turn. Returns outbox rows to be woken.
    """
    handoff = handoffs.current(db, conversation_id, lock=True)
    if handoff is None:
        return []
    handoff.updated_at = now
    if handoff.state in UNCLAIMED:
        return []
    if handoff.state == HandoffState.HANDED_BACK:
        return []
    ids: list[int] = []
    waits_for_owner(handoff, now, desk.hand_back_after)
    for thread in staff_threads.relays_of(db, conversation_id):
        if thread.staff_id == handoff.owner_id and _leads_to_owner(db, desk, thread):
            ids += _relay(db, desk, thread, handoff.id, words, media, now)
    if urgent:
        handoffs.alert_again(db, handoff, now)
        handoffs.record(db, handoff, "danger_again", now)
        ids += remind_owner(db, desk, handoff, "alert_danger_again", now)
    return ids


def _leads_to_owner(db: Session, desk: Desk, thread: StaffThread) -> bool:
    """Whether it still is their telephone, and takes texts."""
    if thread.opted_out or thread.unreachable:
        return False
    owner = staff.get(db, thread.staff_id)
    phone = staff.phone(desk.sealer, owner) if owner is not None and owner.left_at is None else None
    return phone is not None and phone == desk.sealer.open_address(thread.sealed_address)


def _relay(
    db: Session, desk: Desk, thread: StaffThread, handoff_id: int, words: str, media: int, now: datetime
) -> list[int]:
    """Their words, on the number that means them; pictures stay with us and are said to have come."""
    prefix = desk.staff_words.say("from_person_prefix", handoff=handoff_id)
    ids = []
    if words.strip():
        body = f"{prefix} {words}"
        for start in range(0, len(body), LONGEST_BODY):
            part = body[start : start + LONGEST_BODY]
            ids.append(
                staff_threads.write_in(db, desk.sealer, thread, part, Lane.CRISIS, now, Concerns("relay", handoff_id))
            )
    if media:
        said = desk.staff_words.say("relay_media", link=f"{desk.console_url}/handoffs/{handoff_id}")
        text = f"{prefix} {said}"
        ids.append(
            staff_threads.write_in(db, desk.sealer, thread, text, Lane.REPLY, now, Concerns("relay_media", handoff_id))
        )
    return ids
