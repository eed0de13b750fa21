"""Escalation: alert one tier of staff after another until one claims the handoff, and keep the person informed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation.effects import HandoffReason, OpenHandoff
from bot.domain.handoff.escalation import (
    AlertChannel,
    Candidate,
    HandoffRequirements,
    Tier,
    TierAudience,
    named_community,
    next_tier,
)
from bot.domain.handoff.states import DANGEROUS_URGENCIES, HELD_STATES, UNCLAIMED_STATES
from bot.domain.roster.duty import Roster
from bot.domain.safety.levels import Urgency
from bot.storage import alerts, rosters
from bot.storage.handoff import candidates, handoffs
from bot.storage.handoff.handoffs import LockedHandoff
from bot.storage.staff import staff, staff_threads
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import CallOut
from bot.usecases.context import Context
from bot.usecases.handoff import staff_alerts
from bot.usecases.handoff.resident_notices import enqueue_notice
from bot.usecases.handoff.sla_times import start_reply_deadlines

SKILL_BY_DANGER = {
    "self_harm": "crisis",
    "overdose": "crisis",
    "violence": "crisis",
    "domestic_violence": "domestic_violence",
    "child": "children",
}
"""The skill that a danger needs, as the staff page names it."""
MAX_WAIT_FOR_SHIFT = timedelta(hours=12)
"""A handoff that waits for a shift to begin is checked again after this at the latest: rosters change."""
MIN_WAIT_FOR_SHIFT = timedelta(minutes=10)
MAX_TIERS_AT_ONCE = 6
"""How many tiers may be alerted at once, where no one in them can be reached by telephone."""
WAITING_NOTICE_PAUSES = (timedelta(minutes=4), timedelta(minutes=15), timedelta(hours=1))
"""A person in danger who waits is told so again after these pauses; the last one repeats."""


def open_and_alert(
    db: Session,
    context: Context,
    effect: OpenHandoff,
    conversation_id: int,
    message_id: int | None,
    language: str,
    now: datetime,
) -> list[int]:
    """Open a handoff, or raise the open one, and alert the first tier in the same transaction, so that "I am alerting our
    team" is true when it is said. Returns ids of outbox rows to send now."""
    handoff = handoffs.open_or_raise_urgency(db, context.sealer, effect, conversation_id, message_id, now, language)
    if effect.wish:
        known = (community for one in staff.list_active(db) for community in one.communities)
        handoff.community = named_community(effect.wish, known) or handoff.community
    if handoff.state in HELD_STATES:
        return _danger_while_claimed(db, context, handoff, effect, now) if effect.reason is HandoffReason.DANGER else []
    if handoff.state in UNCLAIMED_STATES and handoff.due_at is not None and handoff.due_at <= now:
        return _alert_next_tiers(db, context, handoff, now)
    return []


def _danger_while_claimed(db: Session, context: Context, handoff: Handoff, effect: OpenHandoff, now: datetime) -> list[int]:
    """The handoff is claimed already: from now on no timeout releases it, and its deadlines are those of danger."""
    start_reply_deadlines(handoff, now, context.hand_back_after)
    locked = handoffs.lock(db, context.sealer, handoff.id)
    if locked is not None and not locked.state.in_danger:
        locked.state = replace(locked.state, in_danger=True)
        locked.save_state(context.sealer, now)
    if effect.reachable:
        # The text itself follows in the same turn (relaying.person_wrote) and alerts the owner, once.
        return []
    handoffs.add_event_and_touch(db, handoff, "danger_again", now)
    return remind_owner(db, context, handoff, "alert_danger_again" if effect.dangers else "alert_phone_person", now)


