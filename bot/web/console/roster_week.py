"""A week of the roster as it is drawn: teams, people, and what stands in the cell of each day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from babel.dates import format_date

from bot.domain.roster import Away, Overlap, Roster, Span, Spell, instant
from bot.web.console import spoken

WIDTH = 1000
"""Units of a day from left to right; a day of 23 or 25 hours is as wide as another."""
_DAY = timedelta(days=1)
_AROUND = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Block:
    """A bar in the cell of one day: where, and what it means (on, away, hole)."""

    x: int
    width: int
    look: str
    place: int = 1
    clashes: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """The words beside a bar. `look` as the bar's."""

    text: str
    look: str
    clashes: bool = False


@dataclass(slots=True)
class Cell:
    blocks: list[Block] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Lane:
    """One person of one team through the week."""

    name: str
    cells: list[Cell]
    sort: tuple[int, str] = (0, "")


@dataclass(slots=True)
class Group:
    """One team: when nobody is on, and its people."""

    slug: str
    name: str
    holes: list[Cell]
    lanes: list[Lane] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a day's list, as a telephone shows it."""

    times: str
    name: str
    team: str
    look: str
    place: int = 1
    clashes: bool = False


@dataclass(slots=True)
class Day:
    day: date
    short: str
    long: str
    is_today: bool
    now_x: int | None
    holidays: list[str]
    told: list[Told] = field(default_factory=list)


@dataclass(slots=True)
class Week:
    monday: date
    title: str
    days: list[Day]
    groups: list[Group]

    @property
    def before(self) -> date:
        return self.monday - 7 * _DAY

    @property
    def after(self) -> date:
        return self.monday + 7 * _DAY


def monday_of(text: str, today: date) -> date:
    """The Monday of the week that an address names; of this week where it names none."""
    try:
        named = date.fromisoformat(text)
    except ValueError:
        named = today
    if not 2000 < named.year < 2099:
        named = today
    return named - timedelta(days=named.weekday())


def draw(
    roster: Roster, monday: date, now: datetime, teams: Mapping[str, str], names: Mapping[int, str]
) -> Week:  # fmt: skip
    """The week from `monday`. `teams` (slug to name) are those to show, `names` are the staff's."""
    return _Pen(roster, monday, now, teams, names).week()


