"""Find services: for a person whom the line answers, and for staff who look."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from bot.domain.directory import cards, places
from bot.domain.directory.ranking import Hit, Placed, best, distance
from bot.domain.directory.schedules import is_open
from bot.storage import listings, services
from bot.storage.listings import FARTHEST_MILES, Wanted

MOST_OF_STAFF = 200
"""Candidates where staff want only what is open now: at night hardly any of the nearest fifty are."""

NEAR_MILES = 25
"""What is farther is told after the lines that serve everybody: who has no car does not get there tonight."""

_NUMBER = re.compile(r"\d[\d-]+\d")
_NOT_DIGITS = re.compile(r"\D")


class UnknownPlace(Exception):
    """There is no such ZIP code."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a member of staff looks for."""

    need: str | None = None
    words: str = ""
    near: str | None = None
    """A ZIP code."""
    language: str = "en"
    open_now: bool = False
    """Only what is known to be open."""
    offered: bool = False
    """Only what people may be told of; else also what nobody has checked."""
    most: int = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, the best first; `place` is where it was looked for."""

    found: tuple[Placed, ...]
    place: places.ZipPlace | None


def search(db: Session, asked: Asked, zone: ZoneInfo, now: datetime) -> Answer:
    """What the directory has of that, with what is without a place after what is near. Raises UnknownPlace."""
    place = places.of_zip(asked.near) if asked.near else None
    if asked.near and place is None:
        raise UnknownPlace(f"{asked.near} is no ZIP code that is known. Give one of five digits, such as 63101.")
    near = (place.latitude, place.longitude) if place else None
    wanted = Wanted(
        asked.need,
        asked.words,
        near,
        offered_at=now if asked.offered else None,
        most=MOST_OF_STAFF if asked.open_now else listings.CANDIDATES,
    )
    hours = _Hours(zone, now)
    hits = listings.search(db, wanted)
    if near is not None:
        hits += listings.without_place(db, wanted)
    found = (one for one in best(hits, near, asked.language, hours.is_open) if one.is_open or not asked.open_now)
    return Answer(tuple(islice(found, asked.most)), place)


def offer(
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

    Reviewed ones of the person's own ZIP come first, then what is near, then reviewed ones that serve everybody. One of
    these always has a place where there is room for two: a number that two people have read.
    """
    reviewed = services.find(db, need, near, now, skip)
    said = {one.id: one.cards.get(language) or one.cards["en"] for one in reviewed}
    local = [(one.id, said[one.id]) for one in reviewed if one.is_local]
    everywhere = [(one.id, said[one.id]) for one in reviewed if not one.is_local]
    place = places.of_zip(near) if near else None
    point = (place.latitude, place.longitude) if place else None
    if point is None and len(reviewed) >= limit:
        # Without a ZIP nothing is near: what was imported only fills up.
        return tuple((local + everywhere)[:limit])
    wanted = Wanted(need, near=point, offered_at=now, skip=skip, imported=True)
    hits = listings.search(db, wanted) + (listings.without_place(db, wanted) if point else [])
    hits = [hit for hit in hits if _serves(hit, near or "")]
    if need != cards.SAFETY:
        hits = _without_refuges(db, hits)
    teller = _Teller(need, language, point, _Hours(zone, now), said.values())
    if point is None:
        return tuple([*local, *everywhere, *islice(teller.cards(hits, 0, FARTHEST_MILES), limit)][:limit])
    kept = everywhere[:1] if limit > 1 else []
    first = list(islice(chain(local, teller.cards(hits, 0, NEAR_MILES)), limit - len(kept)))
    return tuple([*first, *everywhere, *islice(teller.cards(hits, NEAR_MILES, FARTHEST_MILES), limit)][:limit])


def _serves(hit: Hit, near: str) -> bool:
    """Whether it serves that ZIP; one that names none serves everybody."""
    zips = hit.shown.get("zips", ())
    return not zips or near.startswith(tuple(map(str, zips)))


def _without_refuges(db: Session, hits: list[Hit]) -> list[Hit]:
    """A refuge's other programs give it away as well: by the street, by the number, by the name on the door."""
    hits = [hit for hit in hits if cards.SAFETY not in hit.needs]
    if not hits:
        return []
    refuges = listings.refuges(db, cards.SAFETY, hits, {line for hit in hits if (line := _line(hit))})
    hidden = {line for phone in refuges.phones for line in cards.lines_of({"phones": [phone]})}
    return [
        hit
        for hit in hits
        if hit.location_id not in refuges.locations
        and hit.service_id not in refuges.services
        and not hidden.intersection(cards.lines_of(hit.shown)[:1])
    ]


class _Teller:
    """Makes cards for one person; a service, and a telephone number, is told once."""

    def __init__(
        self, need: str, language: str, point: tuple[float, float] | None, hours: _Hours, reviewed: Iterable[str]
    ) -> None:
        self._need, self._language, self._point, self._hours = need, language, point, hours
        # The same line may stand in the files and in a directory; the reviewed words win.
        self._told: set[int | str] = {_NOT_DIGITS.sub("", found) for card in reviewed for found in _NUMBER.findall(card)}

    def cards(self, hits: Iterable[Hit], least: float, most: float) -> Iterator[tuple[int, str]]:
        """Ids and cards, the best first, of those at more than `least` and at most `most` miles.

        What has no place counts as being here.
        """
        within = [hit for hit in hits if least < (distance(hit, self._point) or 0.001) <= most]
        for one in best(within, self._point, self._language, self._hours.is_open):
            number = _number(one.hit)
            if one.hit.service_id in self._told or number in self._told:
                continue
            # Two programs at one number are one call, and room in an answer is precious.
            if card := cards.of(one, self._need, self._language, self._hours.today(one.hit)):
                self._told |= {one.hit.service_id, number} if number else {one.hit.service_id}
                yield one.hit.service_id, card


def _line(hit: Hit) -> str:
    """The digits of the number to call, without an extension: a refuge may be the same house's extension 2."""
    return _NOT_DIGITS.sub("", next(iter(cards.lines_of(hit.shown)), ""))


def _number(hit: Hit) -> str:
    return _NOT_DIGITS.sub("", cards.number_of(hit.shown))


@dataclass(frozen=True, slots=True)
class _Hours:
    """What is open at one moment, each place by its own clock."""

    zone: ZoneInfo
    now: datetime

    def zone_of(self, hit: Hit) -> ZoneInfo:
        place = places.of_zip(str(hit.shown.get("zip", "")))
        try:
            return ZoneInfo(place.zone) if place else self.zone
        except (ZoneInfoNotFoundError, ValueError):
            return self.zone

    def today(self, hit: Hit) -> date:
        return self.now.astimezone(self.zone_of(hit)).date()

    def is_open(self, hit: Hit) -> bool | None:
        schedules = hit.shown.get("schedules", ())
        return is_open(schedules, self.now, self.zone_of(hit)) if schedules else None
