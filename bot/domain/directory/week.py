"""The hours of a week as staff type them, a line for each day, to and from the specification's schedules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from itertools import pairwise
from typing import Any

from bot.domain.directory.cleaning import LONGEST_OPEN
from bot.domain.directory.older import CLOSED
from bot.domain.directory.values import WEEKDAYS, clock, days_of, span, time_of

Span = tuple[str, str]
"""When it opens and closes, HH:MM."""

EMPTY = ("",) * len(WEEKDAYS)
ALL_DAY = "24 hours"
_WHOLE: Span = ("00:00", "00:00")
_CLOSED = frozenset({"", "closed", "-"})
_PLAIN = frozenset({"id", "freq", "interval", "wkst", "byday", "opens_at", "closes_at", "attending_type"})
"""What a row may have that a line can say; anything else (a last day, every second week) would be lost by typing it anew."""
_BETWEEN = re.compile(r"\s*(?:-|\u2013|\u2014|\bto\b)\s*", re.I)
_WORDS = {"noon": "12pm", "midnight": "12am"}


class Unreadable(Exception):
    """A line of hours that cannot be read. `text` says what is wrong and how to write it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def read_day(typed: str) -> list[Span]:
    """The spans of one day from "9am-5pm", "9:00-12:00, 1pm-5pm", "24 hours"; [] for "closed". Raises Unreadable.

    A closing that is not after the opening is on the next day, which is believed only where the night has at most sixteen
    hours: a longer one is nearly always 9-5 that was meant for nine to seventeen.
    """
    words = typed.strip().casefold()
    if words in _CLOSED:
        return []
    if words in ("24 hours", "24h", "all day", "open 24 hours"):
        return [_WHOLE]
    found = sorted(_read_span(part) for part in re.split(r"[,;]|\band\b", words) if part.strip())
    for (first, closes), (opens, _) in pairwise(found):
        if opens < closes or closes <= first:
            raise Unreadable("Two of the times overlap. Write each once, like 9am-12pm, 1pm-5pm.")
    return found


def _read_span(typed: str) -> Span:
    parts = _BETWEEN.split(typed.strip())
    times = [time_of(_WORDS.get(part, part)) for part in parts]
    if len(parts) != 2 or None in times:
        raise Unreadable("This cannot be read. Write it like 9am-5pm, or 9am-12pm, 1pm-5pm, or closed.")
    opens, closes = str(times[0]), str(times[1])
    if clock(opens).tzinfo or clock(closes).tzinfo:
        raise Unreadable("Write the times without a zone, as the clock on the wall shows them.")
    if opens == closes:
        raise Unreadable(f"It opens and closes at the same time. Write {ALL_DAY}, or closed.")
    if closes < opens and closes != "00:00" and span(opens, closes) > LONGEST_OPEN:
        raise Unreadable("It closes before it opens. Write am or pm, like 9am-5pm; a night like 8pm-7am is fine.")
    return opens, closes


def schedules_of(week: Sequence[Sequence[Span]]) -> list[dict[str, Any]]:
    """The specification's rows for the spans of seven days from Monday: one row for each span that days have in common."""
    days: dict[Span, list[str]] = {}
    for code, spans in zip(WEEKDAYS, week, strict=True):
        for one in spans:
            days.setdefault(one, []).append(code)
    return [
        {"freq": "WEEKLY", "byday": ",".join(codes), "opens_at": opens, "closes_at": closes}
        for (opens, closes), codes in days.items()
    ]


def week_of(schedules: Iterable[Mapping[str, Any]]) -> tuple[str, ...] | None:
    """What stands in the seven lines for these schedules; None where seven lines cannot say all of them."""
    week: list[list[Span]] = [[] for _ in WEEKDAYS]
    for row in schedules:
        opens, closes = time_of(row.get("opens_at")), time_of(row.get("closes_at"))
        days = (days_of(row.get("byday")) or "").split(",")
        if not _is_plain(row) or opens is None or closes is None or not set(days) <= set(WEEKDAYS):
            return None
        if clock(opens).tzinfo or clock(closes).tzinfo:
            return None
        for day in days:
            week[WEEKDAYS.index(day)].append((opens, closes))
    return tuple(", ".join(_said(one) for one in sorted(set(spans))) for spans in week)


def _is_plain(row: Mapping[str, Any]) -> bool:
    if row.get("freq", "WEEKLY") != "WEEKLY" or row.get("interval", 1) != 1 or row.get("description") == CLOSED:
        return False
    return {name for name, value in row.items() if value} <= _PLAIN


def _said(one: Span) -> str:
    if one in (_WHOLE, ("00:00", "23:59")):
        return ALL_DAY
    return f"{_moment(clock(one[0]))}-{_moment(clock(one[1]))}"


def _moment(at: time) -> str:
    minutes = f":{at.minute:02}" if at.minute else ""
    return f"{at.hour % 12 or 12}{minutes}{'am' if at.hour < 12 else 'pm'}"
