"""The timeline chart of a case: positions of its bars and marks. The template renders the SVG, next to lists with the same
content.

Horizontal positions are in percent of the chart's width, so that it fits a phone and a desktop alike and its text keeps the
page's size; heights are in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.cases import DAYS, KNOWN_VALUES, MEASURE_NAMES, NEED_OUTCOMES, NEEDS, VALUES
from bot.usecases.cases.read_case import CasePage, CaseView

_LEFT, _RIGHT = 2.5, 97.5
_TOP, _BOTTOM, _LANE_HEIGHT = 20, 44, 46
_MERGE_DISTANCE = 3.0
"""Marks of one lane that are closer than this (in percent) are merged into one with a count, or they would overlap."""
_MIN_WIDTH = 1.5
_WITHOUT_ANSWER = ("silent", "dropped")
"""States of check-ins without an answer; each has its own shape."""
_MAX_AHEAD = timedelta(days=100)
"""Check-ins further ahead are listed but not drawn: they would compress everything else."""

DayFormat = Callable[[datetime], str]


@dataclass(frozen=True, slots=True)
class NeedBar:
    """A need over time. `tone`: open, met or over."""

    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class CaseMark:
    """One or, with `count`, several events at one position. `shape` names a shape of the template."""

    x: float
    shape: str
    is_full: bool
    title: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class CaseLane:
    """A row of the chart: `y` is the baseline of its label, `middle` the height of its marks."""

    label: str
    y: int
    middle: int
    bars: tuple[NeedBar, ...] = ()
    marks: tuple[CaseMark, ...] = ()


@dataclass(frozen=True, slots=True)
class DayTick:
    x: float
    label: str


@dataclass(frozen=True, slots=True)
class CaseChart:
    """The whole chart; `today` is None if the present is outside of it."""

    lanes: tuple[CaseLane, ...]
    ticks: tuple[DayTick, ...]
    today: float | None
    height: int
    starts: str
    ends: str
    top: int = _TOP

    @property
    def floor(self) -> int:
        return self.height - _BOTTOM


@dataclass(frozen=True, slots=True)
class _TimeScale:
    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.start) / (self.end - self.start)
        return round(_LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT), 2)

    def contains(self, at: datetime) -> bool:
        return self.start <= at <= self.end


def draw(case: CaseView, page: CasePage, now: datetime, day: DayFormat, states: dict[str, str]) -> CaseChart:
    """The chart of `case`. `day` formats a moment as a day; `states` maps check-in states to labels."""
    scale = _scale(case, page, now)
    rows = list(_lane_parts(case, page, now, scale, day, states))
    lanes = []
    for number, (label, bars, marks) in enumerate(rows):
        y = _TOP + number * _LANE_HEIGHT
        lanes.append(CaseLane(label, y + 20, y + 34, tuple(bars), tuple(marks)))
    ticks = [(number, case.opened_at + timedelta(days=number)) for number in DAYS]
    return CaseChart(
        lanes=tuple(lanes),
        ticks=tuple(DayTick(scale.x(at), f"Day {number}" if number == 0 else str(number)) for number, at in ticks),
        today=scale.x(now) if scale.contains(now) else None,
        height=_TOP + len(rows) * _LANE_HEIGHT + _BOTTOM,
        starts=day(scale.start),
        ends=day(scale.end),
    )


def _scale(case: CaseView, page: CasePage, now: datetime) -> _TimeScale:
    start = min([case.opened_at, *(met.at for met in case.meetings), *(need.opened_at for need in case.needs)])
    planned = [each.at for each in page.check_ins if each.at <= now + _MAX_AHEAD] if case.closed_at is None else []
    end = max([case.closed_at or now, case.opened_at + timedelta(days=DAYS[-1]), *planned])
    return _TimeScale(start, end)


_LaneParts = tuple[str, Sequence[NeedBar], Sequence[CaseMark]]


def _lane_parts(
    case: CaseView, page: CasePage, now: datetime, scale: _TimeScale, day: DayFormat, states: dict[str, str]
) -> Iterator[_LaneParts]:
    for need in case.needs:
        outcome = NEED_OUTCOMES.get(need.outcome, "open").lower() if need.closed_at else "open"
        left, right = scale.x(need.opened_at), scale.x(need.closed_at or now)
        tone = "open" if need.closed_at is None else "met" if need.outcome in ("met", "partly_met") else "over"
        title = f"From {day(need.opened_at)}" + (f" to {day(need.closed_at)}" if need.closed_at else "")
        width = round(max(right - left, _MIN_WIDTH), 2)
        yield f"{NEEDS.get(need.code, need.code)}: {outcome}", [NeedBar(left, width, tone, title)], ()
    for label, marks in (
        ("Meetings", [CaseMark(scale.x(each.at), "round", True, f"Met on {day(each.at)}") for each in case.meetings]),
        ("Referrals", _referral_marks(page, scale, day)),
        ("Check-ins", _check_in_marks(page, scale, day, states)),
    ):
        if marks:
            yield label, (), _merge_close(marks)
    for name, label in MEASURE_NAMES.items():
        yield label, (), [_measure_mark(case, number, name, scale) for number in DAYS if (number, name) in case.measures]


def _referral_marks(page: CasePage, scale: _TimeScale, day: DayFormat) -> list[CaseMark]:
    known = [each.known for each in page.referrals if scale.contains(each.known.made_at)]
    return [
        CaseMark(scale.x(each.made_at), "diamond", each.closed_at is not None, f"{each.service}, {day(each.made_at)}")
        for each in known
    ]


def _check_in_marks(page: CasePage, scale: _TimeScale, day: DayFormat, states: dict[str, str]) -> list[CaseMark]:
    found = [each for each in page.check_ins if scale.contains(each.at)]
    return [
        CaseMark(scale.x(each.at), each.state if each.state in _WITHOUT_ANSWER else "square", each.state == "answered",
             f"{states.get(each.state, each.state)}, {day(each.at)}")
        for each in found
    ]  # fmt: skip


def _measure_mark(case: CaseView, number: int, name: str, scale: _TimeScale) -> CaseMark:
    value = case.measures[number, name].value
    shape = value if value in KNOWN_VALUES else "unknown"
    at = case.opened_at + timedelta(days=number)
    return CaseMark(scale.x(at), shape, value == "yes", f"Day {number}: {VALUES.get(value, value)}")


def _merge_close(marks: Sequence[CaseMark]) -> list[CaseMark]:
    """Merge marks of the same shape that are too close to the one before."""
    found: list[CaseMark] = []
    for mark in sorted(marks, key=lambda each: each.x):
        last = found[-1] if found else None
        if last is not None and last.shape == mark.shape and mark.x - last.x < _MERGE_DISTANCE:
            is_full = last.is_full and mark.is_full
            found[-1] = CaseMark(last.x, last.shape, is_full, f"{last.title}; {mark.title}", last.count + 1)
        else:
            found.append(mark)
    return found
