"""How well the line kept its promised response times: what a report counts, with numerator and denominator of each figure.

Definition 1. A wait begins when a handoff is opened, reopened, or given back by its owner, and counts on that day. It is
acknowledged when a social worker claims it. Its limit is the promised time for that (bot/domain/handoff/states.py),
counted from
its beginning, or from when it rose to a worse urgency. Kept or missed are waits that were acknowledged and waits whose
limit has passed. A wait that still runs within its limit is neither yet, and one that was closed within its limit without a
claim never will be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.domain.handoff.states import CLAIM_WITHIN
from bot.domain.safety.levels import Urgency

BEGIN_KINDS: Final = frozenset({"opened", "reopened", "released", "sent_to_team", "shift_over", "given_up"})
CLAIM_KINDS: Final = frozenset({"claimed", "took_over"})
END_KIND: Final = "closed"
RISE_KIND: Final = "rose"


@dataclass(frozen=True, slots=True)
class WaitEvent:
    """An event of a handoff. `urgency` is given with its opening and each rise."""

    kind: str
    at: datetime
    urgency: Urgency | None = None


@dataclass(frozen=True, slots=True)
class HandoffWait:
    """One wait for a social worker. Moments are aware UTC; `closed_at` is set where it ended without a claim."""

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

    def duration(self, now: datetime) -> timedelta:
        """The time until the acknowledgement; where there is none, until the end, or until now."""
        return (self.acknowledged_at or self.closed_at or now) - self.began_at

    def is_kept(self) -> bool:
        return self.acknowledged_at is not None and self.acknowledged_at <= self.limit_at

    def is_missed(self, now: datetime) -> bool:
        """Whether its limit passed before it was acknowledged."""
        return not self.is_kept() and (self.acknowledged_at or self.closed_at or now) > self.limit_at


def waits_of(handoff_id: int, conversation_id: int, urgency: Urgency, events: Iterable[WaitEvent]) -> list[HandoffWait]:
    """The waits of one handoff from its events, oldest first. `urgency` applies until an event gives another."""
    found: list[HandoffWait] = []
    for event in events:
        waiting = bool(found) and found[-1].is_open
        worse = event.urgency is not None and event.urgency is not urgency
        urgency = event.urgency or urgency
        limit = event.at + CLAIM_WITHIN[urgency]
        if event.kind in BEGIN_KINDS and not waiting:
            found.append(HandoffWait(handoff_id, conversation_id, urgency, event.at, limit))
        elif event.kind == RISE_KIND and waiting and worse:
            found[-1] = replace(found[-1], urgency=urgency, limit_at=limit)
        elif event.kind in CLAIM_KINDS and waiting:
            found[-1] = replace(found[-1], acknowledged_at=event.at)
        elif event.kind == END_KIND and waiting:
            found[-1] = replace(found[-1], closed_at=event.at)
    return found


@dataclass(frozen=True, slots=True)
class WaitStatistics:
    """The figures of one urgency, or (None) of all. `median` and `ninetieth` are over acknowledged waits."""

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
        """The denominator of the share: waits that are known to be kept or missed."""
        return self.kept + self.missed

    @property
    def share(self) -> int | None:
        """Kept of counted, in whole percent rounded down, so that 100 means all of them."""
        return 100 * self.kept // self.counted if self.counted else None


def summarize(waits: Sequence[HandoffWait], now: datetime, urgency: Urgency | None = None) -> WaitStatistics:
    """Count the waits of one urgency, or all."""
    matching = [one for one in waits if urgency in (None, one.urgency)]
    times = [one.duration(now) for one in matching if one.acknowledged_at is not None]
    return WaitStatistics(
        urgency=urgency,
        began=len(matching),
        acknowledged=len(times),
        kept=sum(one.is_kept() for one in matching),
        missed=sum(one.is_missed(now) for one in matching),
        waiting=sum(one.is_open for one in matching),
        median=percentile(times, 50),
        ninetieth=percentile(times, 90),
    )


def percentile(times: Iterable[timedelta], percent: int) -> timedelta | None:
    """The nearest-rank percentile: the shortest time that at least `percent` of them do not exceed; None for none.

    No interpolation: the result is a time that really occurred and can be looked up.
    """
    ordered = sorted(times)
    place = -(-len(ordered) * percent // 100)
    return ordered[max(place, 1) - 1] if ordered else None


@dataclass(frozen=True, slots=True)
class HourlyWaits:
    """The waits that began within one hour. Times include waits that are not over, with their length so far."""

    start: datetime
    began: int
    waiting: int
    median: timedelta | None
    longest: timedelta | None


def by_hour(waits: Iterable[HandoffWait], now: datetime, hours: int = 24) -> list[HourlyWaits]:
    """The last `hours` clock hours, oldest first; the last one is not over yet."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    sorted_in: list[list[HandoffWait]] = [[] for _ in range(hours)]
    for one in waits:
        if first <= one.began_at <= now:
            sorted_in[int((one.began_at - first) / timedelta(hours=1))].append(one)
    return [_hour(first + timedelta(hours=place), mine, now) for place, mine in enumerate(sorted_in)]


def _hour(start: datetime, mine: Sequence[HandoffWait], now: datetime) -> HourlyWaits:
    times = [one.duration(now) for one in mine]
    return HourlyWaits(start, len(mine), sum(one.is_open for one in mine), percentile(times, 50), max(times, default=None))
