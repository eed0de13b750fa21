"""Social workers plan, move, skip and stop check-ins, and set the person's time zone.

They only choose the time. Whether it may be sent is decided then, by bot/domain/check_ins/decision.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.check_ins.decision import MOVES, CheckInReason, CheckInState, plan_times
from bot.domain.check_ins.times import next_send_time
from bot.domain.conversation.effects import ConsentChoice
from bot.domain.conversation.state import load
from bot.domain.flows.language.flow import FlowFailed
from bot.domain.flows.language.script import CheckIn as CheckInStep
from bot.domain.messages.message import Channel
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.storage import referrals
from bot.storage.cases import cases
from bot.storage.check_ins import check_ins
from bot.storage.check_ins.check_ins import LockedCheckIn
from bot.storage.conversation import timeouts
from bot.storage.flows import flows
from bot.storage.messages import outbox
from bot.storage.people import consents
from bot.storage.tables.residents import CheckIn, Conversation, Person
from bot.usecases.cases.manage_consent import ConsentEntry, record_consent
from bot.usecases.check_ins.facts import FOLLOW_UP_SCOPE, find_published_flow, supports_language, time_zone_of
from bot.usecases.context import Context
from bot.usecases.flows.library import PublishedLibrary
from bot.usecases.handoff.common import require_worker
from bot.usecases.handoff.resident_notices import is_blocked

MAX_AHEAD = timedelta(days=366)
ZONES: Final[Mapping[str, str]] = {
    "America/New_York": "Eastern (New York)",
    "America/Chicago": "Central (Chicago, St. Louis)",
    "America/Denver": "Mountain (Denver)",
    "America/Phoenix": "Mountain, clocks never change (Arizona)",
    "America/Los_Angeles": "Pacific (Los Angeles)",
    "America/Anchorage": "Alaska",
    "Pacific/Honolulu": "Hawaii",
    "America/Puerto_Rico": "Atlantic (Puerto Rico)",
}
"""The time zones to choose from: name in the time zone database -> label."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """A series of check-ins that is planned together."""

    label: str
    flow: str
    after: tuple[timedelta, ...]
    after_crisis: bool = False


CADENCES: Final[Mapping[str, Cadence]] = {
    "crisis": Cadence(
        "After a crisis: 24 hours, 3 days, 7 days, 30 days", "crisis_check_in",
        (timedelta(hours=24), timedelta(hours=72), timedelta(days=7), timedelta(days=30)), after_crisis=True,
    ),
    "referral": Cadence("After a referral: 3 days, 14 days", "referral_check_in", (timedelta(days=3), timedelta(days=14))),
    "household": Cadence(
        "A household: 7, 30, 60 and 90 days", "household_check_in", tuple(timedelta(days=each) for each in (7, 30, 60, 90)),
    ),
}  # fmt: skip
"""The cadences that staff can choose from."""

_SENTENCES: Final = {
    "unknown_person": "There is no such person here.",
    "cadence": "Choose which check-ins to plan. Nothing was planned.",
    "no_flow": "Choose what to ask: that flow is not published. Nothing was planned.",
    "no_language": "This check-in does not exist in their language, so it would never be asked. Add a task to call.",
    "no_consent": "They have not agreed to be asked again. Ask them, and tick that they agree. Nothing was planned.",
    "opted_out": "They asked us not to text them. Nothing was planned: add a task to call them, if you may.",
    "unreachable": "Texts to this number do not arrive. Nothing was planned: add a task to call them.",
    "left": "They left with an exit word or wrote that the number is wrong. We start nothing until they write again.",
    "web": "They write by web chat, and nothing can be sent to a page that is closed. Nothing was planned.",
    "when": "Say when: in how many days or hours, or at which day and time. Nothing was changed.",
    "delay": "Write a number of days or hours from 1 up, a year ahead at most. Nothing was planned.",
    "gap": "The clocks go forward then: that time does not exist on this day. Choose another; nothing was changed.",
    "twice": "The clocks go back then: that time comes twice on this day. Choose another; nothing was changed.",
    "past": "That time is over. Choose a later one; nothing was changed.",
    "too_far": "That is more than a year ahead. Choose an earlier time; nothing was changed.",
    "no_safe_time": "No time in the two weeks after that is safe for them. Look at their safe times; nothing was changed.",
    "already": "The same is planned for that time already.",
    "unknown": "There is no such check-in here any more. Look at the page again; nothing was changed.",
    "over": "This check-in is over already. Nothing was changed.",
    "asked": "This check-in was asked already and waits for its answer. Skip it, or plan another one.",
    "nothing_open": "No check-in is planned, so there is none to stop.",
    "zone": "Choose one of the time zones. Nothing was changed.",
}  # fmt: skip


def refused(reason: str) -> Refused:
    """The exception for a reason of the table above."""
    return Refused(_SENTENCES[reason], reason)


@dataclass(frozen=True, slots=True)
class RequestedTime:
    """A delay, or a local time of the person (without a time zone); exactly one of them."""

    after: timedelta | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlannedCheckIns:
    """What was planned. `at` is aware UTC; `was_put_off`: some are later than requested, at a time when texts may be sent;
    `has_agreed`: the person's consent was recorded with it."""

    ids: tuple[int, ...]
    at: tuple[datetime, ...]
    was_put_off: bool
    has_agreed: bool = False


