"""Social workers plan check-ins, move, skip and stop them, and write down in which time zone somebody lives.

A worker plans when to ask and never whether: bot/domain/check_in.py still decides that at the moment of asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlalchemy.orm import Session

from bot.domain.check_in import MOVES, CheckInState, Reason, plan
from bot.domain.check_in_times import next_time
from bot.domain.conversation import load
from bot.domain.delivery import State as Sending
from bot.domain.effects import Choice
from bot.domain.flow import FlowFailed
from bot.domain.message import Channel
from bot.domain.permissions import Permission
from bot.domain.script import CheckIn as CheckInStep
from bot.storage import cases, check_ins, consents, conversations, flows, referrals
from bot.storage.check_ins import Locked
from bot.storage.tables import CheckIn, Conversation, Message, Person
from bot.usecases.answering.common import worker
from bot.usecases.answering.telling import is_blocked
from bot.usecases.check_in_facts import SCOPE, published, speaks, zone_of
from bot.usecases.desk import Desk
from bot.usecases.keep_consent import Told, record_consent
from bot.usecases.library import StoredLibrary

FURTHEST = timedelta(days=366)
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
"""Where a person with one of our numbers may live; a name of the time zone database -> what a page says."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """A row of check-ins that is planned at once."""

    label: str
    flow: str
    after: tuple[timedelta, ...]
    after_crisis: bool = False


CADENCES: Final[Mapping[str, Cadence]] = {
    "crisis": Cadence(
        "After a crisis: 24 hours, 3 days, 7 days, 30 days", "crisis_check_in",
        (timedelta(hours=24), timedelta(hours=72), timedelta(days=7), timedelta(days=30)), after_crisis=True,
    ),
    "referral": Cadence(
        "After a referral: 3 days, 14 days", "referral_check_in", (timedelta(days=3), timedelta(days=14))
    ),
    "household": Cadence(
        "A household: 7, 30, 60 and 90 days", "household_check_in", tuple(timedelta(days=each) for each in (7, 30, 60, 90)),
    ),
}  # fmt: skip
"""The cadences of domain.md 4.10."""

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


class NotKept(Exception):
    """The act is not possible, and nothing has happened. `text` is a sentence for the page."""

    def __init__(self, reason: str) -> None:
        self.reason, self.text = reason, _SENTENCES[reason]
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class When:
    """After so long, or at a time on the wall where the person is (without a zone of its own); exactly one of them."""

    after: timedelta | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What was planned. `at` is aware UTC; `was_put_off`: some of it is later than was asked for, since we start no text at
    that time; `has_agreed`: their consent was written down with it."""

    ids: tuple[int, ...]
    at: tuple[datetime, ...]
    was_put_off: bool
    has_agreed: bool = False


# -- planning --


def add(
    db: Session, desk: Desk, conversation_id: int, staff_id: int, flow: str, when: When, now: datetime, *,
    agreed: bool = False, after_crisis: bool = False,
) -> Kept:  # fmt: skip
    """Plan one check-in in `flow`. Outside of the hours, on a holiday or at no safe time it is planned for the next moment
    that is none of these.

    Needs the person's consent: in the ledger, or `agreed`, which writes it there as told to this worker. `after_crisis`:
    silence then calls a human; so it does anyhow within 30 days of a danger. Raises NotKept, and Refused for somebody who
    may not follow up; so do all acts here.
    """
    place = _lock_person(db, desk, conversation_id, staff_id)
    if flow not in askable(db, desk):
        raise NotKept("no_flow")
    has_agreed = _may_plan(db, desk, place, flow, staff_id, now, agreed=agreed)
    due, was_put_off = _due(desk, place, when, now)
    return _plan(db, place, flow, (due,), was_put_off, staff_id, now, after_crisis=after_crisis, has_agreed=has_agreed)


def add_cadence(
    db: Session, desk: Desk, conversation_id: int, staff_id: int, name: str, now: datetime, *, agreed: bool = False,
) -> Kept:  # fmt: skip
    """Plan all check-ins of a key of CADENCES, counted from now. What is planned for the same hour already stays."""
    if name not in CADENCES:
        raise NotKept("cadence")
    cadence = CADENCES[name]
    place = _lock_person(db, desk, conversation_id, staff_id)
    has_agreed = _may_plan(db, desk, place, cadence.flow, staff_id, now, agreed=agreed)
    due = plan(now, cadence.after, zone_of(place, desk), conversation_id, desk.holidays)
    was_put_off = any(at != now + after for at, after in zip(due, cadence.after, strict=True))
    return _plan(
        db, place, cadence.flow, due, was_put_off, staff_id, now, after_crisis=cadence.after_crisis, has_agreed=has_agreed
    )


