"""Finding people among those that a staff member may see. Every search starts from handoffs: staff have no reason to look
up a person who never had one, by lists or names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.domain.messages.message import Address
from bot.domain.staff.permissions import ANYONE
from bot.storage.database import driver_connection
from bot.storage.sealing import Sealer

PAGE_SIZE = 25
MAX_NAMES = 500
"""Names are sealed, so each one has to be decrypted to be compared."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The staff member who searches: id and team slugs."""

    staff_id: int
    teams: Collection[str]


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Search criteria; None matches anything. `state` is a handoff state, or "open". Times are aware UTC, `before`
    exclusive; `below` is the last handoff id of the previous page."""

    team: str | None = None
    language: str | None = None
    state: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class FoundHandoff:
    """A handoff found in a search. `owner` is the name of the social worker who has or had it, "" if none."""

    handoff_id: int
    conversation_id: int
    channel: str
    sealed_address: str
    sealed_name: str | None
    language: str
    team: str
    state: str
    urgency: str
    owner: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class PersonConversation:
    """A conversation with its person's data. Times are aware UTC; `sealed_state` is "" except for the conversation asked
    for."""

    id: int
    channel: str
    sealed_address: str
    sealed_state: str
    in_danger: bool
    opted_out: bool
    unreachable: str | None
    created_at: datetime
    sealed_name: str | None


@dataclass(frozen=True, slots=True)
class PersonHandoffRow:
    """A handoff of a conversation. `was_called`: whether the viewer was ever called out for it."""

    id: int
    conversation_id: int
    team: str
    state: str
    owner_id: int | None
    offered_to_id: int | None
    was_called: bool


_HANDOFFS = """
select h.id, c.id, c.channel, c.sealed_address, p.sealed_name, h.language, h.team, h.state, h.urgency,
       coalesce(s.name, ''), h.opened_at
  from handoff h
  join conversation c on c.id = h.conversation_id
  join person p on p.id = c.person_id
  left join staff s on s.id = h.owner_id
 where {conditions}
 order by h.id desc limit {limit}
"""

# The rule of `bot.domain.staff.permissions.may_see`, as a condition on a handoff.
_MAY_SEE = """(h.team = any(%(teams)s) or h.owner_id = %(me)s or h.offered_to_id = %(me)s
   or exists (select 1 from call_out o where o.handoff_id = h.id and o.staff_id = %(me)s))"""

_OF_SAME_PERSON = """
select c.id, c.channel, c.sealed_address, case when c.id = %(id)s then c.sealed_state else '' end, c.in_danger,
       c.opted_out, c.unreachable, c.created_at, p.sealed_name
  from conversation c join person p on p.id = c.person_id
 where c.person_id = (select person_id from conversation where id = %(id)s)
 order by c.id <> %(id)s, c.id desc limit 21
"""

_HANDOFF_SUMMARIES = """
select h.id, h.conversation_id, h.team, h.state, h.owner_id, h.offered_to_id,
       exists (select 1 from call_out o where o.handoff_id = h.id and o.staff_id = %(me)s)
  from handoff h where h.conversation_id = any(%(ids)s) order by h.id
"""

_WITH_ADDRESSES = "select id from conversation where lookup = any(%s) order by id"


def search_handoffs(db: Session, viewer: Viewer, criteria: PeopleFilter, limit: int = PAGE_SIZE) -> list[FoundHandoff]:
    """Matching handoffs that the viewer may see, newest first; up to `limit` + 1, to show if there are more."""
    given = {name: getattr(criteria, name) for name in ("team", "language", "state", "since", "before", "below")}
    return _fetch_handoffs(db, [_MAY_SEE, *_conditions(criteria)], limit + 1, **_viewer_values(viewer), **given)


def _conditions(criteria: PeopleFilter) -> Iterator[str]:
    # Only the given criteria go into the statement: conditions on nullable parameters keep PostgreSQL from using indexes.
    if criteria.team is not None:
        yield "h.team = %(team)s"
    if criteria.language is not None:
        yield "h.language = %(language)s"
    if criteria.state is not None:
        yield "h.state <> 'closed'" if criteria.state == "open" else "h.state = %(state)s"
    if criteria.since is not None:
        yield "h.opened_at >= %(since)s"
    if criteria.before is not None:
        yield "h.opened_at < %(before)s"
    if criteria.below is not None:
        yield "h.id < %(below)s"


def list_held_by(db: Session, staff_id: int) -> list[FoundHandoff]:
    """The open handoffs of this social worker, newest first."""
    return _fetch_handoffs(db, ["h.owner_id = %(me)s", "h.state <> 'closed'"], 50, me=staff_id)


def list_with_names(db: Session, viewer: Viewer, since: datetime) -> list[FoundHandoff]:
    """People with a known name and an open handoff, or one in which the viewer wrote since `since`; newest first, each
    conversation once. At most MAX_NAMES of either kind.
    """
    named = ["p.sealed_name is not null", "p.erased_at is null"]
    found = [
        *_fetch_handoffs(db, [*named, "h.state <> 'closed'", _MAY_SEE], MAX_NAMES, **_viewer_values(viewer)),
        *_fetch_handoffs(
            db, [*named, "h.owner_id = %(me)s", "h.spoke_at >= %(since)s"], MAX_NAMES, me=viewer.staff_id, since=since
        ),
    ]
    newest = sorted(found, key=lambda row: row.handoff_id, reverse=True)
    return list({row.conversation_id: row for row in reversed(newest)}.values())[::-1]


def find_by_addresses(db: Session, sealer: Sealer, addresses: Iterable[Address]) -> list[int]:
    """The conversations with any of these addresses, by the blind index."""
    lookups = [sealer.blind_index(address) for address in addresses]
    return [row[0] for row in driver_connection(db).execute(_WITH_ADDRESSES, (lookups,)).fetchall()]


def list_same_person_conversations(db: Session, conversation_id: int) -> list[PersonConversation]:
    """This conversation, then at most 20 others of the same person, newest first; [] if there is none."""
    return [
        PersonConversation(*row)
        for row in driver_connection(db).execute(_OF_SAME_PERSON, {"id": conversation_id}).fetchall()
    ]


def list_handoffs(db: Session, conversation_ids: Collection[int], staff_id: int) -> list[PersonHandoffRow]:
    """All handoffs of these conversations, open and closed, oldest first, as seen by this staff member."""
    rows = driver_connection(db).execute(_HANDOFF_SUMMARIES, {"ids": list(conversation_ids), "me": staff_id}).fetchall()
    return [PersonHandoffRow(*row) for row in rows]


def _viewer_values(viewer: Viewer) -> dict[str, Any]:
    return {"me": viewer.staff_id, "teams": [*viewer.teams, ANYONE]}


def _fetch_handoffs(db: Session, conditions: Iterable[str], limit: int, **given: Any) -> list[FoundHandoff]:
    """The conditions are constants of this module; user input is only in `given`."""
    # The limit is a literal: for a parameter PostgreSQL would plan for a tenth of all handoffs and sort them.
    statement = _HANDOFFS.format(conditions=" and ".join(conditions), limit=limit)
    return [FoundHandoff(*row) for row in driver_connection(db).execute(statement, given).fetchall()]
