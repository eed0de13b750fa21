"""Who is on duty when: weekly shifts in the city's own time, extra shifts, time off and holidays.

A pure function of the roster and a moment. All moments in and out are aware UTC; a shift is written in wall-clock time,
because people come to work by the clock on the wall on the two nights of the year when that clock jumps as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

LOOK_AHEAD = timedelta(days=14)
"""How far contiguous duty is followed: somebody who is always on would never end."""

_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_STRETCH = timedelta(days=1)
"""So much of somebody's duty is looked at in one go when its end is sought: mostly the end is in it."""
_INSTANTS = 4096
"""Moments that are remembered: three shifts a day have a thousand and a half in a year and need some tens at a time."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """A shift of every week. `weekday` 0 is Monday, the day on which it starts; one that ends at or before it starts
    ends on the next day. It holds on starting days from `since` to `until`, both included."""

    team: str
    staff: int
    weekday: int
    starts: time
    ends: time
    place: int = 1
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Extra:
    """A shift on one occasion; it holds on holidays too."""

    team: str
    staff: int
    starts: datetime
    ends: datetime
    place: int = 1


@dataclass(frozen=True, slots=True)
class Away:
    """None of this person's shifts hold in the meantime; what sticks out before and after does."""

    staff: int
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Holiday:
    """A weekly shift that starts on this day does not hold; for one team, or for all."""

    day: date
    name: str
    team: str | None = None


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Somebody who is on now. `until`: the end of their contiguous duty for the teams that were asked about."""

    staff: int
    team: str
    place: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Spell:
    """Duty as it will really be, half-open: on at `start`, no longer on at `end`."""

    staff: int
    team: str
    place: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Span:
    start: datetime
    end: datetime


class Clash(StrEnum):
    TWO_TEAMS = "two_teams"
    """One person is on for two teams at once."""
    SAME_PLACE = "same_place"
    """Two people hold the same place of one team at once."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two spells that should not be at the same time, and when they both are."""

    clash: Clash
    one: Spell
    other: Spell
    start: datetime
    end: datetime


_Calendar = Mapping[int, Mapping[tuple[time, time], list[Weekly]]]
"""Weekly shifts by weekday, and by their hours: those that share them are put on a day together."""


