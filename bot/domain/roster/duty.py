"""Who is on duty when: weekly shifts in the city's local time, extra shifts, time off and holidays.

Pure functions of the roster and a moment. All moments in and out are aware UTC. Shifts are in wall-clock time, because
staff come to work by the local clock, also on the two nights of the year when it changes.
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
"""How far ahead contiguous duty is followed: that of someone who is always on would never end."""

_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_STEP = timedelta(days=1)
"""How much of a person's duty is read per step when its end is sought; mostly the end is within the first step."""
_CACHE_SIZE = 4096
"""Size of the cache of moments: three shifts a day make about 1,500 a year, of which some tens are used at a time."""


@dataclass(frozen=True, slots=True)
class WeeklyShift:
    """A weekly shift. `weekday` is the day on which it starts, 0 for Monday; if `ends` is not after `starts` it ends on the
    next day. It takes place on starting days from `since` to `until`, both included."""

    team: str
    staff: int
    weekday: int
    starts: time
    ends: time
    place: int = 1
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class OneTimeShift:
    """A single shift; it takes place on holidays too."""

    team: str
    staff: int
    starts: datetime
    ends: datetime
    place: int = 1


@dataclass(frozen=True, slots=True)
class Absence:
    """Time off: no shift of this person takes place in it; the parts of shifts before and after it do."""

    staff: int
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class RosterHoliday:
    """Weekly shifts that start on this day do not take place; for one team, or for all."""

    day: date
    name: str
    team: str | None = None


@dataclass(frozen=True, slots=True)
class OnDuty:
    """A member of staff who is on duty now. `until`: the end of their contiguous duty for the teams that were asked for."""

    staff: int
    team: str
    place: int
    until: datetime


@dataclass(frozen=True, slots=True)
class DutyPeriod:
    """A period of duty after time off and holidays, half-open: on at `start`, no longer on at `end`."""

    staff: int
    team: str
    place: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class TimeSpan:
    start: datetime
    end: datetime


class OverlapKind(StrEnum):
    TWO_TEAMS = "two_teams"
    """One person is on duty for two teams at once."""
    SAME_PLACE = "same_place"
    """Two people have the same on-call place in one team at once."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two spells that should not overlap, and the time of the overlap."""

    kind: OverlapKind
    one: DutyPeriod
    other: DutyPeriod
    start: datetime
    end: datetime


_Calendar = Mapping[int, Mapping[tuple[time, time], list[WeeklyShift]]]
"""Weekly shifts by weekday and hours, so that the moments of shifts with the same hours are computed once per day."""


