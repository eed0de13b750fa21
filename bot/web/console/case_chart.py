"""The drawing of a case: where each bar and mark stands. The template makes the SVG, and lists beside it say the same.

What lies along the line of time is in hundredths of the drawing's width, so that it fits a telephone and a desk alike and
its words stay as large as the page's; heights are in the page's own points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.case import DAYS, KNOWN, MEASURE_NAMES, NEED_OUTCOMES, NEEDS, VALUES
from bot.usecases.read_case_file import CasePage, CaseView

_LEFT, _RIGHT = 2.5, 97.5
_TOP, _BOTTOM, _LANE = 20, 44, 46
_CLOSE = 3.0
"""Marks of one lane that stand nearer than this become one with a number, or they would hide each other."""
_LEAST = 1.5
_NOT_TOLD = ("silent", "dropped")
"""Check-ins of which nothing was learned have drawings of their own."""
_AHEAD = timedelta(days=100)
"""Check-ins further ahead are listed, not drawn: they would push everything else together."""

Saying = Callable[[datetime], str]


@dataclass(frozen=True, slots=True)
class Bar:
    """A need over time. `tone`: open, met or over."""

    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened. `shape` names a drawing of the template; `count` things stand here."""

    x: float
    shape: str
    is_full: bool
    title: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Lane:
    """`y` is where its words stand, `middle` where its marks do."""

    label: str
    y: int
    middle: int
    bars: tuple[Bar, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`today` is None where now lies outside of the drawing."""

    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    today: float | None
    height: int
    starts: str
    ends: str
    top: int = _TOP

    @property
    def floor(self) -> int:
        return self.height - _BOTTOM


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.start) / (self.end - self.start)
        return round(_LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT), 2)

    def holds(self, at: datetime) -> bool:
        return self.start <= at <= self.end


def draw(case: CaseView, page: CasePage, now: datetime, day: Saying, states: dict[str, str]) -> Chart:
    """The case with what happened meanwhile; `day` says a moment as a day, `states` those of check-ins in words."""
    scale = _scale(case, page, now)
    rows = list(_rows(case, page, now, scale, day, states))
    lanes = []
    for number, (label, bars, marks) in enumerate(rows):
        y = _TOP + number * _LANE
        lanes.append(Lane(label, y + 20, y + 34, tuple(bars), tuple(marks)))
    ticks = [(number, case.opened_at + timedelta(days=number)) for number in DAYS]
    return Chart(
        lanes=tuple(lanes),
        ticks=tuple(Tick(scale.x(at), f"Day {number}" if number == 0 else str(number)) for number, at in ticks),
        today=scale.x(now) if scale.holds(now) else None,
        height=_TOP + len(rows) * _LANE + _BOTTOM,
        starts=day(scale.start),
        ends=day(scale.end),
    )


def _scale(case: CaseView, page: CasePage, now: datetime) -> _Scale:
    start = min([case.opened_at, *(met.at for met in case.meetings), *(need.opened_at for need in case.needs)])
    planned = [each.at for each in page.check_ins if each.at <= now + _AHEAD] if case.closed_at is None else []
    end = max([case.closed_at or now, case.opened_at + timedelta(days=DAYS[-1]), *planned])
    return _Scale(start, end)


_Row = tuple[str, Sequence[Bar], Sequence[Mark]]


def _rows(
    case: CaseView, page: CasePage, now: datetime, scale: _Scale, day: Saying, states: dict[str, str]
) -> Iterator[_Row]:
    for need in case.needs:
        said = NEED_OUTCOMES.get(need.outcome, "open").lower() if need.closed_at else "open"
        left, right = scale.x(need.opened_at), scale.x(need.closed_at or now)
        tone = "open" if need.closed_at is None else "met" if need.outcome in ("met", "partly_met") else "over"
        title = f"From {day(need.opened_at)}" + (f" to {day(need.closed_at)}" if need.closed_at else "")
        width = round(max(right - left, _LEAST), 2)
        yield f"{NEEDS.get(need.code, need.code)}: {said}", [Bar(left, width, tone, title)], ()
    for label, marks in (
        ("Meetings", [Mark(scale.x(each.at), "round", True, f"Met on {day(each.at)}") for each in case.meetings]),
        ("Referrals", _referrals(page, scale, day)),
        ("Check-ins", _check_ins(page, scale, day, states)),
    ):
        if marks:
            yield label, (), _together(marks)
    for name, label in MEASURE_NAMES.items():
        yield label, (), [_answer(case, number, name, scale) for number in DAYS if (number, name) in case.measures]


def _referrals(page: CasePage, scale: _Scale, day: Saying) -> list[Mark]:
    known = [each.known for each in page.referrals if scale.holds(each.known.made_at)]
    return [
        Mark(scale.x(each.made_at), "diamond", each.closed_at is not None, f"{each.service}, {day(each.made_at)}")
        for each in known
    ]


def _check_ins(page: CasePage, scale: _Scale, day: Saying, states: dict[str, str]) -> list[Mark]:
    found = [each for each in page.check_ins if scale.holds(each.at)]
    return [
        Mark(scale.x(each.at), each.state if each.state in _NOT_TOLD else "square", each.state == "answered",
             f"{states.get(each.state, each.state)}, {day(each.at)}")
        for each in found
    ]  # fmt: skip


def _answer(case: CaseView, number: int, name: str, scale: _Scale) -> Mark:
    value = case.measures[number, name].value
    shape = value if value in KNOWN else "unknown"
    at = case.opened_at + timedelta(days=number)
    return Mark(scale.x(at), shape, value == "yes", f"Day {number}: {VALUES.get(value, value)}")


def _together(marks: Sequence[Mark]) -> list[Mark]:
    """Marks that stand too near to the one before them join it."""
    found: list[Mark] = []
    for mark in sorted(marks, key=lambda each: each.x):
        last = found[-1] if found else None
        if last is not None and last.shape == mark.shape and mark.x - last.x < _CLOSE:
            is_full = last.is_full and mark.is_full
            found[-1] = Mark(last.x, last.shape, is_full, f"{last.title}; {mark.title}", last.count + 1)
        else:
            found.append(mark)
    return found
