"""Find services: to offer to a person in a flow, and for staff who search."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from bot.domain.directory import cards, places
from bot.domain.directory.ranking import RankedHit, ServiceHit, miles_to, rank_hits
from bot.domain.directory.schedules import is_open
from bot.domain.languages import SOURCE_LANGUAGE
from bot.storage.check_ins import follow_up
from bot.storage.directory import listings, reviewed_services
from bot.storage.directory.listings import MAX_MILES, ListingQuery
from bot.usecases.directory.words import read_directory_words

MAX_CANDIDATES_OPEN_NOW = 200
"""Candidates for a search of services open now: at night hardly any of the nearest fifty are open."""

NEAR_MILES = 25
"""Farther services come after those that serve everyone: a person without a car cannot get there tonight."""

_NUMBER = re.compile(r"\d[\d-]+\d")
_NOT_DIGITS = re.compile(r"\D")


class UnknownZip(Exception):
    """There is no such ZIP code."""


@dataclass(frozen=True, slots=True)
class DirectorySearch:
    """A search by a member of staff."""

    need: str | None = None
    words: str = ""
    near: str | None = None
    """A ZIP code."""
    language: str = SOURCE_LANGUAGE
    open_now: bool = False
    """Only what is known to be open."""
    offered: bool = False
    """Only what may be offered to people; else also services that were never checked."""
    most: int = 20


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Services, the best first; `place` is the searched location."""

    found: tuple[RankedHit, ...]
    place: places.ZipPlace | None


def search_for_staff(db: Session, query: DirectorySearch, zone: ZoneInfo, now: datetime) -> SearchResult:
    """Search the directory; services without a place come after those nearby. Raises UnknownPlace."""
    place = places.find_zip(query.near) if query.near else None
    if query.near and place is None:
        raise UnknownZip(f"{query.near} is no ZIP code that is known. Give one of five digits, such as 63101.")
    near = (place.latitude, place.longitude) if place else None
    wanted = ListingQuery(
        query.need,
        query.words,
        near,
        offered_at=now if query.offered else None,
        limit=MAX_CANDIDATES_OPEN_NOW if query.open_now else listings.MAX_CANDIDATES,
    )
    hours = _OpeningHours(zone, now)
    hits = listings.search(db, wanted)
    if near is not None:
        hits += listings.search_without_place(db, wanted)
    found = (one for one in rank_hits(hits, near, query.language, hours.is_open) if one.is_open or not query.open_now)
    return SearchResult(tuple(islice(found, query.most)), place)


def find_for_referral(db: Session, need: str, words: str, near: str, now: datetime) -> list[tuple[int, str]]:
    """Services that a social worker may refer a person to now, as (id, name), at most twenty; "" is no restriction. Those
    that serve the ZIP code `near` only come first."""
    return follow_up.find_services(db, need, words, near, now)


def offer_to_person(
    db: Session,
    need: str,
    near: str | None,
    limit: int,
    language: str,
    zone: ZoneInfo,
    now: datetime,
    skip: tuple[int, ...] = (),
) -> tuple[tuple[int, str], ...]:
    """At most `limit` services as (id, card) for a person near a ZIP, the best first; none of `skip`.

    Reviewed services of the person's own ZIP come first, then those nearby, then reviewed ones that serve everyone. One of
    the last is always included if there is room for two: two people have checked its number.
    """
    reviewed = reviewed_services.find(db, need, near, now, skip)
    said = {one.id: one.cards.get(language) or one.cards[SOURCE_LANGUAGE] for one in reviewed}
    local = [(one.id, said[one.id]) for one in reviewed if one.is_local]
    everywhere = [(one.id, said[one.id]) for one in reviewed if not one.is_local]
    place = places.find_zip(near) if near else None
    point = (place.latitude, place.longitude) if place else None
    if point is None and len(reviewed) >= limit:
        # Without a ZIP nothing is near: imported services only fill the list.
        return tuple((local + everywhere)[:limit])
    wanted = ListingQuery(need, near=point, offered_at=now, skip=skip, imported=True)
    hits = listings.search(db, wanted) + (listings.search_without_place(db, wanted) if point else [])
    hits = [hit for hit in hits if _serves(hit, near or "")]
    if need != cards.SAFETY_NEED:
        hits = _without_shelters(db, hits)
    teller = _CardMaker(need, language, point, _OpeningHours(zone, now), said.values())
    if point is None:
        return tuple([*local, *everywhere, *islice(teller.cards(hits, 0, MAX_MILES), limit)][:limit])
    kept = everywhere[:1] if limit > 1 else []
    first = list(islice(chain(local, teller.cards(hits, 0, NEAR_MILES)), limit - len(kept)))
    return tuple([*first, *everywhere, *islice(teller.cards(hits, NEAR_MILES, MAX_MILES), limit)][:limit])