class _Pen:
    """What the parts of one drawing share."""

    def __init__(
        self, roster: Roster, monday: date, now: datetime, teams: Mapping[str, str], names: Mapping[int, str]
    ) -> None:
        self.roster, self.monday, self.now, self.teams, self.names = roster, monday, now, teams, names
        midnights = [instant(monday + number * _DAY, time(0), roster.zone) for number in range(8)]
        self.spans = [Span(start, end) for start, end in pairwise(midnights)]
        self.start, self.end = midnights[0], midnights[-1]
        # Whole spells: one that began on Sunday evening is told with its true hours.
        self.spells = [
            spell
            for spell in roster.spells(self.start - _AROUND, self.end + _AROUND)
            if spell.start < self.end and spell.end > self.start and spell.team in teams
        ]
        self.overlaps = roster.overlaps(self.start, self.end)
        self.days = [self._day(number) for number in range(7)]

    def week(self) -> Week:
        groups = [self._group(slug, name) for slug, name in self.teams.items()]
        for one in self.days:
            one.told.sort(key=lambda told: told.look != "hole")
        last = self.monday + 6 * _DAY
        title = f"{format_date(self.monday, 'MMM d', locale='en_US')} to {format_date(last, 'MMM d, y', locale='en_US')}"
        return Week(self.monday, title, self.days, groups)

    def _day(self, number: int) -> Day:
        day, span = self.monday + number * _DAY, self.spans[number]
        is_today = span.start <= self.now < span.end
        return Day(
            day,
            format_date(day, "EEE d", locale="en_US"),
            format_date(day, "EEEE, MMM d", locale="en_US"),
            is_today,
            _x(self.now, span) if is_today else None,
            [
                holiday.name if holiday.team is None else f"{holiday.name} ({self.teams[holiday.team]})"
                for holiday in self.roster.holidays
                if holiday.day == day and (holiday.team is None or holiday.team in self.teams)
            ],
        )

    def _group(self, slug: str, name: str) -> Group:
        group = Group(slug, name, self._cells())
        holes = [
            hole
            for hole in self.roster.holes(slug, self.start - _AROUND, self.end + _AROUND)
            if hole.start < self.end and hole.end > self.start
        ]
        for hole in holes:
            self._put(group.holes, hole, "hole", name)
        people: dict[int, list[Spell]] = {}
        for spell in self.spells:
            if spell.team == slug:
                people.setdefault(spell.staff, []).append(spell)
        group.lanes = sorted((self._lane(staff, spells, name) for staff, spells in people.items()), key=lambda one: one.sort)
        return group

    def _lane(self, staff: int, spells: list[Spell], team: str) -> Lane:
        name = self.names.get(staff, f"Number {staff}")
        cells = self._cells()
        for gone in self._away(staff):
            self._put(cells, Span(gone.starts, gone.ends), "away", team, name, tells=False)
        for spell in spells:
            clashes = any(_is_in(spell, overlap) for overlap in self.overlaps)
            self._put(cells, Span(spell.start, spell.end), "on", team, name, spell.place, clashes)
        return Lane(name, cells, (min(spell.place for spell in spells), name))

    def _away(self, staff: int) -> Iterable[Away]:
        return (
            gone
            for gone in self.roster.away
            if gone.staff == staff and gone.starts < self.end and gone.ends > self.start
        )  # fmt: skip

    def _cells(self) -> list[Cell]:
        return [Cell() for _ in range(7)]

    def _put(
        self, cells: list[Cell], span: Span, look: str, team: str, name: str = "Nobody", place: int = 1,
        clashes: bool = False, *, tells: bool = True,
    ) -> None:  # fmt: skip
        """A bar in each day that the span meets, and its words in the first of them."""
        words = _times(span, self.roster.zone, self.start, self.end)
        is_first = True
        for number, day in enumerate(self.spans):
            start, end = max(span.start, day.start), min(span.end, day.end)
            if start >= end:
                continue
            x = _x(start, day)
            cells[number].blocks.append(Block(x, max(_x(end, day) - x, 1), look, place, clashes))
            if is_first:
                text = f"away {words}" if look == "away" else words
                cells[number].said.append(Said(text, look, clashes))
                if tells:
                    self.days[number].told.append(Told(words, name, team, look, place, clashes))
            is_first = False


def _is_in(spell: Spell, overlap: Overlap) -> bool:
    return any(
        (one.staff, one.team, one.place) == (spell.staff, spell.team, spell.place)
        and spell.start < overlap.end
        and spell.end > overlap.start
        for one in (overlap.one, overlap.other)
    )


def _x(at: datetime, day: Span) -> int:
    return round((at - day.start) / (day.end - day.start) * WIDTH)


def _times(span: Span, zone: ZoneInfo, start: datetime, end: datetime) -> str:
    """8 AM to 5 PM; with the weekday where it ends more than a day later; what sticks out of the week is open there."""
    is_long = span.end - max(span.start, start) > timedelta(hours=25)
    runs_on = span.end >= end + _AROUND
    first, last = hour(span.start, zone), hour(span.end, zone)
    if is_long:
        last = f"{span.end.astimezone(zone):%a} {last}"
    if span.start <= start and span.end >= end:
        return "all week"
    if span.start < start:
        return f"until {last}"
    if runs_on:
        return f"from {first} on"
    return f"{first} to {last}"


def hour(at: datetime, zone: ZoneInfo) -> str:
    """8 AM, 5:30 PM, midnight, noon."""
    local = at.astimezone(zone)
    if local.minute == 0 and local.hour in (0, 12):
        return "noon" if local.hour else "midnight"
    return spoken.clock(at, zone).replace(":00 ", " ")


def today_in(zone: ZoneInfo, now: datetime) -> date:
    """The day that the city has now."""
    return now.astimezone(zone).date()
