"""What the supervisor's board shows: who waits, who was called, who holds what, whose telephone is dead.

Nothing here opens a sealed column: the board names rows, people of the staff and fixed words, never what a resident wrote.
It is plain SQL with the columns that are shown: an open board is read anew with all news, and whole rows through the
mapped classes cost six times as much.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import args_row
from sqlalchemy.orm import Session

from bot.domain.handoff import HELD, UNCLAIMED
from bot.domain.permissions import may_see
from bot.domain.promises import ACKNOWLEDGES, BEGINS, ENDS, ROSE, Event
from bot.domain.safety.levels import Urgency
from bot.storage.database import plain


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """An open handoff that nobody has."""

    id: int
    conversation_id: int
    urgency: str
    reason: str
    team: str
    language: str
    community: str | None
    reachable: bool
    state: str
    rung: int
    rung_due_at: datetime | None
    limit_at: datetime | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody was called for a handoff; `answer` is None while the call is open."""

    handoff_id: int
    staff_id: int
    name: str
    rung: int
    raised_at: datetime
    answer: str | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody of the staff, as the board shows them. `load`: how many open handoffs they own."""

    id: int
    name: str
    languages: tuple[str, ...]
    load: int
    capacity: int
    has_phone: bool


@dataclass(frozen=True, slots=True)
class DeadThread:
    """A way to somebody of the staff by which nothing can be sent. `why` is "opted_out" or a carrier's word."""

    staff_id: int
    name: str
    channel: str
    line: str
    why: str


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A person wrote and their social worker has not answered since `unanswered_since`."""

    id: int
    conversation_id: int
    urgency: str
    owner: str
    unanswered_since: datetime


_UNCLAIMED = [state.value for state in UNCLAIMED]
_HELD = [state.value for state in HELD]
_COUNTED = [*BEGINS, *ACKNOWLEDGES, ENDS, ROSE]

# An index holds what is not closed, and it is used only where that is said.
_WAITING = """
select id, conversation_id, urgency, reason, team, language, community, reachable, state, rung, rung_due_at, limit_at,
       opened_at
  from handoff where state <> 'closed' and state = any(%s) order by opened_at
"""
_CALLS = """
select handoff_id, staff_id, name, rung, raised_at, answer, answered_at
  from call_out join staff on staff.id = call_out.staff_id
 where handoff_id = any(%s) order by call_out.id
"""
_UNANSWERED = """
select handoff.id, conversation_id, urgency, name, unanswered_since
  from handoff join staff on staff.id = handoff.owner_id
 where state <> 'closed' and state = any(%s) and unanswered_since < %s order by unanswered_since
"""
_WORKERS = """
select id, name, languages,
       (select count(*) from handoff where owner_id = staff.id and state <> 'closed' and state = any(%s)),
       capacity, sealed_phone is not null
  from staff where id = any(%s)
"""
_DEAD_THREADS = """
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


def waiting(db: Session) -> Sequence[WaitingRow]:
    """Open handoffs that nobody has, oldest first."""
    with plain(db).cursor(row_factory=args_row(WaitingRow)) as cursor:
        return cursor.execute(_WAITING, (_UNCLAIMED,)).fetchall()


def calls(db: Session, handoff_ids: Collection[int]) -> list[Call]:
    """Who was called for these, in the order of the calls."""
    if not handoff_ids:
        return []
    with plain(db).cursor(row_factory=args_row(Call)) as cursor:
        return cursor.execute(_CALLS, (list(handoff_ids),)).fetchall()


def unanswered(db: Session, before: datetime) -> list[HeldRow]:
    """Held conversations whose oldest unanswered text came before this moment, oldest first."""
    with plain(db).cursor(row_factory=args_row(HeldRow)) as cursor:
        return cursor.execute(_UNANSWERED, (_HELD, before)).fetchall()


def workers(db: Session, staff_ids: Collection[int]) -> dict[int, Worker]:
    """These members of staff with what they hold."""
    rows = plain(db).execute(_WORKERS, (_HELD, list(staff_ids))) if staff_ids else ()
    return {row[0]: Worker(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows}


def dead_threads(db: Session) -> list[DeadThread]:
    """Ways to people who still work here by which nothing can be sent."""
    with plain(db).cursor(row_factory=args_row(DeadThread)) as cursor:
        return cursor.execute(_DEAD_THREADS).fetchall()


def teams(db: Session) -> dict[str, str]:
    """Every team's slug and name, by name."""
    return dict(plain(db).execute(_TEAMS).fetchall())


def changed_since(db: Session, since: datetime) -> list[tuple[int, int, str]]:
    """Handoffs to which anything happened from then on: number, conversation, urgency."""
    return plain(db).execute(_CHANGED_SINCE, (since,)).fetchall()


def events(db: Session, handoff_ids: Collection[int]) -> dict[int, list[Event]]:
    """What happened to these handoffs, each in its order, as far as waits are counted from it (bot/domain/promises.py):
    not each reply and each call."""
    found: dict[int, list[Event]] = {number: [] for number in handoff_ids}
    for number, kind, at, urgency in plain(db).execute(_EVENTS, (list(handoff_ids), _COUNTED)) if handoff_ids else ():
        found[number].append(Event(kind, at, Urgency(urgency) if urgency else None))
    return found


def visible(db: Session, handoff_ids: Collection[int], staff_id: int, teams: Collection[str]) -> frozenset[int]:
    """Which of these handoffs somebody of these teams may open (bot/domain/permissions.py, `may_see`)."""
    rows = plain(db).execute(_VISIBLE, (staff_id, list(handoff_ids))) if handoff_ids else ()
    return frozenset(
        number
        for number, team, owner, offered, was_called in rows
        if may_see(team, teams, is_called=was_called or staff_id in (owner, offered))
    )
