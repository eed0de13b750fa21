"""Dates in answers: `12/3`, `Dec 3rd`, `3 de diciembre`, `next friday`, `mañana`, `the 5th`, `in 2 weeks`,
`NO`.

They are court dates and appointments, so:
- a date without a year is the first one since sixty days ago. A hearing missed last week is urgent; taken for next
  year's, it would look as if there were plenty of time;
- `next friday` is the coming Friday. A week too early costs a needless call, a week too late a home;
- `12/3` is December 3 in every language, as on US court papers, unless only day-month gives a valid date;
- a text that names two days, or no definite day (`next week`), is not understood.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta

from bot.domain.listening.understanding import fold, split_phrases, words_of

MAX_PAST = timedelta(days=60)
MAX_FUTURE = timedelta(days=3 * 366)
MAX_YEARS_BACK = 2
"""A year this many years back is taken as typed (a common slip in January); an older one is replaced by the nearest year."""

_NONE = split_phrases(
    "no, none, nope, nah, n, not yet, no date, no court date, nothing, na, n a, no i dont, i dont have "
    "one, dont have one, i dont, no not yet, no date yet, no court date yet, no thanks, i dont have a "
    "court date, no i dont have one, i dont have a date, never, skip, havent got one, ninguna, ninguno, "
    "no tengo, todavia no, aun no, no hay, no tengo fecha, no todavia, nada, no tengo cita, no hay "
    "fecha, sin fecha, todavia no tengo, no i do not, i do not, omitir"
)


_NO = frozenset(["no", "nope", "nah"])
_LONGEST_NO = 8
_NO_ANSWER = frozenset(["idea", "clue", "se", "sure", "one", "problem", "remember", "recuerdo", "but", "pero", "doubt"])


def means_no_date(text: str) -> bool:
    """Whether the text says that there is no date: `NO`, `not yet`, `no, not that I know of`."""
    words = words_of(text)
    if " ".join(words) in _NONE:
        return True
    plain_no = 1 < len(words) <= _LONGEST_NO and words[0] in _NO and not _NO_ANSWER & set(words)
    return plain_no and not any(char.isdecimal() for char in text) and not _DAY_WORDS & set(words)


_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan enero ene", "february feb febrero", "march mar marzo", "april apr abril abr",
         "may mayo", "june jun junio", "july jul julio", "august aug agosto ago",
         "september sept sep septiembre setiembre set",
         "october oct octubre", "november nov noviembre", "december dec decem diciembre dic"), start=1,
    )
    for name in names.split()
}  # fmt: skip
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        ("monday mon lunes", "tuesday tues tue martes", "wednesday weds wed miercoles",
         "thursday thurs thur thu jueves",
         "friday fri viernes", "saturday sat sabado", "sunday sun domingo")
    )
    for name in names.split()
}  # fmt: skip
_DAY_WORDS = {*_MONTHS, *_WEEKDAYS, "today", "hoy", "tomorrow", "manana", "yesterday", "ayer", "tonight", "week", "weeks"}
"""A text with one of these words is not a plain no."""
_SPOKEN_NUMBERS = {"a": 1, "an": 1, "one": 1, "un": 1, "una": 1, "two": 2, "dos": 2, "three": 3, "tres": 3, "four": 4}
_SPOKEN_NUMBERS |= {
    "cuatro": 4,
    "five": 5,
    "cinco": 5,
    "six": 6,
    "seis": 6,
    "seven": 7,
    "siete": 7,
    "eight": 8,
    "ocho": 8,
}
_SPOKEN_NUMBERS |= {"nine": 9, "nueve": 9, "ten": 10, "diez": 10, "couple": 2, "few": 0}
_UNIT_DAYS = {"day": 1, "days": 1, "dia": 1, "dias": 1, "week": 7, "weeks": 7, "wk": 7, "wks": 7, "semana": 7}
_UNIT_DAYS |= {"semanas": 7}
_UNIT_MONTHS = frozenset(["month", "months", "mes", "meses"])

_MONTH = "(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:\s?(?:st|nd|rd|th|o|ro|do))?\b"
_YEAR = r"(?:[,\s]+(?:de |del |of )?(?P<year>20\d\d|19\d\d|'?\d\d(?![\d:/])(?!\s*[ap]m)))?"
_TIME = re.compile(
    r"\b(?:at|a las?|by|around|@)?\s*(?:\d{1,2}:\d\d\s*(?:[ap]\.?\s?m\b\.?)?|\d{1,2}\s?[ap]\.?m\b\.?)"
    r"|\b(?:at|a las?|@)\s*\d{1,2}\b(?!/)|\bnoon\b"
    r"|\bin the (?:morning|afternoon|evening)\b|\b(?:de|por|en) la (?:manana|tarde|noche)\b"
)
_ALWAYS = re.compile(r"\b24/7\b")
_ISO = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b")
_SLASHED = re.compile(r"(?<![\d/.-])(\d{1,2})\s?[/.-]\s?(\d{1,2})(?:\s?[/.-]\s?(\d{4}|\d{2}))?(?![\d/]|[.-]\d)")
_MONTH_FIRST = re.compile(rf"\b{_MONTH}\s*(?:the )?{_DAY}{_YEAR}")
_DAY_FIRST = re.compile(rf"\b{_DAY}\s*(?:of |de )?{_MONTH}{_YEAR}")
_DAY_ALONE = re.compile(
    r"\b(?:(?:the|el|dia)\s+(\d{1,2})(?:st|nd|rd|th)?|(\d{1,2})(?:st|nd|rd|th))\b"
    # "My 2nd notice" and "the 5th floor" name no day.
    r"(?=[.,!?)]*$|[.,;!?]|\s(?:of|at|de|this|next|in|for|i|or|and|please|thanks|por|a)\b)"
)
_AMOUNT = r"(?P<amount>\d{1,3}|" + "|".join(_SPOKEN_NUMBERS) + r")(?: of)?"
_UNIT = (
    "(?P<unit>" + "|".join([*sorted(_UNIT_DAYS, key=len, reverse=True), *sorted(_UNIT_MONTHS, key=len, reverse=True)]) + ")"
)
_AHEAD = re.compile(
    rf"\b(?<!hace )(?P<lead>(?:in|en|dentro de|within)\s+)?(?:a )?{_AMOUNT}\s+{_UNIT}\b"
    r"(?P<ago>\s+ago)?(?P<now> from (?:now|today))?"
)
_AGO = re.compile(rf"\bhace\s+{_AMOUNT}\s+{_UNIT}\b")
_RELATIVE = (
    (re.compile(r"\b(?:day after tomorrow|pasado manana)\b"), 2),
    (re.compile(r"\b(?:tomorrow|tomorow|tommorow|tommorrow|tmrw|tmr|tmw|2morrow|manana)\b"), 1),
    (re.compile(r"\b(?:today|tonight|hoy|this (?:morning|afternoon|evening)|esta (?:tarde|noche))\b"), 0),
    (re.compile(r"\b(?:yesterday|ayer)\b"), -1),
)  # fmt: skip
_SHORT_WORDS = frozenset(["sun", "sat", "wed", "mon", "set", "mar"])
"""Abbreviations that are also ordinary words ("we sat there"); they count only in short texts."""
_WEEKDAY = re.compile(
    r"\b(?P<last>last |pasado )?(?P<name>"
    + "|".join(sorted(_WEEKDAYS, key=len, reverse=True))
    + r")\b\.?(?P<after> pasado)?"
)
_A_WEEK_FROM = re.compile(r"\b(?:(?:a|1|one) week from|una semana despues del?)\b")
_VAGUE = re.compile(r"\b(?:next|this|la proxima|esta|proxima|last) (?:week|month|year|semana|mes)\b|\bsoon\b|\bpronto\b")


def parse_date(text: str, *, language: str, today: date) -> date | None:
    """The only day that the text names, or None. `today` is the date in Warmline's time zone. Never raises."""
    plain = " ".join(_TIME.sub(" ", fold(text)).split())
    if not plain or len(plain) > 200:
        return None
    if _A_WEEK_FROM.search(plain):
        start = parse_date(_A_WEEK_FROM.sub(" ", plain), language=language, today=today)
        return start and _shift(start, 7)
    for reader in (_calendar_dates, _relative_dates, _weekdays, _days_of_month):
        found = reader(plain, today)
        if len(found) == 1:
            return _within_limits(found.pop(), today)
        if found:
            return None
    if _VAGUE.search(plain):
        return None
    return _within_limits(_parse_with_dateparser(text, language, today), today)