# -- planning --


def plan_one(
    db: Session,
    context: Context,
    conversation_id: int,
    staff_id: int,
    flow: str,
    requested: RequestedTime,
    now: datetime,
    *,
    agreed: bool = False,
    after_crisis: bool = False,
) -> PlannedCheckIns:
    """Plan one check-in in `flow`, at the requested time or the next one within the hours, safe times and no holiday.

    Needs the person's consent: in the ledger, or `agreed`, which records it there as told to this social worker. With
    `after_crisis`, as always within 30 days of a danger, silence calls a human. Raises Refused, also without the
    permission to follow up; so do all acts here.
    """
    place = _lock_person(db, context, conversation_id, staff_id)
    if flow not in check_in_flows(db, context):
        raise refused("no_flow")
    has_agreed = _require_plannable(db, context, place, flow, staff_id, now, agreed=agreed)
    due, was_put_off = _due_time(context, place, requested, now)
    return _store_plan(db, place, flow, (due,), was_put_off, staff_id, now, after_crisis=after_crisis, has_agreed=has_agreed)


def plan_cadence(
    db: Session, context: Context, conversation_id: int, staff_id: int, name: str, now: datetime, *, agreed: bool = False,
) -> PlannedCheckIns:  # fmt: skip
    """Plan all check-ins of a key of CADENCES, counted from now. One already planned for the same hour stays."""
    if name not in CADENCES:
        raise refused("cadence")
    cadence = CADENCES[name]
    place = _lock_person(db, context, conversation_id, staff_id)
    has_agreed = _require_plannable(db, context, place, cadence.flow, staff_id, now, agreed=agreed)
    due = plan_times(now, cadence.after, time_zone_of(place, context), conversation_id, context.holidays)
    was_put_off = any(at != now + after for at, after in zip(due, cadence.after, strict=True))
    return _store_plan(
        db, place, cadence.flow, due, was_put_off, staff_id, now, after_crisis=cadence.after_crisis, has_agreed=has_agreed
    )


def check_in_flows(db: Session, context: Context) -> dict[str, str]:
    """The published check-in flows, name -> title: those of CADENCES and those that a flow plans."""
    library = PublishedLibrary(db, context.flow_cache, context.zone)
    known = {each.flow: None for each in CADENCES.values()}
    for version in flows.current_version_ids(db):
        try:
            steps = library.flow(version).script.steps.values()
        except FlowFailed:
            # An unreadable version concerns the operator; the other flows can be chosen all the same.
            continue
        known |= {step.check_in.flow: None for step in steps if isinstance(step, CheckInStep)}
    found = {name: find_published_flow(db, context, name) for name in known}
    return {name: flow.script.title for name, flow in found.items() if flow is not None}


def blocked_reason(row: Conversation, locked: LockedCheckIn) -> str:
    """Why no check-in can be sent at this address at all: a key for `sentence`; "" where it can."""
    if row.channel == Channel.WEB:
        return "web"
    if row.opted_out:
        return "opted_out"
    if is_blocked(row):
        return "unreachable"
    return "left" if locked.state.safe.paused else ""


def reason_text(reason: str) -> str:
    """The sentence for a reason; "" for none."""
    return _SENTENCES.get(reason, "")


