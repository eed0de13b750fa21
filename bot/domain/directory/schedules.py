"""Whether a place is open, from the specification's schedules (RFC 5545 recurrences).

The answer may be None, not known: a person who is sent to a locked door at night is worse off than one who is told to call
first. Times without an offset are local; an offset in the time, or else in the schedule's `timezone`, is used as given.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from bot.domain.directory.hsds.older_versions import CLOSED
from bot.domain.directory.hsds.values import MAX_RECURRENCES, WEEKDAYS, date_of, days_of, number_of, time_of, to_time

Schedule = Mapping[str, Any]

DAY = timedelta(days=1)
LAST_MINUTE = time(23, 59)
"""Many directories write midnight as closing time like this."""
MAX_COUNTED_SPAN = timedelta(days=1500)
"""A recurrence with a count is counted up from its first day, for every reply. Four years of days take milliseconds; a row
that claims to have begun in 1900 would block the line."""
MAX_SPECIAL_SPAN = timedelta(days=31)
"""The longest span without a recurrence that counts as special hours, as over the holidays."""


@dataclass(frozen=True)
class _DayHours:
    """The hours of a row on a day to which it applies."""

    opens: time
    closes: time
    zone: tzinfo

    def is_open(self, at: datetime, day: date) -> bool:
        """Whether it is open at `at` by its opening on `day`; in wall-clock time, so that clock changes are handled."""
        last = day if self.opens.replace(tzinfo=None) < self.closes.replace(tzinfo=None) else day + DAY
        begins = datetime.combine(day, self.opens.replace(tzinfo=None), self.zone)
        ends = datetime.combine(last, self.closes.replace(tzinfo=None), self.zone)
        if self.closes.replace(tzinfo=None) == LAST_MINUTE:
            ends += timedelta(minutes=1)
        # Compared as timestamps: datetimes of the same zone are compared by wall clock, which is wrong at clock changes.
        return begins.timestamp() <= at.timestamp() < ends.timestamp()


def is_open(schedules: Iterable[Schedule], at: datetime, zone: tzinfo) -> bool | None:
    """Whether it is open at `at` (aware) by one of the schedules; `zone` is that of the place. None: not known.

    Rows that are not valid on the day are ignored. Special hours and closures win over weekly hours. A row that cannot be
    evaluated, such as one with days and no hours, makes the answer None unless another row says open.
    """
    rows = list(schedules)
    today = at.astimezone(zone).date()
    # Yesterday's opening may extend into today, and where times have an offset it may already be tomorrow there.
    judged = [_is_open_by(row, at, day, zone) for day in (today - DAY, today, today + DAY) for row in _rows_of(rows, day)]
    if True in judged:
        return True
    return None if None in judged or not any(_is_valid_on(row, today) for row in rows) else False


def _rows_of(rows: list[Schedule], day: date) -> list[Schedule]:
    held = [row for row in rows if _is_valid_on(row, day)]
    return [row for row in held if _is_special(row)] or held


def _is_open_by(row: Schedule, at: datetime, day: date, zone: tzinfo) -> bool | None:
    """Whether it is open at `at` by the row's opening on `day`; None if not known."""
    if _is_closure(row):
        return False
    try:
        if not _occurs_on(row, day):
            return False
        hours = _hours(row, zone)
        if hours is None:
            # Its hours are not known on this day. For other days of the loop that says nothing about today.
            return None if at.astimezone(zone).date() == day else False
        return hours.is_open(at, day)
    except (_UnknownDays, TypeError, ValueError, OverflowError):
        return None


class _UnknownDays(Exception):
    """A row does not say on which days it applies."""


def _is_valid_on(row: Schedule, day: date) -> bool:
    first, last = date_of(row.get("valid_from")), date_of(row.get("valid_to"))
    return (not first or first <= day.isoformat()) and (not last or day.isoformat() <= last)


def _is_closure(row: Schedule) -> bool:
    return row.get("description") == CLOSED and not row.get("opens_at")


def _is_special(row: Schedule) -> bool:
    first, last = date_of(row.get("valid_from")), date_of(row.get("valid_to"))
    if row.get("freq") or row.get("byday") or not first or not last:
        return False
    return date.fromisoformat(last) - date.fromisoformat(first) <= MAX_SPECIAL_SPAN or _is_closure(row)


def _hours(row: Schedule, zone: tzinfo) -> _DayHours | None:
    opens, closes = time_of(row.get("opens_at")), time_of(row.get("closes_at"))
    if opens is None or closes is None:
        return None
    first, offset = to_time(opens), number_of(row.get("timezone"))
    if first.tzinfo is not None:
        zone = first.tzinfo
    elif offset is not None and abs(offset) <= 14:
        zone = timezone(timedelta(hours=offset))
    return _DayHours(first, to_time(closes), zone)


def _occurs_on(row: Schedule, day: date) -> bool:
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
        raise _UnknownDays
    if _is_weekly(row) and days and not row.get("count"):
        return WEEKDAYS[day.weekday()] in days.split(",") and (not start or start <= day.isoformat())
    return _matches_recurrence(row, day, days, start or first)


def _is_weekly(row: Schedule) -> bool:
    plain = not any(row.get(name) for name in ("byweekno", "bymonthday", "byyearday"))
    return plain and row.get("freq", "WEEKLY") == "WEEKLY" and row.get("interval", 1) == 1


def _matches_recurrence(row: Schedule, day: date, days: str | None, start: str | None) -> bool:
    """RFC 5545 for one day. `dateutil.rrule` is not used: for a rule that never occurs it searches up to the year 9999."""
    interval, count = 1 if row.get("interval") is None else int(row["interval"]), row.get("count")
    dated = days or any(row.get(name) for name in ("byweekno", "bymonthday", "byyearday"))
    if interval < 1 or (start is None and (interval > 1 or count or not dated)):
        raise _UnknownDays
    begins = date.fromisoformat(start) if start else day
    if day < begins or not _matches(row, day, days, begins, interval):
        return False
    if not count or (day - begins).days < int(count):
        # Fewer days than `count` have passed, so fewer openings as well.
        return True
    if day - begins > MAX_COUNTED_SPAN or int(count) > MAX_RECURRENCES:
        raise _UnknownDays
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
        _list_contains(row.get("bymonthday"), day.day, in_month)
        and _list_contains(row.get("byyearday"), day.timetuple().tm_yday, in_year)
        and _list_contains(row.get("byweekno"), in_week, weeks)
    ):
        return False
    if days:
        return any(_is_day(part, day, in_month, monthly) for part in days.split(","))
    if row.get("bymonthday") or row.get("byyearday"):
        return True
    return day.day == begins.day if monthly else day.weekday() == begins.weekday()


def _list_contains(words: Any, number: int, last: int) -> bool:
    """Whether a comma list contains a number, counted from the start or, if negative, from the end. No list contains all."""
    return not words or any(int(part) in (number, number - last - 1) for part in str(words).split(","))


def _is_day(words: str, day: date, in_month: int, monthly: bool) -> bool:
    if WEEKDAYS[day.weekday()] != words[-2:]:
        return False
    ordinal = int(words[:-2] or 0) if monthly else 0
    return ordinal in (0, (day.day - 1) // 7 + 1, -((in_month - day.day) // 7 + 1))
