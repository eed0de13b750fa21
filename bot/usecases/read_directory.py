"""The directory for the console: a list of services, one service with all that is known of it, and those to be called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from bot.domain.directory import cards, places
from bot.domain.directory.editing import Freshness, Typed, freshness
from bot.domain.directory.hours_words import hours_words
from bot.domain.directory.ranking import Hit, Placed, best
from bot.domain.directory.schedules import is_open
from bot.domain.segments import Segments, fold_for_sms, measure
from bot.storage import directory_desk
from bot.storage.directory_desk import Held, Line, Sought
from bot.usecases import search_directory
from bot.usecases.directory_values import Values, values_of
from bot.usecases.edit_directory import Ground, typed_of, version_of
from bot.usecases.search_directory import Asked, UnknownPlace

PAGE = 20
MOST_LOOKED_THROUGH = 200
"""Services of which is asked whether they are open now, where a list holds more."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a member of staff looks for; what is "" does not narrow."""

    need: str = ""
    words: str = ""
    near: str = ""
    """A ZIP code."""
    language: str = ""
    open_now: bool = False
    accepting: str = ""
    """yes, no or unknown."""
    freshness: str = ""
    page: int = 1

    @property
    def is_of_list(self) -> bool:
        """Whether it is a list rather than a search: by freshness or by who takes new people, or everything there is."""
        asks = self.need or self.words or self.near or self.language or self.open_now
        return bool(self.accepting) or self.freshness not in ("", Freshness.FRESH) or not asks


@dataclass(frozen=True, slots=True)
class Found:
    """One line of a list. `placed` is None where nothing is laid out of it: it is gone."""

    line: Line
    placed: Placed | None

    @property
    def number(self) -> str:
        return cards.number_of(self.placed.hit.shown) if self.placed else ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `total` is None for a search, which counts nothing; `problem` says why nothing was looked for."""

    rows: tuple[Found, ...] = ()
    total: int | None = None
    has_more: bool = False
    place: places.ZipPlace | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What would be texted in one language. `text` is None where it has neither a number nor an address."""

    language: str
    text: str | None
    size: Segments | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is offered."""

    name: str
    address: str
    number: str
    hours: str
    is_open: bool | None


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One service."""

    line: Line
    version: str
    typed: Typed
    values: Values
    accepting_at: datetime | None
    is_offered: bool
    why_not: tuple[str, ...]
    """Why nobody is told of it, a sentence each."""
    cards: tuple[Card, ...]
    places: tuple[Place, ...]
    needs: tuple[str, ...]
    source: str
    outcomes: dict[str, int]
    states: dict[str, int]
    details: dict[str, Any]
    """As it was imported."""
    siblings: int
    """Services of the same agency, this one too."""


def look(db: Session, wish: Wish, zone: ZoneInfo, now: datetime) -> Page:
    """A page of what is looked for, the best first; of a list the nearest first, else in the order of the alphabet."""
    try:
        return _listed(db, wish, zone, now) if wish.is_of_list else _searched(db, wish, zone, now)
    except UnknownPlace as unknown:
        return Page(problem=str(unknown))


def _searched(db: Session, wish: Wish, zone: ZoneInfo, now: datetime) -> Page:
    last = wish.page * PAGE
    answer = search_directory.search(
        db,
        Asked(
            need=wish.need or None, words=wish.words, near=wish.near or None, language=wish.language or "en",
            open_now=wish.open_now, offered=wish.freshness == Freshness.FRESH, most=last + 1,
        ),
        zone,
        now,
    )  # fmt: skip
    shown = answer.found[last - PAGE : last]
    lines = directory_desk.lines(db, [one.hit.service_id for one in shown], now)
    rows = tuple(Found(lines[one.hit.service_id], one) for one in shown if one.hit.service_id in lines)
    return Page(rows, None, len(answer.found) > last, answer.place)


def _listed(db: Session, wish: Wish, zone: ZoneInfo, now: datetime) -> Page:
    place = places.of_zip(wish.near) if wish.near else None
    if wish.near and place is None:
        raise UnknownPlace(f"{wish.near} is no ZIP code that is known. Give one of five digits, such as 63101.")
    near = (place.latitude, place.longitude) if place else None
    language = wish.language or None
    sought = Sought(wish.freshness or None, wish.need or None, wish.words, wish.accepting or None, language, near)
    first = (wish.page - 1) * PAGE
    if not wish.open_now:
        ids, total = directory_desk.browse(db, sought, now, PAGE, first)
        return Page(tuple(_found(db, ids, near, zone, now)), total, total > first + PAGE, place)
    ids, total = directory_desk.browse(db, sought, now, MOST_LOOKED_THROUGH, 0)
    found = [one for one in _found(db, ids, near, zone, now) if one.placed and one.placed.is_open]
    return Page(tuple(found[first : first + PAGE]), None, len(found) > first + PAGE, place)


