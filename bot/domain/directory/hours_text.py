"""Opening hours in short words for a text: "Mon-Fri 9am-5pm; Sat 9am-12pm"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time

from babel.dates import get_day_names

from bot.domain.directory.hsds.older_versions import CLOSED
from bot.domain.directory.hsds.values import WEEKDAYS, date_of, days_of, time_of, to_time
from bot.domain.directory.schedules import DAY, LAST_MINUTE, Schedule
from bot.domain.languages import locale_of

HOURS_KEYS = frozenset(
    {"every_day", "all_day", "of_month", "ordinal_last"} | {f"ordinal_{number}" for number in range(1, 6)}
)
"""The keys of the words below."""


@dataclass(frozen=True, slots=True)
class HoursWords:
    """The words of one language. `days` begin with Monday; the keys of `ordinals` are the numbers in `byday`."""

    days: tuple[str, ...]
    every_day: str
    all_day: str
    ordinals: Mapping[str, str]
    of_month: str


def hours_words(language: str, words: Mapping[str, str]) -> HoursWords:
    """Built from the words of `HOURS_KEYS`; the names of the days are Babel's."""
    # Abbreviated: full weekday names would fill half a text.
    days = get_day_names("abbreviated", locale=locale_of(language))
    ordinals = {str(number): words[f"ordinal_{number}"] for number in range(1, 6)} | {"-1": words["ordinal_last"]}
    return HoursWords(
        tuple(days[number] for number in range(7)), words["every_day"], words["all_day"], ordinals, words["of_month"]
    )


def hours_in_words(schedules: Iterable[Schedule], words: HoursWords, on: date | None = None) -> str:
    """The weekly and monthly hours in these words; "" where they cannot be said in full.

    With `on` only rows valid on that date count. Rows for single days (a holiday) and rows without both times are left
    out. Where a row cannot be said in short words (every second week) the result is "": half of the hours would mislead.
    """
    weekly: dict[str, set[tuple[str, str]]] = {}
    monthly: dict[str, set[tuple[str, str]]] = {}
    for row in schedules:
        opens, closes = time_of(row.get("opens_at")), time_of(row.get("closes_at"))
        if (
            (on and not _is_valid_on(row, on))
            or row.get("description") == CLOSED
            or not (row.get("freq") or row.get("byday"))
        ):
            continue
        if opens is None or closes is None:
            continue
        days = _days(row, words)
        if days is None:
            return ""
        for day in days:
            (weekly if day in WEEKDAYS else monthly).setdefault(day, set()).add((opens, closes))
    said = [f"{_day_words(days, words)} {_spans(spans, words)}" for days, spans in _group_days(weekly)]
    said += [f"{day} {_spans(tuple(sorted(spans)), words)}" for day, spans in monthly.items()]
    return "; ".join(said)


def _is_valid_on(row: Schedule, on: date) -> bool:
    first, last = date_of(row.get("valid_from")), date_of(row.get("valid_to") or row.get("until"))
    return (not first or first <= on.isoformat()) and (not last or on.isoformat() <= last)


def _days(row: Schedule, words: HoursWords) -> list[str] | None:
    """Weekdays as codes, days of the month as words; None where they cannot be said in short words."""
    if row.get("interval", 1) != 1 or row.get("byweekno") or row.get("byyearday") or row.get("count"):
        return None
    days = days_of(row.get("byday"))
    if row.get("freq", "WEEKLY") == "WEEKLY":
        return None if row.get("bymonthday") or not days else [day[-2:] for day in days.split(",")]
    if days and not row.get("bymonthday"):
        parts = [(day[:-2], WEEKDAYS.index(day[-2:])) for day in days.split(",")]
        # A weekday without a number means every such day of the month.
        said = [words.ordinals.get(number) if number else "" for number, _ in parts]
        if None in said:
            return None
        return [
            f"{ordinal} {words.days[day]}" if ordinal else WEEKDAYS[day]
            for ordinal, (_, day) in zip(said, parts, strict=True)
        ]
    if row.get("bymonthday") and not days and "-" not in str(row["bymonthday"]):
        return [words.of_month.format(days=str(row["bymonthday"]).replace(",", ", "))]
    return None


def _group_days(weekly: dict[str, set[tuple[str, str]]]) -> list[tuple[tuple[int, ...], tuple[tuple[str, str], ...]]]:
    """Groups of consecutive days with the same hours."""
    groups: list[tuple[tuple[int, ...], tuple[tuple[str, str], ...]]] = []
    for number, code in enumerate(WEEKDAYS):
        if code not in weekly:
            continue
        spans = tuple(sorted(weekly[code]))
        if groups and groups[-1][1] == spans and groups[-1][0][-1] == number - DAY.days:
            groups[-1] = ((*groups[-1][0], number), spans)
        else:
            groups.append(((number,), spans))
    return groups


def _day_words(days: tuple[int, ...], words: HoursWords) -> str:
    if len(days) == len(WEEKDAYS):
        return words.every_day
    if len(days) == 1:
        return words.days[days[0]]
    between = ", " if len(days) == 2 else "-"
    return f"{words.days[days[0]]}{between}{words.days[days[-1]]}"


def _spans(spans: tuple[tuple[str, str], ...], words: HoursWords) -> str:
    return ", ".join(_span(to_time(opens), to_time(closes), words) for opens, closes in spans)


def _span(opens: time, closes: time, words: HoursWords) -> str:
    if (opens.hour, opens.minute) == (0, 0) and (closes.hour, closes.minute) in ((0, 0), (23, 59)):
        return words.all_day
    return f"{_moment(opens)}-{_moment(time() if closes.replace(tzinfo=None) == LAST_MINUTE else closes)}"


def _moment(at: time) -> str:
    minutes = f":{at.minute:02}" if at.minute else ""
    return f"{at.hour % 12 or 12}{minutes}{'am' if at.hour < 12 else 'pm'}"
