"""The alarm clock of a handoff: what its `rung_due_at` means when it comes, while nobody has it and while somebody has."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.handoff import HELD, UNCLAIMED, HandoffState
from bot.domain.ladder import Way
from bot.storage import candidates, handoffs, rosters, staff
from bot.storage.handoffs import Locked
from bot.storage.staff_tables import CallOut, HandoffEvent, StaffThread
from bot.storage.tables import Handoff, Message
from bot.usecases.answering import alerting
from bot.usecases.answering.attention import (
    GIVE_UP_AFTER,
    REMIND_AFTER,
    SHIFT_GRACE,
    SHIFT_WARNING,
    SUPERVISE_AFTER,
    is_dangerous,
    next_look,
    quiet_since,
)
from bot.usecases.answering.calling import climb, remind_owner
from bot.usecases.answering.claiming import OFFER_LASTS, end_offer
from bot.usecases.answering.ending import lapse, let_go, to_bot
from bot.usecases.answering.telling import tell
from bot.usecases.desk import Desk


def attend(db: Session, desk: Desk, handoff_id: int, now: datetime) -> list[int]:
    """Do what is due about this handoff at `now`; returns outbox rows to be woken.

    Looks again under the lock: a claim, an answer or another sweep may have come first, and then nothing is due.
    """
    locked = handoffs.lock(db, desk.sealer, handoff_id)
    if locked is None or locked.handoff.rung_due_at is None or locked.handoff.rung_due_at > now:
        return []
    state = locked.handoff.state
    if state in UNCLAIMED:
        return climb(db, desk, locked, now)
    if state in HELD:
        return _attend_held(db, desk, locked, now)
    if state == HandoffState.HANDED_BACK:
        return list(lapse(db, desk, locked, now))
    locked.handoff.rung_due_at = None
    return []


def _attend_held(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    handoff = locked.handoff
    ids = [*_expire_offer(db, desk, locked, now), *_tell_undelivered(db, desk, handoff, now)]
    if _shift_is_over(locked, now):
        return [*ids, *_end_shift(db, desk, locked, now)]
    ids += [*_warn_of_shift_end(db, desk, locked, now), *_say_to_phone(db, desk, handoff, now)]
    if handoff.unanswered_since is not None:
        ids += _attend_unanswered(db, desk, locked, now)
    elif now >= quiet_since(handoff, now) + desk.hand_back_after * (handoff.rung + 1):
        ids += _attend_quiet(db, desk, locked, now)
    if handoff.state in HELD:
        handoff.rung_due_at = next_look(handoff, now, desk.hand_back_after)
        if handoff.offered_to_id is not None:
            handoff.rung_due_at = min(handoff.rung_due_at, now + OFFER_LASTS)
    return ids


def _tell_undelivered(db: Session, desk: Desk, handoff: Handoff, now: datetime) -> list[int]:
    """A text of the worker's did not arrive: they must not go on talking to nobody. Told once for each."""
    latest = select(func.max(HandoffEvent.id)).where(HandoffEvent.handoff_id == handoff.id)
    failed = db.scalar(latest.where(HandoffEvent.kind == "undelivered"))
    told = db.scalar(latest.where(HandoffEvent.kind == "told_undelivered"))
    if failed is None or (told is not None and told > failed) or handoff.owner_id is None:
        return []
    handoffs.record(db, handoff, "told_undelivered", now)
    return alerting.inform(db, desk, handoff.owner_id, "not_delivered", now, handoff)


