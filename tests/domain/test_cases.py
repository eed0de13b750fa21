"""A case counts an answer for the right day, and never counts an unknown outcome as a success."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.cases import (
    CODE_BY_NAME,
    DAYS,
    MEASURE_NAMES,
    MEASURES,
    NEEDS,
    WINDOW_AFTER,
    MeasureAnswer,
    MeasureCourse,
    NeedCode,
    Trend,
    courses_by_measure,
    days_begun,
    measure_day,
    nearest_day,
    need_code,
)
from tests.support.clock import MONDAY_MORNING as OPENED


@pytest.mark.parametrize(
    ("after", "day"),
    [(-1, None), (0, 0), (14, 0), (15, None), (22, None), (23, 30), (44, 30), (45, None), (53, 60), (74, 60), (83, 90),
     (104, 90), (105, None)],
)  # fmt: skip
def test_it_counts_an_answer_for_its_day(after: int, day: int | None) -> None:
    assert measure_day(OPENED, OPENED + timedelta(days=after)) == day


@pytest.mark.parametrize(
    ("after", "day"), [(-1, None), (7, 0), (15, None), (16, 30), (46, 60), (75, None), (76, 90), (105, None)]
)
def test_it_takes_the_nearest_day_between_two_windows(after: int, day: int | None) -> None:
    assert nearest_day(OPENED, OPENED + timedelta(days=after)) == day


@given(st.integers(min_value=-100_000, max_value=20_000_000))
def test_it_never_counts_an_answer_that_is_over_two_weeks_off(seconds: int) -> None:
    at = OPENED + timedelta(seconds=seconds)
    for day in (measure_day(OPENED, at), nearest_day(OPENED, at)):
        assert day is None or abs(at - OPENED - timedelta(days=day)) <= WINDOW_AFTER


def test_it_knows_which_days_have_begun() -> None:
    assert days_begun(OPENED, OPENED) == (0,)
    assert days_begun(OPENED, OPENED + timedelta(days=23)) == (0, 30)
    assert days_begun(OPENED, OPENED + timedelta(days=400)) == DAYS


def test_it_has_words_for_every_code_and_measure() -> None:
    assert set(NEEDS) == set(NeedCode)
    assert set(MEASURE_NAMES) == set(MEASURES)


def test_it_puts_the_needs_of_the_flows_in_their_categories() -> None:
    assert need_code("rent") == "housing-instability"
    assert need_code("shelter") == "homelessness"
    assert need_code("something new") == NeedCode.OTHER
    words = "rent, utilities, food, shelter, jobs, counseling, safety, youth, health, legal, transport"
    assert set(words.split(", ")) <= set(CODE_BY_NAME)


@pytest.mark.parametrize(
    ("first", "newest", "way"),
    [("no", "yes", Trend.BETTER), ("yes", "yes", Trend.STEADY), ("yes", "no", Trend.WORSE), ("no", "no", Trend.NOT_YET)],
)
def test_it_says_whether_a_household_is_doing_better(first: str, newest: str, way: Trend) -> None:
    measures = [MeasureAnswer(60, "bills", newest), MeasureAnswer(0, "bills", first), MeasureAnswer(90, "bills", "unsure")]
    assert courses_by_measure(measures)["bills"].trend == way


UNKNOWN = st.builds(
    MeasureAnswer, st.sampled_from(DAYS), st.sampled_from([*MEASURES]), st.sampled_from(["unsure", "declined"])
)


@given(st.lists(UNKNOWN))
def test_it_never_counts_the_unknown_as_a_success(measures: list[MeasureAnswer]) -> None:
    assert courses_by_measure(measures) == dict.fromkeys(MEASURES, MeasureCourse())


def test_it_sees_no_trend_in_one_answer() -> None:
    assert courses_by_measure([MeasureAnswer(0, "safe", "yes")])["safe"].trend == Trend.UNKNOWN