def with_empty_check_in(db: Session, context: Context, row: Conversation) -> LockedCheckIn:
    """The conversation in the form that the check-in rules take, with an empty, unsaved check-in."""
    zone = db.get_one(Person, row.person_id, populate_existing=True).zone
    return LockedCheckIn(CheckIn(), row, load(context.sealer.open(row.sealed_state)), zone)


def person_time_zone(db: Session, context: Context, conversation_id: int) -> ZoneInfo:
    """The zone in which times about this person are shown and entered."""
    return time_zone_of(with_empty_check_in(db, context, db.get_one(Conversation, conversation_id)), context)


def _lock_person(db: Session, context: Context, conversation_id: int, staff_id: int) -> LockedCheckIn:
    """The conversation, with the same lock as a turn or the sending of a check-in takes."""
    require_worker(db, staff_id, Permission.FOLLOW_UP)
    row = referrals.lock_conversation(db, conversation_id)
    if row is None or cases.lock_person(db, conversation_id) is None:
        raise refused("unknown_person")
    return with_empty_check_in(db, context, row)


def _require_plannable(
    db: Session, context: Context, locked: LockedCheckIn, flow: str, staff_id: int, now: datetime, *, agreed: bool
) -> bool:  # fmt: skip
    """Raises Refused where it could never be sent. Returns whether the person's consent was recorded."""
    reason = blocked_reason(locked.conversation_row, locked)
    if reason:
        raise refused(reason)
    found = find_published_flow(db, context, flow)
    if found is None:
        raise refused("no_flow")
    if not supports_language(found, locked.state.language):
        raise refused("no_language")
    if consents.is_agreed(db, locked.conversation_row.id, FOLLOW_UP_SCOPE, now):
        return False
    if not agreed:
        raise refused("no_consent")
    record_consent(
        db,
        context.sealer,
        locked.conversation_row.id,
        ConsentEntry(FOLLOW_UP_SCOPE, ConsentChoice.AGREED.value),
        staff_id,
        now,
    )
    return True


def _store_plan(
    db: Session,
    locked: LockedCheckIn,
    flow: str,
    due: tuple[datetime, ...],
    was_put_off: bool,
    staff_id: int,
    now: datetime,
    *,
    after_crisis: bool,
    has_agreed: bool,
) -> PlannedCheckIns:
    rows = check_ins.plan(
        db, locked.conversation_row.id, flow, due, now, staff_id=staff_id, after_crisis=after_crisis or None
    )
    if not rows:
        raise refused("already")
    at = tuple(row.due_at for row in rows if row.due_at is not None)
    return PlannedCheckIns(tuple(row.id for row in rows), at, was_put_off, has_agreed)


def _due_time(context: Context, locked: LockedCheckIn, requested: RequestedTime, now: datetime) -> tuple[datetime, bool]:
    if requested.at is not None:
        return _due_time_from_local(context, locked, requested.at, now)
    if requested.after is None:
        raise refused("when")
    if not timedelta(hours=1) <= requested.after <= MAX_AHEAD:
        raise refused("delay")
    return _next_allowed_time(context, locked, now + requested.after)


def _due_time_from_local(
    context: Context, locked: LockedCheckIn, local_time: datetime, now: datetime
) -> tuple[datetime, bool]:
    """The UTC time of this local time, or the next one when a text may be sent, and whether it was put off."""
    zone = time_zone_of(locked, context)
    here = now.astimezone(zone).replace(tzinfo=None)
    # Checked first: the years 1 and 9999 cannot be converted to UTC.
    if local_time < here - timedelta(days=1):
        raise refused("past")
    if local_time > here + MAX_AHEAD:
        raise refused("too_far")
    at = _local_to_utc(local_time, zone)
    if at <= now:
        raise refused("past")
    return _next_allowed_time(context, locked, at)


