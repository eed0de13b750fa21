"""What is done when a handoff's `due_at` comes: escalate an unclaimed one, check on a claimed one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.handoff.escalation import AlertChannel
from bot.domain.handoff.states import HELD_STATES, UNCLAIMED_STATES, HandoffState
from bot.storage import rosters
from bot.storage.handoff import candidates, events, handoffs
from bot.storage.handoff.handoffs import LockedHandoff
from bot.storage.staff import staff, staff_threads
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import CallOut
from bot.usecases.context import Context
from bot.usecases.handoff import staff_alerts
from bot.usecases.handoff.claiming import OFFER_EXPIRES_AFTER, close_offer
from bot.usecases.handoff.ending import close_unattended, hand_back_to_bot, restart_escalation
from bot.usecases.handoff.escalation import escalate, remind_owner
from bot.usecases.handoff.resident_notices import enqueue_notice
from bot.usecases.handoff.sla_times import (
    CALL_SUPERVISOR_AFTER,
    RELEASE_AFTER,
    REMIND_AFTER,
    SHIFT_GRACE,
    SHIFT_WARNING,
    idle_since,
    is_dangerous,
    next_check_at,
)


def handle_due(db: Session, context: Context, handoff_id: int, now: datetime) -> list[int]:
    """Do what is due for this handoff at `now`. Returns ids of outbox rows to send now.

    Checks again under the lock: after a claim, a reply or another sweep nothing may be due any more.
    """
    locked = handoffs.lock(db, context.sealer, handoff_id)
    if locked is None or locked.handoff.due_at is None or locked.handoff.due_at > now:
        return []
    state = locked.handoff.state
    if state in UNCLAIMED_STATES:
        return escalate(db, context, locked, now)
    if state in HELD_STATES:
        return _handle_claimed(db, context, locked, now)
    if state == HandoffState.HANDED_BACK:
        return list(close_unattended(db, context, locked, now))
    locked.handoff.due_at = None
    return []


def _handle_claimed(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> list[int]:
    handoff = locked.handoff
    ids = [*_expire_offer(db, context, locked, now), *_report_undelivered(db, context, handoff, now)]
    if _shift_is_over(locked, now):
        return [*ids, *_end_shift(db, context, locked, now)]
    ids += [*_warn_of_shift_end(db, context, locked, now), *_remind_to_phone(db, context, handoff, now)]
    if handoff.unanswered_since is not None:
        ids += _handle_unanswered(db, context, locked, now)
    elif now >= idle_since(handoff, now) + context.hand_back_after * (handoff.tier + 1):
        ids += _handle_idle(db, context, locked, now)
    if handoff.state in HELD_STATES:
        handoff.due_at = next_check_at(handoff, now, context.hand_back_after)
        if handoff.offered_to_id is not None:
            handoff.due_at = min(handoff.due_at, now + OFFER_EXPIRES_AFTER)
    return ids


def _report_undelivered(db: Session, context: Context, handoff: Handoff, now: datetime) -> list[int]:
    """Tell the owner, once for each, that a text they wrote did not arrive."""
    failed = events.latest_id(db, handoff.id, "undelivered")
    told = events.latest_id(db, handoff.id, "told_undelivered")
    if failed is None or (told is not None and told > failed) or handoff.owner_id is None:
        return []
    handoffs.add_event_and_touch(db, handoff, "told_undelivered", now)
    return staff_alerts.enqueue_staff_text(db, context, handoff.owner_id, "not_delivered", now, handoff)


def _expire_offer(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> list[int]:
    asked = [
        one
        for one in handoffs.list_call_outs(db, locked.handoff.id)
        if one.staff_id == locked.handoff.offered_to_id and one.answer is None
    ]
    if not asked or now - asked[-1].raised_at < OFFER_EXPIRES_AFTER:
        return []
    return close_offer(db, context, locked, "offer_expired", now)


def _shift_is_over(locked: LockedHandoff, now: datetime) -> bool:
    handoff = locked.handoff
    if handoff.shift_ends_at is None or now < handoff.shift_ends_at:
        return False
    return handoff.spoke_at is None or now - handoff.spoke_at >= SHIFT_GRACE


def _end_shift(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> list[int]:
    """No social worker is texted after their shift: a person who waits goes to staff on duty, any other to the bot."""
    if locked.handoff.unanswered_since is not None or locked.state.in_danger:
        return list(restart_escalation(db, context, locked, "shift_over", now, staff_id=None))
    return list(hand_back_to_bot(db, context, locked, "handed_back_idle", now, staff_id=None))


def _warn_of_shift_end(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> list[int]:
    handoff = locked.handoff
    if handoff.shift_ends_at is None or handoff.owner_id is None:
        return []
    if handoff.shift_ends_at <= now:
        # The owner is still writing: check again after a pause. Their next shift may have begun meanwhile.
        later = rosters.load_cached(db, context.zone).shift_end(handoff.owner_id, now)
        handoff.shift_ends_at = later or now + SHIFT_GRACE
        return []
    left = handoff.shift_ends_at - now
    if left > SHIFT_WARNING:
        return []
    if events.has_event(db, handoff.id, "shift_ending", handoff.shift_ends_at - SHIFT_WARNING):
        return []
    minutes = max(1, round(left.total_seconds() / 60))
    handoffs.add_event_and_touch(db, handoff, "shift_ending", now)
    return staff_alerts.enqueue_staff_text(db, context, handoff.owner_id, "shift_ending", now, handoff, minutes=minutes)


def _remind_to_phone(db: Session, context: Context, handoff: Handoff, now: datetime) -> list[int]:
    """Texts no longer reach the person: tell the owner, once, to phone."""
    if handoff.reachable:
        return []
    if staff_threads.was_told(db, handoff.id, handoff.owner_id, ("alert_phone_person", "email_phone_person")):
        return []
    return remind_owner(db, context, handoff, "alert_phone_person", now)


def _handle_unanswered(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> list[int]:
    """The person waits for a reply: remind the owner, then alert a supervisor, then release the handoff to others."""
    handoff = locked.handoff
    assert handoff.unanswered_since is not None
    waited, dangerous = now - handoff.unanswered_since, is_dangerous(handoff)
    if waited >= RELEASE_AFTER[dangerous] and handoff.tier >= 2:
        return list(restart_escalation(db, context, locked, "given_up", now, staff_id=None))
    if waited >= CALL_SUPERVISOR_AFTER[dangerous] and handoff.tier == 1:
        handoff.tier = 2
        owner = staff.get(db, handoff.owner_id) if handoff.owner_id else None
        handoffs.add_event_and_touch(db, handoff, "supervisor_called", now)
        return [
            *_call_supervisors(db, context, locked, now),
            *enqueue_notice(db, context, locked, "texts_by_human_delayed", now, owner),
        ]
    if waited >= REMIND_AFTER[dangerous] and handoff.tier == 0:
        handoff.tier = 1
        handoffs.add_event_and_touch(db, handoff, "reminded", now)
        return remind_owner(db, context, handoff, "alert_reminder", now)
    return []


def _call_supervisors(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> list[int]:
    handoff = locked.handoff
    found = candidates.list_for_team(db, handoff.team, rosters.load_cached(db, context.zone), handoff.conversation_id, now)
    those = [one for one in found if one.is_supervisor and one.in_team and one.staff_id != handoff.owner_id]
    those = [one for one in those if one.on_duty] or (those if is_dangerous(handoff) else [])
    owner = staff.get(db, handoff.owner_id) if handoff.owner_id else None
    name = owner.called if owner else "the worker"
    ids: list[int] = []
    for one in those:
        row = staff.get(db, one.staff_id)
        if row is not None:
            db.add(CallOut(handoff_id=handoff.id, staff_id=row.id, tier=handoff.tier, raised_at=now))
            ids += staff_alerts.enqueue_alert(
                db, context, handoff, row, (AlertChannel.TEXT, AlertChannel.EMAIL), "alert_look", now, name=name
            )
    return ids


def _handle_idle(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> list[int]:
    """The person has not answered for long: hand back to the bot. In danger, only remind the owner."""
    handoff = locked.handoff
    if locked.state.in_danger:
        minutes = int((now - idle_since(handoff, now)).total_seconds() // 60)
        handoff.tier += 1
        handoffs.add_event_and_touch(db, handoff, "quiet_in_danger", now)
        return remind_owner(db, context, handoff, "quiet", now, minutes=minutes)
    return list(hand_back_to_bot(db, context, locked, "handed_back_idle", now, staff_id=None))