@dataclass(frozen=True)
class Roster:
    """Everything that is planned, and the questions about it. `zone` is the city's.

    Without slots, for the cached properties: one page asks the same roster dozens of times.
    """

    zone: ZoneInfo
    weekly: tuple[WeeklyShift, ...] = ()
    extra: tuple[OneTimeShift, ...] = ()
    absences: tuple[Absence, ...] = ()
    holidays: tuple[RosterHoliday, ...] = ()

    def on_duty(self, at: datetime, team: str | None = None) -> tuple[OnDuty, ...]:
        """Who is on duty, by place and then by staff id; each person once, at their first place. No team: of all teams."""
        here = sorted(self._periods_at(at, team, None), key=lambda spell: (spell.place, spell.staff, spell.team))
        foremost: dict[int, DutyPeriod] = {}
        for spell in here:
            foremost.setdefault(spell.staff, spell)
        return tuple(
            OnDuty(spell.staff, spell.team, spell.place, self._end_of_duty(spell.staff, at, team))
            for spell in foremost.values()
        )

    def places_on_duty(self, at: datetime, team: str | None = None) -> dict[int, int]:
        """Who is on duty, with their first place: `on_duty` without the ends of duty, which are the expensive part."""
        found: dict[int, int] = {}
        for spell in self._periods_at(at, team, None):
            found[spell.staff] = min(spell.place, found.get(spell.staff, spell.place))
        return found

    def shift_end(self, staff: int, at: datetime) -> datetime | None:
        """When this person's duty ends, for any team; None when they are not on. Adjacent shifts count as one."""
        return self._end_of_duty(staff, at, None) if self._periods_at(at, None, staff) else None

    def next_on_duty(self, at: datetime, team: str | None = None, within: timedelta = LOOK_AHEAD) -> datetime | None:
        """When someone is next on duty: `at` itself if someone is on then; None if no one is on duty within that time."""
        return min((max(piece.start, at) for piece in self._periods(at, at + within, team, None)), default=None)

    def duty_periods(
        self, start: datetime, end: datetime, team: str | None = None, staff: int | None = None
    ) -> tuple[DutyPeriod, ...]:
        """Duty between two moments, clipped to them, by start, place and staff id."""
        clipped = (_clip(spell, start, end) for spell in self._periods(start, end, team, staff))
        return tuple(sorted(clipped, key=_by_start))

    def gaps(self, team: str | None, start: datetime, end: datetime) -> tuple[TimeSpan, ...]:
        """When no one of the team is on duty between two moments. No team: no one at all."""
        found, covered = [], start
        # Only distinct times: of a large team's five hundred spells in three days nine are different.
        for begins, ends in sorted({(piece.start, piece.end) for piece in self._periods(start, end, team, None)}):
            if begins > covered:
                found.append(TimeSpan(covered, begins))
            covered = max(covered, ends)
        return (*found, *((TimeSpan(covered, end),) if covered < end else ()))

    def overlaps(self, start: datetime, end: datetime) -> tuple[Overlap, ...]:
        """The same person in two teams at once, and two people at the same place of a team at once.

        In the hour that the clock shows twice, two adjacent shifts are both on duty, so that there is no gap; that is not
        a mistake in the roster and is not reported.
        """
        found: list[Overlap] = []
        still_on: list[DutyPeriod] = []
        for spell in sorted(self._periods(start, end, None, None, last_fold=False), key=_by_start):
            still_on = [other for other in still_on if other.end > spell.start]
            for other in still_on:
                clash = _overlap_kind(other, spell)
                both = TimeSpan(max(start, spell.start), min(end, spell.end, other.end))
                if clash and both.start < both.end:
                    found.append(Overlap(clash, other, spell, both.start, both.end))
            still_on.append(spell)
        return tuple(found)

    def _periods_at(self, at: datetime, team: str | None, staff: int | None) -> tuple[DutyPeriod, ...]:
        return tuple(self._periods(at, at + _TICK, team, staff))

    def _end_of_duty(self, staff: int, at: datetime, team: str | None) -> datetime:
        began = at.astimezone(UTC)
        end, last = began, began + LOOK_AHEAD
        while end < last:
            looked_from = end
            for piece in sorted(self._periods(end, end + _STEP, team, staff), key=_by_start):
                if piece.start > end:
                    return min(end, last)
                end = max(end, piece.end)
            if end == looked_from:
                break
        return min(end, last)

    def _periods(
        self, start: datetime, end: datetime, team: str | None, staff: int | None, *, last_fold: bool = True
    ) -> Iterator[DutyPeriod]:
        """Every spell that overlaps [start, end), not clipped to it; time off is cut out."""
        for whole in self._planned(start, end, team, staff, last_fold):
            for piece in _subtract(whole, self._absences_of.get(whole.staff, ())):
                if piece.start < end and piece.end > start:
                    yield piece

    def _planned(
        self, start: datetime, end: datetime, team: str | None, staff: int | None, last_fold: bool
    ) -> Iterator[DutyPeriod]:
        calendar = self._calendar if staff is None else _calendar(self._of_staff.get(staff, ()))
        # The longest weekly shift is a day plus the extra hour in autumn: two days back include every shift still on.
        for day in _days((start - 2 * _DAY).astimezone(self.zone).date(), end.astimezone(self.zone).date()):
            for (starts, ends), shifts in calendar.get(day.weekday(), {}).items():
                first, last = self._moments(day, starts, ends, last_fold)
                if first >= end or last <= start:
                    continue
                for shift in shifts:
                    if team in (None, shift.team) and self._takes_place(shift, day):
                        yield DutyPeriod(shift.staff, shift.team, shift.place, first, last)
        for extra in self.extra:
            # Years of extra shifts are kept; most are skipped here.
            if extra.starts < end and extra.ends > start and team in (None, extra.team) and staff in (None, extra.staff):
                yield DutyPeriod(
                    extra.staff, extra.team, extra.place, extra.starts.astimezone(UTC), extra.ends.astimezone(UTC)
                )

    def _moments(self, day: date, starts: time, ends: time, last_fold: bool) -> tuple[datetime, datetime]:
        """The begin and end of a shift with these hours that starts on this day."""
        last = day + _DAY if ends <= starts else day
        return local_instant(day, starts, self.zone), local_instant(last, ends, self.zone, 1 if last_fold else 0)

    def _takes_place(self, shift: WeeklyShift, day: date) -> bool:
        return (
            (shift.since is None or shift.since <= day)
            and (shift.until is None or day <= shift.until)
            and (day, None) not in self._holiday_keys
            and (day, shift.team) not in self._holiday_keys
        )

    @cached_property
    def _calendar(self) -> _Calendar:
        return _calendar(self.weekly)

    @cached_property
    def _of_staff(self) -> Mapping[int, list[WeeklyShift]]:
        found: dict[int, list[WeeklyShift]] = defaultdict(list)
        for shift in self.weekly:
            found[shift.staff].append(shift)
        return found

    @cached_property
    def _absences_of(self) -> Mapping[int, list[Absence]]:
        found: dict[int, list[Absence]] = defaultdict(list)
        for away in self.absences:
            found[away.staff].append(away)
        return found

    @cached_property
    def _holiday_keys(self) -> frozenset[tuple[date, str | None]]:
        return frozenset((holiday.day, holiday.team) for holiday in self.holidays)


