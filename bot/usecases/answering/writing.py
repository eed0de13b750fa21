"""What a social worker writes: to the person now or later, and down for the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.conversation import Holder
from bot.domain.delivery import State
from bot.domain.effects import OpenHandoff, Reason
from bot.domain.handoff import HELD, HandoffState
from bot.domain.message import Channel, Lane
from bot.domain.permissions import ANYONE
from bot.domain.safe_contact import is_safe_time
from bot.domain.safety.levels import Urgency
from bot.domain.segments import LONGEST_BODY
from bot.storage import handoffs
from bot.storage.handoffs import Locked
from bot.storage.staff_tables import HandoffEvent, Note
from bot.storage.tables import Conversation, Handoff, Message
from bot.usecases.answering.attention import next_look
from bot.usecases.answering.claiming import give
from bot.usecases.answering.common import Done, Refused, lock, lock_mine, owner_name, worker
from bot.usecases.answering.telling import is_blocked, promise, tell
from bot.usecases.desk import Desk

NOW, LATER = "by_staff:", "later_by_staff:"
"""What the keys of a worker's own texts begin with: those that leave at once, and those that were planned."""


def write(
    db: Session, desk: Desk, handoff_id: int, staff_id: int, body: str, now: datetime, once: str, at: datetime | None = None
) -> Done:
    """A reply of the owner's; with `at` (aware UTC) one that leaves then. The same `once` a second time sends nothing.

    A conversation that the worker has handed back is theirs again with this. Raises Refused: not_yours, closed, empty,
    too_long, opted_out, unreachable, unsafe_time, past.
    """
    actor = worker(db, staff_id)
    locked = lock(db, desk, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state == HandoffState.CLOSED:
        raise Refused("closed")
    if handoff.owner_id != staff_id or handoff.state not in (*HELD, HandoffState.HANDED_BACK):
        raise Refused("not_yours", owner_name(db, locked))
    key = f"{LATER if at else NOW}{once}" if once else None
    if key and _was_written(db, locked, key):
        return Done(handoff_id)
    text = _sendable(desk, locked, body, now, at)
    if handoff.state == HandoffState.HANDED_BACK and at is None:
        handoffs.move(handoff, "claim")
        locked.state = replace(locked.state, holder=Holder.HUMAN, asked=None, waking=None)
        locked.store(desk.sealer, now)
    lane = Lane.CRISIS if locked.state.in_danger and at is None else Lane.REPLY
    row = promise(db, desk, locked, text, lane, now, key=key or (LATER if at else NOW), staff_id=staff_id, at=at)
    if at is None:
        # Who is written to first learns who writes, and how to be left alone.
        introduced = tell(db, desk, locked, "reached_out", now, actor) if _is_first_word_of_ours(db, handoff) else ()
        _spoke(db, desk, handoff, now)
        handoffs.record(db, handoff, "spoke", now, staff_id=staff_id, message=row)
        return Done(handoff_id, (row, *introduced))
    handoffs.record(db, handoff, "scheduled", now, staff_id=staff_id, message=row, at=at.isoformat())
    return Done(handoff_id)


def _spoke(db: Session, desk: Desk, handoff: Handoff, now: datetime) -> None:
    handoffs.move(handoff, "speak")
    # Supervisors who were called to look need not any more; a colleague who was asked to take over still may.
    for one in handoffs.call_outs(db, handoff.id):
        if one.answer is None and one.staff_id != handoff.offered_to_id:
            one.answer, one.answered_at = "over", now
    handoff.spoke_at, handoff.unanswered_since, handoff.rung = now, None, 0
    handoff.rung_due_at = next_look(handoff, now, desk.hand_back_after)


def _is_first_word_of_ours(db: Session, handoff: Handoff) -> bool:
    began = select(HandoffEvent.id).where(HandoffEvent.handoff_id == handoff.id, HandoffEvent.kind == "reached_out")
    return handoff.spoke_at is None and db.scalar(began.limit(1)) is not None


def _was_written(db: Session, locked: Locked, key: str) -> bool:
    written = select(Message.id).where(Message.conversation_id == locked.row.id, Message.key == key, Message.outbound)
    return db.scalar(written.limit(1)) is not None


def _sendable(desk: Desk, locked: Locked, body: str, now: datetime, at: datetime | None) -> str:
    text = body.strip()
    if not text:
        raise Refused("empty")
    if len(text) > LONGEST_BODY:
        raise Refused("too_long")
    if locked.row.unreachable == "erased":
        raise Refused("erased")
    if is_blocked(locked.row):
        raise Refused("unreachable" if locked.row.unreachable else "opted_out")
    if locked.state.safe.paused:
        raise Refused("left")
    if at is not None and at <= now:
        raise Refused("past")
    if at is not None and not is_safe_time(locked.state.safe, at, desk.zone):
        raise Refused("unsafe_time")
    return text


def cancel_scheduled(db: Session, desk: Desk, message_id: int, staff_id: int, now: datetime) -> Done:
    """A text that was to leave later does not. Raises Refused: gone where it has left, not_yours, unknown."""
    actor = worker(db, staff_id)
    handoff_id = db.scalar(
        select(Message.handoff_id).where(Message.id == message_id, Message.outbound, Message.staff_id.is_not(None))
    )
    if handoff_id is None:
        raise Refused("unknown")
    locked = lock_mine(db, desk, handoff_id, actor)
    row = db.scalar(select(Message).where(Message.id == message_id).with_for_update())
    if row is None or row.conversation_id != locked.row.id or row.state != State.WAITING.value:
        raise Refused("gone")
    row.state, row.due_at = State.DROPPED.value, None
    handoffs.record(db, locked.handoff, "unscheduled", now, staff_id=staff_id, message=message_id)
    return Done(handoff_id)


def add_note(
    db: Session, desk: Desk, conversation_id: int, staff_id: int, body: str, now: datetime, handoff_id: int | None = None
) -> None:
    """Write something down for the other workers. The door has checked that this worker may see the person.

    Raises Refused: empty, too_long, no_such_person.
    """
    worker(db, staff_id)
    text = body.strip()
    if not text:
        raise Refused("empty")
    if len(text) > 10_000:
        raise Refused("too_long")
    row = db.get(Conversation, conversation_id)
    if row is None or row.unreachable == "erased":
        raise Refused("no_such_person" if row is None else "erased")
    note = Note(
        conversation_id=conversation_id, handoff_id=handoff_id, staff_id=staff_id, sealed_body=desk.sealer.seal(text), at=now
    )
    db.add(note)
    open_one = handoffs.current(db, conversation_id)
    locked = handoffs.lock(db, desk.sealer, open_one.id) if open_one is not None else None
    if locked is None:
        return
    handoff = locked.handoff
    handoffs.record(db, handoff, "noted", now, staff_id=staff_id)
    by_phone = not handoff.reachable or is_blocked(locked.row)
    if by_phone and handoff.owner_id == staff_id and handoff.state in HELD:
        # Who cannot be texted is phoned, and what came of it is noted: that is the worker's answer to them.
        _spoke(db, desk, handoff, now)


def reach_out(db: Session, desk: Desk, conversation_id: int, staff_id: int, now: datetime) -> Done:
    """A worker writes first to somebody known: a handoff of their own, in which the first text is theirs.

    Raises Refused: busy (by whom), opted_out, unreachable, unsafe_time, erased, no_such_person.
    """
    actor = worker(db, staff_id)
    row = db.scalar(select(Conversation).where(Conversation.id == conversation_id).with_for_update(key_share=True))
    if row is None or row.channel == Channel.WEB.value:
        # To a page that was closed nothing can be sent.
        raise Refused("no_such_person" if row is None else "unreachable")
    open_one = handoffs.current(db, conversation_id, lock=True)
    if open_one is not None:
        found = handoffs.lock(db, desk.sealer, open_one.id)
        raise Refused("busy", owner_name(db, found) if found else None)
    # Whoever could read this person before can read them now, and nobody else.
    team = db.scalar(
        select(Handoff.team).where(Handoff.conversation_id == conversation_id).order_by(Handoff.id.desc()).limit(1)
    )
    effect = OpenHandoff(Reason.ASKED, Urgency.ROUTINE, team or ANYONE, because="a social worker wrote first")
    handoff = handoffs.open_or_raise(db, desk.sealer, effect, conversation_id, None, now)
    locked = handoffs.lock(db, desk.sealer, handoff.id)
    assert locked is not None
    handoff.language = locked.state.language
    _sendable(desk, locked, "anything", now, None)
    if not is_safe_time(locked.state.safe, now, desk.zone):
        raise Refused("unsafe_time")
    give(db, desk, locked, actor, now, "reached_out", "")
    return Done(handoff.id)