def _within_limits(day: date | None, today: date) -> date | None:
    return day if day and today - timedelta(days=730) <= day <= _shift(today, MAX_FUTURE.days) else None


def _shift(day: date, days: int) -> date:
    # Clamped, because Python has no date after the year 9999.
    return date.fromordinal(max(1, min(date.max.toordinal(), day.toordinal() + days)))


def _calendar_dates(text: str, today: date) -> set[date | None]:
    """2026-12-03, 12/3, 12/3/26, Dec 3rd, 3 de diciembre. None stands for an impossible date."""
    found: set[date | None] = set()
    for match in _ISO.finditer(text):
        found.add(_calendar_date(int(match["month"]), int(match["day"]), int(match["year"]), today))
    if found:
        return found
    for match in _SLASHED.finditer(_ALWAYS.sub(" ", text)):
        if not match[3] and "/" not in match[0] and match[0] != text:
            # "In 2-3 weeks" and "I work 9-5" name no day.
            continue
        first, second = int(match[1]), int(match[2])
        month, day = (second, first) if first > 12 >= second else (first, second)
        found.add(_calendar_date(month, day, _year(match[3]), today))
    taken: list[range] = []
    for pattern in (_MONTH_FIRST, _DAY_FIRST):
        for match in pattern.finditer(text):
            if not any(match.start() in span or match.end() - 1 in span for span in taken):
                taken.append(range(*match.span()))
                found.add(_calendar_date(_MONTHS[match["month"]], int(match["day"]), _year(match["year"]), today))
    return found


