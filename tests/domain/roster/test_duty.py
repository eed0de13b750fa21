from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.roster.duty import (
    Absence,
    OneTimeShift,
    OverlapKind,
    Roster,
    RosterHoliday,
    TimeSpan,
    WeeklyShift,
    local_instant,
)

CHICAGO = ZoneInfo("America/Chicago")
HOUR = timedelta(hours=1)
NIGHTS = tuple(WeeklyShift("housing", 1, weekday, time(22), time(6)) for weekday in range(7))
DAYS = tuple(WeeklyShift("housing", 2, weekday, time(6), time(22)) for weekday in range(7))


def at(text: str) -> datetime:
    """This local time in Chicago, as an aware datetime."""
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO).astimezone(UTC)


def roster(
    *weekly: WeeklyShift,
    extra: tuple[OneTimeShift, ...] = (),
    away: tuple[Absence, ...] = (),
    free: tuple[RosterHoliday, ...] = (),
) -> Roster:
    return Roster(CHICAGO, weekly, extra, away, free)


def test_it_is_on_at_the_start_and_off_at_the_end() -> None:
    plan = roster(WeeklyShift("housing", 1, 0, time(9), time(17)))
    assert [one.staff for one in plan.on_duty(at("2026-10-05T09:00"))] == [1]
    assert plan.on_duty(at("2026-10-05T17:00")) == ()
    assert plan.on_duty(at("2026-10-05T09:00") - timedelta(microseconds=1)) == ()


def test_it_goes_on_past_midnight() -> None:
    plan = roster(WeeklyShift("housing", 1, 6, time(22), time(6)))
    [monday] = plan.on_duty(at("2026-10-05T05:59"), "housing")
    assert monday.until == at("2026-10-05T06:00")
    assert plan.on_duty(at("2026-10-05T05:59"), "medical") == ()


def test_it_takes_a_shift_of_equal_times_for_a_whole_day() -> None:
    plan = roster(WeeklyShift("housing", 1, 0, time(8), time(8)))
    assert plan.shift_end(1, at("2026-10-05T08:00")) == at("2026-10-06T08:00")


def test_it_lists_the_first_place_first_and_each_person_once() -> None:
    plan = roster(
        WeeklyShift("housing", 3, 0, time(9), time(17), place=2),
        WeeklyShift("housing", 4, 0, time(9), time(17)),
        WeeklyShift("medical", 3, 0, time(9), time(18), place=3),
        WeeklyShift("housing", 2, 0, time(9), time(17)),
    )
    on = plan.on_duty(at("2026-10-05T10:00"))
    assert [(one.staff, one.team, one.place) for one in on] == [(2, "housing", 1), (4, "housing", 1), (3, "housing", 2)]
    assert on[2].until == at("2026-10-05T18:00") == plan.shift_end(3, at("2026-10-05T10:00"))
    assert plan.on_duty(at("2026-10-05T10:00"), "housing")[2].until == at("2026-10-05T17:00")


def test_it_joins_shifts_that_touch() -> None:
    plan = roster(
        WeeklyShift("housing", 1, 0, time(9), time(12)),
        WeeklyShift("medical", 1, 0, time(12), time(15)),
        extra=(OneTimeShift("housing", 1, at("2026-10-05T14:00"), at("2026-10-05T19:00")),),
    )
    assert plan.shift_end(1, at("2026-10-05T09:30")) == at("2026-10-05T19:00")
    assert plan.shift_end(1, at("2026-10-05T19:00")) is None


def test_it_joins_them_for_as_many_days_as_they_touch() -> None:
    shifts = (WeeklyShift("housing", 1, day, time(hour), time((hour + 8) % 24)) for day in range(5) for hour in (0, 8, 16))
    assert roster(*shifts).shift_end(1, at("2026-10-05T09:00")) == at("2026-10-10T00:00")


def test_it_ends_the_search_for_a_person_who_is_always_on() -> None:
    plan = roster(*(WeeklyShift("housing", 1, weekday, time(0), time(0)) for weekday in range(7)))
    assert plan.shift_end(1, at("2026-10-05T09:30")) == at("2026-10-19T09:30")


def test_it_is_valid_from_the_first_to_the_last_day() -> None:
    plan = roster(WeeklyShift("housing", 1, 0, time(22), time(6), since=date(2026, 10, 12), until=date(2026, 10, 19)))
    on = [day for day in range(1, 31) if plan.on_duty(at(f"2026-10-{day:02}T23:00"))]
    assert on == [12, 19]
    assert plan.on_duty(at("2026-10-20T05:00"))


