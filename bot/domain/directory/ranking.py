"""Which of the services that were found fits a person best: near, open, in their language, taking new people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any

from bot.domain.directory.places import miles

_FAR_AWAY = 1000.0
_OPEN_COSTS = {True: 0.0, None: 2.0, False: 5.0}


@dataclass(frozen=True, slots=True)
class Hit:
    """A service at one of its places, as the directory has it laid out. `shown` holds name, organization, place, phones,
    addresses, schedules, zip, url, alert, cards; all but the name may be missing."""

    service_id: int
    location_id: int | None
    needs: tuple[str, ...]
    languages: tuple[str, ...]
    """Two-letter codes; none means that it is not known."""
    latitude: float | None
    longitude: float | None
    offered: bool
    review_by: datetime
    accepting: bool | None
    shown: dict[str, Any]
    rank: float = 0.0
    """How well it matches the words, where words were given."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A hit as one person sees it. `miles` and `is_open` are None where they are not known."""

    hit: Hit
    miles: float | None
    is_open: bool | None


IsOpen = Callable[[Hit], bool | None]


def best(hits: Iterable[Hit], near: tuple[float, float] | None, language: str, is_open: IsOpen) -> Iterator[Placed]:
    """Each service once, at the place that fits best, the best first.

    Everything is weighed in miles: a closed door is as bad as five miles more, a language that is not spoken as six. What is
    not known costs less than what is known to be wrong. Equal ones keep the order in which they came.

    Whether a place is open is asked only of those that may come next: most texts need three of fifty.
    """
    found = list(hits)
    highest = max((hit.rank for hit in found), default=0.0)
    waiting: list[tuple[float, int, Placed, bool]] = []
    for number, hit in enumerate(found):
        placed = Placed(hit, distance(hit, near), None)
        waiting.append((_cost(placed, language, highest), number, placed, False))
    heapify(waiting)
    told: set[int] = set()
    while waiting:
        cost, number, placed, is_weighed = heappop(waiting)
        if placed.hit.service_id in told:
            continue
        if is_weighed:
            told.add(placed.hit.service_id)
            yield placed
            continue
        placed = replace(placed, is_open=is_open(placed.hit))
        heappush(waiting, (cost + _OPEN_COSTS[placed.is_open], number, placed, True))


def distance(hit: Hit, near: tuple[float, float] | None) -> float | None:
    """Miles to the place; None where one of the two is not known."""
    if near is None or hit.latitude is None or hit.longitude is None:
        return None
    return miles(*near, hit.latitude, hit.longitude)


def _cost(one: Placed, language: str, highest_rank: float) -> float:
    cost = _FAR_AWAY if one.miles is None else one.miles
    cost += {True: 0.0, None: 1.0, False: 50.0}[one.hit.accepting]
    # English is understood at nearly every door, whether its languages were written down or not.
    if language != "en" and language not in one.hit.languages:
        cost += 6.0 if one.hit.languages else 3.0
    if highest_rank:
        cost += 5.0 * (1 - one.hit.rank / highest_rank)
    return cost
