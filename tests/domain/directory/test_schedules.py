from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.directory.hours_text import hours_in_words
from bot.domain.directory.schedules import is_open
from bot.usecases.directory.words import read_directory_words

WORDS = read_directory_words()
CHICAGO = ZoneInfo("America/Chicago")
WEEK = {"freq": "WEEKLY", "byday": "MO,TU,WE,TH,FR", "opens_at": "09:00", "closes_at": "17:00"}
SATURDAY = {"freq": "WEEKLY", "byday": "SA", "opens_at": "09:00", "closes_at": "12:00"}
NIGHT = {"freq": "WEEKLY", "byday": "SA", "opens_at": "19:00", "closes_at": "07:00"}


def at(month: int, day: int, hour: int, minute: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=CHICAGO)


def opened(moment: datetime, *schedules: dict[str, Any]) -> bool | None:
    return is_open(schedules, moment, CHICAGO)


def test_it_is_open_from_the_opening_until_just_before_the_closing() -> None:
    monday = [opened(at(11, 23, hour, minute), WEEK) for hour, minute in ((8, 59), (9, 0), (16, 59), (17, 0))]
    assert monday == [False, True, True, False]


def test_it_does_not_know_where_nothing_is_said() -> None:
    assert opened(at(11, 23, 10)) is None
    assert opened(at(11, 23, 10), {"description": "Weekdays by appointment"}) is None
    assert opened(at(11, 23, 10), {"freq": "WEEKLY", "byday": "MO"}) is None
    assert opened(at(11, 23, 10), {"opens_at": "09:00", "closes_at": "17:00"}) is None


def test_it_knows_the_days_on_which_it_is_closed_without_knowing_the_hours() -> None:
    assert opened(at(11, 24, 10), {"freq": "WEEKLY", "byday": "MO"}) is False


@pytest.mark.parametrize(("begins", "count"), [("1900-01-01", 5000), ("2020-01-06", 10), ("1900-01-01", 10**9)])
def test_it_does_not_iterate_through_a_century(begins: str, count: int) -> None:
    row = {**WEEK, "dtstart": begins, "count": count}
    assert opened(at(11, 23, 10), row) is (True if count == 10**9 else None)
    # With a recent start, occurrences are counted.
    assert opened(at(11, 23, 10), {**row, "dtstart": "2026-11-02", "count": 15}) is False
    assert opened(at(11, 23, 10), {**row, "dtstart": "2026-11-02", "count": 16}) is True


def test_it_is_open_over_midnight_into_the_next_day() -> None:
    assert opened(at(11, 21, 23), NIGHT) is True
    assert opened(at(11, 22, 6, 59), NIGHT) is True
    assert opened(at(11, 22, 7), NIGHT) is False
    assert opened(at(11, 22, 23), NIGHT) is False


@pytest.mark.parametrize("sunday", [(11, 1, 2026), (3, 14, 2027)])
def test_it_closes_by_the_wall_clock_on_a_night_when_clocks_change(sunday: tuple[int, int, int]) -> None:
    month, day, year = sunday
    assert opened(at(month, day, 6, 59, year), NIGHT) is True
    assert opened(at(month, day, 7, 0, year), NIGHT) is False


def test_it_knows_both_of_the_hours_that_come_twice() -> None:
    schedule = {"freq": "WEEKLY", "byday": "SU", "opens_at": "01:00", "closes_at": "02:00"}
    first = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert opened(first, schedule) is True
    assert opened(first + timedelta(hours=1), schedule) is True
    assert opened(first + timedelta(hours=2), schedule) is False


def test_it_follows_the_second_tuesday_and_the_last_friday() -> None:
    schedule = {"freq": "MONTHLY", "byday": "2TU,-1FR", "opens_at": "09:00", "closes_at": "10:00"}
    days = {day for day in range(1, 31) if opened(at(11, day, 9, 30), schedule)}
    assert days == {10, 27}


def test_it_follows_days_of_the_month() -> None:
    schedule = {"freq": "MONTHLY", "bymonthday": "1,-1", "opens_at": "09:00", "closes_at": "10:00"}
    assert {day for day in range(1, 31) if opened(at(11, day, 9, 30), schedule)} == {1, 30}


def test_it_follows_every_second_week_from_its_start_and_knows_nothing_without_one() -> None:
    schedule = {**WEEK, "interval": 2, "dtstart": "2026-11-02"}
    assert [opened(at(11, day, 10), schedule) for day in (2, 9, 16, 23)] == [True, False, True, False]
    assert opened(at(11, 23, 10), {**WEEK, "interval": 2}) is None


def test_it_counts_occurrences() -> None:
    schedule = {**SATURDAY, "dtstart": "2026-11-07", "count": 2}
    assert [opened(at(11, day, 10), schedule) for day in (7, 14, 21)] == [True, True, False]