@dataclass(frozen=True)
class Roster:
    """All that is planned, and the questions that can be asked of it. `zone` is the city's.

    Without slots: the same roster is asked dozens of times for one page, so what it is sorted into is kept with it.
    """

    zone: ZoneInfo
    weekly: tuple[Weekly, ...] = ()
    extra: tuple[Extra, ...] = ()
    away: tuple[Away, ...] = ()
    holidays: tuple[Holiday, ...] = ()

    def on_duty(self, at: datetime, team: str | None = None) -> tuple[OnDuty, ...]:
        """Who is on, by place and then by number; each person once, at their foremost place. No team: of all teams."""
        here = sorted(self._at(at, team, None), key=lambda spell: (spell.place, spell.staff, spell.team))
        foremost: dict[int, Spell] = {}
        for spell in here:
            foremost.setdefault(spell.staff, spell)
        return tuple(
            OnDuty(spell.staff, spell.team, spell.place, self._end_of_duty(spell.staff, at, team))
            for spell in foremost.values()
        )

    def places(self, at: datetime, team: str | None = None) -> dict[int, int]:
        """Who is on, with their foremost place; `on_duty` without the ends of duty, which cost the most."""
        found: dict[int, int] = {}
        for spell in self._at(at, team, None):
            found[spell.staff] = min(spell.place, found.get(spell.staff, spell.place))
        return found

    def shift_end(self, staff: int, at: datetime) -> datetime | None:
        """When this person's duty is over, whatever the team; None when they are not on. Shifts that touch are one."""
        return self._end_of_duty(staff, at, None) if self._at(at, None, staff) else None

    def next_on(self, at: datetime, team: str | None = None, within: timedelta = LOOK_AHEAD) -> datetime | None:
        """When somebody is on next: `at` itself when somebody is; None when nobody is in that time."""
        return min((max(piece.start, at) for piece in self._pieces(at, at + within, team, None)), default=None)

    def spells(self, start: datetime, end: datetime, team: str | None = None, staff: int | None = None) -> tuple[Spell, ...]:
        """Duty between two moments, cut off at both, by start, place and number."""
        clipped = (_clipped(spell, start, end) for spell in self._pieces(start, end, team, staff))
        return tuple(sorted(clipped, key=_by_start))

    def holes(self, team: str | None, start: datetime, end: datetime) -> tuple[Span, ...]:
        """When nobody of the team is on, between two moments. No team: nobody at all."""
        found, covered = [], start
        # Times alone, each once: of the five hundred spells of three days of a large team nine are different.
        for begins, ends in sorted({(piece.start, piece.end) for piece in self._pieces(start, end, team, None)}):
            if begins > covered:
                found.append(Span(covered, begins))
            covered = max(covered, ends)
        return (*found, *((Span(covered, end),) if covered < end else ()))

    def overlaps(self, start: datetime, end: datetime) -> tuple[Overlap, ...]:
        """The same person on two teams at once, and the same place of a team taken by two people at once.

        In the hour that the clock goes through twice both of two shifts that meet are on, so that nobody is left alone;
        that is no mistake of the planner's and is not told.
        """
        found: list[Overlap] = []
        still_on: list[Spell] = []
        for spell in sorted(self._pieces(start, end, None, None, last_fold=False), key=_by_start):
            still_on = [other for other in still_on if other.end > spell.start]
            for other in still_on:
                clash = _clash(other, spell)
                both = Span(max(start, spell.start), min(end, spell.end, other.end))
                if clash and both.start < both.end:
                    found.append(Overlap(clash, other, spell, both.start, both.end))
            still_on.append(spell)
        return tuple(found)

    def _at(self, at: datetime, team: str | None, staff: int | None) -> tuple[Spell, ...]:
        return tuple(self._pieces(at, at + _TICK, team, staff))

    def _end_of_duty(self, staff: int, at: datetime, team: str | None) -> datetime:
        began = at.astimezone(UTC)
        end, last = began, began + LOOK_AHEAD
        while end < last:
            looked_from = end
            for piece in sorted(self._pieces(end, end + _STRETCH, team, staff), key=_by_start):
                if piece.start > end:
                    return min(end, last)
                end = max(end, piece.end)
            if end == looked_from:
                break
        return min(end, last)

    def _pieces(
        self, start: datetime, end: datetime, team: str | None, staff: int | None, *, last_fold: bool = True
    ) -> Iterator[Spell]:
        """Every spell that meets [start, end), whole: time off is cut out, the bounds are not."""
        for whole in self._planned(start, end, team, staff, last_fold):
            for piece in _without(whole, self._away_of.get(whole.staff, ())):
                if piece.start < end and piece.end > start:
                    yield piece

    def _planned(
        self, start: datetime, end: datetime, team: str | None, staff: int | None, last_fold: bool
    ) -> Iterator[Spell]:
        calendar = self._calendar if staff is None else _calendar(self._of_staff.get(staff, ()))
        # The longest weekly shift is a day and the hour that autumn adds: two days back hold every one still on.
        for day in _days((start - 2 * _DAY).astimezone(self.zone).date(), end.astimezone(self.zone).date()):
            for (starts, ends), shifts in calendar.get(day.weekday(), {}).items():
                first, last = self._moments(day, starts, ends, last_fold)
                if first >= end or last <= start:
                    continue
                for shift in shifts:
                    if team in (None, shift.team) and self._is_held(shift, day):
                        yield Spell(shift.staff, shift.team, shift.place, first, last)
        for extra in self.extra:
            # Years of extra shifts are kept; most are looked past here.
            if extra.starts < end and extra.ends > start and team in (None, extra.team) and staff in (None, extra.staff):
                yield Spell(extra.staff, extra.team, extra.place, extra.starts.astimezone(UTC), extra.ends.astimezone(UTC))

    def _moments(self, day: date, starts: time, ends: time, last_fold: bool) -> tuple[datetime, datetime]:
        """When a shift of these hours that starts on this day begins and ends."""
        last = day + _DAY if ends <= starts else day
        return instant(day, starts, self.zone), instant(last, ends, self.zone, 1 if last_fold else 0)

    def _is_held(self, shift: Weekly, day: date) -> bool:
        return (
            (shift.since is None or shift.since <= day)
            and (shift.until is None or day <= shift.until)
            and (day, None) not in self._free
            and (day, shift.team) not in self._free
        )

    @cached_property
    def _calendar(self) -> _Calendar:
        return _calendar(self.weekly)

    @cached_property
    def _of_staff(self) -> Mapping[int, list[Weekly]]:
        found: dict[int, list[Weekly]] = defaultdict(list)
        for shift in self.weekly:
            found[shift.staff].append(shift)
        return found

    @cached_property
    def _away_of(self) -> Mapping[int, list[Away]]:
        found: dict[int, list[Away]] = defaultdict(list)
        for away in self.away:
            found[away.staff].append(away)
        return found

    @cached_property
    def _free(self) -> frozenset[tuple[date, str | None]]:
        return frozenset((holiday.day, holiday.team) for holiday in self.holidays)


