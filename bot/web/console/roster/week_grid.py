"""A week of the roster as it is drawn: teams, their staff, and the bars in the cell of each day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from babel.dates import format_date

from bot.domain.roster.duty import Absence, DutyPeriod, Overlap, Roster, TimeSpan, local_instant
from bot.web.console import moments

WIDTH = 1000
"""Horizontal units of a day; a day of 23 or 25 hours is as wide as any other."""
_DAY = timedelta(days=1)
_MARGIN = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class DutyBar:
    """A bar in the cell of one day: its position, and its kind: `on` duty, `away`, or a `hole` without anyone on duty."""

    x: int
    width: int
    kind: str
    place: int = 1
    clashes: bool = False


@dataclass(frozen=True, slots=True)
class BarText:
    """The text beside a bar, with the bar's kind."""

    text: str
    kind: str
    clashes: bool = False


@dataclass(slots=True)
class DayCell:
    blocks: list[DutyBar] = field(default_factory=list)
    texts: list[BarText] = field(default_factory=list)


@dataclass(slots=True)
class StaffLane:
    """The week of one staff member in one team."""

    name: str
    cells: list[DayCell]
    sort: tuple[int, str] = (0, "")


@dataclass(slots=True)
class TeamWeek:
    """One team: the hours without anyone on duty, and its staff."""

    slug: str
    name: str
    holes: list[DayCell]
    lanes: list[StaffLane] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DayListLine:
    """One line of a day's list, which narrow screens show instead of the timetable."""

    times: str
    name: str
    team: str
    kind: str
    place: int = 1
    clashes: bool = False


@dataclass(slots=True)
class RosterDay:
    day: date
    short: str
    long: str
    is_today: bool
    now_x: int | None
    holidays: list[str]
    list_lines: list[DayListLine] = field(default_factory=list)


@dataclass(slots=True)
class RosterTimetable:
    monday: date
    title: str
    days: list[RosterDay]
    groups: list[TeamWeek]

    @property
    def previous_monday(self) -> date:
        return self.monday - 7 * _DAY

    @property
    def next_monday(self) -> date:
        return self.monday + 7 * _DAY


def monday_of(text: str, today: date) -> date:
    """The Monday of the week that contains the ISO date `text`; of the current week if it is no valid date."""
    try:
        named = date.fromisoformat(text)
    except ValueError:
        named = today
    if not 2000 < named.year < 2099:
        named = today
    return named - timedelta(days=named.weekday())


def draw(
    roster: Roster, monday: date, now: datetime, teams: Mapping[str, str], names: Mapping[int, str]
) -> RosterTimetable:  # fmt: skip
    """The week from `monday`. `teams` (slug -> name) are those to show, `names` are staff id -> name."""
    return _WeekBuilder(roster, monday, now, teams, names).build()