def askable(db: Session, desk: Desk) -> dict[str, str]:
    """The flows in which people can be asked again, name -> title: those of CADENCES and those that a flow plans."""
    library = StoredLibrary(db, desk.cache, desk.zone)
    known = {each.flow: None for each in CADENCES.values()}
    for version in flows.all_published(db):
        try:
            steps = library.flow(version).script.steps.values()
        except FlowFailed:
            # A version that cannot be read is an operator's trouble; the others can be chosen all the same.
            continue
        known |= {step.check_in.flow: None for step in steps if isinstance(step, CheckInStep)}
    found = {name: published(db, desk, name) for name in known}
    return {name: flow.script.title for name, flow in found.items() if flow is not None}


def why_not(row: Conversation, place: Locked) -> str:
    """The reason (a key of this module's sentences) for which nobody can be asked at this address at all; "" for none."""
    if row.channel == Channel.WEB:
        return "web"
    if row.opted_out:
        return "opted_out"
    if is_blocked(row):
        return "unreachable"
    return "left" if place.state.safe.paused else ""


def sentence(reason: str) -> str:
    """What a page says of a reason; "" for none."""
    return _SENTENCES.get(reason, "")


def place_of(db: Session, desk: Desk, row: Conversation) -> Locked:
    """A conversation as those who decide about check-ins look at one, with a check-in that is nowhere kept."""
    zone = db.get_one(Person, row.person_id, populate_existing=True).zone
    return Locked(CheckIn(), row, load(desk.sealer.open(row.sealed_state)), zone)


def zone_for(db: Session, desk: Desk, conversation_id: int) -> ZoneInfo:
    """The zone in which this person's times are said and understood."""
    return zone_of(place_of(db, desk, db.get_one(Conversation, conversation_id)), desk)


def _lock_person(db: Session, desk: Desk, conversation_id: int, staff_id: int) -> Locked:
    """The conversation, locked as in a turn and as for a check-in that is sent at this very moment."""
    worker(db, staff_id, Permission.FOLLOW_UP)
    row = referrals.lock_conversation(db, conversation_id)
    if row is None or cases.person_of(db, conversation_id) is None:
        raise NotKept("unknown_person")
    return place_of(db, desk, row)


def _may_plan(
    db: Session, desk: Desk, place: Locked, flow: str, staff_id: int, now: datetime, *, agreed: bool
) -> bool:  # fmt: skip
    """Raises NotKept where it would never be asked; gives whether their consent was written down."""
    reason = why_not(place.row, place)
    if reason:
        raise NotKept(reason)
    found = published(db, desk, flow)
    if found is None:
        raise NotKept("no_flow")
    if not speaks(found, place.state.language):
        raise NotKept("no_language")
    if consents.holds(db, place.row.id, SCOPE, now):
        return False
    if not agreed:
        raise NotKept("no_consent")
    record_consent(db, desk.sealer, place.row.id, Told(SCOPE, Choice.AGREED.value), staff_id, now)
    return True


def _plan(
    db: Session, place: Locked, flow: str, due: tuple[datetime, ...], was_put_off: bool, staff_id: int, now: datetime, *,
    after_crisis: bool, has_agreed: bool,
) -> Kept:  # fmt: skip
    rows = check_ins.plan(db, place.row.id, flow, due, now, staff_id=staff_id, after_crisis=after_crisis or None)
    if not rows:
        raise NotKept("already")
    at = tuple(row.due_at for row in rows if row.due_at is not None)
    return Kept(tuple(row.id for row in rows), at, was_put_off, has_agreed)


def _due(desk: Desk, place: Locked, when: When, now: datetime) -> tuple[datetime, bool]:
    if when.at is not None:
        return _settled(desk, place, when.at, now)
    if when.after is None:
        raise NotKept("when")
    if not timedelta(hours=1) <= when.after <= FURTHEST:
        raise NotKept("delay")
    return _allowed(desk, place, now + when.after)


def _settled(desk: Desk, place: Locked, wall: datetime, now: datetime) -> tuple[datetime, bool]:
    """The moment at which a clock on their wall shows this, or the next one at which a text may leave, and whether it is."""
    zone = zone_of(place, desk)
    here = now.astimezone(zone).replace(tzinfo=None)
    # Before anything is counted: a year 1 or 9999 lies outside of what can be turned into UTC.
    if wall < here - timedelta(days=1):
        raise NotKept("past")
    if wall > here + FURTHEST:
        raise NotKept("too_far")
    at = _moment(wall, zone)
    if at <= now:
        raise NotKept("past")
    return _allowed(desk, place, at)


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall:
        raise NotKept("gap")
    if first.utcoffset() != second.utcoffset():
        raise NotKept("twice")
    return first.astimezone(UTC)


