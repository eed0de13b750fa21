"""What a social worker writes: texts to the person, now or scheduled, and notes for colleagues."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation.effects import HandoffReason, OpenHandoff
from bot.domain.conversation.safe_contact import is_safe_time
from bot.domain.conversation.state import Holder
from bot.domain.handoff.states import HELD_STATES, HandoffState
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Channel, OutboxLane
from bot.domain.messages.segments import MAX_BODY_LENGTH
from bot.domain.safety.levels import Urgency
from bot.domain.staff.permissions import ANYONE
from bot.storage.conversation import conversations
from bot.storage.handoff import events, handoffs, inbox
from bot.storage.handoff.handoffs import LockedHandoff
from bot.storage.messages import outbox, threads
from bot.storage.tables.residents import Conversation, Handoff
from bot.storage.tables.staff import Note
from bot.usecases.context import Context
from bot.usecases.handoff.claiming import assign
from bot.usecases.handoff.common import HandoffResult, lock_own, lock_visible, owner_name, refused, require_worker
from bot.usecases.handoff.resident_notices import enqueue_notice, enqueue_text, is_blocked
from bot.usecases.handoff.sla_times import next_check_at

SENT_KEY, SCHEDULED_KEY = "by_staff:", "later_by_staff:"
"""Prefixes of the keys of social workers' texts: sent at once, and scheduled."""