@pytest.mark.parametrize("interval", [0, -1, "0"])
def test_it_does_not_run_for_ever_on_an_interval_of_zero(interval: object) -> None:
    schedule = {**WEEK, "interval": interval, "dtstart": "2026-11-02"}
    assert opened(at(11, 23, 10), schedule) is None
    assert opened(at(11, 23, 10), {**SATURDAY, "byweekno": "54", "dtstart": "2026-11-07", "count": 2}) is False


def test_it_takes_an_offset_at_its_word() -> None:
    assert opened(at(11, 23, 8, 30), {**WEEK, "opens_at": "09:00-05:00", "closes_at": "17:00-05:00"}) is True
    late = {"freq": "WEEKLY", "byday": "TU", "opens_at": "02:00Z", "closes_at": "04:00Z"}
    assert opened(at(11, 23, 20, 30), late) is True


def test_it_is_not_open_by_hours_that_are_over() -> None:
    assert opened(at(11, 23, 10), {**WEEK, "valid_to": "2025-12-31"}) is None
    assert opened(at(11, 23, 10), {**WEEK, "valid_from": "2026-12-01"}) is None
    assert opened(at(11, 23, 10), {**WEEK, "until": "2026-11-20"}) is False


def test_it_lets_the_hours_of_a_holiday_win() -> None:
    closed = {"description": "Closed", "valid_from": "2026-11-26", "valid_to": "2026-11-26"}
    short = {"valid_from": "2026-11-27", "valid_to": "2026-11-27", "opens_at": "12:00", "closes_at": "14:00"}
    assert opened(at(11, 26, 10), WEEK, closed, short) is False
    assert [opened(at(11, 27, hour), WEEK, closed, short) for hour in (10, 13)] == [False, True]


def test_it_is_open_all_day() -> None:
    for closes in ("00:00", "23:59", "24:00"):
        schedule = {"freq": "WEEKLY", "byday": "MO", "opens_at": "00:00", "closes_at": closes}
        assert opened(at(11, 23, 23, 59), schedule) is True


@given(
    st.dictionaries(
        st.sampled_from(
            ["freq", "byday", "opens_at", "closes_at", "valid_from", "valid_to", "dtstart", "interval", "count"]
        ),
        st.sampled_from(
            ["WEEKLY", "MONTHLY", "MO", "5SU", "-1SA", "09:00", "00:00", "25:00", "2026-11-23", "x", "0", 0, 3, None]
        ),
    )
)
def test_it_gives_an_answer_whatever_a_row_contains(schedule: dict[str, Any]) -> None:
    assert opened(at(11, 23, 10), schedule) in (True, False, None)
    assert isinstance(hours_in_words([schedule], WORDS.in_language("en").hours), str)


@pytest.mark.parametrize(
    ("schedules", "english", "spanish"),
    [
        ([WEEK], "Mon-Fri 9am-5pm", "lun-vie 9am-5pm"),
        ([WEEK, SATURDAY], "Mon-Fri 9am-5pm; Sat 9am-12pm", "lun-vie 9am-5pm; sáb 9am-12pm"),
        ([NIGHT], "Sat 7pm-7am", "sáb 7pm-7am"),
        ([{**WEEK, "byday": "MO,WE"}], "Mon 9am-5pm; Wed 9am-5pm", "lun 9am-5pm; mié 9am-5pm"),
        ([{**WEEK, "byday": "SA,SU"}], "Sat, Sun 9am-5pm", "sáb, dom 9am-5pm"),
        ([{**WEEK, "byday": "MO"}, {**SATURDAY, "byday": "MO", "opens_at": "06:30", "closes_at": "08:00"}],
         "Mon 6:30am-8am, 9am-5pm", "lun 6:30am-8am, 9am-5pm"),
        ([{"byday": "MO,TU,WE,TH,FR,SA,SU", "opens_at": "00:00", "closes_at": "23:59"}],
         "Every day 24 hours", "Todos los días 24 horas"),
        ([{**WEEK, "freq": "MONTHLY", "byday": "2TU"}], "2nd Tue 9am-5pm", "2o mar 9am-5pm"),
        ([{**WEEK, "freq": "MONTHLY", "byday": None, "bymonthday": "1,15"}],
         "day 1, 15 of the month 9am-5pm", "día 1, 15 del mes 9am-5pm"),
        ([], "", ""),
        ([WEEK, {**SATURDAY, "interval": 2}], "", ""),
    ],
)  # fmt: skip
def test_it_says_the_hours_in_few_words(schedules: list[dict[str, Any]], english: str, spanish: str) -> None:
    assert hours_in_words(schedules, WORDS.in_language("en").hours) == english
    assert hours_in_words(schedules, WORDS.in_language("es").hours) == spanish


def test_it_says_only_the_hours_that_hold_on_a_day() -> None:
    summer = {**WEEK, "valid_from": "2026-06-01", "valid_to": "2026-08-31"}
    winter = {**WEEK, "opens_at": "10:00", "valid_from": "2026-09-01", "valid_to": "2027-05-31"}
    words = WORDS.in_language("en").hours
    assert hours_in_words([summer, winter], words, on=date(2026, 11, 23)) == "Mon-Fri 10am-5pm"
