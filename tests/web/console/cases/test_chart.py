"""The chart of a case keeps everything inside its frame and in order of time, and no mark hides another."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.usecases.cases.read_case import CasePage, CaseView, CheckInView, EncounterView, MeasureView, NeedView
from bot.web.console.cases.chart import CaseChart, CaseLane, draw
from bot.web.console.cases.pages import CHECK_IN_LABELS
from tests.support.clock import MONDAY_MORNING as OPENED


def after(days: float) -> datetime:
    return OPENED + timedelta(days=days)


def chart(
    now: datetime,
    needs: tuple[NeedView, ...] = (),
    met: tuple[float, ...] = (),
    asked: tuple[CheckInView, ...] = (),
    measures: dict[tuple[int, str], MeasureView] | None = None,
    closed_at: datetime | None = None,
) -> CaseChart:
    meetings = tuple(EncounterView(after(days), "phone", None, "", "Rosa") for days in met)
    case = CaseView(1, OPENED, closed_at, "", "", None, needs, meetings, measures or {}, {})
    page = CasePage(1, "", (case,), (), (), asked, (), {}, 0)
    return draw(case, page, now, lambda at: at.date().isoformat(), CHECK_IN_LABELS)


def lane(drawn: CaseChart, label: str) -> CaseLane:
    return next(each for each in drawn.lanes if each.label.startswith(label))


def test_it_draws_an_open_need_up_to_today_and_a_closed_one_to_its_end() -> None:
    needs = (
        NeedView(1, "food-insecurity", OPENED, None, "", ""),
        NeedView(2, "stress", OPENED, after(9), "met", ""),
        NeedView(3, "employment-status", OPENED, after(9), "unknown", ""),
    )
    drawn = chart(after(45), needs)
    (open_bar,), (met,), (unknown,) = (each.bars for each in drawn.lanes[:3])
    assert round(open_bar.x + open_bar.width, 1) == drawn.today == 50.0
    assert (met.tone, unknown.tone) == ("met", "over")
    assert [tick.x for tick in drawn.ticks] == [2.5, 34.17, 65.83, 97.5]


def test_it_draws_things_that_stand_together_as_one_with_a_number() -> None:
    drawn = chart(after(10), met=(1, 1.5, 60))
    assert [mark.count for mark in lane(drawn, "Meetings").marks] == [2, 1]


def test_it_distinguishes_silence_from_what_is_still_to_come() -> None:
    asked = (CheckInView(after(30), "f", "silent", "", None, ""), CheckInView(after(60), "f", "planned", "", None, ""))
    marks = lane(chart(after(31), asked=asked), "Check-ins").marks
    assert [(mark.shape, mark.is_full) for mark in marks] == [("silent", False), ("square", False)]


def test_it_draws_nothing_unknown_as_a_yes() -> None:
    measures = {(0, "safe"): MeasureView("declined", "", OPENED), (30, "safe"): MeasureView("yes", "", after(30))}
    marks = lane(chart(after(31), measures=measures), "Safe").marks
    assert [(mark.shape, mark.is_full) for mark in marks] == [("unknown", False), ("yes", True)]


def test_it_draws_no_today_into_a_case_that_ended_long_ago() -> None:
    assert chart(after(400), closed_at=after(80)).today is None


@given(st.lists(st.floats(-300, 300), max_size=8), st.floats(0, 300), st.floats(0, 900))
def test_it_keeps_everything_inside_of_the_drawing(met: list[float], asked: float, now: float) -> None:
    drawn = chart(after(now), (NeedView(1, "stress", OPENED, None, "", ""),), tuple(met),
                  (CheckInView(after(asked), "f", "planned", "", None, ""),))  # fmt: skip
    marks = [mark.x for each in drawn.lanes for mark in each.marks]
    ends = [bar.x + bar.width for each in drawn.lanes for bar in each.bars]
    assert all(0 <= x <= 100 for x in [*marks, *ends])
    assert sum(mark.count for mark in lane(drawn, "Meetings").marks) == len(met) if met else True
