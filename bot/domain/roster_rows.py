"""One line of a roster as people write it: names of teams and e-mail addresses in place of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """A weekly shift; `team` is a slug, `weekday` 0 is Monday, times are the city's."""

    team: str
    email: str
    weekday: int
    starts: time
    ends: time
    place: int = 1
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class ExtraRow:
    """A shift on one occasion; aware UTC."""

    team: str
    email: str
    starts: datetime
    ends: datetime
    place: int = 1


@dataclass(frozen=True, slots=True)
class TimeOffRow:
    """Somebody is away; aware UTC."""

    email: str
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class HolidayRow:
    """A day on which weekly shifts do not start; for all teams, or for one (its slug)."""

    day: date
    name: str
    team: str | None = None


Row = ShiftRow | ExtraRow | TimeOffRow | HolidayRow
KINDS: dict[type[Row], str] = {ShiftRow: "shift", ExtraRow: "extra", TimeOffRow: "time_off", HolidayRow: "holiday"}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def kind_of(row: Row) -> str:
    """The word for this kind of row: shift, extra, time_off or holiday."""
    return KINDS[type(row)]


def is_over(row: Row, now: datetime) -> bool:
    """Whether this row can hold no more. What has no hour is kept two days longer: a night shift ends on the next day,
    and the city's day is not that of UTC."""
    match row:
        case ExtraRow() | TimeOffRow():
            return row.ends <= now
        case ShiftRow():
            return row.until is not None and (now.date() - row.until).days > 2
        case HolidayRow():
            return (now.date() - row.day).days > 2