def _serves(hit: ServiceHit, near: str) -> bool:
    """Whether it serves that ZIP; one without ZIPs serves everyone."""
    zips = hit.shown.get("zips", ())
    return not zips or near.startswith(tuple(map(str, zips)))


def _without_shelters(db: Session, hits: list[ServiceHit]) -> list[ServiceHit]:
    """Without shelters for victims of violence, and without other programs at their address, number or name, which would
    give them away."""
    hits = [hit for hit in hits if cards.SAFETY_NEED not in hit.needs]
    if not hits:
        return []
    refuges = listings.find_refuges(db, cards.SAFETY_NEED, hits, {line for hit in hits if (line := _digits_to_call(hit))})
    hidden = {line for phone in refuges.phones for line in cards.phone_numbers_of({"phones": [phone]})}
    return [
        hit
        for hit in hits
        if hit.location_id not in refuges.locations
        and hit.service_id not in refuges.services
        and not hidden.intersection(cards.phone_numbers_of(hit.shown)[:1])
    ]


class _CardMaker:
    """Makes cards for one person; each service and each telephone number only once."""

    def __init__(
        self, need: str, language: str, point: tuple[float, float] | None, hours: _OpeningHours, reviewed: Iterable[str]
    ) -> None:
        self._need, self._language, self._point, self._hours = need, language, point, hours
        self._words = read_directory_words().in_language(language)
        # The same service may be in the files and in an imported directory; the reviewed card wins.
        self._told: set[int | str] = {_NOT_DIGITS.sub("", found) for card in reviewed for found in _NUMBER.findall(card)}

    def cards(self, hits: Iterable[ServiceHit], least: float, most: float) -> Iterator[tuple[int, str]]:
        """Ids and cards, the best first, of those at more than `least` and at most `most` miles.

        A service without a place counts as nearby.
        """
        within = [hit for hit in hits if least < (miles_to(hit, self._point) or 0.001) <= most]
        for one in rank_hits(within, self._point, self._language, self._hours.is_open):
            number = _card_digits(one.hit)
            if one.hit.service_id in self._told or number in self._told:
                continue
            # Two programs with the same number would be the same call.
            if card := cards.card_of(one, self._need, self._language, self._words, self._hours.today(one.hit)):
                self._told |= {one.hit.service_id, number} if number else {one.hit.service_id}
                yield one.hit.service_id, card


def _digits_to_call(hit: ServiceHit) -> str:
    """The digits of the number to call, without an extension: a shelter may be extension 2 of the same number."""
    return _NOT_DIGITS.sub("", next(iter(cards.phone_numbers_of(hit.shown)), ""))


def _card_digits(hit: ServiceHit) -> str:
    return _NOT_DIGITS.sub("", cards.phone_of(hit.shown))


@dataclass(frozen=True, slots=True)
class _OpeningHours:
    """What is open at one moment, each place in its own time zone."""

    zone: ZoneInfo
    now: datetime

    def zone_of(self, hit: ServiceHit) -> ZoneInfo:
        place = places.find_zip(str(hit.shown.get("zip", "")))
        try:
            return ZoneInfo(place.zone) if place else self.zone
        except (ZoneInfoNotFoundError, ValueError):
            return self.zone

    def today(self, hit: ServiceHit) -> date:
        return self.now.astimezone(self.zone_of(hit)).date()

    def is_open(self, hit: ServiceHit) -> bool | None:
        schedules = hit.shown.get("schedules", ())
        return is_open(schedules, self.now, self.zone_of(hit)) if schedules else None