def test_it_drops_weekly_shifts_that_start_on_a_holiday_and_keeps_extra_ones() -> None:
    free = (RosterHoliday(date(2026, 11, 26), "Thanksgiving"), RosterHoliday(date(2026, 11, 25), "Retreat", "housing"))
    extra = (OneTimeShift("housing", 5, at("2026-11-26T09:00"), at("2026-11-26T12:00")),)
    medical = WeeklyShift("medical", 3, 2, time(9), time(17))
    plan = roster(*NIGHTS, medical, extra=extra, free=free)
    assert [one.staff for one in plan.on_duty(at("2026-11-25T02:00"))] == [1]
    assert [one.staff for one in plan.on_duty(at("2026-11-25T10:00"))] == [3]
    assert plan.on_duty(at("2026-11-25T23:00")) == ()
    assert [one.staff for one in plan.on_duty(at("2026-11-26T10:00"))] == [5]
    assert plan.on_duty(at("2026-11-27T01:00")) == ()


def test_it_cuts_time_off_out_of_the_middle_of_a_shift() -> None:
    gone = Absence(1, at("2026-10-05T11:00"), at("2026-10-05T13:00"))
    plan = roster(WeeklyShift("housing", 1, 0, time(9), time(17)), away=(gone,))
    spells = plan.duty_periods(at("2026-10-05T00:00"), at("2026-10-06T00:00"))
    assert [(spell.start, spell.end) for spell in spells] == [
        (at("2026-10-05T09:00"), gone.starts),
        (gone.ends, at("2026-10-05T17:00")),
    ]
    assert plan.shift_end(1, at("2026-10-05T10:00")) == gone.starts


def test_it_says_when_a_person_is_on_duty_next() -> None:
    plan = roster(WeeklyShift("housing", 1, 0, time(9), time(17)))
    assert plan.next_on_duty(at("2026-10-05T10:00")) == at("2026-10-05T10:00")
    assert plan.next_on_duty(at("2026-10-05T17:00"), "housing") == at("2026-10-12T09:00")
    assert plan.next_on_duty(at("2026-10-05T17:00"), within=timedelta(days=3)) is None
    assert plan.next_on_duty(at("2026-10-05T17:00"), "medical") is None


def test_it_finds_gaps_from_end_to_end() -> None:
    plan = roster(WeeklyShift("housing", 1, 0, time(9), time(17)), WeeklyShift("housing", 2, 0, time(8), time(10)))
    day = at("2026-10-05T00:00"), at("2026-10-06T00:00")
    assert plan.gaps("housing", *day) == (
        TimeSpan(day[0], at("2026-10-05T08:00")),
        TimeSpan(at("2026-10-05T17:00"), day[1]),
    )
    assert plan.gaps("medical", *day) == (TimeSpan(*day),)


def test_it_finds_one_person_on_two_teams_and_two_on_one_place() -> None:
    plan = roster(
        WeeklyShift("housing", 1, 0, time(9), time(17)),
        WeeklyShift("medical", 1, 0, time(16), time(20)),
        WeeklyShift("housing", 2, 0, time(15), time(16)),
        WeeklyShift("housing", 3, 0, time(15), time(16), place=2),
    )
    found = plan.overlaps(at("2026-10-05T00:00"), at("2026-10-06T00:00"))
    assert [(one.kind, one.start, one.end) for one in found] == [
        (OverlapKind.SAME_PLACE, at("2026-10-05T15:00"), at("2026-10-05T16:00")),
        (OverlapKind.TWO_TEAMS, at("2026-10-05T16:00"), at("2026-10-05T17:00")),
    ]


def test_it_counts_seven_hours_for_the_night_of_the_spring_change_and_nine_in_autumn() -> None:
    lengths = {
        evening: [spell.end - spell.start for spell in roster(*NIGHTS).duty_periods(at(evening), at(evening) + 12 * HOUR)]
        for evening in ("2027-03-13T20:00", "2026-10-31T20:00", "2026-10-05T20:00")
    }
    assert list(lengths.values()) == [[7 * HOUR], [9 * HOUR], [8 * HOUR]]


def test_it_moves_a_skipped_time_to_the_spring_change_and_leaves_no_gap() -> None:
    plan = roster(WeeklyShift("housing", 1, 5, time(22), time(2, 30)), WeeklyShift("housing", 2, 6, time(2, 30), time(6)))
    first, second = plan.duty_periods(at("2027-03-13T20:00"), at("2027-03-14T08:00"))
    assert first.end == second.start == datetime(2027, 3, 14, 8, tzinfo=UTC)
    assert second.start.astimezone(CHICAGO).time() == time(3)


