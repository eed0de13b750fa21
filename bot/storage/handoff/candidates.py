"""Who could take a handoff: staff as the escalation policy sees them, with their load and who last had the person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from psycopg.rows import args_row
from sqlalchemy.orm import Session

from bot.domain.handoff.escalation import Candidate
from bot.domain.handoff.states import HELD_STATES
from bot.domain.roster.duty import Roster
from bot.domain.staff.permissions import ANYONE, Role
from bot.storage.database import driver_connection

_ANSWERING_ROLES = {Role.SOCIAL_WORKER.value, Role.SUPERVISOR.value}

# Three small statements instead of one over nine tables, which took longer to plan than to run.
_STAFF = """
select id, languages::text, skills::text, communities::text, capacity, phone_lookup, roles
  from staff
  join (select staff_id, array_agg(name) as roles from staff_role join role on role.id = staff_role.role_id
         group by staff_id) as held on held.staff_id = staff.id
 where active and left_at is null order by id
"""
# Open call-outs count as load too: in a surge the calls must go round, or one telephone gets thirty alerts and others none.
_LOADS = """
select staff_id, count(*)
  from (select owner_id as staff_id from handoff where owner_id is not null and state <> 'closed' and state = any(%s)
        union all select staff_id from call_out where answer is null) as people
 group by staff_id
"""
_BACKGROUND = """
select (select lookup from conversation where id = %(conversation)s),
       (select staff_id from handoff_event where conversation_id = %(conversation)s and kind in ('claimed', 'took_over')
         order by id desc limit 1),
       array(select staff_id from membership join team on team.id = membership.team_id where team.slug = %(team)s)
"""


@dataclass(frozen=True, slots=True)
class _AnsweringStaff:
    """An active staff member as stored; the lists are unparsed JSON."""

    id: int
    languages: str
    skills: str
    communities: str
    capacity: int
    phone_lookup: bytes | None
    roles: Sequence[str]


@dataclass(frozen=True, slots=True)
class _HandoffBackground:
    """The person's blind index, the social worker who last claimed a handoff of this person, and the team's members."""

    lookup: bytes | None
    last_worker: int | None
    members: Sequence[int]


def list_for_team(db: Session, team: str, roster: Roster, conversation_id: int, now: datetime) -> list[Candidate]:
    """All social workers and supervisors, as candidates for a handoff of this team at `now`.

    If the team has no members (a flow names a team that was never filled), everyone counts as a member: a misspelt
    team must not mean that no social worker comes.
    """
    # The call-outs of the previous tier may exist only in the session.
    db.flush()
    around = _read_background(db, team, conversation_id)
    # Staff may need help too: a staff member is never called for their own handoff.
    staff = [one for one in _answering_staff(db) if one.phone_lookup is None or one.phone_lookup != around.lookup]
    members = {one.id for one in staff}.intersection(around.members)
    open_to_all = team == ANYONE or not members
    on_duty = roster.places_on_duty(now, None if open_to_all else team)
    anywhere = on_duty if open_to_all else roster.places_on_duty(now)
    loads = _loads(db)
    return [
        Candidate(
            staff_id=one.id,
            on_duty=one.id in on_duty or (one.id in anywhere and one.id not in members),
            in_team=open_to_all or one.id in members,
            is_supervisor=Role.SUPERVISOR.value in one.roles,
            on_call_place=on_duty.get(one.id, 99),
            languages=_parse_list(one.languages),
            skills=_parse_list(one.skills),
            communities=_parse_list(one.communities),
            load=loads.get(one.id, 0),
            capacity=one.capacity,
            knows_person=one.id == around.last_worker,
        )
        for one in staff
    ]


@lru_cache(maxsize=1000)
def _parse_list(json_list: str) -> tuple[str, ...]:
    # The same few lists are in every row; parsing two hundred of them each time took half of this query's time.
    return tuple(json.loads(json_list))


def _read_background(db: Session, team: str, conversation_id: int) -> _HandoffBackground:
    sought = {"team": team, "conversation": conversation_id}
    with driver_connection(db).cursor(row_factory=args_row(_HandoffBackground)) as cursor:
        found = cursor.execute(_BACKGROUND, sought).fetchone()
    assert found is not None
    return found


def _answering_staff(db: Session) -> list[_AnsweringStaff]:
    with driver_connection(db).cursor(row_factory=args_row(_AnsweringStaff)) as cursor:
        return [one for one in cursor.execute(_STAFF) if not _ANSWERING_ROLES.isdisjoint(one.roles)]


def _loads(db: Session) -> dict[int, int]:
    """Staff id -> number of handoffs they have or are being called for."""
    return dict(driver_connection(db).execute(_LOADS, ([state.value for state in HELD_STATES],)).fetchall())
