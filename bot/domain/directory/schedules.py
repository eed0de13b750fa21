"""Whether a place is open, and its hours in few words, from the specification's schedules (RFC 5545 recurrences).

`None` is an answer: not known. A person who is sent to a locked door at night is worse off than one who is told to call
first. Times without an offset are local; an offset in the time, or else the schedule's `timezone`, is taken at its word.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from bot.domain.directory.older import CLOSED
from bot.domain.directory.values import MOST_TIMES, WEEKDAYS, clock, date_of, days_of, number_of, time_of

Schedule = Mapping[str, Any]

DAY = timedelta(days=1)
LAST_MINUTE = time(23, 59)
"""Closing at 23:59 is how many write midnight."""
LONGEST_COUNTED = timedelta(days=1500)
"""A recurrence that ends after so many times is counted up from its first day, for every text that is answered: four years
of days take milliseconds, and a row that claims to have begun in 1900 would stop the line."""
LONGEST_SPECIAL = timedelta(days=31)
"""A span of days without a recurrence, such as hours over the holidays. A longer one says nothing about single days."""


@dataclass(frozen=True)
class _Hours:
    """When a row is open on a day that it holds for."""

    opens: time
    closes: time
    zone: tzinfo

    def holds(self, at: datetime, day: date) -> bool:
        """Whether it is open at `at` by the opening on `day`; by the wall clock, so that a change of clocks is right."""
        last = day if self.opens.replace(tzinfo=None) < self.closes.replace(tzinfo=None) else day + DAY
        begins = datetime.combine(day, self.opens.replace(tzinfo=None), self.zone)
        ends = datetime.combine(last, self.closes.replace(tzinfo=None), self.zone)
        if self.closes.replace(tzinfo=None) == LAST_MINUTE:
            ends += timedelta(minutes=1)
        # Compared as instants: two datetimes of one zone would be compared by their clocks, wrong while clocks change.
        return begins.timestamp() <= at.timestamp() < ends.timestamp()


def is_open(schedules: Iterable[Schedule], at: datetime, zone: tzinfo) -> bool | None:
    """Whether one of the schedules has it open at `at` (aware); `zone` is where the place is. None: not known.

    Rows whose time is over, or has not come yet, say nothing. Days of their own (a holiday's hours, a closure) win over the
    week's. A row that cannot be judged, such as one with days and no hours, leaves it unknown unless another says open.
    """
    rows = list(schedules)
    today = at.astimezone(zone).date()
    # Yesterday's opening may reach into today; and where times have an offset, their tomorrow may have begun.
    judged = [_judge(row, at, day, zone) for day in (today - DAY, today, today + DAY) for row in _rows_of(rows, day)]
    if True in judged:
        return True
    return None if None in judged or not any(_holds(row, today) for row in rows) else False


def _rows_of(rows: list[Schedule], day: date) -> list[Schedule]:
    held = [row for row in rows if _holds(row, day)]
    return [row for row in held if _is_special(row)] or held


def _judge(row: Schedule, at: datetime, day: date, zone: tzinfo) -> bool | None:
    """Whether a row has it open at `at` by its opening on `day`."""
    if _is_closure(row):
        return False
    try:
        if not _falls_on(row, day):
            return False
        hours = _hours(row, zone)
        if hours is None:
            # On its days the hours are not known; what it says of yesterday says nothing of today.
            return None if at.astimezone(zone).date() == day else False
        return hours.holds(at, day)
    except (_Unknown, TypeError, ValueError, OverflowError):
        return None


class _Unknown(Exception):
    """A row does not say on which days it holds."""


def _holds(row: Schedule, day: date) -> bool:
    first, last = date_of(row.get("valid_from")), date_of(row.get("valid_to"))
    return (not first or first <= day.isoformat()) and (not last or day.isoformat() <= last)


def _is_closure(row: Schedule) -> bool:
    return row.get("description") == CLOSED and not row.get("opens_at")


def _is_special(row: Schedule) -> bool:
    first, last = date_of(row.get("valid_from")), date_of(row.get("valid_to"))
    if row.get("freq") or row.get("byday") or not first or not last:
        return False
    return date.fromisoformat(last) - date.fromisoformat(first) <= LONGEST_SPECIAL or _is_closure(row)


def _hours(row: Schedule, zone: tzinfo) -> _Hours | None:
    opens, closes = time_of(row.get("opens_at")), time_of(row.get("closes_at"))
    if opens is None or closes is None:
        return None
    first, offset = clock(opens), number_of(row.get("timezone"))
    if first.tzinfo is not None:
        zone = first.tzinfo
    elif offset is not None and abs(offset) <= 14:
        zone = timezone(timedelta(hours=offset))
    return _Hours(first, clock(closes), zone)


def _falls_on(row: Schedule, day: date) -> bool:
    """Whether the recurrence has an occurrence on a day. Raises _Unknown where the row does not say."""
    if _is_special(row):
        return True
    first, until = date_of(row.get("valid_from")), date_of(row.get("until"))
    if until and until < day.isoformat():
        return False
    days, start = days_of(row.get("byday")), date_of(row.get("dtstart"))
    if not row.get("freq") and not days:
        if start:
            return day.isoformat() == start
        raise _Unknown
    if _is_weekly(row) and days and not row.get("count"):
        return WEEKDAYS[day.weekday()] in days.split(",") and (not start or start <= day.isoformat())
    return _occurs(row, day, days, start or first)


def _is_weekly(row: Schedule) -> bool:
    plain = not any(row.get(name) for name in ("byweekno", "bymonthday", "byyearday"))
    return plain and row.get("freq", "WEEKLY") == "WEEKLY" and row.get("interval", 1) == 1


def _occurs(row: Schedule, day: date, days: str | None, start: str | None) -> bool:
    """RFC 5545 for one day. `dateutil.rrule` is not asked: it searches a rule that never falls due up to the year 9999."""
    interval, count = 1 if row.get("interval") is None else int(row["interval"]), row.get("count")
    dated = days or any(row.get(name) for name in ("byweekno", "bymonthday", "byyearday"))
    if interval < 1 or (start is None and (interval > 1 or count or not dated)):
        raise _Unknown
    begins = date.fromisoformat(start) if start else day
    if day < begins or not _matches(row, day, days, begins, interval):
        return False
    if not count or (day - begins).days < int(count):
        # So many days have not passed yet, so neither have so many openings.
        return True
    if day - begins > LONGEST_COUNTED or int(count) > MOST_TIMES:
        raise _Unknown
    passed = (begins + DAY * number for number in range((day - begins).days))
    return sum(_matches(row, held, days, begins, interval) for held in passed) < int(count)


def _matches(row: Schedule, day: date, days: str | None, begins: date, interval: int) -> bool:
    monthly = row.get("freq") == "MONTHLY"
    if monthly:
        periods = (day.year - begins.year) * 12 + day.month - begins.month
    else:
        first = WEEKDAYS.index(row["wkst"]) if row.get("wkst") in WEEKDAYS else 0
        periods = ((day - DAY * ((day.weekday() - first) % 7)) - (begins - DAY * ((begins.weekday() - first) % 7))).days // 7
    if periods % interval:
        return False
    in_month, in_year = monthrange(day.year, day.month)[1], 366 if isleap(day.year) else 365
    in_week, weeks = day.isocalendar().week, date(day.year, 12, 28).isocalendar().week
    if not (
        _among(row.get("bymonthday"), day.day, in_month)
        and _among(row.get("byyearday"), day.timetuple().tm_yday, in_year)
        and _among(row.get("byweekno"), in_week, weeks)
    ):
        return False
    if days:
        return any(_is_day(part, day, in_month, monthly) for part in days.split(","))
    if row.get("bymonthday") or row.get("byyearday"):
        return True
    return day.day == begins.day if monthly else day.weekday() == begins.weekday()


def _among(words: Any, number: int, last: int) -> bool:
    """Whether a comma list has a number, counted from the front, or below 0 from the back; no list has all."""
    return not words or any(int(part) in (number, number - last - 1) for part in str(words).split(","))


def _is_day(words: str, day: date, in_month: int, monthly: bool) -> bool:
    if WEEKDAYS[day.weekday()] != words[-2:]:
        return False
    ordinal = int(words[:-2] or 0) if monthly else 0
    return ordinal in (0, (day.day - 1) // 7 + 1, -((in_month - day.day) // 7 + 1))