@lru_cache(maxsize=_CACHE_SIZE)
def local_instant(day: date, wall: time, zone: ZoneInfo, fold: int = 0) -> datetime:
    """The moment (UTC) at which the local clock of `zone` shows this time.

    For a time that the clock shows twice it is the first (`fold` 0) or the second (1). A time that the clock skips is the
    moment of the jump, for starts and ends alike: of two shifts that meet at half past two, the second begins when the
    first ends.
    """
    local = datetime.combine(day, wall.replace(tzinfo=None), tzinfo=zone)
    moment = local.replace(fold=fold).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    before, after = (local.replace(fold=fold).astimezone(UTC) for fold in (1, 0))
    return _offset_change(before, after, zone)


def _offset_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the zone's offset changes, between a moment before and a moment after it."""
    new = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (before, middle) if middle.astimezone(zone).utcoffset() == new else (middle, after)
    return after


def _by_start(spell: DutyPeriod) -> tuple[datetime, int, int, str, datetime]:
    return spell.start, spell.place, spell.staff, spell.team, spell.end


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _calendar(weekly: Iterable[WeeklyShift]) -> _Calendar:
    found: dict[int, dict[tuple[time, time], list[WeeklyShift]]] = {}
    for shift in weekly:
        found.setdefault(shift.weekday, {}).setdefault((shift.starts, shift.ends), []).append(shift)
    return found


def _clip(spell: DutyPeriod, start: datetime, end: datetime) -> DutyPeriod:
    if spell.start >= start and spell.end <= end:
        return spell
    return replace(spell, start=max(spell.start, start), end=min(spell.end, end))


def _subtract(spell: DutyPeriod, away: Iterable[Absence]) -> list[DutyPeriod]:
    """What is left of a spell when that person's time off, `away`, is cut out of it."""
    left = [spell] if spell.start < spell.end else []
    for absence in away:
        if absence.starts < absence.ends:
            left = [
                replace(piece, start=start, end=end)
                for piece in left
                for start, end in (
                    (piece.start, min(piece.end, absence.starts.astimezone(UTC))),
                    (max(piece.start, absence.ends.astimezone(UTC)), piece.end),
                )
                if start < end
            ]
    return left


def _overlap_kind(one: DutyPeriod, other: DutyPeriod) -> OverlapKind | None:
    if one.staff == other.staff:
        return OverlapKind.TWO_TEAMS if one.team != other.team else None
    return OverlapKind.SAME_PLACE if (one.team, one.place) == (other.team, other.place) else None