def to_call(db: Session, never: bool, page: int, zone: ZoneInfo, now: datetime) -> tuple[list[Found], bool]:
    """A page of the services that should be called, and whether there are more: those whose check runs out first, or, with
    `never`, those that nobody has checked."""
    of = directory_desk.never_checked if never else directory_desk.to_check
    ids = of(db, PAGE + 1, (page - 1) * PAGE)
    return _found(db, ids[:PAGE], None, zone, now), len(ids) > PAGE


def _found(db: Session, ids: Sequence[int], near: tuple[float, float] | None, zone: ZoneInfo, now: datetime) -> list[Found]:
    lines = directory_desk.lines(db, ids, now)
    placed = {one.hit.service_id: one for one in _placed(db, ids, near, zone, now)}
    return [Found(lines[each], placed.get(each)) for each in ids]


def _placed(
    db: Session, ids: Sequence[int], near: tuple[float, float] | None, zone: ZoneInfo, now: datetime
) -> list[Placed]:
    hits = [
        Hit(**{**row, "needs": tuple(row["needs"]), "languages": tuple(row["languages"])})
        for row in directory_desk.shown(db, ids)
    ]
    return list(
        best(hits, near, "en", lambda hit: _is_open(hit.shown.get("schedules", ()), hit.shown.get("zip"), zone, now))
    )


def _is_open(schedules: Any, zip_code: object, zone: ZoneInfo, now: datetime) -> bool | None:
    return is_open(schedules, now, _zone_of(zip_code, zone)) if schedules else None


def _zone_of(zip_code: object, zone: ZoneInfo) -> ZoneInfo:
    place = places.of_zip(str(zip_code or ""))
    try:
        return ZoneInfo(place.zone) if place else zone
    except (ZoneInfoNotFoundError, ValueError):
        return zone


def read_service(db: Session, ground: Ground, service_id: int, now: datetime) -> ServicePage | None:
    """All that is known of a service; None where there is none of this number."""
    held = directory_desk.load(db, service_id)
    if held is None:
        return None
    service, values = held.service, values_of(held)
    line = directory_desk.lines(db, [service_id], now)[service_id]
    placed = _placed(db, [service_id], None, ground.zone, now)
    outcomes, states = directory_desk.referral_counts(db, service_id)
    said = _cards(placed, service.needs, ground, now)
    why_not = tuple(_why_not(held, bool(said and said[0].text), now))
    return ServicePage(
        line=line,
        version=version_of(service),
        typed=typed_of(values, ground),
        values=values,
        accepting_at=service.accepting_at,
        is_offered=not why_not,
        why_not=why_not,
        cards=said,
        places=_places(db, held, ground, now),
        needs=tuple(service.needs),
        source=service.source,
        outcomes=outcomes,
        states=states,
        details=service.details,
        siblings=len(directory_desk.services_of(db, held.organization.id)) if held.organization else 0,
    )


def _cards(placed: list[Placed], needs: Sequence[str], ground: Ground, now: datetime) -> tuple[Card, ...]:
    if not placed:
        return ()
    found = []
    for language in ground.languages:
        text = cards.of(placed[0], needs[0] if needs else None, language, _today(placed[0].hit, ground, now))
        # As the carrier sends it: without the accents that would double its cost.
        text = fold_for_sms(text) if text else text
        found.append(Card(language, text, measure(text) if text else None))
    return tuple(found)


def _today(hit: Hit, ground: Ground, now: datetime) -> date:
    return now.astimezone(_zone_of(hit.shown.get("zip"), ground.zone)).date()


def _why_not(held: Held, has_card: bool, now: datetime) -> list[str]:
    service = held.service
    kind = freshness(service.verified, service.review_by, service.status, service.gone_at is not None, now)
    why = []
    if service.gone_at is not None:
        why.append("The directory that it came from no longer has it.")
    elif service.status != "active":
        why.append(f"It is marked as {service.status}.")
    if kind is Freshness.NEVER:
        why.append("Nobody has checked it, or its number was changed since.")
    if kind is Freshness.STALE:
        why.append("It was checked too long ago.")
    if service.accepting is False:
        why.append("It takes nobody new.")
    if service.gone_at is None and not has_card:
        why.append("It has no number that can be called and no street address.")
    if not service.needs:
        why.append("It has no need, so no conversation looks for it.")
    return why


def _places(db: Session, held: Held, ground: Ground, now: datetime) -> tuple[Place, ...]:
    found = []
    for row in directory_desk.shown(db, [held.service.id]):
        shown = row["shown"]
        if row["location_id"] is None:
            continue
        schedules = shown.get("schedules", ())
        today = now.astimezone(_zone_of(shown.get("zip"), ground.zone)).date()
        found.append(
            Place(
                name=str(shown.get("place", "")),
                address=_address(shown.get("addresses", ())),
                number=cards.number_of(shown),
                hours=hours_words(schedules, "en", today),
                is_open=_is_open(schedules, shown.get("zip"), ground.zone, now),
            )
        )
    return tuple(found)


def _address(rows: Any) -> str:
    if not rows:
        return ""
    names = ("address_1", "address_2", "city", "state_province", "postal_code")
    return ", ".join(str(rows[0][name]) for name in names if rows[0].get(name))
