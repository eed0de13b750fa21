"""Reading for the supervisor's board: who waits, who is on, what is overdue, and how today's promises were kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain import promises
from bot.domain.handoff import ACKNOWLEDGED_WITHIN
from bot.domain.permissions import ANYONE
from bot.domain.promises import Event, Hour, Tally, Wait
from bot.domain.roster import Roster, Span
from bot.domain.safety.levels import Urgency
from bot.storage import board, inbox, rosters
from bot.storage.board import Call, DeadThread, WaitingRow, Worker

UNANSWERED_AFTER = timedelta(minutes=10)
"""A person who writes to a human waits this long before the board shows it."""
HOLES_WITHIN = timedelta(hours=72)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A person for whom nobody has said "I have it". `over` is how long ago the limit passed, None before."""

    handoff_id: int
    conversation_id: int
    urgency: str
    reason: str
    team: str
    language: str
    community: str
    reachable: bool
    state: str
    rung: int
    rung_due_at: datetime | None
    began_at: datetime
    limit_at: datetime
    waited: timedelta
    over: timedelta | None
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class On:
    """Somebody on duty now, in their place of the on-call order."""

    worker: Worker
    place: int
    until: datetime


@dataclass(frozen=True, slots=True)
class TeamNow:
    slug: str
    name: str
    on: tuple[On, ...]
    holes: tuple[Span, ...]
    """When nobody of it is on, in the next 72 hours."""


@dataclass(frozen=True, slots=True)
class Held:
    """A person who talks with a social worker, and whose text has not been answered for long."""

    handoff_id: int
    conversation_id: int
    urgency: str
    owner: str
    waited: timedelta


@dataclass(frozen=True, slots=True)
class Board:
    """All of the board. `tallies`: all urgencies first, then each. `missed`: today's, worst first. `visible`: the handoffs
    that this supervisor may open. `version`: what the inbox stands at, by which an open page knows that there is news."""

    now: datetime
    day_began_at: datetime
    waiting: tuple[Waiting, ...]
    teams: tuple[TeamNow, ...]
    held: tuple[Held, ...]
    dead_threads: tuple[DeadThread, ...]
    tallies: tuple[Tally, ...]
    missed: tuple[Wait, ...]
    hours: tuple[Hour, ...]
    visible: frozenset[int]
    version: str


def read_board(db: Session, now: datetime, zone: ZoneInfo, staff_id: int, own_teams: Collection[str]) -> Board:
    """The board as of `now` for a supervisor of these teams; "today" is the day of `zone`."""
    version = inbox.version(db)
    day_began_at = datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone).astimezone(UTC)
    names = board.teams(db)
    since = min(day_began_at, now - _DAY)
    rows, changed = board.waiting(db), board.changed_since(db, since)
    events = board.events(db, {*(row.id for row in rows), *(number for number, _, _ in changed)})
    counted = _waits(changed, events, since)
    today = [one for one in counted if one.began_at >= day_began_at]
    waiting, held = _waiting(db, rows, events, names, now), _held(db, now)
    missed = tuple(sorted((one for one in today if one.is_missed(now)), key=lambda one: one.lasted(now), reverse=True))
    numbers = {one.handoff_id for group in (waiting, held, missed) for one in group}
    return Board(
        now=now,
        day_began_at=day_began_at,
        waiting=waiting,
        teams=_teams(db, names, rosters.load(db, zone), now),
        held=held,
        dead_threads=tuple(board.dead_threads(db)),
        tallies=tuple(promises.tally(today, now, urgency) for urgency in (None, *Urgency)),
        missed=missed,
        hours=tuple(promises.by_hour(counted, now)),
        visible=board.visible(db, numbers, staff_id, own_teams),
        version=version,
    )


def _waits(changed: Iterable[tuple[int, int, str]], events: Mapping[int, Sequence[Event]], since: datetime) -> list[Wait]:
    """The waits that began since then."""
    found = [
        wait
        for number, conversation_id, urgency in changed
        for wait in promises.waits(number, conversation_id, Urgency(urgency), events[number])
    ]
    return [wait for wait in found if wait.began_at >= since]


def _waiting(
    db: Session,
    rows: Sequence[WaitingRow],
    events: Mapping[int, Sequence[Event]],
    names: Mapping[str, str],
    now: datetime,
) -> tuple[Waiting, ...]:
    calls: dict[int, list[Call]] = defaultdict(list)
    for call in board.calls(db, [row.id for row in rows]):
        calls[call.handoff_id].append(call)
    found = []
    for row in rows:
        waits = promises.waits(row.id, row.conversation_id, Urgency(row.urgency), events[row.id])
        wait = waits[-1] if waits else _without_events(row)
        found.append(_one_waiting(row, wait, names, tuple(calls[row.id]), now))
    # Whose limit is nearest, or longest past, is first: that is whom a supervisor can still do something for.
    return tuple(sorted(found, key=lambda one: (one.limit_at, one.handoff_id)))


def _one_waiting(row: WaitingRow, wait: Wait, names: Mapping[str, str], calls: tuple[Call, ...], now: datetime) -> Waiting:
    limit_at = row.limit_at or wait.limit_at
    return Waiting(
        handoff_id=row.id,
        conversation_id=row.conversation_id,
        urgency=row.urgency,
        reason=row.reason,
        team="Anyone" if row.team == ANYONE else names.get(row.team, row.team),
        language=row.language,
        community=row.community or "",
        reachable=row.reachable,
        state=row.state,
        rung=row.rung,
        rung_due_at=row.rung_due_at,
        began_at=wait.began_at,
        limit_at=limit_at,
        waited=now - wait.began_at,
        over=now - limit_at if now > limit_at else None,
        calls=calls,
    )


def _without_events(row: WaitingRow) -> Wait:
    """A handoff of before events were written down."""
    limit = row.opened_at + ACKNOWLEDGED_WITHIN[Urgency(row.urgency)]
    return Wait(row.id, row.conversation_id, Urgency(row.urgency), row.opened_at, limit)


def _teams(db: Session, names: Mapping[str, str], roster: Roster, now: datetime) -> tuple[TeamNow, ...]:
    on_duty = {slug: roster.on_duty(now, slug) for slug in names}
    workers = board.workers(db, {each.staff for on in on_duty.values() for each in on})
    return tuple(
        TeamNow(
            slug,
            name,
            tuple(On(workers[each.staff], each.place, each.until) for each in on_duty[slug] if each.staff in workers),
            roster.holes(slug, now, now + HOLES_WITHIN),
        )
        for slug, name in names.items()
    )


def _held(db: Session, now: datetime) -> tuple[Held, ...]:
    return tuple(
        Held(row.id, row.conversation_id, row.urgency, row.owner, now - row.unanswered_since)
        for row in board.unanswered(db, now - UNANSWERED_AFTER)
    )
