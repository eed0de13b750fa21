"""Labels and formatting of times for the supervisor's pages; those shared with the inbox are in wording.py."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time

from bot.web.console.wording import span

STATES = {
    "waiting": "Nobody could be called yet",
    "alerted": "A social worker was called",
    "escalated": "A supervisor or everybody was called",
}
ANSWERS = {
    None: "no answer yet",
    "took": "took it",
    "passed": "passed",
    "missed": "did not answer",
    "unreachable": "could not be reached",
    "taken": "somebody else took it",
    "over": "was no longer needed",
    "released": "had it and gave it back",
}
ROLES = {
    "social_worker": "Social worker",
    "supervisor": "Supervisor",
    "admin": "Admin",
    "auditor": "Auditor",
}
ROLE_HINTS = {
    "social_worker": "Answers people, and reads the conversations of their teams.",
    "supervisor": "The same, and the board, the roster, the ready replies and the audit.",
    "admin": "Keeps staff, teams, roster and replies. Reads no conversations.",
    "auditor": "Looks at the audit and the staff. Reads no conversations.",
}


def exact_span(time: timedelta | None) -> str:
    """A duration for a table, with seconds below ten minutes; a dash for None."""
    if time is None:
        return "-"
    seconds = int(time.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 600:
        return _two_units(seconds // 60, "min", seconds % 60, "s")
    return span(time)


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """Weekday, day and time in `zone`; "never" for None."""
    if at is None:
        return "never"
    local = at.astimezone(zone)
    return f"{_format_day(local.date())}, {_format_minute(local.hour, local.minute)}"


def clock(at: datetime, zone: ZoneInfo) -> str:
    """Hour and minute in `zone`."""
    local = at.astimezone(zone)
    return _format_minute(local.hour, local.minute)


# A page shows dozens of times, and Babel takes a tenth of a millisecond for each, so the results are cached. They depend on
# nothing but the local day and the local minute.


@lru_cache(maxsize=1000)
def _format_day(day: date) -> str:
    return format_date(day, "EEE, MMM d", locale="en_US")


@lru_cache(maxsize=24 * 60)
def _format_minute(hour: int, minute: int) -> str:
    return format_time(time(hour, minute), "short", locale="en_US").replace("\u202f", " ")


def _two_units(many: int, unit: str, few: int, small: str) -> str:
    return f"{many} {unit} {few} {small}" if few else f"{many} {unit}"
