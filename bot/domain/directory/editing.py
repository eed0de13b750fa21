"""What staff type about a service, read: the values that can be stored, or a sentence for each field that cannot."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from bot.domain.directory import cards, phone_lines, places, week
from bot.domain.directory.fields import STATUSES
from bot.domain.segments import fold_for_sms, measure
from bot.domain.staff_form import language_names, read_languages

LONGEST = {"name": 200, "agency": 200, "description": 5000, "eligibility": 2000, "alert": 500, "url": 500, "email": 200}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ZIP = re.compile(r"\d{3,5}")
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,}")
_URL = re.compile(r"(?:https?://)?[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:[/?#]\S*)?", re.I)
_BETWEEN = re.compile(r"[,;\s]+")
_ADDRESS = {"street", "city", "state", "zip"}
_REACHED_BY = {"phones", "url", "status", *_ADDRESS}
_STORED_AS = {"eligibility": "eligibility_description", "hours": "schedules"}
_PROBLEMS_OF = {"hours": "hours", "cards": "card"}
"""Fields whose complaints stand at a part of them: hours-0, card-en."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as it was sent."""

    name: str = ""
    agency: str = ""
    description: str = ""
    alert: str = ""
    """What staff should know before they send somebody there. Where there is one, people are told to call first."""
    phones: str = ""
    """One a line."""
    url: str = ""
    email: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    eligibility: str = ""
    languages: str = ""
    needs: tuple[str, ...] = ()
    hours: tuple[str, ...] = week.EMPTY
    """A line for each day from Monday."""
    zips: str = ""
    cards: tuple[tuple[str, str], ...] = ()
    """Language and words."""
    status: str = "active"


@dataclass(frozen=True, slots=True)
class Known:
    """What a form is read against. `phones` are the rows that hold now and those that were imported."""

    needs: Collection[str]
    languages: Sequence[str] = ("en", "es")
    """In which cards may be written."""
    current: Typed | None = None
    """The form of the service as it is. A field that is as it was is not read: what was imported may be anything."""
    phones: Sequence[dict[str, Any]] = ()
    imported_hours: Sequence[dict[str, Any]] = ()
    has_own_place: bool = True
    """Whether the form holds the address; else the service has one elsewhere, at several places."""