def escalate(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> list[int]:
    """The tier timed out unclaimed: alert the next one, and tell the person that they still wait."""
    handoff = locked.handoff
    if handoff.tier > 0:
        handoffs.answer_call_outs(db, handoff.id, "missed", now)
    return [*_alert_next_tiers(db, context, handoff, now), *_notify_waiting_person(db, context, locked, now)]


def remind_owner(db: Session, context: Context, handoff: Handoff, key: str, now: datetime, **more: int) -> list[int]:
    """Alert the owner by text and e-mail."""
    owner = staff.get(db, handoff.owner_id) if handoff.owner_id else None
    return (
        staff_alerts.enqueue_alert(db, context, handoff, owner, (AlertChannel.TEXT, AlertChannel.EMAIL), key, now, **more)
        if owner
        else []
    )


def _alert_next_tiers(db: Session, context: Context, handoff: Handoff, now: datetime) -> list[int]:
    ids: list[int] = []
    for _ in range(MAX_TIERS_AT_ONCE):
        tier, rows = _alert_next_tier(db, context, handoff, now)
        ids += rows
        if tier is None or Urgency(handoff.urgency) not in DANGEROUS_URGENCIES or staff_threads.any_by_telephone(db, rows):
            return ids
        # E-mail alone wakes no one: in danger the next tier is alerted now.
        if tier.audience is TierAudience.ALL_STAFF and handoff.tier > 1:
            break
        handoffs.answer_call_outs(db, handoff.id, "unreachable", now)
    alerts.raise_alarm(db, "no_way_to_alert", f"handoff {handoff.id}: no telephone of anybody's can be called", None, now)
    return ids


def _alert_next_tier(db: Session, context: Context, handoff: Handoff, now: datetime) -> tuple[Tier | None, list[int]]:
    """Alert the next tier. None where there is no one to alert, or the handoff waits for a shift."""
    roster = rosters.load_cached(db, context.zone)
    found = candidates.list_for_team(db, handoff.team, roster, handoff.conversation_id, now)
    # After a restart (it got worse, or was released) those who missed the first alert are alerted again; those who
    # declined or released it are not, until all staff are.
    called = {
        one.staff_id
        for one in handoffs.list_call_outs(db, handoff.id)
        if one.answer in ("passed", "released") or (handoff.alerted_at is not None and one.raised_at >= handoff.alerted_at)
    }
    wanted = HandoffRequirements(Urgency(handoff.urgency), handoff.language, handoff.community, _skills(handoff))
    tier = next_tier(wanted, found, called, handoff.tier + 1)
    if tier is None:
        return None, _wait_for_shift(db, context, handoff, roster, now)
    handoff.tier += 1
    handoff.due_at = now + tier.duration
    if not tier.staff:
        _no_staff_to_alert(db, handoff, now)
        return None, []
    return tier, _alert_staff(db, context, handoff, tier, now)


def _skills(handoff: Handoff) -> tuple[str, ...]:
    return tuple(dict.fromkeys(SKILL_BY_DANGER[danger] for danger in handoff.dangers if danger in SKILL_BY_DANGER))


def _alert_staff(db: Session, context: Context, handoff: Handoff, tier: Tier, now: datetime) -> list[int]:
    handoffs.apply_move(handoff, "alert" if tier.audience is TierAudience.SOCIAL_WORKER else "escalate")
    handoff.alerted_at = handoff.alerted_at or now
    key = "alert_phone_person" if not handoff.reachable else "alert" if handoff.tier == 1 else "alert_again"
    rows: dict[int, list[int]] = {}
    for staff_id in tier.staff:
        db.add(CallOut(handoff_id=handoff.id, staff_id=staff_id, tier=handoff.tier, raised_at=now))
    # Always in this order, or two transactions that alert the same two people for the first time would deadlock.
    for staff_id in sorted(tier.staff):
        one = staff.get(db, staff_id)
        rows[staff_id] = (
            staff_alerts.enqueue_alert(db, context, handoff, one, tier.channels, key, now) if one is not None else []
        )
    ids = [row for staff_id in tier.staff for row in rows[staff_id]]
    handoffs.add_event_and_touch(
        db, handoff, "called", now, tier=handoff.tier, who=tier.audience.value, staff=list(tier.staff)
    )
    if tier.audience is TierAudience.ALL_STAFF and Urgency(handoff.urgency) in DANGEROUS_URGENCIES:
        alerts.raise_alarm(db, "nobody_answers", f"handoff {handoff.id}: everybody is being called", None, now)
    return ids


def _no_staff_to_alert(db: Session, handoff: Handoff, now: datetime) -> None:
    """There are no staff at all. Escalation goes on: staff may be added."""
    handoffs.apply_move(handoff, "rest")
    alerts.raise_alarm(db, "nobody_to_call", "a handoff waits and no member of staff can answer", None, now)


def _wait_for_shift(db: Session, context: Context, handoff: Handoff, roster: Roster, now: datetime) -> list[int]:
    """Not urgent: wait for the next shift, so that no one is woken at night."""
    handoffs.apply_move(handoff, "rest")
    begins = roster.next_on_duty(now, None)
    handoff.due_at = min(begins or now + MAX_WAIT_FOR_SHIFT, now + MAX_WAIT_FOR_SHIFT)
    if handoff.due_at <= now:
        # Staff are on duty, but none who may be alerted for this one.
        handoff.due_at = now + MIN_WAIT_FOR_SHIFT
    else:
        handoff.limit_at = max(handoff.limit_at or now, handoff.due_at)
    handoffs.add_event_and_touch(db, handoff, "rests", now)
    return []


def _notify_waiting_person(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> tuple[int, ...]:
    handoff = locked.handoff
    told = handoff.last_notice_at
    dangerous = Urgency(handoff.urgency) in DANGEROUS_URGENCIES
    if not dangerous:
        # Once, after the time by which it should have been claimed.
        if told is not None or handoff.limit_at is None or now < handoff.limit_at or handoff.state not in UNCLAIMED_STATES:
            return ()
    else:
        # Since this escalation began: one released after hours starts with the short pauses of a new one.
        waited = now - (handoff.alerted_at or handoff.opened_at)
        pause = next((pause for pause in WAITING_NOTICE_PAUSES if waited < pause * 4), WAITING_NOTICE_PAUSES[-1])
        last = max(filter(None, (told, locked.state.last_notice_at)), default=None)
        if last is not None and now - last < min(pause, WAITING_NOTICE_PAUSES[-1]) and told is not None:
            return ()
    handoff.last_notice_at = now
    ids = enqueue_notice(db, context, locked, "still_trying" if dangerous else "still_trying_calm", now)
    handoffs.add_event_and_touch(db, handoff, "told_waiting" if ids else "could_not_tell", now)
    return ids


def list_candidates(db: Session, context: Context, handoff: Handoff, now: datetime) -> list[Candidate]:
    """Who could take this handoff now, for the transfer pages."""
    return candidates.list_for_team(db, handoff.team, rosters.load_cached(db, context.zone), handoff.conversation_id, now)
