"""What is texted of a service that was imported: at most two segments, the number first, nothing that is not known.

A service whose card somebody has written and reviewed never comes here: its own words are sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import phonenumbers

from bot.domain.directory.hours_words import hours_words
from bot.domain.directory.ranking import Placed
from bot.domain.segments import fold_for_sms, measure

MOST_SEGMENTS = 2
SAFETY = "safety"
"""The need of people who flee somebody. Where a refuge is, is never texted; its name says enough on a phone that somebody
else reads, so it comes to those alone who asked for it (techsafety.org)."""

_NOT_TO_CALL = {"fax", "tty", "tdd", "sms", "text", "pager", "textphone"}
_SHORT_NUMBER = re.compile(r"\d(?:[-. ]?\d){2,5}")
"""211, 9-8-8 or 741741 are no telephone numbers by the plan of numbers and yet are called. "988, 1" and "211/311" are two
numbers: run together they would ring at a stranger's."""

_NATIONAL = re.compile(r"(?!900)[2-9]\d{2}[2-9]\d{6}")
"""Ten digits by the plan of numbers (nanpa.com). Seven lack the area, and who calls a 900 number pays for it."""

_NO_PRINT = re.compile(r"[\x00-\x1f\x7f]+|\s+")


@dataclass(frozen=True)
class _Words:
    needs: Mapping[str, str]
    miles: str
    near: str
    call_first: str
    extension: str


_WORDS = {
    "en": _Words(
        {
            "rent": "rent help", "utilities": "help with bills", "food": "food", "shelter": "shelter", "jobs": "jobs",
            "counseling": "counseling", "safety": "safety", "youth": "young people",
        },
        "about {} miles away", "under 2 miles away", "Call first", "ext.",
    ),
    "es": _Words(
        {
            "rent": "ayuda con la renta", "utilities": "ayuda con la luz y el gas", "food": "comida", "shelter": "albergue",
            "jobs": "trabajo", "counseling": "consejería", "safety": "seguridad", "youth": "jóvenes",
        },
        "a unas {} millas", "a menos de 2 millas", "Llame antes", "ext.",
    ),
}  # fmt: skip


def of(placed: Placed, need: str | None, language: str, today: date) -> str | None:
    """The card of a service for a person who needs `need`, with the hours that hold `today` (where the place is).

    Fixed words are English where the language is not known. None: it has neither a number to call nor an address.
    """
    shown = placed.hit.shown
    reviewed = shown.get("cards", {})
    if written := reviewed.get(language) or reviewed.get("en"):
        return str(written)
    words = _WORDS.get(language, _WORDS["en"])
    phone, address = number_of(shown, words.extension), "" if need == SAFETY else address_of(shown)
    if not (phone or address):
        return None
    hours = hours_words(shown.get("schedules", ()), language, today)
    first = words.call_first if phone and (shown.get("alert") or not hours) else ""
    # Of a telephone line whose "address" is a city, a distance says nothing.
    distance = _distance(placed.miles, words) if address else ""
    card = ""
    for title, parts in _shorter(shown, words.needs.get(need or "", ""), phone, address, distance, hours, first):
        card = _joined(title, parts)
        # The carrier takes the accents away at the edge; a chat in a browser keeps them.
        if measure(fold_for_sms(card)).segments <= MOST_SEGMENTS:
            return card
    return card


def _shorter(
    shown: Mapping[str, Any], what: str, phone: str, address: str, distance: str, hours: str, first: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The card in ever fewer words: hours go first, as one can ask for them; the number or the way there stays."""
    way = ", ".join(part for part in (address, distance) if part)
    yield _title(shown, 70, what), (phone, way, hours, first)
    yield _title(shown, 50, what), (phone, way, hours, first)
    yield _title(shown, 50, what), (phone, way, first)
    yield _title(shown, 30, what), (phone, shortened(address, 60), distance)
    yield _title(shown, 30, ""), (phone or shortened(address, 60),)
    # Letters that plain SMS lacks leave half the room.
    yield _title(shown, 20, ""), (phone or shortened(address, 40),)


def _title(shown: Mapping[str, Any], room: int, what: str) -> str:
    name, organization = _clean(shown["name"]), _clean(shown.get("organization", ""))
    # It is the organization that answers the telephone and stands on the door.
    if organization and organization.casefold() not in name.casefold():
        name = organization if name.casefold() in organization.casefold() else f"{organization}, {name}"
    is_said = not what or what.casefold() in name.casefold()
    return shortened(name, room) + ("" if is_said else f" ({what})")


def _joined(title: str, parts: tuple[str, ...]) -> str:
    said = [part.rstrip(".") for part in parts if part]
    return f"{title}: {'. '.join(said)}." if said else title


def _distance(distance: float | None, words: _Words) -> str:
    if distance is None:
        return ""
    # It is measured from the middle of the ZIP, and not along a road: tenths would promise too much.
    return words.near if distance < 2 else words.miles.format(round(distance))


def number_of(shown: Mapping[str, Any], extension: str = "ext.") -> str:
    """The number to call, as people read it: 314-555-0142 ext. 3; "" where there is none that can be called."""
    number, more = next(_to_call(shown), ("", ""))
    return f"{number} {extension} {more}" if more else number


def lines_of(shown: Mapping[str, Any]) -> tuple[str, ...]:
    """All numbers to call without their extensions, that of `number_of` first."""
    return tuple(number for number, _ in _to_call(shown))


def _to_call(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for row in shown.get("phones", ()):
        if str(row.get("type", "")).casefold() in _NOT_TO_CALL:
            continue
        number, more = _readable(str(row.get("number", "")), row.get("extension"))
        if number:
            yield number, more


def _readable(written: str, extension: object) -> tuple[str, str]:
    """A number as people read it, and its extension; "" for both where it is none."""
    if _SHORT_NUMBER.fullmatch(written.strip()):
        return re.sub(r"\D", "", written), ""
    try:
        number = phonenumbers.parse(written, "US")
    except phonenumbers.NumberParseException:
        return "", ""
    if not phonenumbers.is_possible_number(number):
        return "", ""
    if number.country_code == 1:
        national = phonenumbers.national_significant_number(number)
        if not _NATIONAL.fullmatch(national):
            return "", ""
        said = f"{national[:3]}-{national[3:6]}-{national[6:]}"
    else:
        said = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return said, str(extension or number.extension or "").strip()


def address_of(shown: Mapping[str, Any]) -> str:
    """Street and city of the first address that one can go to; "" where there is none.

    A post box is none, nor is a "street" without a number: so places are written whose address is kept secret.
    """
    for row in shown.get("addresses", ()):
        if row.get("address_type") in ("postal", "virtual") or not re.search(r"\d", str(row.get("address_1", ""))):
            continue
        street, city = _clean(row["address_1"]), _clean(row.get("city", ""))
        return street if not city or city.casefold() in street.casefold() else f"{street}, {city}"
    return ""


def shortened(words: str, room: int) -> str:
    """The words in at most `room` characters, cut after a word."""
    if len(words) <= room:
        return words
    cut = words[: room + 1].rsplit(" ", 1)[0] if " " in words[: room + 1] else words[:room]
    return cut.rstrip(" ,;:-(&/")


def _clean(words: object) -> str:
    return _NO_PRINT.sub(" ", str(words)).strip()