def send_text(
    db: Session,
    context: Context,
    handoff_id: int,
    staff_id: int,
    body: str,
    now: datetime,
    idempotency_key: str,
    send_at: datetime | None = None,
) -> HandoffResult:
    """Send a reply of the owner, or schedule it for `send_at` (aware UTC). A second call with the same `idempotency_key`
    sends nothing.

    Writing into a conversation that the owner has handed back claims it again. Raises Refused: not_yours, closed, empty,
    too_long, opted_out, unreachable, unsafe_time, past.
    """
    actor = require_worker(db, staff_id)
    locked = lock_visible(db, context, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state == HandoffState.CLOSED:
        raise refused("closed")
    if handoff.owner_id != staff_id or handoff.state not in (*HELD_STATES, HandoffState.HANDED_BACK):
        raise refused("not_yours", owner_name(db, locked))
    key = f"{SCHEDULED_KEY if send_at else SENT_KEY}{idempotency_key}" if idempotency_key else None
    if key and threads.has_key(db, locked.conversation_row.id, key):
        return HandoffResult(handoff_id)
    text = _checked_body(context, locked, body, now, send_at)
    if handoff.state == HandoffState.HANDED_BACK and send_at is None:
        handoffs.apply_move(handoff, "claim")
        locked.state = replace(locked.state, holder=Holder.HUMAN, asked_danger=None, timeout_at=None)
        locked.save_state(context.sealer, now)
    lane = OutboxLane.CRISIS if locked.state.in_danger and send_at is None else OutboxLane.REPLY
    row = enqueue_text(
        db, context, locked, text, lane, now, key=key or (SCHEDULED_KEY if send_at else SENT_KEY),
        staff_id=staff_id, send_at=send_at,
    )  # fmt: skip
    if send_at is None:
        # In a conversation that we start, the first text says who writes, and how to opt out.
        is_first = _needs_introduction(db, handoff)
        introduced = enqueue_notice(db, context, locked, "reached_out", now, actor) if is_first else ()
        _record_reply(db, context, handoff, now)
        handoffs.add_event_and_touch(db, handoff, "spoke", now, staff_id=staff_id, message=row)
        return HandoffResult(handoff_id, (row, *introduced))
    handoffs.add_event_and_touch(db, handoff, "scheduled", now, staff_id=staff_id, message=row, at=send_at.isoformat())
    return HandoffResult(handoff_id)


def _record_reply(db: Session, context: Context, handoff: Handoff, now: datetime) -> None:
    handoffs.apply_move(handoff, "speak")
    # Alerts to supervisors are over; an offer to a colleague stays open.
    for one in handoffs.list_call_outs(db, handoff.id):
        if one.answer is None and one.staff_id != handoff.offered_to_id:
            one.answer, one.answered_at = "over", now
    handoff.spoke_at, handoff.unanswered_since, handoff.tier = now, None, 0
    handoff.due_at = next_check_at(handoff, now, context.hand_back_after)


def _needs_introduction(db: Session, handoff: Handoff) -> bool:
    return handoff.spoke_at is None and events.has_event(db, handoff.id, "reached_out")


def _checked_body(context: Context, locked: LockedHandoff, body: str, now: datetime, send_at: datetime | None) -> str:
    text = body.strip()
    if not text:
        raise refused("empty")
    if len(text) > MAX_BODY_LENGTH:
        raise refused("too_long")
    if locked.conversation_row.unreachable == "erased":
        raise refused("erased")
    if is_blocked(locked.conversation_row):
        raise refused("unreachable" if locked.conversation_row.unreachable else "opted_out")
    if locked.state.safe.paused:
        raise refused("left")
    if send_at is not None and send_at <= now:
        raise refused("past")
    if send_at is not None and not is_safe_time(locked.state.safe, send_at, context.zone):
        raise refused("unsafe_time")
    return text


def cancel_scheduled(db: Session, context: Context, message_id: int, staff_id: int, now: datetime) -> HandoffResult:
    """Cancel a scheduled text. Raises Refused: gone (already sent), not_yours, unknown."""
    actor = require_worker(db, staff_id)
    handoff_id = threads.handoff_of_staff_text(db, message_id)
    if handoff_id is None:
        raise refused("unknown")
    locked = lock_own(db, context, handoff_id, actor)
    row = outbox.lock(db, message_id)
    if row is None or row.conversation_id != locked.conversation_row.id or row.state != DeliveryState.WAITING.value:
        raise refused("gone")
    row.state, row.due_at = DeliveryState.DROPPED.value, None
    handoffs.add_event_and_touch(db, locked.handoff, "unscheduled", now, staff_id=staff_id, message=message_id)
    return HandoffResult(handoff_id)


def add_note(
    db: Session,
    context: Context,
    conversation_id: int,
    staff_id: int,
    body: str,
    now: datetime,
    handoff_id: int | None = None,
) -> None:
    """Store a note for colleagues. The caller has checked that this social worker may see the person.

    Raises Refused: empty, too_long, no_such_person.
    """
    require_worker(db, staff_id)
    text = body.strip()
    if not text:
        raise refused("empty")
    if len(text) > 10_000:
        raise refused("too_long")
    row = db.get(Conversation, conversation_id)
    if row is None or row.unreachable == "erased":
        raise refused("no_such_person" if row is None else "erased")
    note = Note(
        conversation_id=conversation_id,
        handoff_id=handoff_id,
        staff_id=staff_id,
        sealed_body=context.sealer.seal(text),
        at=now,
    )
    db.add(note)
    open_one = handoffs.find_open(db, conversation_id)
    locked = handoffs.lock(db, context.sealer, open_one.id) if open_one is not None else None
    if locked is None:
        return
    handoff = locked.handoff
    handoffs.add_event_and_touch(db, handoff, "noted", now, staff_id=staff_id)
    by_phone = not handoff.reachable or is_blocked(locked.conversation_row)
    if by_phone and handoff.owner_id == staff_id and handoff.state in HELD_STATES:
        # A person who cannot be texted is phoned, and the note about it counts as the reply.
        _record_reply(db, context, handoff, now)


def add_note_to_handoff(
    db: Session, context: Context, handoff_id: int, staff_id: int, body: str, now: datetime
) -> HandoffResult:
    """Store a note about the handoff's person. The caller has checked that this social worker may see the handoff.

    Raises Refused: unknown, empty, too_long, erased.
    """
    found = inbox.find_handoff(db, handoff_id)
    if found is None:
        raise refused("unknown")
    add_note(db, context, found.conversation_id, staff_id, body, now, handoff_id)
    return HandoffResult(handoff_id)


def reach_out(db: Session, context: Context, conversation_id: int, staff_id: int, now: datetime) -> HandoffResult:
    """A social worker starts a conversation with a known person: opens a handoff that they own.

    Raises Refused: busy (by whom), opted_out, unreachable, unsafe_time, erased, no_such_person.
    """
    actor = require_worker(db, staff_id)
    row = conversations.lock_row(db, conversation_id)
    if row is None or row.channel == Channel.WEB.value:
        # Nothing can be sent to a web chat unasked.
        raise refused("no_such_person" if row is None else "unreachable")
    open_one = handoffs.find_open(db, conversation_id, lock=True)
    if open_one is not None:
        found = handoffs.lock(db, context.sealer, open_one.id)
        raise refused("busy", owner_name(db, found) if found else None)
    # Staff who could see this person before can see them now, and no others.
    team = handoffs.latest_team(db, conversation_id)
    effect = OpenHandoff(HandoffReason.ASKED, Urgency.ROUTINE, team or ANYONE, because="a social worker wrote first")
    handoff = handoffs.open_or_raise_urgency(db, context.sealer, effect, conversation_id, None, now)
    locked = handoffs.lock(db, context.sealer, handoff.id)
    assert locked is not None
    handoff.language = locked.state.language
    _checked_body(context, locked, "anything", now, None)
    if not is_safe_time(locked.state.safe, now, context.zone):
        raise refused("unsafe_time")
    assign(db, context, locked, actor, now, "reached_out", "")
    return HandoffResult(handoff.id)
