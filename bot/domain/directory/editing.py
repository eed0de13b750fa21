"""Reads the form about a service: the values to store, or a sentence for each field that cannot be stored."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from bot.domain.directory import cards, phone_lines, places, week_hours
from bot.domain.directory.hsds.fields import STATUSES
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.domain.staff.form import language_names, read_languages

MAX_LENGTHS = {"name": 200, "agency": 200, "description": 5000, "eligibility": 2000, "alert": 500, "url": 500, "email": 200}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ZIP = re.compile(r"\d{3,5}")
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,}")
_URL = re.compile(r"(?:https?://)?[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:[/?#]\S*)?", re.I)
_BETWEEN = re.compile(r"[,;\s]+")
_ADDRESS = {"street", "city", "state", "zip"}
_CONTACT_FIELDS = {"phones", "url", "status", *_ADDRESS}
_STORED_AS = {"eligibility": "eligibility_description", "hours": "schedules"}
_PROBLEMS_OF = {"hours": "hours", "cards": "card"}
"""Fields whose problems are reported for a part of the field: hours-0, card-en."""


@dataclass(frozen=True, slots=True)
class ServiceForm:
    """The form as submitted."""

    name: str = ""
    agency: str = ""
    description: str = ""
    alert: str = ""
    """What staff should know before they send a person there. Where it is given, people are told to call first."""
    phones: str = ""
    """One per line."""
    url: str = ""
    email: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    eligibility: str = ""
    languages: str = ""
    needs: tuple[str, ...] = ()
    hours: tuple[str, ...] = week_hours.EMPTY_WEEK
    """A line for each day from Monday."""
    zips: str = ""
    cards: tuple[tuple[str, str], ...] = ()
    """Pairs of language and text."""
    status: str = "active"


@dataclass(frozen=True, slots=True)
class ServiceFormFacts:
    """What is known when a form is read. `phones` are the current rows and the imported ones."""

    needs: Collection[str]
    languages: Sequence[str] = (SOURCE_LANGUAGE,)
    """Languages in which cards may be written."""
    current: ServiceForm | None = None
    """The form for the service as stored. An unchanged field is not checked, as imported values may have any form."""
    phones: Sequence[dict[str, Any]] = ()
    imported_hours: Sequence[dict[str, Any]] = ()
    has_own_place: bool = True
    """Whether the form has the address; otherwise the service has several locations with addresses of their own."""


@dataclass(slots=True)
class _FormReading:
    typed: ServiceForm
    known: ServiceFormFacts
    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def read(typed: ServiceForm, known: ServiceFormFacts) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of the changed fields, by the specification's names, and what is wrong with each field (empty: they can be
    stored). An empty value is None, [] or {}. `address` is a row of the specification or None.
    """
    reading = _FormReading(typed, known)
    _read_texts(reading)
    for step in (_read_phones, _read_lists, _read_hours, _read_address, _read_cards):
        step(reading)
    if typed.status not in STATUSES:
        reading.problems["status"] = f"Choose one of: {', '.join(STATUSES)}."
    reading.values["status"] = typed.status
    untouched = _unchanged_fields(typed, known.current)
    for name in untouched:
        _drop_problems(reading, name)
    if typed.status == "active" and not untouched >= _CONTACT_FIELDS:
        _require_contact(reading)
    for name in untouched:
        reading.values.pop(_STORED_AS.get(name, name), None)
    if untouched >= _ADDRESS:
        reading.values.pop("address", None)
    return reading.values, reading.problems


def _unchanged_fields(typed: ServiceForm, current: ServiceForm | None) -> set[str]:
    if current is None:
        return set()
    names = {one.name for one in dataclasses.fields(ServiceForm)}
    found = {name for name in names if getattr(typed, name) == getattr(current, name)}
    # An address is one unit: if its street is changed, its ZIP code is checked too.
    return found if found >= _ADDRESS else found - _ADDRESS


def _drop_problems(reading: _FormReading, name: str) -> None:
    for field_name in list(reading.problems):
        if field_name == name or field_name.partition("-")[0] == _PROBLEMS_OF.get(name):
            del reading.problems[field_name]


def _read_texts(reading: _FormReading) -> None:
    typed, problems = reading.typed, reading.problems
    for name, most in MAX_LENGTHS.items():
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


def _read_phones(reading: _FormReading) -> None:
    reading.values["phones"], problem = phone_lines.read(reading.typed.phones, reading.known.phones)
    if problem:
        reading.problems["phones"] = problem


def _read_lists(reading: _FormReading) -> None:
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


def _read_hours(reading: _FormReading) -> None:
    typed = tuple(line.strip() for line in reading.typed.hours)
    if any(typed) and typed == week_hours.week_of(reading.known.imported_hours):
        reading.values["schedules"] = list(reading.known.imported_hours)
        return
    days: list[list[week_hours.HoursSpan]] = []
    for number, line in enumerate(typed):
        try:
            days.append(week_hours.read_day(line))
        except week_hours.HoursUnreadable as unread:
            days.append([])
            reading.problems[f"hours-{number}"] = unread.text
    if not any(f"hours-{number}" in reading.problems for number in range(7)):
        reading.values["schedules"] = week_hours.schedules_of(days)


