"""Changing and checking the roster on a real PostgreSQL, seen from a Monday morning at nine in St. Louis."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from bot.domain.refused import Refused
from bot.domain.roster.rows import ExtraRow, HolidayRow, RosterRow, ShiftRow, TimeOffRow
from bot.domain.staff.permissions import Role
from bot.operations.settings.settings import Settings
from bot.storage import rosters
from bot.storage.sealing import Sealer
from bot.storage.staff import staff
from bot.usecases.roster import manage_roster
from bot.usecases.roster.check_roster import RosterFault, RosterWarning, check
from bot.usecases.roster.manage_roster import RosterChange, RosterEditor
from tests.support.clock import MONDAY_MORNING as NOW

CHICAGO = ZoneInfo("America/Chicago")
ADMIN, HOUSING = RosterEditor(), RosterEditor(frozenset({"housing"}))
HEADER = "kind,team,staff,day,starts,ends,place,since,until,name\n"
ALL_WEEK = HEADER + "shift,housing,ana@x.example,Mon-Sun,08:00,08:00,1,,,\n"
ANA_ALWAYS = tuple(ShiftRow("housing", "ana@x.example", weekday, time(8), time(8)) for weekday in range(7))
JOE = ShiftRow("medical", "joe@x.example", 0, time(9), time(17))


@pytest.fixture
def db(db: Session, sealer: Sealer) -> Session:
    """Ana (Spanish, a telephone) of housing, Joe of medical."""
    for slug in ("housing", "medical"):
        staff.get_or_add_team(db, slug, slug.title())
    ana = staff.add(db, "ana@x.example", "Ana", NOW, teams=["housing"], languages=["en", "es"])
    joe = staff.add(db, "joe@x.example", "Joe", NOW, teams=["medical"])
    for member, number in ((ana, "314-555-0142"), (joe, "314-555-0143")):
        staff.set_phone(db, sealer, member, number)
    return db


def rows(db: Session) -> set[RosterRow]:
    return {entry.row for entry in rosters.list_entries(db)}


def plan(db: Session, text: str, keeper: RosterEditor = ADMIN, *, whole: bool = True) -> RosterChange:
    return manage_roster.plan_import(db, keeper, text.encode(), CHICAGO, ("en", "es"), NOW, whole=whole)


def do(db: Session, text: str, keeper: RosterEditor = ADMIN, *, whole: bool = True, mark: str | None = None) -> RosterChange:
    data = text.encode()
    return manage_roster.apply_import(db, keeper, data, CHICAGO, ("en", "es"), NOW, whole=whole, mark=mark)


def faults(db: Session) -> dict[RosterFault, list[RosterWarning]]:
    found: dict[RosterFault, list[RosterWarning]] = {}
    for one in check(db, CHICAGO, ("en", "es"), NOW):
        found.setdefault(one.fault, []).append(one)
    return found


def test_it_loads_what_was_added_and_says_who_is_on(db: Session) -> None:
    manage_roster.add(db, ADMIN, (*ANA_ALWAYS, JOE))
    on = rosters.load(db, CHICAGO).on_duty(NOW)
    assert [one.team for one in on] == ["housing", "medical"]
    assert [one.until for one in on][1] == NOW + timedelta(hours=8)


def test_it_keeps_every_kind_and_writes_it_out_again(db: Session) -> None:
    extra = ExtraRow("housing", "joe@x.example", NOW, NOW + timedelta(hours=3), 2)
    away = TimeOffRow("ana@x.example", NOW, NOW + timedelta(days=2))
    christmas = HolidayRow(date(2026, 12, 25), "Christmas Day")
    manage_roster.add(db, ADMIN, (JOE, extra, away, christmas))
    text = manage_roster.export(db, CHICAGO, NOW)
    for entry in rosters.list_entries(db):
        assert manage_roster.remove(db, ADMIN, entry.kind, entry.id) == entry
    assert rows(db) == set()
    do(db, text)
    assert rows(db) == {JOE, extra, away, christmas}


def test_it_shows_what_a_file_would_do_and_does_nothing_yet(db: Session) -> None:
    manage_roster.add(db, ADMIN, (JOE,))
    change = plan(db, ALL_WEEK)
    assert set(change.added) == set(ANA_ALWAYS) and [one.row for one in change.removed] == [JOE]
    assert rows(db) == {JOE}
    assert do(db, ALL_WEEK, mark=change.mark).mark == change.mark and rows(db) == set(ANA_ALWAYS)
    assert plan(db, ALL_WEEK) == RosterChange(kept=7)


def test_it_only_adds_when_asked_to(db: Session) -> None:
    manage_roster.add(db, ADMIN, (JOE,))
    assert do(db, ALL_WEEK, whole=False).removed == ()
    assert rows(db) == {JOE, *ANA_ALWAYS}


def test_it_takes_a_file_whole_or_not_at_all(db: Session) -> None:
    bad = ALL_WEEK + "shift,housing,nobody@x.example,Mon,08:00,17:00,1,,,\n"
    assert [one.line for one in plan(db, bad).complaints] == [3]
    with pytest.raises(Refused, match="line 3, staff"):
        do(db, bad)
    assert rows(db) == set()


def test_it_does_not_do_what_was_not_shown(db: Session) -> None:
    mark = plan(db, ALL_WEEK).mark
    manage_roster.add(db, ADMIN, (JOE,))
    with pytest.raises(Refused, match="meanwhile"):
        do(db, ALL_WEEK, mark=mark)
    assert rows(db) == {JOE}


def test_it_leaves_what_is_over_alone(db: Session) -> None:
    past = ExtraRow("medical", "joe@x.example", NOW - timedelta(hours=3), NOW)
    manage_roster.add(db, ADMIN, (past,))
    do(db, ALL_WEEK)
    assert past in rows(db) and "extra" not in manage_roster.export(db, CHICAGO, NOW)


def test_it_lets_a_supervisor_change_their_own_teams_only(db: Session) -> None:
    manage_roster.add(db, ADMIN, (JOE,))
    for row in (JOE, HolidayRow(date(2026, 12, 25), "Christmas"), TimeOffRow("joe@x.example", NOW, NOW + timedelta(1))):
        with pytest.raises(Refused):
            manage_roster.add(db, HOUSING, (row,))
    [entry] = rosters.list_entries(db)
    with pytest.raises(Refused, match="not one of yours"):
        manage_roster.remove(db, HOUSING, entry.kind, entry.id)
    assert (
        "not one of yours"
        in plan(db, HEADER + "shift,medical,joe@x.example,Tue,9:00,10:00,1,,,\n", HOUSING).complaints[0].what
    )
    do(db, ALL_WEEK, HOUSING)
    assert rows(db) == {JOE, *ANA_ALWAYS}


def test_it_refuses_what_is_there_already_and_what_is_gone(db: Session) -> None:
    manage_roster.add(db, ADMIN, (JOE,))
    with pytest.raises(Refused, match="already"):
        manage_roster.add(db, ADMIN, (JOE,))
    with pytest.raises(Refused, match="already"):
        manage_roster.remove(db, ADMIN, "shift", 999)


def test_it_warns_when_no_one_is_on_duty(db: Session) -> None:
    found = faults(db)
    assert found[RosterFault.NO_STAFF][0].spans[0].start == NOW and found[RosterFault.NO_STAFF][0].is_grave
    assert {one.team for one in found[RosterFault.GAP]} == {"housing", "medical"}
    manage_roster.add(db, ADMIN, ANA_ALWAYS)
    found = faults(db)
    assert RosterFault.NO_STAFF not in found and [one.team for one in found[RosterFault.GAP]] == ["medical"]


def test_it_distinguishes_an_unfilled_shift_from_a_time_without_a_shift(db: Session) -> None:
    manage_roster.add(db, ADMIN, (JOE, TimeOffRow("joe@x.example", NOW, NOW + timedelta(hours=2))))
    [uncovered] = faults(db)[RosterFault.UNCOVERED]
    assert [(span.start, span.end) for span in uncovered.spans] == [(NOW, NOW + timedelta(hours=2))]
    assert uncovered.is_grave and not faults(db)[RosterFault.GAP][0].is_grave


def test_it_warns_of_holidays_that_leave_a_shift_empty(db: Session) -> None:
    manage_roster.add(db, ADMIN, (JOE, HolidayRow(date(2026, 3, 9), "Founders' day", "medical")))
    [span] = faults(db)[RosterFault.UNCOVERED][0].spans
    assert span.start == datetime(2026, 3, 9, 14, tzinfo=UTC)


def test_it_warns_of_people_without_telephone_and_of_those_who_may_not_answer(db: Session) -> None:
    staff.add(db, "amy@x.example", "Amy", NOW, roles=[Role.ADMIN])
    manage_roster.add(db, ADMIN, (ShiftRow("medical", "amy@x.example", 2, time(9), time(17)),))
    found = faults(db)
    assert "Amy" in found[RosterFault.NO_PHONE][0].text and "Amy" in found[RosterFault.CANNOT_ANSWER][0].text
    assert found[RosterFault.NOT_A_MEMBER][0].team == "medical"


def test_it_warns_of_a_time_without_a_spanish_speaker(db: Session) -> None:
    manage_roster.add(db, ADMIN, (JOE, ShiftRow("housing", "ana@x.example", 0, time(12), time(17))))
    [missing] = faults(db)[RosterFault.NO_LANGUAGE]
    assert "Spanish" in missing.text
    first = missing.spans[0]
    assert (first.start, first.end) == (NOW, NOW + timedelta(hours=3))


def test_it_warns_of_overlaps_before_they_come(db: Session) -> None:
    manage_roster.add(db, ADMIN, (JOE,))
    text = HEADER + "shift,housing,joe@x.example,Mon,16:00,18:00,1,,,\nshift,medical,ana@x.example,Mon,9:00,10:00,1,,,\n"
    new = {one.fault for one in plan(db, text, whole=False).new}
    assert {
        RosterFault.TWO_TEAMS,
        RosterFault.SAME_POSITION,
        RosterFault.NOT_A_MEMBER,
    } <= new and RosterFault.NO_STAFF not in new


def test_it_warns_of_shifts_whose_owner_has_left_and_calls_no_one_for_them(db: Session, settings: Settings) -> None:
    manage_roster.add(db, ADMIN, (JOE,))
    joe = staff.find_by_email(db, "joe@x.example")
    assert joe is not None
    staff.mark_left(db, Sealer(settings.encryption_keys, settings.secret_key), joe, NOW)
    assert rosters.load(db, CHICAGO).on_duty(NOW) == ()
    assert "Joe no longer works here" in faults(db)[RosterFault.LEFT][0].text
    assert manage_roster.export(db, CHICAGO, NOW).count("\n") == 1