@dataclass(slots=True)
class _Reading:
    typed: Typed
    known: Known
    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def read(typed: Typed, known: Known) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of the fields that were changed, by the names of the specification, and what is wrong with each field
    (empty: they can be stored). An empty value is None, [] or {}. `address` is a row of the specification or None.
    """
    reading = _Reading(typed, known)
    _read_words(reading)
    for step in (_read_phones, _read_lists, _read_hours, _read_address, _read_cards):
        step(reading)
    if typed.status not in STATUSES:
        reading.problems["status"] = f"Choose one of: {', '.join(STATUSES)}."
    reading.values["status"] = typed.status
    untouched = _untouched(typed, known.current)
    for name in untouched:
        _leave_out(reading, name)
    if typed.status == "active" and not untouched >= _REACHED_BY:
        _must_be_reached(reading)
    for name in untouched:
        reading.values.pop(_STORED_AS.get(name, name), None)
    if untouched >= _ADDRESS:
        reading.values.pop("address", None)
    return reading.values, reading.problems


def _untouched(typed: Typed, current: Typed | None) -> set[str]:
    if current is None:
        return set()
    names = {one.name for one in dataclasses.fields(Typed)}
    found = {name for name in names if getattr(typed, name) == getattr(current, name)}
    # An address is one thing: where its street is new, its ZIP code is looked at too.
    return found if found >= _ADDRESS else found - _ADDRESS


def _leave_out(reading: _Reading, name: str) -> None:
    for field_name in list(reading.problems):
        if field_name == name or field_name.partition("-")[0] == _PROBLEMS_OF.get(name):
            del reading.problems[field_name]


def _read_words(reading: _Reading) -> None:
    typed, problems = reading.typed, reading.problems
    for name, most in LONGEST.items():
        words = str(getattr(typed, name)).strip()
        reading.values["eligibility_description" if name == "eligibility" else name] = words or None
        if len(words) > most:
            problems[name] = f"This has {len(words)} characters. {most} is the most."
    if not typed.name.strip():
        problems["name"] = "Write its name, as it stands on the door or is said on the telephone."
    if typed.url.strip() and "url" not in problems and not _URL.fullmatch(typed.url.strip()):
        problems["url"] = "This is no web page. Write it like https://example.org/help."
    if typed.email.strip() and "email" not in problems and not _EMAIL.fullmatch(typed.email.strip()):
        problems["email"] = "This is no e-mail address. Write it like intake@example.org."


def _read_phones(reading: _Reading) -> None:
    reading.values["phones"], problem = phone_lines.read(reading.typed.phones, reading.known.phones)
    if problem:
        reading.problems["phones"] = problem


def _read_lists(reading: _Reading) -> None:
    typed, problems = reading.typed, reading.problems
    reading.values["languages"], unknown = read_languages(typed.languages)
    if unknown:
        problems["languages"] = (
            f"Not known as a language: {', '.join(unknown)}. Write them in English, like Spanish, Bosnian."
        )
    reading.values["needs"] = list(dict.fromkeys(typed.needs))
    if strange := [need for need in typed.needs if need not in reading.known.needs]:
        problems["needs"] = (
            f"There is no need called {', '.join(strange)}. Choose from the list; directory/needs.yaml holds them."
        )
    zips = [part for part in _BETWEEN.split(typed.zips) if part]
    reading.values["zips"] = list(dict.fromkeys(zips))
    if wrong := [part for part in zips if not (part.isascii() and _ZIP.fullmatch(part))]:
        problems["zips"] = f"{wrong[0]} is no ZIP code. Write five digits, or the first three for a whole area, like 631."


def _read_hours(reading: _Reading) -> None:
    typed = tuple(line.strip() for line in reading.typed.hours)
    if any(typed) and typed == week.week_of(reading.known.imported_hours):
        reading.values["schedules"] = list(reading.known.imported_hours)
        return
    days: list[list[week.Span]] = []
    for number, line in enumerate(typed):
        try:
            days.append(week.read_day(line))
        except week.Unreadable as unread:
            days.append([])
            reading.problems[f"hours-{number}"] = unread.text
    if not any(f"hours-{number}" in reading.problems for number in range(7)):
        reading.values["schedules"] = week.schedules_of(days)


def _read_address(reading: _Reading) -> None:
    typed = reading.typed
    parts = {
        "address_1": typed.street.strip(),
        "city": typed.city.strip(),
        "state_province": typed.state.strip(),
        "postal_code": typed.zip.strip(),
    }
    reading.values["address"] = parts if any(parts.values()) else None
    if not any(parts.values()):
        return
    if not parts["city"]:
        reading.problems["city"] = "Write the city as well, so that people find the way."
    place = places.of_zip(parts["postal_code"])
    if place is None:
        reading.problems["zip"] = "Write a ZIP code of five digits, like 63101: by it the distance is measured."


def _read_cards(reading: _Reading) -> None:
    written = {code: " ".join(words.split()) for code, words in reading.typed.cards if words.strip()}
    reading.values["cards"] = written
    for code, words in written.items():
        size = measure(fold_for_sms(words))
        if size.segments > cards.MOST_SEGMENTS:
            reading.problems[f"card-{code}"] = (
                f"This is {size.segments} segments. {cards.MOST_SEGMENTS} are the most; leave out what can be asked on the "
                "telephone."
            )
    if written and "en" not in written:
        reading.problems["card-en"] = "Write it in English too: it is what people get whose language has no card."


def _must_be_reached(reading: _Reading) -> None:
    values = reading.values
    address = {"addresses": [values["address"]]} if values.get("address") else {}
    is_reached = cards.number_of(values) or values.get("url") or cards.address_of(address)
    if not is_reached and reading.known.has_own_place and "phones" not in reading.problems:
        reading.problems["phones"] = (
            "Write a telephone number, a web page or a street address: without one, nobody can be told how to reach it. "
            "If it is closed, choose so under Status."
        )


def typed_of(held: Mapping[str, Any], address: Mapping[str, Any] | None, languages: Sequence[str]) -> Typed:
    """What stands in the form for these values, which have the names that `read` gives."""
    said = {name: _one_line(held.get(name)) for name in ("name", "agency", "alert", "url", "email")}
    where = {key: _one_line(value) for key, value in (address or {}).items()}
    return Typed(
        **said,
        description=_lines(held.get("description")),
        phones=phone_lines.lines(held.get("phones") or ()),
        street=where.get("address_1", ""),
        city=where.get("city", ""),
        state=where.get("state_province", ""),
        zip=where.get("postal_code", ""),
        eligibility=_lines(held.get("eligibility_description")),
        languages=language_names(held.get("languages") or ()),
        needs=tuple(sorted(held.get("needs") or ())),
        hours=week.week_of(held.get("schedules") or ()) or week.EMPTY,
        zips=", ".join(held.get("zips") or ()),
        cards=tuple((code, _one_line((held.get("cards") or {}).get(code))) for code in languages),
        status=str(held.get("status") or "active"),
    )


def _one_line(value: object) -> str:
    return " ".join(str(value or "").split())


def _lines(value: object) -> str:
    return "\n".join(line.strip() for line in str(value or "").strip().splitlines())


def tidied(typed: Typed) -> Typed:
    """A form as it was sent, with blanks and the order of needs as `typed_of` writes them: so what nobody has touched is
    seen to be untouched."""
    several = {name: _lines(getattr(typed, name)) for name in ("description", "eligibility", "phones")}
    names = ("name", "agency", "alert", "url", "email", "street", "city", "state", "zip", "languages", "zips")
    return dataclasses.replace(
        typed,
        **several,
        **{name: _one_line(getattr(typed, name)) for name in names},
        needs=tuple(sorted(set(typed.needs))),
        hours=tuple(_one_line(line) for line in typed.hours),
        cards=tuple((code, _one_line(words)) for code, words in typed.cards),
    )


@dataclass(frozen=True, slots=True)
class Merged:
    """A form whose service somebody else has changed meanwhile: theirs where nothing was typed, else what was typed."""

    typed: Typed
    changed: tuple[str, ...]
    """Fields that somebody else has changed."""
    clashes: dict[str, Any]
    """Of these, the ones that were typed into as well, with what somebody else has saved."""


def merge(opened: Typed | None, mine: Typed, theirs: Typed) -> Merged:
    """Bring together what was typed into a form as it was `opened` and what has been saved since. `opened` None: not known,
    and then nothing that was typed is given up."""
    kept, changed, clashes = {}, [], {}
    for one in dataclasses.fields(Typed):
        name = one.name
        my, their = getattr(mine, name), getattr(theirs, name)
        before = getattr(opened, name) if opened is not None else None
        if their in (before, my):
            continue
        changed.append(name)
        if my == before:
            kept[name] = their
        else:
            clashes[name] = their
    return Merged(dataclasses.replace(mine, **kept), tuple(changed), clashes)


class Freshness(StrEnum):
    """Whether people may be told of a service, as far as checking goes."""

    FRESH = "fresh"
    STALE = "stale"
    """Checked once, and too long ago."""
    NEVER = "never"
    """Nobody has checked it, or its number was changed since."""
    HIDDEN = "hidden"
    """Closed, or its own directory no longer has it."""


def freshness(verified: bool, review_by: datetime, status: str, gone: bool, now: datetime) -> Freshness:
    """Which of them a service is; times are aware."""
    if gone or status != "active":
        return Freshness.HIDDEN
    if not verified:
        return Freshness.NEVER
    return Freshness.FRESH if review_by > now else Freshness.STALE


def good_until(checked_on: date, fresh_days: int, zone: ZoneInfo) -> datetime:
    """The end of being offered, for a service that was checked on this day where the line is: the midnight that ends the
    last day."""
    return datetime.combine(checked_on + timedelta(days=fresh_days + 1), time(0), zone)