def test_it_starts_at_the_first_and_ends_at_the_second_of_two_equal_times_in_autumn() -> None:
    plan = roster(WeeklyShift("housing", 1, 5, time(22), time(1, 30)), WeeklyShift("housing", 2, 6, time(1, 30), time(6)))
    first, second = plan.duty_periods(at("2026-10-31T20:00"), at("2026-11-01T08:00"))
    assert (first.end, second.start) == (datetime(2026, 11, 1, 7, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC))
    assert plan.overlaps(at("2026-10-31T20:00"), at("2026-11-01T08:00")) == ()


def test_it_has_no_gap_in_two_years_of_days_and_nights() -> None:
    assert roster(*NIGHTS, *DAYS).gaps("housing", at("2026-01-01T00:00"), at("2028-01-01T00:00")) == ()


def test_it_is_never_earlier_by_a_later_clock() -> None:
    for day in (date(2027, 3, 14), date(2026, 11, 1)):
        for fold in (0, 1):
            moments = [local_instant(day, time(minute // 60, minute % 60), CHICAGO, fold) for minute in range(1440)]
            assert moments == sorted(moments)


STAFF, TEAMS = st.integers(1, 4), st.sampled_from(["housing", "medical"])
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
# Weeks that contain both changes of the clocks.
MOMENTS = st.builds(
    lambda first, minutes: first + timedelta(minutes=minutes),
    st.sampled_from([datetime(2026, 10, 29, tzinfo=UTC), datetime(2027, 3, 11, tzinfo=UTC)]),
    st.integers(0, 6 * 24 * 60),
)
LENGTHS = st.integers(1, 40 * 60).map(lambda minutes: timedelta(minutes=minutes))
ROSTERS = st.builds(
    Roster,
    st.just(CHICAGO),
    st.lists(
        st.builds(WeeklyShift, TEAMS, STAFF, st.integers(0, 6), CLOCKS, CLOCKS, st.integers(1, 3)), max_size=8
    ).map(tuple),
    st.lists(
        st.builds(
            lambda team, staff, start, length, place: OneTimeShift(team, staff, start, start + length, place),
            TEAMS, STAFF, MOMENTS, LENGTHS, st.integers(1, 3),
        ),
        max_size=3,
    ).map(tuple),
    st.lists(
        st.builds(lambda staff, start, length: Absence(staff, start, start + length), STAFF, MOMENTS, LENGTHS), max_size=3
    ).map(tuple),
    st.lists(
        st.builds(RosterHoliday, MOMENTS.map(lambda moment: moment.date()), st.just("day"), st.none() | TEAMS), max_size=2
    ).map(tuple),
)  # fmt: skip


@given(ROSTERS, MOMENTS, st.none() | TEAMS)
def test_it_agrees_with_the_spells_at_any_moment(plan: Roster, moment: datetime, team: str | None) -> None:
    on = plan.on_duty(moment, team)
    spells = [
        spell
        for spell in plan.duty_periods(moment - timedelta(days=3), moment + timedelta(days=3), team)
        if spell.start <= moment < spell.end
    ]
    assert {one.staff for one in on} == {spell.staff for spell in spells}
    assert len(on) == len({one.staff for one in on})
    for one in on:
        assert one.place == min(spell.place for spell in spells if spell.staff == one.staff)
        assert one.until >= max(spell.end for spell in spells if spell.staff == one.staff)
    assert (plan.next_on_duty(moment, team) == moment) == bool(on)


@given(ROSTERS, MOMENTS, LENGTHS, TEAMS)
def test_it_divides_all_time_into_duty_and_gaps(plan: Roster, start: datetime, length: timedelta, team: str) -> None:
    end = start + length
    holes = plan.gaps(team, start, end)
    marks = sorted(
        {start, end, *(edge for spell in plan.duty_periods(start, end, team) for edge in (spell.start, spell.end))}
    )
    for moment in marks[:-1]:
        in_hole = any(hole.start <= moment < hole.end for hole in holes)
        assert in_hole != bool(plan.on_duty(moment, team))
    assert all(start <= hole.start < hole.end <= end for hole in holes)


@given(ROSTERS, MOMENTS, STAFF)
def test_it_is_on_until_the_end_of_the_shift_and_not_after(plan: Roster, moment: datetime, staff: int) -> None:
    end = plan.shift_end(staff, moment)
    assert (end is None) == (staff not in {one.staff for one in plan.on_duty(moment)})
    if end is not None and end < moment + timedelta(days=14):
        assert staff in {one.staff for one in plan.on_duty(end - timedelta(microseconds=1))}
        assert staff not in {one.staff for one in plan.on_duty(end)}
