"""Social workers plan, move, skip and stop check-ins: with consent, by day, at times that exist, and recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.domain.conversation.effects import ConsentChoice, ConsentMethod, RecordConsent
from bot.domain.conversation.safe_contact import SafeContact, TimeWindow
from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import load
from bot.domain.refused import Refused
from bot.storage.check_ins import check_ins
from bot.storage.conversation import timeouts
from bot.storage.people import consents
from bot.storage.tables.residents import CheckIn, CheckInEvent, Consent, Conversation, FlowPublication, Message, Person
from bot.usecases.check_ins import manage_check_ins
from bot.usecases.check_ins.manage_check_ins import CADENCES, ZONES, PlannedCheckIns, RequestedTime
from bot.usecases.check_ins.send_check_ins import send_check_in
from bot.usecases.context import Context
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.console import make_staff
from tests.support.people import PersonIds, make_handoff, make_person
from tests.support.refusals import refuses

WEEK = RequestedTime(after=timedelta(days=7))
FLOW = "household_check_in"


@pytest.fixture
def ada(db: Session, context: Context) -> PersonIds:
    """A person who agreed to check-ins."""
    made = make_person(db, context.sealer, name="Ada Brown", state="closed")
    agree(db, made)
    return made


def agree(db: Session, made: PersonIds, choice: ConsentChoice = ConsentChoice.AGREED) -> None:
    consents.record(db, RecordConsent(choice, ConsentMethod.FLOW, "followup", "x/y@1"), made.conversation, None, "en", NOW)


def add(
    db: Session, context: Context, made: PersonIds, staff: int, when: RequestedTime = WEEK, **more: Any
) -> PlannedCheckIns:
    return manage_check_ins.plan_one(db, context, made.conversation, staff, FLOW, when, NOW, **more)


def one(db: Session, kept: PlannedCheckIns) -> CheckIn:
    [number] = kept.ids
    return db.get_one(CheckIn, number)


def why(error: pytest.ExceptionInfo[Refused]) -> str:
    assert error.value.text
    return error.value.reason


def wall(day: str, clock: str = "10:30") -> RequestedTime:
    return RequestedTime(at=datetime.fromisoformat(f"{day}T{clock}"))


def kinds(db: Session, number: int) -> list[tuple[str, str | None, int | None]]:
    rows = db.scalars(select(CheckInEvent).where(CheckInEvent.check_in_id == number).order_by(CheckInEvent.id))
    return [(row.kind, row.reason, row.staff_id) for row in rows]


# -- planning --


def test_it_plans_one_after_some_days_and_records_who_did(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    row = one(db, add(db, context, ada, rosa))
    # The clocks went forward in between: exactly seven days later is an hour later in local time.
    assert (row.state, row.due_at, row.planned_for, row.made_by) == ("planned", NOW + WEEK.after, NOW + WEEK.after, rosa)  # type: ignore[operator]
    assert not row.after_crisis
    assert kinds(db, row.id) == [("planned", None, rosa)]


def test_it_plans_at_the_persons_local_time(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    manage_check_ins.set_time_zone(db, context, ada.conversation, rosa, "America/Los_Angeles")
    kept = add(db, context, ada, rosa, wall("2026-03-10"))
    assert (kept.at, kept.was_put_off) == ((datetime(2026, 3, 10, 17, 30, tzinfo=UTC),), False)


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        (wall("2026-03-08", "02:30"), "gap"),
        (wall("2026-11-01", "01:30"), "twice"),
        (wall("2026-03-02", "08:59"), "past"),
        (wall("2026-03-02", "09:00"), "past"),
        (wall("0001-01-01"), "past"),
        (wall("2027-03-10"), "too_far"),
        (wall("9999-12-31", "23:59"), "too_far"),
        (RequestedTime(), "when"),
        (RequestedTime(after=timedelta(0)), "delay"),
        (RequestedTime(after=timedelta(days=367)), "delay"),
    ],
)
def test_it_refuses_a_time_that_does_not_exist_or_is_over(
    db: Session, context: Context, rosa: int, ada: PersonIds, when: RequestedTime, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        add(db, context, ada, rosa, when)
    assert why(refused) == reason
    assert db.scalars(select(CheckIn)).all() == []


@pytest.mark.parametrize(("clock", "day"), [("07:59", 3), ("21:00", 4), ("20:55", 4)])
def test_it_puts_off_to_the_morning_what_would_come_at_night(
    db: Session, context: Context, rosa: int, ada: PersonIds, clock: str, day: int
) -> None:
    kept = add(db, context, ada, rosa, wall("2026-03-03", clock))
    assert (kept.at, kept.was_put_off) == ((datetime(2026, 3, day, 14, 0, tzinfo=UTC),), True)


def test_it_plans_within_their_safe_times(db: Session, context: Context, rosa: int) -> None:
    safe = SafeContact(times=(TimeWindow(frozenset({2}), time(12), time(14)),))
    ada = make_person(db, context.sealer, safe=safe)
    agree(db, ada)
    kept = add(db, context, ada, rosa, wall("2026-03-03"))
    assert (kept.at, kept.was_put_off) == ((datetime(2026, 3, 4, 18, 0, tzinfo=UTC),), True)


def test_it_refuses_where_no_time_is_safe(db: Session, context: Context, rosa: int) -> None:
    ada = make_person(db, context.sealer, safe=SafeContact(times=(TimeWindow(frozenset({2}), time(2), time(4)),)))
    agree(db, ada)
    with pytest.raises(Refused) as refused:
        add(db, context, ada, rosa, wall("2026-03-03"))
    assert why(refused) == "no_safe_time"


@pytest.mark.parametrize("name", CADENCES)
def test_it_plans_a_whole_cadence(db: Session, context: Context, rosa: int, ada: PersonIds, name: str) -> None:
    kept = manage_check_ins.plan_cadence(db, context, ada.conversation, rosa, name, NOW)
    cadence = CADENCES[name]
    assert [at - NOW for at in kept.at] == list(cadence.after)
    rows = db.scalars(select(CheckIn)).all()
    assert {(row.flow, row.after_crisis, row.made_by) for row in rows} == {(cadence.flow, name == "crisis", rosa)}


def test_it_plans_no_cadence_twice(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    manage_check_ins.plan_cadence(db, context, ada.conversation, rosa, "household", NOW)
    with pytest.raises(Refused) as refused:
        manage_check_ins.plan_cadence(db, context, ada.conversation, rosa, "household", NOW + timedelta(minutes=5))
    assert why(refused) == "already"
    assert len(db.scalars(select(CheckIn)).all()) == 4


def test_it_follows_a_crisis_where_it_is_ticked_or_there_was_a_danger(
    db: Session, context: Context, rosa: int, ada: PersonIds
) -> None:
    assert one(db, add(db, context, ada, rosa, after_crisis=True)).after_crisis
    make_handoff(db, ada.conversation, state="closed", reason="danger")
    assert one(db, add(db, context, ada, rosa, RequestedTime(after=timedelta(days=9)))).after_crisis


def test_it_needs_their_consent_and_records_it(db: Session, context: Context, rosa: int) -> None:
    made = make_person(db, context.sealer)
    with pytest.raises(Refused) as refused:
        add(db, context, made, rosa)
    assert why(refused) == "no_consent"
    assert add(db, context, made, rosa, agreed=True).has_agreed
    entry = db.scalars(select(Consent)).one()
    assert (entry.scope, entry.choice, entry.method, entry.staff_id) == ("followup", "agreed", "staff", rosa)
    assert not add(db, context, made, rosa, RequestedTime(after=timedelta(days=9)), agreed=True).has_agreed


def test_it_asks_again_for_consent_that_was_withdrawn(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    agree(db, ada, ConsentChoice.WITHDRAWN)
    with pytest.raises(Refused) as refused:
        add(db, context, ada, rosa)
    assert why(refused) == "no_consent"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"opted_out": True}, "opted_out"), ({"unreachable": "bad_address"}, "unreachable"), ({"channel": "web"}, "web")],
)
def test_it_plans_nothing_for_a_person_whom_no_text_reaches(
    db: Session, context: Context, rosa: int, ada: PersonIds, changed: dict[str, Any], reason: str
) -> None:
    db.execute(update(Conversation).values(changed))
    with pytest.raises(Refused) as refused:
        add(db, context, ada, rosa)
    assert why(refused) == reason


def test_it_starts_nothing_with_a_person_who_left(db: Session, context: Context, rosa: int) -> None:
    made = make_person(db, context.sealer, safe=SafeContact(paused=True))
    with pytest.raises(Refused) as refused:
        add(db, context, made, rosa, agreed=True)
    assert why(refused) == "left"
    assert db.scalars(select(Consent)).all() == []


def test_it_asks_only_what_is_published(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    assert set(manage_check_ins.check_in_flows(db, context)) >= {each.flow for each in CADENCES.values()}
    for flow in ("welcome", "no_such_flow"):
        with pytest.raises(Refused) as refused:
            manage_check_ins.plan_one(db, context, ada.conversation, rosa, flow, WEEK, NOW)
        assert why(refused) == "no_flow"
    db.execute(FlowPublication.__table__.delete().where(FlowPublication.flow == FLOW))  # type: ignore[attr-defined]
    assert FLOW not in manage_check_ins.check_in_flows(db, context)


def test_it_plans_nothing_that_is_not_in_their_language(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    speak(db, context, ada, "so")
    with pytest.raises(Refused) as refused:
        add(db, context, ada, rosa)
    assert why(refused) == "no_language"


def speak(db: Session, context: Context, made: PersonIds, language: str) -> None:
    row = db.get_one(Conversation, made.conversation)
    timeouts.save_state(row, context.sealer, replace(load(context.sealer.open(row.sealed_state)), language=language), NOW)


def test_it_refuses_staff_who_may_not_follow_up_and_unknown_people(
    db: Session, context: Context, rosa: int, ada: PersonIds
) -> None:
    admin = make_staff(db, "admin@example.org", ["admin"])
    with refuses("not_staff"):
        add(db, context, ada, admin)
    with refuses("unknown_person"):
        manage_check_ins.plan_one(db, context, 999, rosa, FLOW, WEEK, NOW)
    db.execute(update(Person).values(erased_at=NOW))
    with refuses("unknown_person"):
        add(db, context, ada, rosa)


# -- moving and skipping --


def test_it_moves_a_check_in_as_if_it_were_newly_planned(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    row = one(db, add(db, context, ada, rosa))
    check_ins.postpone(db, row, NOW + timedelta(days=8), "human_has_them", NOW)
    later = NOW + timedelta(days=1)
    manage_check_ins.reschedule(db, context, ada.conversation, row.id, datetime(2026, 3, 12, 10, 30), rosa, later)  # noqa: DTZ001
    to = datetime(2026, 3, 12, 15, 30, tzinfo=UTC)
    assert (row.due_at, row.planned_for, row.made_at, row.holds, row.reason) == (to, to, later, 0, None)
    assert kinds(db, row.id)[-1] == ("moved", "moved", rosa)


@pytest.mark.parametrize(("to", "reason"), [("2026-03-08T02:15", "gap"), ("2026-03-01T12:00", "past")])
def test_it_leaves_it_where_it_is_for_a_time_that_cannot_be(
    db: Session, context: Context, rosa: int, ada: PersonIds, to: str, reason: str
) -> None:
    row = one(db, add(db, context, ada, rosa))
    with pytest.raises(Refused) as refused:
        manage_check_ins.reschedule(db, context, ada.conversation, row.id, datetime.fromisoformat(to), rosa, NOW)
    assert why(refused) == reason
    assert row.due_at == row.planned_for == NOW + timedelta(days=7)


def test_it_drops_one_and_leaves_the_others(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    first, *others = manage_check_ins.plan_cadence(db, context, ada.conversation, rosa, "household", NOW).ids
    manage_check_ins.skip(db, context, ada.conversation, first, rosa, NOW)
    row = db.get_one(CheckIn, first)
    assert (row.state, row.due_at, row.reason, row.ended_at) == ("dropped", None, "skipped", NOW)
    assert kinds(db, first)[-1] == ("dropped", "skipped", rosa)
    assert [each.id for each in check_ins.list_open(db, ada.conversation)] == others


def test_it_refuses_what_is_over_and_what_is_another_persons(
    db: Session, context: Context, rosa: int, ada: PersonIds
) -> None:
    number = one(db, add(db, context, ada, rosa)).id
    other = make_person(db, context.sealer, "+13145550177")
    for conversation, check_in in ((other.conversation, number), (ada.conversation, 999), (ada.conversation, 2**62)):
        with refuses("unknown"):
            manage_check_ins.skip(db, context, conversation, check_in, rosa, NOW)
    manage_check_ins.skip(db, context, ada.conversation, number, rosa, NOW)
    with refuses("over"):
        manage_check_ins.skip(db, context, ada.conversation, number, rosa, NOW)
    with refuses("over"):
        manage_check_ins.reschedule(db, context, ada.conversation, number, datetime(2026, 3, 12, 10), rosa, NOW)  # noqa: DTZ001


def asked(db: Session, context: Context, ada: PersonIds, rosa: int) -> CheckIn:
    """A check-in whose text waits to be sent."""
    row = one(db, add(db, context, ada, rosa))
    assert row.due_at
    assert send_check_in(db, context, row.id, row.due_at)
    assert row.state == "asked"
    return row


def test_it_does_not_move_what_was_asked(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    row = asked(db, context, ada, rosa)
    with refuses("asked"):
        manage_check_ins.reschedule(db, context, ada.conversation, row.id, datetime(2026, 4, 12, 10), rosa, NOW)  # noqa: DTZ001


def test_it_cancels_a_question_that_was_not_sent_yet(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    row = asked(db, context, ada, rosa)
    manage_check_ins.skip(db, context, ada.conversation, row.id, rosa, NOW + timedelta(days=8))
    assert {message.state for message in db.scalars(select(Message))} == {"dropped"}
    state = state_of(db, context, ada)
    assert (state.frames, state.check_in) == ((), None)


def test_it_still_hears_the_answer_to_a_question_that_was_sent(
    db: Session, context: Context, rosa: int, ada: PersonIds
) -> None:
    row = asked(db, context, ada, rosa)
    db.execute(update(Message).values(state="delivered", due_at=None))
    manage_check_ins.skip(db, context, ada.conversation, row.id, rosa, NOW + timedelta(days=8))
    assert row.state == "dropped"
    assert state_of(db, context, ada).frames


def state_of(db: Session, context: Context, made: PersonIds) -> State:
    return load(context.sealer.open(db.get_one(Conversation, made.conversation, populate_existing=True).sealed_state))


# -- stopping --


def test_it_stops_everything_at_every_address_of_theirs(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    second = make_person(db, context.sealer, "+13145550188", team="crisis", state="closed")
    agree(db, second)
    db.execute(update(Conversation).values(person_id=ada.person))
    manage_check_ins.plan_cadence(db, context, ada.conversation, rosa, "household", NOW)
    asked(db, context, second, rosa)
    assert manage_check_ins.stop_all(db, context, ada.conversation, rosa, NOW) == 5
    rows = db.scalars(select(CheckIn)).all()
    assert {(row.state, row.reason, row.due_at) for row in rows} == {("dropped", "stopped", None)}
    assert consents.is_agreed(db, ada.conversation, "followup", NOW)


def test_it_records_that_they_said_so(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    add(db, context, ada, rosa)
    manage_check_ins.stop_all(db, context, ada.conversation, rosa, NOW, withdrawn=True)
    assert not consents.is_agreed(db, ada.conversation, "followup", NOW)
    entry = db.scalars(select(Consent).order_by(Consent.id.desc())).first()
    assert entry and (entry.choice, entry.method, entry.staff_id) == ("withdrawn", "staff", rosa)


def test_it_says_so_where_there_is_nothing_to_stop(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    with refuses("nothing_open"):
        manage_check_ins.stop_all(db, context, ada.conversation, rosa, NOW)
    with refuses("unknown_person"):
        manage_check_ins.stop_all(db, context, 999, rosa, NOW)


# -- the zone --


def test_it_keeps_where_they_live(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    assert manage_check_ins.set_time_zone(db, context, ada.conversation, rosa, "Pacific/Honolulu")
    assert not manage_check_ins.set_time_zone(db, context, ada.conversation, rosa, "Pacific/Honolulu")
    assert db.get_one(Person, ada.person).zone == "Pacific/Honolulu"
    assert manage_check_ins.set_time_zone(db, context, ada.conversation, rosa, "")
    assert db.get_one(Person, ada.person).zone is None
    for zone in ("Europe/Berlin", "x", "America/../etc"):
        with refuses("zone"):
            manage_check_ins.set_time_zone(db, context, ada.conversation, rosa, zone)


def test_it_offers_zones_that_exist() -> None:
    assert [ZoneInfo(zone).key for zone in ZONES] == list(ZONES)
