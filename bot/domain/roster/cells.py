"""Reading one cell of a roster spreadsheet: days, times and places as people and spreadsheet programs write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain.roster.duty import local_instant
from bot.domain.roster.rows import WEEKDAYS

_NAMES = {
    name: number
    for number, long in enumerate(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))
    for name in (long, long[:3], {"tue": "tues", "thu": "thurs"}.get(long[:3], long[:3]))
}
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?::(?P<second>\d\d))?\s*(?P<half>[ap])?\.?(?:m\.?)?(?P<offset>[+-]\d\d:\d\d)?",
    re.I,
)
_FRACTION = re.compile(r"0?[.,]\d+|0|1")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]00:00(?::00)?)?")
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d\d)")
_MAX_PLACE = 99


class BadCell(ValueError):
    """A cell that cannot be read. The text says what is wrong; `remedy` what to write instead."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class ClockTime:
    """A time of day. `offset` says which of two equal local times is meant when the clock goes back in autumn."""

    at: time
    offset: timedelta | None = None
    ends_day: bool = False
    """It was written as 24:00."""

    def on(self, day: date, zone: ZoneInfo, *, is_end: bool = False) -> datetime:
        """The moment (UTC) of this time on this day; of a time that the clock shows twice, an end is the second."""
        if self.offset is not None:
            return (datetime.combine(day, self.at, tzinfo=UTC) - self.offset).astimezone(UTC)
        return local_instant(day, self.at, zone, fold=1 if is_end else 0)


def read_clock(text: str) -> ClockTime:
    """08:00, 8:00, 8 AM, 5:30pm, 24:00, 01:30-06:00, or a fraction of a day, to which spreadsheets turn times."""
    if _FRACTION.fullmatch(text) and text not in ("0", "1"):
        minutes = round(float(text.replace(",", ".")) * 24 * 60)
        if minutes < 24 * 60:
            return ClockTime(time(minutes // 60, minutes % 60))
    found = _CLOCK.fullmatch(text)
    if found is None or (found["minute"] is None and found["half"] is None):
        raise BadCell(f'"{shorten(text)}" is no time', "Write it like 08:00 or 17:30.")
    return _read_clock_match(found, text)


def _read_clock_match(found: re.Match[str], text: str) -> ClockTime:
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if found["second"] not in (None, "00"):
        raise BadCell(f'"{shorten(text)}" has seconds', "Write hours and minutes only, like 08:00.")
    if found["half"]:
        if not 1 <= hour <= 12:
            raise BadCell(f'"{shorten(text)}" is no time', "Write it like 8:00 AM, or like 17:30.")
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    offset = _read_offset(found["offset"]) if found["offset"] else None
    if (hour, minute) == (24, 0):
        return ClockTime(time(0), offset, ends_day=True)
    if hour > 23 or minute > 59:
        raise BadCell(f'"{shorten(text)}" is no time', "Hours go from 00 to 23, minutes from 00 to 59.")
    return ClockTime(time(hour, minute), offset)


def _read_offset(text: str) -> timedelta:
    hours, minutes = text[1:].split(":")
    size = timedelta(hours=int(hours), minutes=int(minutes))
    return -size if text[0] == "-" else size


def read_day(text: str) -> date:
    """2026-10-05, or 10/5/2026 as American spreadsheets write it."""
    if found := _ISO.fullmatch(text):
        year, month, number = (int(part) for part in found.groups())
    elif found := _AMERICAN.fullmatch(text):
        month, number, year = (int(part) for part in found.groups())
        year += 2000 if year < 100 else 0
    else:
        raise BadCell(f'"{shorten(text)}" is no date', "Write it like 2026-10-05.")
    try:
        read = date(year, month, number)
    except ValueError:
        raise BadCell(f'"{shorten(text)}" is no day of any calendar', "Write it like 2026-10-05.") from None
    if not 2000 <= year < 2100:
        raise BadCell(f"The year {year} cannot be right", "Write it like 2026-10-05.")
    return read


def read_weekdays(text: str) -> tuple[int, ...]:
    """Mon, Monday, or several: Mon-Fri, Sat-Mon."""
    first, dash, last = (part.strip().rstrip(".").lower() for part in text.replace("–", "-").partition("-"))
    if first not in _NAMES or (dash and last not in _NAMES):
        names = ", ".join(WEEKDAYS)
        raise BadCell(f'"{shorten(text)}" is no day of the week', f"Write one of {names}, or a range like Mon-Fri.")
    start = _NAMES[first]
    return tuple((start + step) % 7 for step in range((_NAMES[last] - start) % 7 + 1)) if dash else (start,)


def read_place(text: str) -> int:
    """The on-call order: 1 is called first."""
    whole = text.removesuffix(".0")
    if not (whole.isascii() and whole.isdigit()) or not 1 <= int(whole[:9]) <= _MAX_PLACE:
        raise BadCell(f'"{shorten(text)}" is no place', "Write 1 for who is called first, 2 for who is called next.")
    return int(whole)


def shorten(text: str) -> str:
    """A cell's text shortened for a complaint."""
    return text if len(text) <= 40 else f"{text[:39]}…"