def _local_to_utc(local_time: datetime, zone: ZoneInfo) -> datetime:
    first, second = (local_time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local_time:
        raise refused("gap")
    if first.utcoffset() != second.utcoffset():
        raise refused("twice")
    return first.astimezone(UTC)


def _next_allowed_time(context: Context, locked: LockedCheckIn, at: datetime) -> tuple[datetime, bool]:
    if locked.state.safe.paused:
        raise refused("left")
    due = next_send_time(at, time_zone_of(locked, context), locked.state.safe, context.holidays)
    if due is None:
        raise refused("no_safe_time")
    return due, due != at.astimezone(UTC)


# -- what is planned --


def reschedule(
    db: Session, context: Context, conversation_id: int, check_in_id: int, to: datetime, staff_id: int, now: datetime
) -> PlannedCheckIns:
    """Move it to the person's local time `to`, as if it had just been planned for that."""
    locked = _lock_check_in(db, context, conversation_id, check_in_id, staff_id)
    row = locked.check_in
    if row.state == CheckInState.ASKED:
        raise refused("asked")
    due, was_put_off = _due_time_from_local(context, locked, to, now)
    row.due_at, row.planned_for, row.made_at, row.holds, row.reason = due, due, now, 0, None
    check_ins.add_event(db, row, "moved", now, reason=CheckInReason.MOVED.value, staff_id=staff_id)
    return PlannedCheckIns((row.id,), (due,), was_put_off)


def skip(db: Session, context: Context, conversation_id: int, check_in_id: int, staff_id: int, now: datetime) -> None:
    """Drop this check-in, sent or not; the others stay."""
    locked = _lock_check_in(db, context, conversation_id, check_in_id, staff_id)
    _drop(db, context, locked, CheckInReason.SKIPPED, staff_id, now)


def stop_all(
    db: Session, context: Context, conversation_id: int, staff_id: int, now: datetime, *, withdrawn: bool = False
) -> int:
    """Drop all check-ins of this person, at all their addresses. Returns how many were dropped.

    `withdrawn`: the person asked for it, so the withdrawal of consent is recorded, and no flow plans new ones.
    """
    require_worker(db, staff_id, Permission.FOLLOW_UP)
    ids = sorted(cases.list_same_person_conversations(db, conversation_id))
    # Always in this order, or two social workers who stop the same person's check-ins would deadlock.
    for each in ids:
        referrals.lock_conversation(db, each)
    if not ids or cases.lock_person(db, conversation_id) is None:
        raise refused("unknown_person")
    found = [row.id for each in ids for row in check_ins.list_open(db, each)]
    agreed = [each for each in ids if withdrawn and consents.is_agreed(db, each, FOLLOW_UP_SCOPE, now)]
    if not found and not agreed:
        raise refused("nothing_open")
    for check_in_id in found:
        locked = check_ins.lock(db, context.sealer, check_in_id)
        if locked is not None and MOVES.allows(locked.check_in.state, "drop"):
            _drop(db, context, locked, CheckInReason.STOPPED, staff_id, now)
    for each in agreed:
        record_consent(db, context.sealer, each, ConsentEntry(FOLLOW_UP_SCOPE, ConsentChoice.WITHDRAWN.value), staff_id, now)
    return len(found)


def _lock_check_in(db: Session, context: Context, conversation_id: int, check_in_id: int, staff_id: int) -> LockedCheckIn:
    require_worker(db, staff_id, Permission.FOLLOW_UP)
    locked = check_ins.lock(db, context.sealer, check_in_id)
    if locked is None or locked.check_in.conversation_id != conversation_id:
        raise refused("unknown")
    if not MOVES.allows(locked.check_in.state, "drop"):
        raise refused("over")
    return locked


def _drop(db: Session, context: Context, locked: LockedCheckIn, reason: CheckInReason, staff_id: int, now: datetime) -> None:
    """End it. A question still in the outbox is dropped and no answer awaited; to one that was sent the person may still
    answer."""
    was_asked = locked.check_in.state == CheckInState.ASKED
    check_ins.end(db, locked.check_in, "drop", now, reason=reason.value, staff_id=staff_id)
    if not was_asked:
        return
    outbox.drop_check_in(db, locked.check_in.id)
    if locked.state.check_in == locked.check_in.id and not check_ins.was_sent(db, locked.check_in):
        state = replace(locked.state, frames=(), ended=True, timeout_at=None, check_in=None)
        timeouts.save_state(locked.conversation_row, context.sealer, state, now)


def set_time_zone(db: Session, context: Context, conversation_id: int, staff_id: int, zone: str) -> bool:
    """Set the person's time zone: a key of ZONES, or "" for the city's. Returns whether it changed.

    Planned check-ins keep their time; whether they may be sent at that hour is decided when they are due.
    """
    if zone and zone not in ZONES:
        raise refused("zone")
    place = _lock_person(db, context, conversation_id, staff_id)
    person = db.get_one(Person, place.conversation_row.person_id)
    is_new = (person.zone or "") != zone
    person.zone = zone or None
    return is_new
