"""Parses single values as directories write them (numbers, times, dates, weekdays, ids) into the specification's form."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

MAX_LENGTH = 100_000
"""Most characters of one value. Longer ones come from broken files (an unclosed quote, a picture), not from texts."""
MAX_KEY_LENGTH = 200

MAX_RECURRENCES = 5000
"""The largest count of a recurrence: daily for thirteen years."""

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_TIME = re.compile(
    r"(\d{1,2})(?:[:.h]?(\d{2}))?(?::?(\d{2})(?:\.\d+)?)?\s*([ap])?\.?(?:m\.?)?\s*(z|[+-]\d{2}(?::?\d{2})?)?", re.I
)
_BY_DAY = re.compile(r"([+-]?[1-5])?([A-Z]{2})")
_DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%B %d, %Y", "%Y%m%d")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIRST_YEAR = 1900
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def text_of(value: Any) -> str:
    """The value as stripped text, without characters that databases and telephones reject; "" for None, lists and dicts."""
    # The fast path for nearly every value of a directory with a hundred thousand services.
    if type(value) is str and value.isascii() and value.isprintable():
        return value.strip()
    if value is None or isinstance(value, list | dict):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    words = str(value).strip()
    if words.isascii() and words.isprintable():
        return words
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", _CONTROL.sub("", words)).strip()


def key_of(value: Any) -> str | None:
    """An id: text or a whole number. None where there is none, or it is too long for an id."""
    if isinstance(value, bool):
        return None
    key = text_of(value)
    return key if key and len(key) <= MAX_KEY_LENGTH and "\n" not in key else None


def number_of(value: Any) -> int | float | None:
    """A finite number, whole ones as int: 12, "12", "12.50", "$ 1,200". None for anything else."""
    if isinstance(value, bool):
        return None
    words = text_of(value).lstrip("$£€ ").replace(",", "")
    try:
        number = Decimal(words)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) > Decimal("1e15"):
        return None
    return int(number) if number == number.to_integral_value() else float(number)


def date_of(value: Any) -> str | None:
    """A date as YYYY-MM-DD; a time after it is dropped. None for anything else, and for "no date" values (year 1)."""
    words = text_of(value)
    if not words:
        return None
    if _ISO_DAY.fullmatch(words[:10]):
        # The fast path: nearly all are written like this, and the others take ten tries.
        with suppress(ValueError):
            day = date.fromisoformat(words[:10])
            return day.isoformat() if day.year >= _FIRST_YEAR else None
    for candidate in (words, words[:10]):
        for form in _DATE_FORMATS:
            try:
                day = datetime.strptime(candidate, form).date()  # noqa: DTZ007  a day has no zone
            except ValueError:
                continue
            return day.isoformat() if day.year >= _FIRST_YEAR else None
    return None


def time_of(value: Any) -> str | None:
    """A time of day as HH:MM, with its offset if it has one: 1930, "9", "09:00:00", "4:00 PM", "09:00-05:00".

    None for anything else: "25:00", "noon", and the span "08:00-12:00". Midnight at the end of a day, 24:00, is 00:00.
    """
    return _time_of(text_of(value))


@lru_cache(maxsize=4096)
def _time_of(words: str) -> str | None:
    if words.isdigit() and len(words) == 3:
        words = f"0{words}"
    if (found := _TIME.fullmatch(words)) is None:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[4].lower() == "p" else 0)
    if hour == 24 and minute == 0:
        hour = 0
    if hour > 23 or minute > 59 or int(found[3] or 0) > 59:
        return None
    offset = _offset(found[5])
    return None if offset is None else f"{hour:02}:{minute:02}{offset}"


def _offset(words: str | None) -> str | None:
    """An offset as +HH:MM; "" where there is none; None for an offset that no time zone has."""
    if words is None:
        return ""
    if words in "zZ":
        return "Z"
    digits = words[1:].replace(":", "").ljust(4, "0")
    minutes = int(f"{words[0]}{int(digits[:2]) * 60 + int(digits[2:])}")
    # No place has offset -12:00, but many close at noon: "08:00-12:00" is a span written into one cell.
    if int(digits[2:]) > 59 or not -12 * 60 < minutes <= 14 * 60:
        return None
    return f"{words[0]}{digits[:2]}:{digits[2:]}"


@lru_cache(maxsize=4096)
def to_time(words: str) -> time:
    """The `time` for a result of `time_of`, with its offset as tzinfo if it has one."""
    return time.fromisoformat(words)


def opening_length(opens: str, closes: str) -> timedelta:
    """How long it is open. A closing not after the opening is on the next day, so 00:00 to 00:00 is a whole day."""
    first, last = to_time(opens), to_time(closes)
    minutes = (last.hour * 60 + last.minute) - (first.hour * 60 + first.minute)
    return timedelta(minutes=minutes if minutes > 0 else minutes + 24 * 60)


def weekday_of(value: Any, first: int = 1) -> str | None:
    """MO to SU from "Monday", "mon", "MO", or a number, where `first` is Monday. None for anything else."""
    words = text_of(value)
    if words.lstrip("-").isdigit():
        at = int(words) - first
        # Sunday is 0 or 7 where Monday is 1; both are in use.
        return WEEKDAYS[at % 7] if -1 <= at <= 6 else None
    short = words[:2].upper()
    names = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
    fits = short in WEEKDAYS and names[WEEKDAYS.index(short)].startswith(words.upper().rstrip(".S") or "?")
    return short if fits or words.upper() in ("TUES", "THURS", "WEDS") or words.upper() in names else None


def days_of(value: Any) -> str | None:
    """The days of an RRULE, `MO,WE` or `1MO,-1FR`, from a list or a comma list, also of full names. None: unreadable."""
    return _days_of(",".join(map(text_of, value)) if isinstance(value, list) else text_of(value))


@lru_cache(maxsize=4096)
def _days_of(words: str) -> str | None:
    parts, days = re.split(r"[,;\s]+", words), list[str]()
    for part in filter(None, parts):
        found = _BY_DAY.fullmatch(part.upper())
        day = part.upper().lstrip("+") if found and found[2] in WEEKDAYS else weekday_of(part)
        if day is None:
            return None
        days.append(day)
    return ",".join(dict.fromkeys(days)) or None


def numbers_of(value: Any, lowest: int, highest: int) -> str | None:
    """A comma list of integers for an RRULE, each from lowest to highest or the negative of such. None: unreadable."""
    parts = value if isinstance(value, list) else text_of(value).split(",")
    found = [text_of(part) for part in parts if text_of(part)]
    if not all(re.fullmatch(r"[+-]?\d{1,3}", part) and lowest <= abs(int(part)) <= highest for part in found):
        return None
    return ",".join(str(int(part)) for part in found) or None