@lru_cache(maxsize=_INSTANTS)
def instant(day: date, wall: time, zone: ZoneInfo, fold: int = 0) -> datetime:
    """The moment (UTC) at which a clock on the wall of `zone` shows this.

    What the clock shows twice is the first (`fold` 0) or the second (1). What it skips is the moment of the jump, for
    starts and ends alike: of two shifts that meet at half past two, the second begins when the first ends.
    """
    local = datetime.combine(day, wall.replace(tzinfo=None), tzinfo=zone)
    moment = local.replace(fold=fold).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    before, after = (local.replace(fold=fold).astimezone(UTC) for fold in (1, 0))
    return _jump(before, after, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second in which the zone's offset changes, between two moments on either side of it."""
    new = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (before, middle) if middle.astimezone(zone).utcoffset() == new else (middle, after)
    return after


def _by_start(spell: Spell) -> tuple[datetime, int, int, str, datetime]:
    return spell.start, spell.place, spell.staff, spell.team, spell.end


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _calendar(weekly: Iterable[Weekly]) -> _Calendar:
    found: dict[int, dict[tuple[time, time], list[Weekly]]] = {}
    for shift in weekly:
        found.setdefault(shift.weekday, {}).setdefault((shift.starts, shift.ends), []).append(shift)
    return found


def _clipped(spell: Spell, start: datetime, end: datetime) -> Spell:
    if spell.start >= start and spell.end <= end:
        return spell
    return replace(spell, start=max(spell.start, start), end=min(spell.end, end))


def _without(spell: Spell, away: Iterable[Away]) -> list[Spell]:
    """What is left of a spell when its owner's time off, `away`, is cut out of it."""
    left = [spell] if spell.start < spell.end else []
    for gone in away:
        if gone.starts < gone.ends:
            left = [
                replace(piece, start=start, end=end)
                for piece in left
                for start, end in (
                    (piece.start, min(piece.end, gone.starts.astimezone(UTC))),
                    (max(piece.start, gone.ends.astimezone(UTC)), piece.end),
                )
                if start < end
            ]
    return left


def _clash(one: Spell, other: Spell) -> Clash | None:
    if one.staff == other.staff:
        return Clash.TWO_TEAMS if one.team != other.team else None
    return Clash.SAME_PLACE if (one.team, one.place) == (other.team, other.place) else None