class _WeekBuilder:
    """Builds one Week; holds what its parts share."""

    def __init__(
        self, roster: Roster, monday: date, now: datetime, teams: Mapping[str, str], names: Mapping[int, str]
    ) -> None:
        self.roster, self.monday, self.now, self.teams, self.names = roster, monday, now, teams, names
        midnights = [local_instant(monday + number * _DAY, time(0), roster.zone) for number in range(8)]
        self.spans = [TimeSpan(start, end) for start, end in pairwise(midnights)]
        self.start, self.end = midnights[0], midnights[-1]
        # Whole spells, so that one that began on Sunday evening is shown with its true hours.
        self.spells = [
            spell
            for spell in roster.duty_periods(self.start - _MARGIN, self.end + _MARGIN)
            if spell.start < self.end and spell.end > self.start and spell.team in teams
        ]
        self.overlaps = roster.overlaps(self.start, self.end)
        self.days = [self._day(number) for number in range(7)]

    def build(self) -> RosterTimetable:
        groups = [self._group(slug, name) for slug, name in self.teams.items()]
        for one in self.days:
            one.list_lines.sort(key=lambda told: told.kind != "hole")
        last = self.monday + 6 * _DAY
        title = f"{format_date(self.monday, 'MMM d', locale='en_US')} to {format_date(last, 'MMM d, y', locale='en_US')}"
        return RosterTimetable(self.monday, title, self.days, groups)

    def _day(self, number: int) -> RosterDay:
        day, span = self.monday + number * _DAY, self.spans[number]
        is_today = span.start <= self.now < span.end
        return RosterDay(
            day,
            format_date(day, "EEE d", locale="en_US"),
            format_date(day, "EEEE, MMM d", locale="en_US"),
            is_today,
            _x_position(self.now, span) if is_today else None,
            [
                holiday.name if holiday.team is None else f"{holiday.name} ({self.teams[holiday.team]})"
                for holiday in self.roster.holidays
                if holiday.day == day and (holiday.team is None or holiday.team in self.teams)
            ],
        )

    def _group(self, slug: str, name: str) -> TeamWeek:
        group = TeamWeek(slug, name, self._cells())
        holes = [
            hole
            for hole in self.roster.gaps(slug, self.start - _MARGIN, self.end + _MARGIN)
            if hole.start < self.end and hole.end > self.start
        ]
        for hole in holes:
            self._add_bars(group.holes, hole, "hole", name)
        people: dict[int, list[DutyPeriod]] = {}
        for spell in self.spells:
            if spell.team == slug:
                people.setdefault(spell.staff, []).append(spell)
        group.lanes = sorted((self._lane(staff, spells, name) for staff, spells in people.items()), key=lambda one: one.sort)
        return group

    def _lane(self, staff: int, spells: list[DutyPeriod], team: str) -> StaffLane:
        name = self.names.get(staff, f"Number {staff}")
        cells = self._cells()
        for gone in self._away(staff):
            self._add_bars(cells, TimeSpan(gone.starts, gone.ends), "away", team, name, in_list=False)
        for spell in spells:
            clashes = any(_is_part_of(spell, overlap) for overlap in self.overlaps)
            self._add_bars(cells, TimeSpan(spell.start, spell.end), "on", team, name, spell.place, clashes)
        return StaffLane(name, cells, (min(spell.place for spell in spells), name))

    def _away(self, staff: int) -> Iterable[Absence]:
        return (
            gone
            for gone in self.roster.absences
            if gone.staff == staff and gone.starts < self.end and gone.ends > self.start
        )  # fmt: skip

    def _cells(self) -> list[DayCell]:
        return [DayCell() for _ in range(7)]

    def _add_bars(
        self, cells: list[DayCell], span: TimeSpan, kind: str, team: str, name: str = "Nobody", place: int = 1,
        clashes: bool = False, *, in_list: bool = True,
    ) -> None:  # fmt: skip
        """Add a bar to each day that the span overlaps, and its text to the first of them."""
        words = _format_times(span, self.roster.zone, self.start, self.end)
        is_first = True
        for number, day in enumerate(self.spans):
            start, end = max(span.start, day.start), min(span.end, day.end)
            if start >= end:
                continue
            x = _x_position(start, day)
            cells[number].blocks.append(DutyBar(x, max(_x_position(end, day) - x, 1), kind, place, clashes))
            if is_first:
                text = f"away {words}" if kind == "away" else words
                cells[number].texts.append(BarText(text, kind, clashes))
                if in_list:
                    self.days[number].list_lines.append(DayListLine(words, name, team, kind, place, clashes))
            is_first = False


def _is_part_of(spell: DutyPeriod, overlap: Overlap) -> bool:
    return any(
        (one.staff, one.team, one.place) == (spell.staff, spell.team, spell.place)
        and spell.start < overlap.end
        and spell.end > overlap.start
        for one in (overlap.one, overlap.other)
    )


def _x_position(at: datetime, day: TimeSpan) -> int:
    return round((at - day.start) / (day.end - day.start) * WIDTH)


def _format_times(span: TimeSpan, zone: ZoneInfo, start: datetime, end: datetime) -> str:
    """`8 AM to 5 PM`; with the weekday if it ends more than a day later; open-ended where it extends beyond the week."""
    is_long = span.end - max(span.start, start) > timedelta(hours=25)
    runs_on = span.end >= end + _MARGIN
    first, last = format_hour(span.start, zone), format_hour(span.end, zone)
    if is_long:
        last = f"{span.end.astimezone(zone):%a} {last}"
    if span.start <= start and span.end >= end:
        return "all week"
    if span.start < start:
        return f"until {last}"
    if runs_on:
        return f"from {first} on"
    return f"{first} to {last}"


def format_hour(at: datetime, zone: ZoneInfo) -> str:
    """`8 AM`, `5:30 PM`, `midnight`, `noon`."""
    local = at.astimezone(zone)
    if local.minute == 0 and local.hour in (0, 12):
        return "noon" if local.hour else "midnight"
    return moments.clock(at, zone).replace(":00 ", " ")


def today_in(zone: ZoneInfo, now: datetime) -> date:
    """Today's date in `zone`."""
    return now.astimezone(zone).date()
