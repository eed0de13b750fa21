"""How the line kept its promise to answer: what a report counts, with numerator and denominator for each figure.

Definition 1. A wait begins when a handoff is opened, opened again, or given back by its owner, and counts on that day. It is
acknowledged when somebody says "I have it". Its limit is when that was promised at the latest (bot/domain/handoff.py): from
its beginning, or from when it rose to a worse urgency. Kept or missed are those that were acknowledged and those whose limit
has passed; one that still waits within its limit is neither yet, and one that was closed within its limit without anybody
having it never will be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.domain.handoff import ACKNOWLEDGED_WITHIN
from bot.domain.safety.levels import Urgency

BEGINS: Final = frozenset({"opened", "reopened", "released", "sent_to_team", "shift_over", "given_up"})
ACKNOWLEDGES: Final = frozenset({"claimed", "took_over"})
ENDS: Final = "closed"
ROSE: Final = "rose"


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a handoff. `urgency` comes with its opening and each rise."""

    kind: str
    at: datetime
    urgency: Urgency | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait for a human. Moments are aware UTC; `closed_at` is set where it ended without anybody."""

    handoff_id: int
    conversation_id: int
    urgency: Urgency
    began_at: datetime
    limit_at: datetime
    acknowledged_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.acknowledged_at is None and self.closed_at is None

    def lasted(self, now: datetime) -> timedelta:
        """Until the acknowledgement; where there is none, until the end, or until now."""
        return (self.acknowledged_at or self.closed_at or now) - self.began_at

    def is_kept(self) -> bool:
        return self.acknowledged_at is not None and self.acknowledged_at <= self.limit_at

    def is_missed(self, now: datetime) -> bool:
        """Whether its limit passed before anybody said "I have it"."""
        return not self.is_kept() and (self.acknowledged_at or self.closed_at or now) > self.limit_at


def waits(handoff_id: int, conversation_id: int, urgency: Urgency, events: Iterable[Event]) -> list[Wait]:
    """The waits of one handoff from its events, oldest first. `urgency`: what it is where no event tells."""
    found: list[Wait] = []
    for event in events:
        waiting = bool(found) and found[-1].is_open
        worse = event.urgency is not None and event.urgency is not urgency
        urgency = event.urgency or urgency
        limit = event.at + ACKNOWLEDGED_WITHIN[urgency]
        if event.kind in BEGINS and not waiting:
            found.append(Wait(handoff_id, conversation_id, urgency, event.at, limit))
        elif event.kind == ROSE and waiting and worse:
            found[-1] = replace(found[-1], urgency=urgency, limit_at=limit)
        elif event.kind in ACKNOWLEDGES and waiting:
            found[-1] = replace(found[-1], acknowledged_at=event.at)
        elif event.kind == ENDS and waiting:
            found[-1] = replace(found[-1], closed_at=event.at)
    return found


@dataclass(frozen=True, slots=True)
class Tally:
    """The figures of one urgency, or (None) of all. `median` and `ninetieth` are over those that were acknowledged."""

    urgency: Urgency | None
    began: int
    acknowledged: int
    kept: int
    missed: int
    waiting: int
    median: timedelta | None
    ninetieth: timedelta | None

    @property
    def counted(self) -> int:
        """The denominator of the share: those of which it can be said."""
        return self.kept + self.missed

    @property
    def share(self) -> int | None:
        """Kept of counted, in whole per cent rounded down: a hundred means all of them."""
        return 100 * self.kept // self.counted if self.counted else None


def tally(counted: Sequence[Wait], now: datetime, urgency: Urgency | None = None) -> Tally:
    """Count the waits of one urgency, or all."""
    mine = [one for one in counted if urgency in (None, one.urgency)]
    times = [one.lasted(now) for one in mine if one.acknowledged_at is not None]
    return Tally(
        urgency=urgency,
        began=len(mine),
        acknowledged=len(times),
        kept=sum(one.is_kept() for one in mine),
        missed=sum(one.is_missed(now) for one in mine),
        waiting=sum(one.is_open for one in mine),
        median=rank(times, 50),
        ninetieth=rank(times, 90),
    )


def rank(times: Iterable[timedelta], percent: int) -> timedelta | None:
    """The nearest-rank percentile: the shortest time that at least `percent` of them do not exceed; None for none.

    It is one that really happened: no interpolation, so that somebody can look it up.
    """
    ordered = sorted(times)
    place = -(-len(ordered) * percent // 100)
    return ordered[max(place, 1) - 1] if ordered else None


@dataclass(frozen=True, slots=True)
class Hour:
    """The waits that began within one hour. The times include those that are not over yet, as long as they are by now."""

    start: datetime
    began: int
    waiting: int
    median: timedelta | None
    longest: timedelta | None


def by_hour(counted: Iterable[Wait], now: datetime, hours: int = 24) -> list[Hour]:
    """The last `hours` hours, oldest first, by the full hours of the clock; the last one is not over yet."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    sorted_in: list[list[Wait]] = [[] for _ in range(hours)]
    for one in counted:
        if first <= one.began_at <= now:
            sorted_in[int((one.began_at - first) / timedelta(hours=1))].append(one)
    return [_hour(first + timedelta(hours=place), mine, now) for place, mine in enumerate(sorted_in)]


def _hour(start: datetime, mine: Sequence[Wait], now: datetime) -> Hour:
    times = [one.lasted(now) for one in mine]
    return Hour(start, len(mine), sum(one.is_open for one in mine), rank(times, 50), max(times, default=None))
