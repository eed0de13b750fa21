"""The hours in which check-ins are sent, across clock changes and holidays, and how check-ins are planned."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check_ins.decision import CLOSES, OPENS, jitter_for, next_open_time, plan_times
from tests.domain.check_ins.example_facts import CHICAGO, DAY, HOUR, MINUTE, NOON, ZONES, chicago, jitters, places, within

# The hours


def test_it_waits_for_the_morning_on_the_night_when_the_clocks_go_forward() -> None:
    closed = datetime.fromisoformat("2027-03-12T20:30-06:00")
    morning = datetime(2027, 3, 16, 13, tzinfo=UTC)
    assert next_open_time(closed + timedelta(hours=72), CHICAGO) == morning
    assert plan_times(closed, [timedelta(hours=72)], CHICAGO, 7) == (morning + jitter_for(7),)


@pytest.mark.parametrize(
    ("at", "moved"),
    [
        ("2026-11-23 08:00", "2026-11-23 08:00"),
        ("2026-11-23 07:59:59", "2026-11-23 08:00"),
        ("2026-11-23 20:59:59", "2026-11-23 20:59:59"),
        ("2026-11-23 21:00", "2026-11-24 08:00"),
        ("2026-11-25 22:00", "2026-11-27 08:00"),  # Thanksgiving is between
        ("2026-11-26 12:00", "2026-11-27 08:00"),
    ],
)
def test_it_opens_at_eight_and_closes_at_nine(at: str, moved: str) -> None:
    assert OPENS.hour == 8 and CLOSES.hour == 21
    assert next_open_time(chicago(at), CHICAGO, frozenset({date(2026, 11, 26)})) == chicago(moved)


def test_it_skips_the_day_that_a_time_zone_left_out() -> None:
    evening = datetime(2011, 12, 29, 22, tzinfo=ZONES[5])
    assert next_open_time(evening, ZONES[5]) == datetime(2011, 12, 31, 8, tzinfo=ZONES[5])


def test_it_adds_jitter_only_to_an_opening() -> None:
    assert next_open_time(NOON, CHICAGO, jitter=5 * MINUTE) == NOON
    assert next_open_time(chicago("2026-11-23 22:00"), CHICAGO, jitter=5 * MINUTE) == chicago("2026-11-24 08:05")


@given(places(), jitters)
def test_it_is_never_early_always_within_hours_and_stays_there(
    place: tuple[datetime, ZoneInfo, frozenset[date]], jitter: timedelta
) -> None:
    at, zone, holidays = place
    moved = next_open_time(at, zone, holidays, jitter)
    assert moved >= at
    assert moved.tzinfo is UTC
    assert within(moved, zone, holidays)
    assert next_open_time(moved, zone, holidays, jitter) == moved


@given(places(), st.integers(0, 3 * 24 * 3600))
def test_it_keeps_the_order_and_overlooks_no_opening(place: tuple[datetime, ZoneInfo, frozenset[date]], later: int) -> None:
    at, zone, holidays = place
    moved, between = next_open_time(at, zone, holidays), at + timedelta(seconds=later)
    assert moved <= next_open_time(between, zone, holidays)
    assert between >= moved or not within(between, zone, holidays)


# The plan


@given(places(), st.lists(st.integers(0, 100 * 24).map(lambda hours: timedelta(hours=hours)), max_size=6), st.integers())
def test_it_plans_in_order_apart_and_within_the_hours(
    place: tuple[datetime, ZoneInfo, frozenset[date]], after: list[timedelta], seed: int
) -> None:
    now, zone, holidays = place
    due = plan_times(now, after, zone, seed, holidays)
    assert len(due) == len(after)
    assert all(within(moment, zone, holidays) for moment in due)
    assert all(later - earlier >= 12 * HOUR for earlier, later in pairwise(due))
    assert all(moment >= now + delay for moment, delay in zip(due, sorted(after), strict=True))
    assert due == plan_times(now, after, zone, seed, holidays)


def test_it_plans_at_the_time_of_day_at_which_the_person_wrote() -> None:
    assert plan_times(NOON, [1 * DAY, 3 * DAY, 7 * DAY], CHICAGO, 1) == (NOON + 1 * DAY, NOON + 3 * DAY, NOON + 7 * DAY)


def test_it_moves_on_what_falls_together() -> None:
    assert plan_times(NOON, [DAY, DAY], CHICAGO, 1) == (NOON + DAY, chicago("2026-11-04 08:00") + jitter_for(1))
    assert plan_times(NOON, [], CHICAGO, 1) == ()


def test_it_spreads_evenly_over_twenty_minutes_and_the_same_way_each_time() -> None:
    drawn = [jitter_for(number) for number in range(2000)]
    assert all(timedelta(0) <= jitter < 20 * MINUTE for jitter in drawn)
    in_minute = [sum(jitter // MINUTE == minute for jitter in drawn) for minute in range(20)]
    assert min(in_minute) > 50 and max(in_minute) < 150
    # A fixed value from an earlier run: Python's own hash of a string would differ in another process.
    assert jitter_for("7") == jitter_for(7) == timedelta(seconds=830)
