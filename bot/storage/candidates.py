"""Who could take a handoff: the staff as a ladder needs to know them, with their load and who knew the person last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from psycopg.rows import args_row
from sqlalchemy.orm import Session

from bot.domain.handoff import HELD
from bot.domain.ladder import Candidate
from bot.domain.permissions import ANYONE, Role
from bot.domain.roster import Roster
from bot.storage.database import plain

_ANSWERING = {Role.SOCIAL_WORKER.value, Role.SUPERVISOR.value}

# Three small statements and not one of nine tables: to plan that took longer than to carry it out.
_STAFF = """
select id, languages::text, skills::text, communities::text, capacity, phone_lookup, roles
  from staff
  join (select staff_id, array_agg(name) as roles from staff_role join role on role.id = staff_role.role_id
         group by staff_id) as held on held.staff_id = staff.id
 where active and left_at is null order by id
"""
# The open calls count as well: in a surge the calls go round, or one telephone gets thirty alerts while others lie still.
_LOADS = """
select staff_id, count(*)
  from (select owner_id as staff_id from handoff where owner_id is not null and state <> 'closed' and state = any(%s)
        union all select staff_id from call_out where answer is null) as people
 group by staff_id
"""
_AROUND = """
select (select lookup from conversation where id = %(conversation)s),
       (select staff_id from handoff_event where conversation_id = %(conversation)s and kind in ('claimed', 'took_over')
         order by id desc limit 1),
       array(select staff_id from membership join team on team.id = membership.team_id where team.slug = %(team)s)
"""


@dataclass(frozen=True, slots=True)
class _Worker:
    """Somebody present, as they are stored; the lists as JSON is written."""

    id: int
    languages: str
    skills: str
    communities: str
    capacity: int
    phone_lookup: bytes | None
    roles: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Around:
    """The person's own blind index, who took a handoff of theirs last, and who is in the team."""

    lookup: bytes | None
    last_worker: int | None
    members: Sequence[int]


def of_team(db: Session, team: str, roster: Roster, conversation_id: int, now: datetime) -> list[Candidate]:
    """Everybody who may answer, as candidates for a handoff of this team at `now`.

    For a team that has nobody in it (a flow names one that was never filled), everybody counts as being in it: a
    misspelt team must not mean that nobody comes.
    """
    # Who was called on the rung before this one may stand in the session alone.
    db.flush()
    around = _around(db, team, conversation_id)
    # Who works here may need help as well: nobody is called for themselves.
    staff = [one for one in _answering(db) if one.phone_lookup is None or one.phone_lookup != around.lookup]
    members = {one.id for one in staff}.intersection(around.members)
    open_to_all = team == ANYONE or not members
    on_duty = roster.places(now, None if open_to_all else team)
    anywhere = on_duty if open_to_all else roster.places(now)
    loads = _loads(db)
    return [
        Candidate(
            staff_id=one.id,
            on_duty=one.id in on_duty or (one.id in anywhere and one.id not in members),
            in_team=open_to_all or one.id in members,
            is_supervisor=Role.SUPERVISOR.value in one.roles,
            place=on_duty.get(one.id, 99),
            languages=_words(one.languages),
            skills=_words(one.skills),
            communities=_words(one.communities),
            load=loads.get(one.id, 0),
            capacity=one.capacity,
            knows=one.id == around.last_worker,
        )
        for one in staff
    ]


@lru_cache(maxsize=1000)
def _words(written: str) -> tuple[str, ...]:
    # The same few lists stand in every row, and to read two hundred of them anew was half of the time of this question.
    return tuple(json.loads(written))


def _around(db: Session, team: str, conversation_id: int) -> _Around:
    sought = {"team": team, "conversation": conversation_id}
    with plain(db).cursor(row_factory=args_row(_Around)) as cursor:
        found = cursor.execute(_AROUND, sought).fetchone()
    assert found is not None
    return found


def _answering(db: Session) -> list[_Worker]:
    with plain(db).cursor(row_factory=args_row(_Worker)) as cursor:
        return [one for one in cursor.execute(_STAFF) if not _ANSWERING.isdisjoint(one.roles)]


def _loads(db: Session) -> dict[int, int]:
    """How many people each has, or is just being called for."""
    return dict(plain(db).execute(_LOADS, ([state.value for state in HELD],)).fetchall())
