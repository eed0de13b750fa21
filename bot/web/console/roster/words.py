"""Formatting of the roster's rows, times and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_day_names

from bot.domain.roster.rows import ExtraRow, HolidayRow, RosterRow, ShiftRow, TimeOffRow
from bot.usecases.roster.check_roster import RosterWarning
from bot.web.console import moments

KINDS = {"shift": "Weekly shifts", "extra": "Extra shifts", "time_off": "Time off", "holiday": "Holidays"}


def moment(at: datetime, zone: ZoneInfo) -> str:
    return moments.moment(at, zone)


def span(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """`Mon, Oct 5, 8:00 AM to 5:00 PM`; with the day of the end if it is another."""
    same = start.astimezone(zone).date() == end.astimezone(zone).date()
    return f"{moment(start, zone)} to {moments.clock(end, zone) if same else moment(end, zone)}"


def describe_row(one: RosterRow, zone: ZoneInfo) -> str:
    """When a row applies, in one line; its staff member and team are shown beside it."""
    match one:
        case ShiftRow():
            day = get_day_names("wide", locale="en_US")[one.weekday]
            words = f"{day} {_clock(one.starts)} to {_clock(one.ends)}"
            words += f", from {_day(one.since)}" if one.since else ""
            return words + (f", until {_day(one.until)}" if one.until else "")
        case ExtraRow() | TimeOffRow():
            return span(one.starts, one.ends, zone)
        case HolidayRow():
            return f"{_day(one.day)}: {one.name}"


def summarize(new: Sequence[RosterWarning], zone: ZoneInfo) -> str:
    """The new warnings after a change, in one or two sentences; "" for none."""
    if not new:
        return ""
    first = new[0]
    when = f" ({span(first.spans[0].start, first.spans[0].end, zone)})" if first.spans else ""
    more = f" And {len(new) - 1} more; see the list on the roster." if len(new) > 1 else ""
    return f"But now: {first.text.rstrip('.')}{when}.{more}"


def _clock(at: time) -> str:
    return format_time(at, "short", locale="en_US").replace("\u202f", " ")


def _day(day: date) -> str:
    return format_date(day, "EEE, MMM d, y", locale="en_US")
