"""Ranks the services that were found for a person: near, open, in their language, accepting new people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any

from bot.domain.directory.places import miles_between
from bot.domain.languages import SOURCE_LANGUAGE

_FAR_AWAY = 1000.0
_OPEN_COSTS = {True: 0.0, None: 2.0, False: 5.0}


@dataclass(frozen=True, slots=True)
class ServiceHit:
    """A service at one of its locations, as stored in the search table. `shown` contains name, organization, place, phones,
    addresses, schedules, zip, url, alert, cards; all but the name may be missing."""

    service_id: int
    location_id: int | None
    needs: tuple[str, ...]
    languages: tuple[str, ...]
    """Two-letter codes; empty if not known."""
    latitude: float | None
    longitude: float | None
    offered: bool
    review_by: datetime
    accepting: bool | None
    shown: dict[str, Any]
    rank: float = 0.0
    """How well it matches the search words, if there were any."""


@dataclass(frozen=True, slots=True)
class RankedHit:
    """A hit relative to one person. `miles` and `is_open` are None where they are not known."""

    hit: ServiceHit
    miles: float | None
    is_open: bool | None


IsOpen = Callable[[ServiceHit], bool | None]


def rank_hits(
    hits: Iterable[ServiceHit], near: tuple[float, float] | None, language: str, is_open: IsOpen
) -> Iterator[RankedHit]:
    """Each service once, at the location that fits best, the best first.

    All costs are in miles: being closed costs as much as five more miles, a language that is not spoken as six. Unknown
    facts cost less than known bad ones. Ties keep the input order.

    `is_open` is called lazily, only for hits that may come next: most texts need three of fifty.
    """
    found = list(hits)
    highest = max((hit.rank for hit in found), default=0.0)
    waiting: list[tuple[float, int, RankedHit, bool]] = []
    for number, hit in enumerate(found):
        placed = RankedHit(hit, miles_to(hit, near), None)
        waiting.append((_cost(placed, language, highest), number, placed, False))
    heapify(waiting)
    yielded: set[int] = set()
    while waiting:
        cost, number, placed, is_final = heappop(waiting)
        if placed.hit.service_id in yielded:
            continue
        if is_final:
            yielded.add(placed.hit.service_id)
            yield placed
            continue
        placed = replace(placed, is_open=is_open(placed.hit))
        heappush(waiting, (cost + _OPEN_COSTS[placed.is_open], number, placed, True))


def miles_to(hit: ServiceHit, near: tuple[float, float] | None) -> float | None:
    """Miles from `near` to the hit; None where one of the two is not known."""
    if near is None or hit.latitude is None or hit.longitude is None:
        return None
    return miles_between(*near, hit.latitude, hit.longitude)


def _cost(one: RankedHit, language: str, highest_rank: float) -> float:
    cost = _FAR_AWAY if one.miles is None else one.miles
    cost += {True: 0.0, None: 1.0, False: 50.0}[one.hit.accepting]
    # English is spoken nearly everywhere, whether or not a service lists its languages.
    if language != SOURCE_LANGUAGE and language not in one.hit.languages:
        cost += 6.0 if one.hit.languages else 3.0
    if highest_rank:
        cost += 5.0 * (1 - one.hit.rank / highest_rank)
    return cost