def _read_address(reading: _FormReading) -> None:
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
    place = places.find_zip(parts["postal_code"])
    if place is None:
        reading.problems["zip"] = "Write a ZIP code of five digits, like 63101: by it the distance is measured."


def _read_cards(reading: _FormReading) -> None:
    written = {code: " ".join(words.split()) for code, words in reading.typed.cards if words.strip()}
    reading.values["cards"] = written
    for code, words in written.items():
        size = measure_segments(fold_for_sms(words))
        if size.segments > cards.MAX_SEGMENTS:
            reading.problems[f"card-{code}"] = (
                f"This is {size.segments} segments. {cards.MAX_SEGMENTS} are the most; leave out what can be asked on the "
                "telephone."
            )
    if written and SOURCE_LANGUAGE not in written:
        reading.problems[f"card-{SOURCE_LANGUAGE}"] = (
            "Write it in English too: it is what people get whose language has no card."
        )


def _require_contact(reading: _FormReading) -> None:
    values = reading.values
    address = {"addresses": [values["address"]]} if values.get("address") else {}
    is_reached = cards.phone_of(values) or values.get("url") or cards.address_of(address)
    if not is_reached and reading.known.has_own_place and "phones" not in reading.problems:
        reading.problems["phones"] = (
            "Write a telephone number, a web page or a street address: without one, nobody can be told how to reach it. "
            "If it is closed, choose so under Status."
        )


def form_of(held: Mapping[str, Any], address: Mapping[str, Any] | None, languages: Sequence[str]) -> ServiceForm:
    """The form for these stored values, which have the same names as those that `read` returns."""
    said = {name: _one_line(held.get(name)) for name in ("name", "agency", "alert", "url", "email")}
    where = {key: _one_line(value) for key, value in (address or {}).items()}
    return ServiceForm(
        **said,
        description=_trimmed_lines(held.get("description")),
        phones=phone_lines.format_lines(held.get("phones") or ()),
        street=where.get("address_1", ""),
        city=where.get("city", ""),
        state=where.get("state_province", ""),
        zip=where.get("postal_code", ""),
        eligibility=_trimmed_lines(held.get("eligibility_description")),
        languages=language_names(held.get("languages") or ()),
        needs=tuple(sorted(held.get("needs") or ())),
        hours=week_hours.week_of(held.get("schedules") or ()) or week_hours.EMPTY_WEEK,
        zips=", ".join(held.get("zips") or ()),
        cards=tuple((code, _one_line((held.get("cards") or {}).get(code))) for code in languages),
        status=str(held.get("status") or "active"),
    )


def _one_line(value: object) -> str:
    return " ".join(str(value or "").split())


def _trimmed_lines(value: object) -> str:
    return "\n".join(line.strip() for line in str(value or "").strip().splitlines())


def normalized(typed: ServiceForm) -> ServiceForm:
    """The submitted form with blanks and the order of needs as in `form_of`, so that unchanged fields compare equal."""
    several = {name: _trimmed_lines(getattr(typed, name)) for name in ("description", "eligibility", "phones")}
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
class MergedForm:
    """A form for a service that a colleague has changed in the meantime: their value where this form's field was not
    changed, otherwise what was typed."""

    typed: ServiceForm
    changed: tuple[str, ...]
    """Fields that the colleague has changed."""
    clashes: dict[str, Any]
    """Those of them that were changed in this form as well, with the colleague's value."""


def merge(opened: ServiceForm | None, mine: ServiceForm, theirs: ServiceForm) -> MergedForm:
    """Merge what was typed (`mine`) into the form as it was `opened` with what has been saved since (`theirs`). With
    `opened` None, not known, everything typed is kept."""
    kept, changed, clashes = {}, [], {}
    for one in dataclasses.fields(ServiceForm):
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
    return MergedForm(dataclasses.replace(mine, **kept), tuple(changed), clashes)


class Freshness(StrEnum):
    """Whether a service was checked recently enough to be offered to people."""

    FRESH = "fresh"
    STALE = "stale"
    """Checked, but too long ago."""
    NEVER = "never"
    """Never checked, or its number was changed since."""
    HIDDEN = "hidden"
    """Closed, or no longer in the directory that it was imported from."""


def freshness_of(verified: bool, review_by: datetime, status: str, gone: bool, now: datetime) -> Freshness:
    """The freshness of a service; times are aware."""
    if gone or status != "active":
        return Freshness.HIDDEN
    if not verified:
        return Freshness.NEVER
    return Freshness.FRESH if review_by > now else Freshness.STALE


def offered_until(checked_on: date, fresh_days: int, zone: ZoneInfo) -> datetime:
    """Until when a service that was checked on this local date is offered: the midnight that ends the last day."""
    return datetime.combine(checked_on + timedelta(days=fresh_days + 1), time(0), zone)
