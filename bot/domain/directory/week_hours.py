"""Weekly opening hours as staff type them, one line per day, to and from the specification's schedules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from itertools import pairwise
from typing import Any

from bot.domain.directory.hsds.cleaning import MAX_OPENING
from bot.domain.directory.hsds.older_versions import CLOSED
from bot.domain.directory.hsds.values import WEEKDAYS, days_of, opening_length, time_of, to_time

HoursSpan = tuple[str, str]
"""Opening and closing time, HH:MM."""

EMPTY_WEEK = ("",) * len(WEEKDAYS)
ALL_DAY = "24 hours"
_WHOLE_DAY: HoursSpan = ("00:00", "00:00")
_CLOSED = frozenset({"", "closed", "-"})
_EXPRESSIBLE = frozenset({"id", "freq", "interval", "wkst", "byday", "opens_at", "closes_at", "attending_type"})
"""The fields of a row that a typed line can express; others (a last day, every second week) would be lost by editing."""
_BETWEEN = re.compile(r"\s*(?:-|\u2013|\u2014|\bto\b)\s*", re.I)
_WORDS = {"noon": "12pm", "midnight": "12am"}


class HoursUnreadable(Exception):
    """A line of hours that cannot be read. `text` says what is wrong and how to write them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def read_day(typed: str) -> list[HoursSpan]:
    """The spans of one day from "9am-5pm", "9:00-12:00, 1pm-5pm", "24 hours"; [] for "closed". Raises HoursUnreadable.

    A closing that is not after the opening is on the next day. It is accepted only up to sixteen hours: a longer night is
    nearly always a 9-5 that was meant as 9:00 to 17:00.
    """
    words = typed.strip().casefold()
    if words in _CLOSED:
        return []
    if words in ("24 hours", "24h", "all day", "open 24 hours"):
        return [_WHOLE_DAY]
    found = sorted(_read_span(part) for part in re.split(r"[,;]|\band\b", words) if part.strip())
    for (first, closes), (opens, _) in pairwise(found):
        if opens < closes or closes <= first:
            raise HoursUnreadable("Two of the times overlap. Write each once, like 9am-12pm, 1pm-5pm.")
    return found


def _read_span(typed: str) -> HoursSpan:
    parts = _BETWEEN.split(typed.strip())
    times = [time_of(_WORDS.get(part, part)) for part in parts]
    if len(parts) != 2 or None in times:
        raise HoursUnreadable("This cannot be read. Write it like 9am-5pm, or 9am-12pm, 1pm-5pm, or closed.")
    opens, closes = str(times[0]), str(times[1])
    if to_time(opens).tzinfo or to_time(closes).tzinfo:
        raise HoursUnreadable("Write the times without a zone, as the clock on the wall shows them.")
    if opens == closes:
        raise HoursUnreadable(f"It opens and closes at the same time. Write {ALL_DAY}, or closed.")
    if closes < opens and closes != "00:00" and opening_length(opens, closes) > MAX_OPENING:
        raise HoursUnreadable("It closes before it opens. Write am or pm, like 9am-5pm; a night like 8pm-7am is fine.")
    return opens, closes


def schedules_of(week: Sequence[Sequence[HoursSpan]]) -> list[dict[str, Any]]:
    """The specification's rows for the spans of seven days from Monday: one row for each distinct span."""
    days: dict[HoursSpan, list[str]] = {}
    for code, spans in zip(WEEKDAYS, week, strict=True):
        for one in spans:
            days.setdefault(one, []).append(code)
    return [
        {"freq": "WEEKLY", "byday": ",".join(codes), "opens_at": opens, "closes_at": closes}
        for (opens, closes), codes in days.items()
    ]


def week_of(schedules: Iterable[Mapping[str, Any]]) -> tuple[str, ...] | None:
    """The seven lines of the form for these schedules; None where seven lines cannot express them all."""
    week: list[list[HoursSpan]] = [[] for _ in WEEKDAYS]
    for row in schedules:
        opens, closes = time_of(row.get("opens_at")), time_of(row.get("closes_at"))
        days = (days_of(row.get("byday")) or "").split(",")
        if not _is_plain(row) or opens is None or closes is None or not set(days) <= set(WEEKDAYS):
            return None
        if to_time(opens).tzinfo or to_time(closes).tzinfo:
            return None
        for day in days:
            week[WEEKDAYS.index(day)].append((opens, closes))
    return tuple(", ".join(_format_span(one) for one in sorted(set(spans))) for spans in week)


def _is_plain(row: Mapping[str, Any]) -> bool:
    if row.get("freq", "WEEKLY") != "WEEKLY" or row.get("interval", 1) != 1 or row.get("description") == CLOSED:
        return False
    return {name for name, value in row.items() if value} <= _EXPRESSIBLE


def _format_span(one: HoursSpan) -> str:
    if one in (_WHOLE_DAY, ("00:00", "23:59")):
        return ALL_DAY
    return f"{_format_time(to_time(one[0]))}-{_format_time(to_time(one[1]))}"


def _format_time(at: time) -> str:
    minutes = f":{at.minute:02}" if at.minute else ""
    return f"{at.hour % 12 or 12}{minutes}{'am' if at.hour < 12 else 'pm'}"
