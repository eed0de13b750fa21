"""One line of a roster as staff write it: slugs of teams and e-mail addresses in place of ids."""

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
    """A single extra shift; times are aware UTC."""

    team: str
    email: str
    starts: datetime
    ends: datetime
    place: int = 1


@dataclass(frozen=True, slots=True)
class TimeOffRow:
    """Time off of one member of staff; times are aware UTC."""

    email: str
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class HolidayRow:
    """A day on which weekly shifts do not start; `team` is a slug, None for all teams."""

    day: date
    name: str
    team: str | None = None


RosterRow = ShiftRow | ExtraRow | TimeOffRow | HolidayRow
KINDS: dict[type[RosterRow], str] = {ShiftRow: "shift", ExtraRow: "extra", TimeOffRow: "time_off", HolidayRow: "holiday"}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def kind_of(row: RosterRow) -> str:
    """The word for this kind of row: shift, extra, time_off or holiday."""
    return KINDS[type(row)]


def is_over(row: RosterRow, now: datetime) -> bool:
    """Whether this row is in the past. Rows that have only dates are kept two days longer: a night shift ends on the next
    day, and the city's date may differ from that of UTC."""
    match row:
        case ExtraRow() | TimeOffRow():
            return row.ends <= now
        case ShiftRow():
            return row.until is not None and (now.date() - row.until).days > 2
        case HolidayRow():
            return (now.date() - row.day).days > 2
