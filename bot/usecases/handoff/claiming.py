"""Ownership: claim, decline, offer to a colleague, take over. The lock on the conversation ensures a single owner."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation.effects import HandoffReason
from bot.domain.conversation.state import Holder
from bot.domain.handoff.escalation import AlertChannel
from bot.domain.handoff.states import HELD_STATES, UNCLAIMED_STATES, HandoffState
from bot.domain.messages.message import OutboxLane
from bot.domain.staff.permissions import Permission
from bot.storage import rosters
from bot.storage.handoff import handoffs
from bot.storage.handoff.handoffs import LockedHandoff
from bot.storage.staff import staff, staff_threads
from bot.storage.tables.staff import CallOut, Note, Staff, StaffThread
from bot.usecases.context import Context
from bot.usecases.handoff import staff_alerts
from bot.usecases.handoff.common import HandoffResult, lock_own, lock_visible, owner_name, refused, require_worker
from bot.usecases.handoff.resident_notices import drop_outdated_texts, enqueue_notice, is_blocked
from bot.usecases.handoff.sla_times import first_check_at

OFFER_EXPIRES_AFTER = timedelta(minutes=5)


def claim(
    db: Session, context: Context, handoff_id: int, staff_id: int, now: datetime, *, by_phone: bool = False
) -> HandoffResult:
    """The social worker becomes the owner, the bot falls silent, the person is told. Claiming again changes nothing.
    `by_phone`: they will write from their own telephone, through a number of the pool.

    Raises Refused: taken (by whom), closed, unknown, not_staff.
    """
    actor = require_worker(db, staff_id)
    locked = lock_visible(db, context, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state == HandoffState.CLOSED:
        raise refused("closed")
    if handoff.state in HELD_STATES:
        if handoff.owner_id == staff_id:
            # Claimed in the console before, now by telephone as well.
            theirs = any(
                one.staff_id == staff_id for one in staff_threads.list_bound_threads(db, locked.conversation_row.id)
            )
            return HandoffResult(
                handoff_id, tuple(_bind_relay(db, context, locked, actor, now)) if by_phone and not theirs else ()
            )
        if handoff.offered_to_id == staff_id:
            return answer_offer(db, context, handoff_id, staff_id, True, now, by_phone=by_phone)
        raise refused("taken", owner_name(db, locked))
    return HandoffResult(handoff_id, assign(db, context, locked, actor, now, "claimed", "taken", by_phone=by_phone))


def take_over(
    db: Session, context: Context, handoff_id: int, staff_id: int, now: datetime, note: str = "", *, by_phone: bool = False
) -> HandoffResult:
    """A supervisor takes a handoff from its owner, if any; the former owner and the person are told."""
    actor = require_worker(db, staff_id, Permission.TAKE_OVER)
    locked = lock_visible(db, context, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state == HandoffState.CLOSED:
        raise refused("closed")
    if handoff.owner_id == staff_id and handoff.state in HELD_STATES:
        return HandoffResult(handoff_id)
    before = handoff.owner_id if handoff.state in HELD_STATES else None
    store_note(db, context, locked, staff_id, note, now)
    ids = assign(db, context, locked, actor, now, "took_over", "transfer" if before else "taken", by_phone=by_phone)
    if before:
        ids += tuple(staff_alerts.enqueue_staff_text(db, context, before, "transferred_to", now, handoff, name=actor.called))
    return HandoffResult(handoff_id, ids)


def decline(db: Session, context: Context, handoff_id: int, staff_id: int, now: datetime) -> HandoffResult:
    """Decline an alert, or an offer. Escalates at once where no other alerted social worker is left to answer.

    Raises Refused ("gone") where they were not alerted, or have answered.
    """
    actor = require_worker(db, staff_id)
    locked = lock_visible(db, context, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state in HELD_STATES and handoff.offered_to_id == staff_id:
        return answer_offer(db, context, handoff_id, staff_id, False, now)
    if not handoffs.answer_call_outs(db, handoff_id, "passed", now, only_staff_id=staff_id):
        raise refused("gone")
    handoffs.add_event_and_touch(db, handoff, "passed", now, staff_id=staff_id)
    if handoff.state in UNCLAIMED_STATES and not any(one.answer is None for one in handoffs.list_call_outs(db, handoff_id)):
        handoff.due_at = now
    return HandoffResult(handoff_id)


def offer_to_colleague(
    db: Session, context: Context, handoff_id: int, staff_id: int, to_staff_id: int, note: str, now: datetime
) -> HandoffResult:
    """Ask a colleague to take the handoff over, with a note. The owner keeps it until the colleague accepts.

    Raises Refused: not_yours, closed, not_staff (the colleague cannot take handoffs).
    """
    actor = require_worker(db, staff_id)
    locked = lock_own(db, context, handoff_id, actor)
    to = require_worker(db, to_staff_id)
    if to.id == actor.id:
        raise refused("not_staff")
    store_note(db, context, locked, staff_id, note, now)
    handoff = locked.handoff
    if handoff.offered_to_id is not None:
        # One colleague is asked at a time: a late "1" from the one asked before must not count as a yes.
        handoffs.answer_call_outs(db, handoff_id, "over", now, only_staff_id=handoff.offered_to_id)
    handoff.offered_to_id = to.id
    handoff.due_at = min(handoff.due_at or now + OFFER_EXPIRES_AFTER, now + OFFER_EXPIRES_AFTER)
    db.add(CallOut(handoff_id=handoff_id, staff_id=to.id, tier=0, raised_at=now))
    handoffs.add_event_and_touch(db, handoff, "offered", now, staff_id=staff_id, to=to.id)
    ids = staff_alerts.enqueue_alert(
        db, context, handoff, to, (AlertChannel.TEXT, AlertChannel.EMAIL), "alert_offer", now, name=actor.called
    )
    return HandoffResult(handoff_id, tuple(ids))


def answer_offer(
    db: Session, context: Context, handoff_id: int, staff_id: int, accepts: bool, now: datetime, *, by_phone: bool = False
) -> HandoffResult:
    """The colleague accepts or declines; the owner is told, and the person if accepted. Raises Refused ("gone")."""
    actor = require_worker(db, staff_id)
    locked = lock_visible(db, context, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state not in HELD_STATES or handoff.offered_to_id != staff_id:
        raise refused("gone")
    before = handoff.owner_id
    if not accepts:
        return HandoffResult(handoff_id, tuple(close_offer(db, context, locked, "offer_declined", now)))
    ids = assign(db, context, locked, actor, now, "accepted", "transfer", by_phone=by_phone)
    if before:
        ids += tuple(staff_alerts.enqueue_staff_text(db, context, before, "transferred_to", now, handoff, name=actor.called))
    return HandoffResult(handoff_id, ids)


def close_offer(db: Session, context: Context, locked: LockedHandoff, event_kind: str, now: datetime) -> list[int]:
    """An offer was declined or expired: the owner keeps the handoff and is told. Returns ids of outbox rows to send now."""
    handoff = locked.handoff
    asked = staff.get(db, handoff.offered_to_id) if handoff.offered_to_id else None
    handoffs.answer_call_outs(
        db, handoff.id, "passed" if event_kind == "offer_declined" else "missed", now, only_staff_id=handoff.offered_to_id
    )
    handoffs.add_event_and_touch(db, handoff, event_kind, now, staff_id=handoff.offered_to_id)
    handoff.offered_to_id = None
    if handoff.owner_id is None or asked is None:
        return []
    return staff_alerts.enqueue_staff_text(db, context, handoff.owner_id, event_kind, now, handoff, name=asked.called)


def assign(
    db: Session,
    context: Context,
    locked: LockedHandoff,
    to: Staff,
    now: datetime,
    event_kind: str,
    notice_key: str,
    *,
    by_phone: bool = False,
) -> tuple[int, ...]:
    """Make `to` the owner, under the lock: the others who were alerted are told, the bot falls silent, and the person is
    told who reads their texts now. Returns ids of outbox rows to send now."""
    handoff = locked.handoff
    others = handoffs.answer_call_outs(db, handoff.id, "taken", now, except_staff_id=to.id)
    handoffs.answer_call_outs(db, handoff.id, "took", now, only_staff_id=to.id)
    handoffs.acknowledge_alerts(db, handoff.id, now)
    staff_threads.drop_alerts(db, handoff.id)
    handoffs.apply_move(handoff, "claim")
    handoff.owner_id, handoff.offered_to_id, handoff.tier = to.id, None, 0
    handoff.claimed_at, handoff.spoke_at = now, None
    # The person waits for the first reply from now on.
    handoff.unanswered_since = now
    handoff.shift_ends_at = rosters.load_cached(db, context.zone).shift_end(to.id, now)
    handoff.due_at = first_check_at(handoff, now)
    handoffs.add_event_and_touch(db, handoff, event_kind, now, staff_id=to.id)
    # An open question of the safety net is the social worker's to ask now: the bot must not react to its answer.
    in_danger = locked.state.in_danger or handoff.reason == HandoffReason.DANGER.value
    locked.state = replace(locked.state, holder=Holder.HUMAN, in_danger=in_danger, asked_danger=None, timeout_at=None)
    locked.save_state(context.sealer, now)
    drop_outdated_texts(db, locked.conversation_row.id)
    ids = [*enqueue_notice(db, context, locked, notice_key, now, to)] if notice_key else []
    staff_threads.unbind_all(db, locked.conversation_row.id)
    ids += _bind_relay(db, context, locked, to, now) if by_phone else []
    for other in others:
        ids += staff_alerts.enqueue_staff_text(db, context, other, "taken_by", now, handoff, name=to.called)
    return tuple(ids)


def _bind_relay(db: Session, context: Context, locked: LockedHandoff, to: Staff, now: datetime) -> list[int]:
    """Bind a number of the pool to this person for the owner's telephone."""
    handoff = locked.handoff
    fields = staff_alerts.alert_fields(context, handoff, now)
    thread: StaffThread | None = None
    if handoff.reachable and not is_blocked(locked.conversation_row):
        thread = staff_threads.bind_number(
            db, context.sealer, to, context.staff_numbers, locked.conversation_row.id, handoff.id, now
        )
    if thread is None:
        # All numbers are in use, or the person can only be phoned: the console must be used.
        return staff_alerts.enqueue_staff_text(db, context, to.id, "took_console", now, handoff)
    about = staff_threads.StaffMessageSubject("took_relay", handoff.id)
    body = context.staff_texts.text("took_relay", **fields)
    return [staff_threads.enqueue_in_thread(db, context.sealer, thread, body, OutboxLane.REPLY, now, about)]


def store_note(db: Session, context: Context, locked: LockedHandoff, staff_id: int, note: str, now: datetime) -> None:
    """Store a note for colleagues, unless it is blank."""
    if note.strip():
        db.add(
            Note(
                conversation_id=locked.conversation_row.id, handoff_id=locked.handoff.id, staff_id=staff_id,
                sealed_body=context.sealer.seal(note.strip()), at=now,
            )
        )  # fmt: skip
