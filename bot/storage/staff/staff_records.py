"""All messages to and from one staff member: what the demo shows as their telephone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.messages.message import Channel
from bot.storage.tables.residents import Message
from bot.storage.tables.staff import CallOut, Staff, StaffThread


@dataclass(frozen=True, slots=True)
class StaffRecords:
    """One staff member with their threads ordered by line, the texts of each thread (by thread id, oldest first), and the
    latest answer to the call-outs of each handoff (None while open). Sealed columns are still sealed."""

    staff: Staff
    threads: Sequence[StaffThread]
    messages: dict[int, Sequence[Message]]
    answers: dict[int, str | None]


def find_for_staff(db: Session, staff_id: int, limit: int = 200) -> StaffRecords | None:
    """The newest `limit` texts of each thread of this staff member; None if there is no active one with that id."""
    staff = db.get(Staff, staff_id)
    if staff is None or not staff.active or staff.left_at is not None:
        return None
    threads = db.scalars(
        select(StaffThread).where(StaffThread.staff_id == staff_id).order_by(StaffThread.line, StaffThread.id)
    ).all()
    answers = db.execute(select(CallOut.handoff_id, CallOut.answer).where(CallOut.staff_id == staff_id).order_by(CallOut.id))
    return StaffRecords(
        staff=staff,
        threads=threads,
        messages={thread.id: _newest(db, thread.id, limit) for thread in threads},
        answers={row.handoff_id: row.answer for row in answers},
    )


def is_call_to(db: Session, staff_id: int, message_id: int) -> bool:
    """Whether this message is a voice call to this staff member."""
    mine = select(Message.id).join(StaffThread, StaffThread.id == Message.staff_thread_id)
    call = mine.where(StaffThread.staff_id == staff_id, StaffThread.channel == Channel.VOICE.value)
    return db.scalar(call.where(Message.id == message_id, Message.outbound)) is not None


def _newest(db: Session, thread_id: int, limit: int) -> Sequence[Message]:
    rows = select(Message).where(Message.staff_thread_id == thread_id)
    return list(reversed(db.scalars(rows.order_by(Message.id.desc()).limit(limit)).all()))