def _year(text: str | None) -> int | None:
    if not text:
        return None
    year = int(text.lstrip("'"))
    return year + 2000 if year < 100 else year


def _calendar_date(month: int, day: int, year: int | None, today: date) -> date | None:
    if year is not None and (year >= today.year or year < today.year - MAX_YEARS_BACK):
        return _valid_date(year, month, day)
    near = (_valid_date(today.year + step, month, day) for step in (-1, 0, 1, 2, 3, 4))
    return next((one for one in near if one and one >= _shift(today, -MAX_PAST.days)), None)


def _valid_date(year: int, month: int, day: int) -> date | None:
    if not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return None
    return date(year, month, day)


def _relative_dates(text: str, today: date) -> set[date | None]:
    """Days relative to today: tomorrow, pasado mañana, in 2 weeks, 3 days ago."""
    for pattern, days in _RELATIVE:
        if pattern.search(text):
            rest = pattern.sub(" ", text)
            return {_shift(today, days)} | _relative_dates(rest, today) | _weekdays(rest, today)
    found: set[date | None] = set()
    for match in (*_AHEAD.finditer(text), *_AGO.finditer(text)):
        parts = match.groupdict()
        if not (match.re is _AGO or parts["lead"] or parts["ago"] or parts["now"] or match[0] == text):
            # "I have been here 2 weeks" names no day.
            continue
        named = match["amount"]
        amount = int(named) if named.isdecimal() else _SPOKEN_NUMBERS[named]
        past = match.re is _AGO or bool(parts["ago"])
        found.add(_add_units(today, -amount if past else amount, match["unit"]) if amount else None)
    return found


def _add_units(today: date, amount: int, unit: str) -> date | None:
    if unit in _UNIT_DAYS:
        return _shift(today, amount * _UNIT_DAYS[unit])
    year, month = divmod(today.year * 12 + today.month - 1 + amount, 12)
    if not 1 <= year <= 9999:
        return None
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))


def _weekdays(text: str, today: date) -> set[date | None]:
    """The coming Friday for `friday`, `next friday`, `el viernes`; empty for `friday the 5th`, a day of the month."""
    if _days_of_month(text, today):
        return set()
    found: set[date | None] = set()
    for match in _WEEKDAY.finditer(text):
        if match["name"] in _SHORT_WORDS and len(text.split()) > _SHORT_TEXT:
            continue
        ahead = (_WEEKDAYS[match["name"]] - today.weekday()) % 7
        past = match["last"] or match["after"]
        found.add(_shift(today, ahead - 7 if past else ahead or (7 if "next" in text or "proximo" in text else 0)))
    return found


def _days_of_month(text: str, today: date) -> set[date | None]:
    """`the 5th`, `el 5`: the first such day from today on."""
    found: set[date | None] = set()
    for match in _DAY_ALONE.finditer(text):
        day = int(match[1] or match[2])
        months = (divmod(today.year * 12 + today.month - 1 + step, 12) for step in range(3))
        days = (_valid_date(year, month + 1, day) for year, month in months)
        found.add(next((one for one in days if one and one >= today), None))
    return found


_SHORT_ENOUGH = 40
_SHORT_TEXT = 5


def _parse_with_dateparser(text: str, language: str, today: date) -> date | None:
    """Date formats of other languages. Tried last: the library's first call takes a large part of a second."""
    if language in {"en", "es"} or len(text) > _SHORT_ENOUGH or not any(char.isdecimal() for char in text):
        return None
    import dateparser

    settings = {
        "RELATIVE_BASE": datetime(today.year, today.month, today.day),  # noqa: DTZ001
        "PREFER_DATES_FROM": "future",
        "DATE_ORDER": "DMY",
        "REQUIRE_PARTS": ["day", "month"],
        "PARSERS": ["absolute-time"],
        "TIMEZONE": "UTC",
    }
    try:
        found = dateparser.parse(text, languages=[language], settings=settings)
    except Exception:
        # The library raises many kinds of errors on odd texts and unknown languages; the person must still get a reply.
        return None
    return found.date() if found else None