def _expire_offer(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    asked = [
        one
        for one in handoffs.call_outs(db, locked.handoff.id)
        if one.staff_id == locked.handoff.offered_to_id and one.answer is None
    ]
    if not asked or now - asked[-1].raised_at < OFFER_LASTS:
        return []
    return end_offer(db, desk, locked, "offer_expired", now)


def _shift_is_over(locked: Locked, now: datetime) -> bool:
    handoff = locked.handoff
    if handoff.shift_ends_at is None or now < handoff.shift_ends_at:
        return False
    return handoff.spoke_at is None or now - handoff.spoke_at >= SHIFT_GRACE


def _end_shift(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    """Nobody's own telephone rings after their shift: who waits goes to whoever is on now, who does not to the bot."""
    if locked.handoff.unanswered_since is not None or locked.state.in_danger:
        return list(let_go(db, desk, locked, "shift_over", now, staff_id=None))
    return list(to_bot(db, desk, locked, "handed_back_idle", now, staff_id=None))


def _warn_of_shift_end(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    handoff = locked.handoff
    if handoff.shift_ends_at is None or handoff.owner_id is None:
        return []
    if handoff.shift_ends_at <= now:
        # In the middle of it: another look when they have been quiet for a while. A later shift may have begun meanwhile.
        later = rosters.of_turn(db, desk.zone).shift_end(handoff.owner_id, now)
        handoff.shift_ends_at = later or now + SHIFT_GRACE
        return []
    left = handoff.shift_ends_at - now
    if left > SHIFT_WARNING:
        return []
    warned = select(HandoffEvent.id).where(
        HandoffEvent.handoff_id == handoff.id, HandoffEvent.kind == "shift_ending",
        HandoffEvent.at >= handoff.shift_ends_at - SHIFT_WARNING,
    )  # fmt: skip
    if db.scalar(warned.limit(1)) is not None:
        return []
    minutes = max(1, round(left.total_seconds() / 60))
    handoffs.record(db, handoff, "shift_ending", now)
    return alerting.inform(db, desk, handoff.owner_id, "shift_ending", now, handoff, minutes=minutes)


def _say_to_phone(db: Session, desk: Desk, handoff: Handoff, now: datetime) -> list[int]:
    """Texts reach the person no longer: who has them is told once, or they would go on writing to nobody."""
    if handoff.reachable:
        return []
    told = (
        select(Message.id)
        .join(StaffThread, StaffThread.id == Message.staff_thread_id)
        .where(
            Message.handoff_id == handoff.id, StaffThread.staff_id == handoff.owner_id,
            Message.key.in_(("alert_phone_person", "email_phone_person")),
        )
    )  # fmt: skip
    return [] if db.scalar(told.limit(1)) is not None else remind_owner(db, desk, handoff, "alert_phone_person", now)


def _attend_unanswered(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    """The person waits for an answer: the owner is reminded, then a supervisor called, then others."""
    handoff = locked.handoff
    assert handoff.unanswered_since is not None
    waited, dangerous = now - handoff.unanswered_since, is_dangerous(handoff)
    if waited >= GIVE_UP_AFTER[dangerous] and handoff.rung >= 2:
        return list(let_go(db, desk, locked, "given_up", now, staff_id=None))
    if waited >= SUPERVISE_AFTER[dangerous] and handoff.rung == 1:
        handoff.rung = 2
        owner = staff.get(db, handoff.owner_id) if handoff.owner_id else None
        handoffs.record(db, handoff, "supervisor_called", now)
        return [*_call_supervisors(db, desk, locked, now), *tell(db, desk, locked, "texts_by_human_delayed", now, owner)]
    if waited >= REMIND_AFTER[dangerous] and handoff.rung == 0:
        handoff.rung = 1
        handoffs.record(db, handoff, "reminded", now)
        return remind_owner(db, desk, handoff, "alert_reminder", now)
    return []


def _call_supervisors(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    handoff = locked.handoff
    found = candidates.of_team(db, handoff.team, rosters.of_turn(db, desk.zone), handoff.conversation_id, now)
    those = [one for one in found if one.is_supervisor and one.in_team and one.staff_id != handoff.owner_id]
    those = [one for one in those if one.on_duty] or (those if is_dangerous(handoff) else [])
    owner = staff.get(db, handoff.owner_id) if handoff.owner_id else None
    name = owner.called if owner else "the worker"
    ids: list[int] = []
    for one in those:
        row = staff.get(db, one.staff_id)
        if row is not None:
            db.add(CallOut(handoff_id=handoff.id, staff_id=row.id, rung=handoff.rung, raised_at=now))
            ids += alerting.alert(db, desk, handoff, row, (Way.TEXT, Way.EMAIL), "alert_look", now, name=name)
    return ids


def _attend_quiet(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    """Nobody has written for long, and the last word was ours: back to the bot; but somebody in danger is never let go
    by a clock."""
    handoff = locked.handoff
    if locked.state.in_danger:
        minutes = int((now - quiet_since(handoff, now)).total_seconds() // 60)
        handoff.rung += 1
        handoffs.record(db, handoff, "quiet_in_danger", now)
        return remind_owner(db, desk, handoff, "quiet", now, minutes=minutes)
    return list(to_bot(db, desk, locked, "handed_back_idle", now, staff_id=None))
