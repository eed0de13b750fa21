"""What the supervisor's board shows: waiting handoffs, call-outs, staff load, and staff who cannot be reached.

Nothing here opens a sealed column: the board shows ids, staff names and fixed words, never what a resident wrote.
It is plain SQL that selects only the columns shown: an open board is reloaded on every change, and whole rows through
the mapped classes cost six times as much.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import args_row
from sqlalchemy.orm import Session

from bot.domain.handoff.response_times import BEGIN_KINDS, CLAIM_KINDS, END_KIND, RISE_KIND, WaitEvent
from bot.domain.handoff.states import HELD_STATES, UNCLAIMED_STATES
from bot.domain.safety.levels import Urgency
from bot.domain.staff.permissions import may_see_handoff
from bot.storage.database import driver_connection


@dataclass(frozen=True, slots=True)
class UnclaimedHandoff:
    """An open handoff that no social worker has claimed."""

    id: int
    conversation_id: int
    urgency: str
    reason: str
    team: str
    language: str
    community: str | None
    reachable: bool
    state: str
    tier: int
    due_at: datetime | None
    limit_at: datetime | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class BoardCallOut:
    """A staff member was called for a handoff; `answer` is None while the call-out is open."""

    handoff_id: int
    staff_id: int
    name: str
    tier: int
    raised_at: datetime
    answer: str | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class StaffLoad:
    """A staff member on the board. `load` is the number of open handoffs they own."""

    id: int
    name: str
    languages: tuple[str, ...]
    load: int
    capacity: int
    has_phone: bool


@dataclass(frozen=True, slots=True)
class UnreachableThread:
    """A staff member's channel on which nothing can be sent. `why` is "opted_out" or the carrier's reason."""

    staff_id: int
    name: str
    channel: str
    line: str
    why: str


@dataclass(frozen=True, slots=True)
class UnansweredHandoffRow:
    """A claimed handoff whose social worker has not answered the person since `unanswered_since`."""

    id: int
    conversation_id: int
    urgency: str
    owner: str
    unanswered_since: datetime


_UNCLAIMED = [state.value for state in UNCLAIMED_STATES]
_HELD = [state.value for state in HELD_STATES]
_RESPONSE_EVENT_KINDS = [*BEGIN_KINDS, *CLAIM_KINDS, END_KIND, RISE_KIND]

# The partial index covers rows that are not closed; PostgreSQL uses it only if the query states that condition.
_WAITING = """
select id, conversation_id, urgency, reason, team, language, community, reachable, state, tier, due_at, limit_at,
       opened_at
  from handoff where state <> 'closed' and state = any(%s) order by opened_at
"""
_CALLS = """
select handoff_id, staff_id, name, tier, raised_at, answer, answered_at
  from call_out join staff on staff.id = call_out.staff_id
 where handoff_id = any(%s) order by call_out.id
"""
_UNANSWERED = """
select handoff.id, conversation_id, urgency, name, unanswered_since
  from handoff join staff on staff.id = handoff.owner_id
 where state <> 'closed' and state = any(%s) and unanswered_since < %s order by unanswered_since
"""
_STAFF_LOADS = """
select id, name, languages,
       (select count(*) from handoff where owner_id = staff.id and state <> 'closed' and state = any(%s)),
       capacity, sealed_phone is not null
  from staff where id = any(%s)
"""
_UNREACHABLE_THREADS = """
select staff_id, name, channel, line, case when opted_out then 'opted_out' else coalesce(unreachable, '') end
  from staff_thread join staff on staff.id = staff_thread.staff_id
 where active and (opted_out or unreachable is not null) order by name, staff_thread.id
"""
_TEAMS = "select slug, name from team order by name"
_CHANGED_SINCE = "select id, conversation_id, urgency from handoff where updated_at >= %s order by id"
_EVENTS = """
select handoff_id, kind, at, detail ->> 'urgency'
  from handoff_event where handoff_id = any(%s) and (kind = any(%s) or detail ? 'urgency') order by id
"""
_VISIBLE = """
select id, team, owner_id, offered_to_id,
       exists (select from call_out where handoff_id = handoff.id and staff_id = %s)
  from handoff where id = any(%s)
"""


def unclaimed_handoffs(db: Session) -> Sequence[UnclaimedHandoff]:
    """Open handoffs that no social worker has claimed, oldest first."""
    with driver_connection(db).cursor(row_factory=args_row(UnclaimedHandoff)) as cursor:
        return cursor.execute(_WAITING, (_UNCLAIMED,)).fetchall()


def call_outs(db: Session, handoff_ids: Collection[int]) -> list[BoardCallOut]:
    """The call-outs of these handoffs, oldest first."""
    if not handoff_ids:
        return []
    with driver_connection(db).cursor(row_factory=args_row(BoardCallOut)) as cursor:
        return cursor.execute(_CALLS, (list(handoff_ids),)).fetchall()


def unanswered_handoffs(db: Session, before: datetime) -> list[UnansweredHandoffRow]:
    """Claimed handoffs whose oldest unanswered text came before `before`, oldest first."""
    with driver_connection(db).cursor(row_factory=args_row(UnansweredHandoffRow)) as cursor:
        return cursor.execute(_UNANSWERED, (_HELD, before)).fetchall()


def staff_loads(db: Session, staff_ids: Collection[int]) -> dict[int, StaffLoad]:
    """These staff members with their load, by id."""
    rows = driver_connection(db).execute(_STAFF_LOADS, (_HELD, list(staff_ids))) if staff_ids else ()
    return {row[0]: StaffLoad(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows}


def unreachable_threads(db: Session) -> list[UnreachableThread]:
    """Channels of active staff on which nothing can be sent, by name."""
    with driver_connection(db).cursor(row_factory=args_row(UnreachableThread)) as cursor:
        return cursor.execute(_UNREACHABLE_THREADS).fetchall()


def team_names(db: Session) -> dict[str, str]:
    """Slug -> name of every team, ordered by name."""
    return dict(driver_connection(db).execute(_TEAMS).fetchall())


def handoffs_changed_since(db: Session, since: datetime) -> list[tuple[int, int, str]]:
    """Handoffs updated at or after `since`, as (handoff id, conversation id, urgency)."""
    return driver_connection(db).execute(_CHANGED_SINCE, (since,)).fetchall()


def response_events(db: Session, handoff_ids: Collection[int]) -> dict[int, list[WaitEvent]]:
    """The events of these handoffs that response times are computed from (bot/domain/handoff/response_times.py), oldest
    first.

    Replies and single calls are left out.
    """
    found: dict[int, list[WaitEvent]] = {number: [] for number in handoff_ids}
    for number, kind, at, urgency in (
        driver_connection(db).execute(_EVENTS, (list(handoff_ids), _RESPONSE_EVENT_KINDS)) if handoff_ids else ()
    ):
        found[number].append(WaitEvent(kind, at, Urgency(urgency) if urgency else None))
    return found


def visible_handoffs(db: Session, handoff_ids: Collection[int], staff_id: int, teams: Collection[str]) -> frozenset[int]:
    """Which of these handoffs this staff member of these teams may open (bot/domain/staff/permissions.py, `may_see`)."""
    rows = driver_connection(db).execute(_VISIBLE, (staff_id, list(handoff_ids))) if handoff_ids else ()
    return frozenset(
        number
        for number, team, owner, offered, was_called in rows
        if may_see_handoff(team, teams, is_alerted=was_called or staff_id in (owner, offered))
    )