def _allowed(desk: Desk, place: Locked, at: datetime) -> tuple[datetime, bool]:
    if place.state.safe.paused:
        raise NotKept("left")
    due = next_time(at, zone_of(place, desk), place.state.safe, desk.holidays)
    if due is None:
        raise NotKept("no_safe_time")
    return due, due != at.astimezone(UTC)


# -- what is planned --


def move(
    db: Session, desk: Desk, conversation_id: int, check_in_id: int, to: datetime, staff_id: int, now: datetime
) -> Kept:
    """Ask at another time: `to` on the wall where the person is. It is then as if it had just been planned for it."""
    locked = _lock(db, desk, conversation_id, check_in_id, staff_id)
    row = locked.check_in
    if row.state == CheckInState.ASKED:
        raise NotKept("asked")
    due, was_put_off = _settled(desk, locked, to, now)
    row.due_at, row.planned_for, row.made_at, row.holds, row.reason = due, due, now, 0, None
    check_ins.note(db, row, "moved", now, reason=Reason.MOVED.value, staff_id=staff_id)
    return Kept((row.id,), (due,), was_put_off)


def skip(db: Session, desk: Desk, conversation_id: int, check_in_id: int, staff_id: int, now: datetime) -> None:
    """This one is not asked, or not asked again; the others stay."""
    locked = _lock(db, desk, conversation_id, check_in_id, staff_id)
    _drop(db, desk, locked, Reason.SKIPPED, staff_id, now)


def stop(db: Session, desk: Desk, conversation_id: int, staff_id: int, now: datetime, *, withdrawn: bool = False) -> int:
    """None of this person's check-ins is asked any more, at none of their addresses; how many were dropped.

    `withdrawn`: they said so themselves, and the ledger says so too: then no flow plans new ones.
    """
    worker(db, staff_id, Permission.FOLLOW_UP)
    ids = sorted(cases.conversations_of(db, conversation_id))
    # In this order everywhere, or two workers who stop the same person's would wait for each other.
    for each in ids:
        referrals.lock_conversation(db, each)
    if not ids or cases.person_of(db, conversation_id) is None:
        raise NotKept("unknown_person")
    found = [row.id for each in ids for row in check_ins.open_ones(db, each)]
    agreed = [each for each in ids if withdrawn and consents.holds(db, each, SCOPE, now)]
    if not found and not agreed:
        raise NotKept("nothing_open")
    for check_in_id in found:
        locked = check_ins.lock(db, desk.sealer, check_in_id)
        if locked is not None and MOVES.allows(locked.check_in.state, "drop"):
            _drop(db, desk, locked, Reason.STOPPED, staff_id, now)
    for each in agreed:
        record_consent(db, desk.sealer, each, Told(SCOPE, Choice.WITHDRAWN.value), staff_id, now)
    return len(found)


def _lock(db: Session, desk: Desk, conversation_id: int, check_in_id: int, staff_id: int) -> Locked:
    worker(db, staff_id, Permission.FOLLOW_UP)
    locked = check_ins.lock(db, desk.sealer, check_in_id)
    if locked is None or locked.check_in.conversation_id != conversation_id:
        raise NotKept("unknown")
    if not MOVES.allows(locked.check_in.state, "drop"):
        raise NotKept("over")
    return locked


def _drop(db: Session, desk: Desk, locked: Locked, reason: Reason, staff_id: int, now: datetime) -> None:
    """It is over. A question that has not left stays here, and its answer is not waited for; to one that has left somebody
    may still answer, and is heard."""
    was_asked = locked.check_in.state == CheckInState.ASKED
    check_ins.end(db, locked.check_in, "drop", now, reason=reason.value, staff_id=staff_id)
    if not was_asked:
        return
    waiting = (Message.check_in_id == locked.check_in.id, Message.outbound, Message.state == Sending.WAITING.value)
    db.execute(update(Message).where(*waiting).values(state=Sending.DROPPED.value, due_at=None))
    if locked.state.check_in == locked.check_in.id and not check_ins.has_left(db, locked.check_in):
        state = replace(locked.state, frames=(), ended=True, waking=None, check_in=None)
        conversations.store(locked.row, desk.sealer, state, now)


def set_zone(db: Session, desk: Desk, conversation_id: int, staff_id: int, zone: str) -> bool:
    """Where they live: a key of ZONES, or "" for the city. Whether that is new.

    What is planned keeps its moment; by day or by night is decided anew when it is due.
    """
    if zone and zone not in ZONES:
        raise NotKept("zone")
    place = _lock_person(db, desk, conversation_id, staff_id)
    person = db.get_one(Person, place.row.person_id)
    is_new = (person.zone or "") != zone
    person.zone = zone or None
    return is_new
