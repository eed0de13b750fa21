"""The text about an imported service: at most two segments, the number first, nothing that is not known.

Where staff have written and reviewed a card for the service, that card is used instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import phonenumbers

from bot.domain.directory.hours_text import HOURS_KEYS, HoursWords, hours_in_words, hours_words
from bot.domain.directory.ranking import RankedHit
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.segments import fold_for_sms, measure_segments

MAX_SEGMENTS = 2
SAFETY_NEED = "safety"
"""The need of people who flee violence. The address of a refuge is never texted. Even its name is revealing on a phone that
another person reads, so it is sent only to people who asked for it (techsafety.org)."""

_NOT_CALLABLE = {"fax", "tty", "tdd", "sms", "text", "pager", "textphone"}
_SHORT_NUMBER = re.compile(r"\d(?:[-. ]?\d){2,5}")
"""211, 9-8-8 or 741741 are not telephone numbers by the numbering plan, but can be called. "988, 1" and "211/311" are two
numbers: run together they would reach a stranger."""

_NATIONAL = re.compile(r"(?!900)[2-9]\d{2}[2-9]\d{6}")
"""Ten digits by the numbering plan (nanpa.com). Seven digits lack the area code, and calls to 900 numbers cost the caller
money."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+|\s+")


CARD_KEYS = HOURS_KEYS | {"miles", "near", "call_first", "extension"}
"""The keys of the words below. What a need is called stands under `need_<its code>`, if it is to be told."""
CARD_FIELDS = {"miles": frozenset({"miles"}), "of_month": frozenset({"days"})}
"""What is filled in in the words of a key."""
_NEED_KEY = "need_"


@dataclass(frozen=True, slots=True)
class CardWords:
    """The words of one language. `needs` are keyed by the codes of needs."""

    needs: Mapping[str, str]
    miles: str
    near: str
    call_first: str
    extension: str
    hours: HoursWords


def card_words(language: str, words: Mapping[str, str]) -> CardWords:
    """Built from the words of `CARD_KEYS` and of the needs."""
    needs = {key.removeprefix(_NEED_KEY): told for key, told in words.items() if key.startswith(_NEED_KEY)}
    return CardWords(
        needs, words["miles"], words["near"], words["call_first"], words["extension"], hours_words(language, words)
    )


def card_of(placed: RankedHit, need: str | None, language: str, words: CardWords, today: date) -> str | None:
    """The card of a service for a person who needs `need`, with the hours that apply `today` (a local date of the place).

    `words` are those of the language. None: it has neither a number to call nor an address.
    """
    shown = placed.hit.shown
    reviewed = shown.get("cards", {})
    if written := reviewed.get(language) or reviewed.get(SOURCE_LANGUAGE):
        return str(written)
    phone, address = phone_of(shown, words.extension), "" if need == SAFETY_NEED else address_of(shown)
    if not (phone or address):
        return None
    hours = hours_in_words(shown.get("schedules", ()), words.hours, today)
    first = words.call_first if phone and (shown.get("alert") or not hours) else ""
    # For a telephone line whose "address" is a city, a distance means nothing.
    distance = _distance(placed.miles, words) if address else ""
    card = ""
    for title, parts in _versions(shown, words.needs.get(need or "", ""), phone, address, distance, hours, first):
        card = _join(title, parts)
        # The SMS carrier folds accents when it sends; the web chat keeps them.
        if measure_segments(fold_for_sms(card)).segments <= MAX_SEGMENTS:
            return card
    return card


def _versions(
    shown: Mapping[str, Any], what: str, phone: str, address: str, distance: str, hours: str, first: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The card in ever shorter versions. Hours are left out first, as people can ask for them; number or address stays."""
    way = ", ".join(part for part in (address, distance) if part)
    yield _title(shown, 70, what), (phone, way, hours, first)
    yield _title(shown, 50, what), (phone, way, hours, first)
    yield _title(shown, 50, what), (phone, way, first)
    yield _title(shown, 30, what), (phone, shorten(address, 60), distance)
    yield _title(shown, 30, ""), (phone or shorten(address, 60),)
    # Letters that plain SMS lacks halve the length of a segment.
    yield _title(shown, 20, ""), (phone or shorten(address, 40),)


def _title(shown: Mapping[str, Any], room: int, what: str) -> str:
    name, organization = _clean(shown["name"]), _clean(shown.get("organization", ""))
    # The organization's name is the one on the door and the one said on the telephone.
    if organization and organization.casefold() not in name.casefold():
        name = organization if name.casefold() in organization.casefold() else f"{organization}, {name}"
    is_said = not what or what.casefold() in name.casefold()
    return shorten(name, room) + ("" if is_said else f" ({what})")


def _join(title: str, parts: tuple[str, ...]) -> str:
    said = [part.rstrip(".") for part in parts if part]
    return f"{title}: {'. '.join(said)}." if said else title


def _distance(distance: float | None, words: CardWords) -> str:
    if distance is None:
        return ""
    # Measured in a straight line from the center of the ZIP code's area: tenths would look more precise than it is.
    return words.near if distance < 2 else words.miles.format(miles=round(distance))


def phone_of(shown: Mapping[str, Any], extension: str = "ext.") -> str:
    """The number to call in readable form: 314-555-0142 ext. 3; "" where none can be called."""
    number, more = next(_callable_numbers(shown), ("", ""))
    return f"{number} {extension} {more}" if more else number


def phone_numbers_of(shown: Mapping[str, Any]) -> tuple[str, ...]:
    """All numbers to call, without extensions; the one of `phone_of` comes first."""
    return tuple(number for number, _ in _callable_numbers(shown))


def _callable_numbers(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for row in shown.get("phones", ()):
        if str(row.get("type", "")).casefold() in _NOT_CALLABLE:
            continue
        number, more = _readable(str(row.get("number", "")), row.get("extension"))
        if number:
            yield number, more


def _readable(written: str, extension: object) -> tuple[str, str]:
    """A number in readable form and its extension; "" for both where it is not a number."""
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
    """Street and city of the first address that people can go to; "" where there is none.

    A post box does not count, nor does a street without a number: that is how secret addresses are written.
    """
    for row in shown.get("addresses", ()):
        if row.get("address_type") in ("postal", "virtual") or not re.search(r"\d", str(row.get("address_1", ""))):
            continue
        street, city = _clean(row["address_1"]), _clean(row.get("city", ""))
        return street if not city or city.casefold() in street.casefold() else f"{street}, {city}"
    return ""


def shorten(words: str, length: int) -> str:
    """The words shortened to at most `length` characters, cut after a word."""
    if len(words) <= length:
        return words
    cut = words[: length + 1].rsplit(" ", 1)[0] if " " in words[: length + 1] else words[:length]
    return cut.rstrip(" ,;:-(&/")


def _clean(words: object) -> str:
    return _UNPRINTABLE.sub(" ", str(words)).strip()
