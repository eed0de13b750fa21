"""Read the supervisor's board: who waits, who is on duty, what is overdue, and how well today's response times were met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.handoff import response_times
from bot.domain.handoff.response_times import HandoffWait, HourlyWaits, WaitEvent, WaitStatistics
from bot.domain.handoff.states import CLAIM_WITHIN
from bot.domain.roster.duty import Roster, TimeSpan
from bot.domain.safety.levels import Urgency
from bot.domain.staff.permissions import ANYONE
from bot.storage import rosters
from bot.storage.handoff import board, inbox
from bot.storage.handoff.board import BoardCallOut, StaffLoad, UnclaimedHandoff, UnreachableThread

SHOW_UNANSWERED_AFTER = timedelta(minutes=10)
"""The board shows a claimed handoff whose person has waited this long for a reply."""
GAPS_WITHIN = timedelta(hours=72)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WaitingPerson:
    """A person whose handoff is unclaimed. `over` is how long ago its limit passed, None before that."""

    handoff_id: int
    conversation_id: int
    urgency: str
    reason: str
    team: str
    language: str
    community: str
    reachable: bool
    state: str
    tier: int
    due_at: datetime | None
    began_at: datetime
    limit_at: datetime
    waited: timedelta
    over: timedelta | None
    calls: tuple[BoardCallOut, ...]


@dataclass(frozen=True, slots=True)
class StaffOnDuty:
    """A member of staff on duty now, with their place in the on-call order."""

    worker: StaffLoad
    place: int
    until: datetime


@dataclass(frozen=True, slots=True)
class TeamOnDuty:
    slug: str
    name: str
    on: tuple[StaffOnDuty, ...]
    holes: tuple[TimeSpan, ...]
    """When no one of the team is on duty, in the next 72 hours."""


@dataclass(frozen=True, slots=True)
class UnansweredHandoff:
    """A person with a claimed handoff whose text has not been answered for long."""

    handoff_id: int
    conversation_id: int
    urgency: str
    owner: str
    waited: timedelta


@dataclass(frozen=True, slots=True)
class SupervisorBoard:
    """`tallies`: all urgencies together first, then each. `missed`: today's, worst first. `visible`: the handoffs that this
    supervisor may open. `version`: changes with the inbox, so that an open page can tell that there is news."""

    now: datetime
    day_began_at: datetime
    waiting: tuple[WaitingPerson, ...]
    teams: tuple[TeamOnDuty, ...]
    held: tuple[UnansweredHandoff, ...]
    dead_threads: tuple[UnreachableThread, ...]
    tallies: tuple[WaitStatistics, ...]
    missed: tuple[HandoffWait, ...]
    hours: tuple[HourlyWaits, ...]
    visible: frozenset[int]
    version: str


def read_board(db: Session, now: datetime, zone: ZoneInfo, staff_id: int, own_teams: Collection[str]) -> SupervisorBoard:
    """The board as of `now` for a supervisor of these teams; "today" is the day of `zone`."""
    version = inbox.inbox_version(db)
    day_began_at = datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone).astimezone(UTC)
    names = board.team_names(db)
    since = min(day_began_at, now - _DAY)
    rows, changed = board.unclaimed_handoffs(db), board.handoffs_changed_since(db, since)
    events = board.response_events(db, {*(row.id for row in rows), *(number for number, _, _ in changed)})
    counted = _waits(changed, events, since)
    today = [one for one in counted if one.began_at >= day_began_at]
    waiting, held = _waiting(db, rows, events, names, now), _unanswered(db, now)
    missed = tuple(sorted((one for one in today if one.is_missed(now)), key=lambda one: one.duration(now), reverse=True))
    numbers = {one.handoff_id for group in (waiting, held, missed) for one in group}
    return SupervisorBoard(
        now=now,
        day_began_at=day_began_at,
        waiting=waiting,
        teams=_teams(db, names, rosters.load(db, zone), now),
        held=held,
        dead_threads=tuple(board.unreachable_threads(db)),
        tallies=tuple(response_times.summarize(today, now, urgency) for urgency in (None, *Urgency)),
        missed=missed,
        hours=tuple(response_times.by_hour(counted, now)),
        visible=board.visible_handoffs(db, numbers, staff_id, own_teams),
        version=version,
    )


def _waits(
    changed: Iterable[tuple[int, int, str]], events: Mapping[int, Sequence[WaitEvent]], since: datetime
) -> list[HandoffWait]:
    """The waits that began since then."""
    found = [
        wait
        for number, conversation_id, urgency in changed
        for wait in response_times.waits_of(number, conversation_id, Urgency(urgency), events[number])
    ]
    return [wait for wait in found if wait.began_at >= since]


def _waiting(
    db: Session,
    rows: Sequence[UnclaimedHandoff],
    events: Mapping[int, Sequence[WaitEvent]],
    names: Mapping[str, str],
    now: datetime,
) -> tuple[WaitingPerson, ...]:
    calls: dict[int, list[BoardCallOut]] = defaultdict(list)
    for call in board.call_outs(db, [row.id for row in rows]):
        calls[call.handoff_id].append(call)
    found = []
    for row in rows:
        waits = response_times.waits_of(row.id, row.conversation_id, Urgency(row.urgency), events[row.id])
        wait = waits[-1] if waits else _wait_without_events(row)
        found.append(_one_waiting(row, wait, names, tuple(calls[row.id]), now))
    # The nearest or longest past limit first: the supervisor should act on these.
    return tuple(sorted(found, key=lambda one: (one.limit_at, one.handoff_id)))


def _one_waiting(
    row: UnclaimedHandoff, wait: HandoffWait, names: Mapping[str, str], calls: tuple[BoardCallOut, ...], now: datetime
) -> WaitingPerson:
    limit_at = row.limit_at or wait.limit_at
    return WaitingPerson(
        handoff_id=row.id,
        conversation_id=row.conversation_id,
        urgency=row.urgency,
        reason=row.reason,
        team="Anyone" if row.team == ANYONE else names.get(row.team, row.team),
        language=row.language,
        community=row.community or "",
        reachable=row.reachable,
        state=row.state,
        tier=row.tier,
        due_at=row.due_at,
        began_at=wait.began_at,
        limit_at=limit_at,
        waited=now - wait.began_at,
        over=now - limit_at if now > limit_at else None,
        calls=calls,
    )


def _wait_without_events(row: UnclaimedHandoff) -> HandoffWait:
    """For a handoff from before events were recorded."""
    limit = row.opened_at + CLAIM_WITHIN[Urgency(row.urgency)]
    return HandoffWait(row.id, row.conversation_id, Urgency(row.urgency), row.opened_at, limit)


def _teams(db: Session, names: Mapping[str, str], roster: Roster, now: datetime) -> tuple[TeamOnDuty, ...]:
    on_duty = {slug: roster.on_duty(now, slug) for slug in names}
    workers = board.staff_loads(db, {each.staff for on in on_duty.values() for each in on})
    return tuple(
        TeamOnDuty(
            slug,
            name,
            tuple(
                StaffOnDuty(workers[each.staff], each.place, each.until) for each in on_duty[slug] if each.staff in workers
            ),
            roster.gaps(slug, now, now + GAPS_WITHIN),
        )
        for slug, name in names.items()
    )


def _unanswered(db: Session, now: datetime) -> tuple[UnansweredHandoff, ...]:
    return tuple(
        UnansweredHandoff(row.id, row.conversation_id, row.urgency, row.owner, now - row.unanswered_since)
        for row in board.unanswered_handoffs(db, now - SHOW_UNANSWERED_AFTER)
    )
