"""Climbing the ladder: one rung of alerts after another until somebody says "I have it", and the person told the truth."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.effects import OpenHandoff, Reason
from bot.domain.handoff import DANGEROUS, HELD, UNCLAIMED
from bot.domain.ladder import Candidate, Rung, Wanted, Way, Who, named_community, next_rung
from bot.domain.roster import Roster
from bot.domain.safety.levels import Urgency
from bot.storage import alerts, candidates, handoffs, rosters, staff, staff_threads
from bot.storage.handoffs import Locked
from bot.storage.staff_tables import CallOut
from bot.storage.tables import Handoff
from bot.usecases.answering import alerting
from bot.usecases.answering.attention import waits_for_owner
from bot.usecases.answering.telling import tell
from bot.usecases.desk import Desk

SKILLS = {
    "self_harm": "crisis",
    "overdose": "crisis",
    "violence": "crisis",
    "domestic_violence": "domestic_violence",
    "child": "children",
}
"""The skill that a danger calls for, as it is written on the staff page."""
LONGEST_REST = timedelta(hours=12)
"""A handoff that rests until a shift begins is looked at again after this at the latest: rosters change."""
SHORTEST_REST = timedelta(minutes=10)
MOST_AT_ONCE = 6
"""So many rungs are climbed at one instant at the most, where nobody on them has a telephone that can be called."""
TELL_AFTER = (timedelta(minutes=4), timedelta(minutes=15), timedelta(hours=1))
"""A person in danger who waits is told so again after these pauses, the last one for as long as it lasts."""


def call_human(
    db: Session, desk: Desk, effect: OpenHandoff, conversation_id: int, message_id: int | None, language: str, now: datetime
) -> list[int]:
    """Open the handoff, or make the open one more urgent, and climb its first rung in the same transaction, so that
    "I am alerting our team" is true when it is said. Returns outbox rows to be woken."""
    handoff = handoffs.open_or_raise(db, desk.sealer, effect, conversation_id, message_id, now, language)
    if effect.wish:
        known = (community for one in staff.all_active(db) for community in one.communities)
        handoff.community = named_community(effect.wish, known) or handoff.community
    if handoff.state in HELD:
        return _danger_while_held(db, desk, handoff, effect, now) if effect.reason is Reason.DANGER else []
    if handoff.state in UNCLAIMED and handoff.rung_due_at is not None and handoff.rung_due_at <= now:
        return _alert_rung(db, desk, handoff, now)
    return []


def _danger_while_held(db: Session, desk: Desk, handoff: Handoff, effect: OpenHandoff, now: datetime) -> list[int]:
    """Somebody has them already. From now on no clock lets them go, and the reminders have the pace of danger."""
    waits_for_owner(handoff, now, desk.hand_back_after)
    locked = handoffs.lock(db, desk.sealer, handoff.id)
    if locked is not None and not locked.state.in_danger:
        locked.state = replace(locked.state, in_danger=True)
        locked.store(desk.sealer, now)
    if effect.reachable:
        # Their words follow in the same turn (relaying.person_wrote), and with them the owner is told, once.
        return []
    handoffs.record(db, handoff, "danger_again", now)
    return remind_owner(db, desk, handoff, "alert_danger_again" if effect.dangers else "alert_phone_person", now)


def climb(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    """The rung is over and nobody has it: the next one, and the truth for the person."""
    handoff = locked.handoff
    if handoff.rung > 0:
        handoffs.answer_call_outs(db, handoff.id, "missed", now)
    return [*_alert_rung(db, desk, handoff, now), *_tell_waiting(db, desk, locked, now)]


def remind_owner(db: Session, desk: Desk, handoff: Handoff, key: str, now: datetime, **more: int) -> list[int]:
    """Tell who has it, by text and e-mail."""
    owner = staff.get(db, handoff.owner_id) if handoff.owner_id else None
    return alerting.alert(db, desk, handoff, owner, (Way.TEXT, Way.EMAIL), key, now, **more) if owner else []


def _alert_rung(db: Session, desk: Desk, handoff: Handoff, now: datetime) -> list[int]:
    ids: list[int] = []
    for _ in range(MOST_AT_ONCE):
        rung, rows = _climb_one(db, desk, handoff, now)
        ids += rows
        if rung is None or Urgency(handoff.urgency) not in DANGEROUS or staff_threads.went_by_telephone(db, rows):
            return ids
        # A mail wakes nobody, and nobody's life waits for one: who comes next is called now.
        if rung.who is Who.EVERYBODY and handoff.rung > 1:
            break
        handoffs.answer_call_outs(db, handoff.id, "unreachable", now)
    alerts.raise_alarm(db, "no_way_to_alert", f"handoff {handoff.id}: no telephone of anybody's can be called", None, now)
    return ids


def _climb_one(db: Session, desk: Desk, handoff: Handoff, now: datetime) -> tuple[Rung | None, list[int]]:
    """Climb one rung; None where there is nobody to call, or it rests."""
    roster = rosters.of_turn(db, desk.zone)
    found = candidates.of_team(db, handoff.team, roster, handoff.conversation_id, now)
    # In a ladder that began anew (it got worse, or was given back) those who missed the first one are asked again;
    # who has passed or given it back is not, until everybody is.
    called = {
        one.staff_id
        for one in handoffs.call_outs(db, handoff.id)
        if one.answer in ("passed", "released") or (handoff.alerted_at is not None and one.raised_at >= handoff.alerted_at)
    }
    wanted = Wanted(Urgency(handoff.urgency), handoff.language, handoff.community, _skills(handoff))
    rung = next_rung(wanted, found, called, handoff.rung + 1)
    if rung is None:
        return None, _rest(db, desk, handoff, roster, now)
    handoff.rung += 1
    handoff.rung_due_at = now + rung.lasts
    if not rung.staff:
        _nobody_to_call(db, handoff, now)
        return None, []
    return rung, _call(db, desk, handoff, rung, now)


def _skills(handoff: Handoff) -> tuple[str, ...]:
    return tuple(dict.fromkeys(SKILLS[danger] for danger in handoff.dangers if danger in SKILLS))


def _call(db: Session, desk: Desk, handoff: Handoff, rung: Rung, now: datetime) -> list[int]:
    handoffs.move(handoff, "alert" if rung.who is Who.WORKER else "escalate")
    handoff.alerted_at = handoff.alerted_at or now
    key = "alert_phone_person" if not handoff.reachable else "alert" if handoff.rung == 1 else "alert_again"
    rows: dict[int, list[int]] = {}
    for staff_id in rung.staff:
        db.add(CallOut(handoff_id=handoff.id, staff_id=staff_id, rung=handoff.rung, raised_at=now))
    # Their threads are opened in one order everywhere: two first alerts to the same two would wait for each other.
    for staff_id in sorted(rung.staff):
        one = staff.get(db, staff_id)
        rows[staff_id] = alerting.alert(db, desk, handoff, one, rung.ways, key, now) if one is not None else []
    ids = [row for staff_id in rung.staff for row in rows[staff_id]]
    handoffs.record(db, handoff, "called", now, rung=handoff.rung, who=rung.who.value, staff=list(rung.staff))
    if rung.who is Who.EVERYBODY and Urgency(handoff.urgency) in DANGEROUS:
        alerts.raise_alarm(db, "nobody_answers", f"handoff {handoff.id}: everybody is being called", None, now)
    return ids


def _nobody_to_call(db: Session, handoff: Handoff, now: datetime) -> None:
    """There is no one on the staff at all. The ladder goes on: somebody may be added."""
    handoffs.move(handoff, "rest")
    alerts.raise_alarm(db, "nobody_to_call", "a handoff waits and no member of staff can answer", None, now)


def _rest(db: Session, desk: Desk, handoff: Handoff, roster: Roster, now: datetime) -> list[int]:
    """It can wait for the next shift, and does: nobody is woken at night for it."""
    handoffs.move(handoff, "rest")
    begins = roster.next_on(now, None)
    handoff.rung_due_at = min(begins or now + LONGEST_REST, now + LONGEST_REST)
    if handoff.rung_due_at <= now:
        # Somebody is on, but nobody who could be called for this one.
        handoff.rung_due_at = now + SHORTEST_REST
    else:
        handoff.limit_at = max(handoff.limit_at or now, handoff.rung_due_at)
    handoffs.record(db, handoff, "rests", now)
    return []


def _tell_waiting(db: Session, desk: Desk, locked: Locked, now: datetime) -> tuple[int, ...]:
    handoff = locked.handoff
    told = handoff.told_at
    dangerous = Urgency(handoff.urgency) in DANGEROUS
    if not dangerous:
        # Once, when the time has passed by which somebody should have said that they have it.
        if told is not None or handoff.limit_at is None or now < handoff.limit_at or handoff.state not in UNCLAIMED:
            return ()
    else:
        # Since this ladder began: one that was given back after hours begins at the pace of a new one.
        waited = now - (handoff.alerted_at or handoff.opened_at)
        pause = next((pause for pause in TELL_AFTER if waited < pause * 4), TELL_AFTER[-1])
        last = max(filter(None, (told, locked.state.told_at)), default=None)
        if last is not None and now - last < min(pause, TELL_AFTER[-1]) and told is not None:
            return ()
    handoff.told_at = now
    ids = tell(db, desk, locked, "still_trying" if dangerous else "still_trying_calm", now)
    handoffs.record(db, handoff, "told_waiting" if ids else "could_not_tell", now)
    return ids


def candidate_list(db: Session, desk: Desk, handoff: Handoff, now: datetime) -> list[Candidate]:
    """Who could take this handoff now, for the pages that pass it on."""
    return candidates.of_team(db, handoff.team, rosters.of_turn(db, desk.zone), handoff.conversation_id, now)
