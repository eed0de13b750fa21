"""Finding people among those that a member of staff may see. Every search starts from handoffs: whom nobody was called
for, no member of staff has a reason to look up by lists or names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.domain.message import Address
from bot.domain.permissions import ANYONE
from bot.storage.database import plain
from bot.storage.sealing import Sealer

PAGE = 25
MOST_NAMES = 500
"""Names are sealed, so each that is compared has to be opened first."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who searches: their id, and the slugs of their teams."""

    staff_id: int
    teams: Collection[str]


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; None means whatever. `state` is a handoff's, or "open". Times are aware UTC, `before` not
    included; `below` is the last handoff of the page before."""

    team: str | None = None
    language: str | None = None
    state: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One time that a person was handed to us. `owner` is the name of who has or had them, "" for nobody."""

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
class Known:
    """A conversation with what is known of its person. Times are aware UTC; `sealed_state` is "" for another conversation
    than the one that was asked for."""

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
class HandedOver:
    """A handoff of a conversation. `was_called`: whether who looks was ever called out for it."""

    id: int
    conversation_id: int
    team: str
    state: str
    owner_id: int | None
    offered_to_id: int | None
    was_called: bool


_FOUND = """
select h.id, c.id, c.channel, c.sealed_address, p.sealed_name, h.language, h.team, h.state, h.urgency,
       coalesce(s.name, ''), h.opened_at
  from handoff h
  join conversation c on c.id = h.conversation_id
  join person p on p.id = c.person_id
  left join staff s on s.id = h.owner_id
 where {conditions}
 order by h.id desc limit {limit}
"""

# The rule of `bot.domain.permissions.may_see`, as a condition on a handoff.
_MAY_SEE = """(h.team = any(%(teams)s) or h.owner_id = %(me)s or h.offered_to_id = %(me)s
   or exists (select 1 from call_out o where o.handoff_id = h.id and o.staff_id = %(me)s))"""

_OF_SAME_PERSON = """
select c.id, c.channel, c.sealed_address, case when c.id = %(id)s then c.sealed_state else '' end, c.in_danger,
       c.opted_out, c.unreachable, c.created_at, p.sealed_name
  from conversation c join person p on p.id = c.person_id
 where c.person_id = (select person_id from conversation where id = %(id)s)
 order by c.id <> %(id)s, c.id desc limit 21
"""

_HANDED_OVER = """
select h.id, h.conversation_id, h.team, h.state, h.owner_id, h.offered_to_id,
       exists (select 1 from call_out o where o.handoff_id = h.id and o.staff_id = %(me)s)
  from handoff h where h.conversation_id = any(%(ids)s) order by h.id
"""

_WITH_ADDRESSES = "select id from conversation where lookup = any(%s) order by id"


def by_handoff(db: Session, viewer: Viewer, sought: Filter, limit: int = PAGE) -> list[Found]:
    """Handoffs that the viewer may see and the filter finds, newest first; one more than `limit` shows that there are."""
    given = {name: getattr(sought, name) for name in ("team", "language", "state", "since", "before", "below")}
    return _found(db, [_MAY_SEE, *_conditions(sought)], limit + 1, **_who(viewer), **given)


def _conditions(sought: Filter) -> Iterator[str]:
    # Only what is asked for stands in the statement: a condition that may be null keeps PostgreSQL from its indexes.
    if sought.team is not None:
        yield "h.team = %(team)s"
    if sought.language is not None:
        yield "h.language = %(language)s"
    if sought.state is not None:
        yield "h.state <> 'closed'" if sought.state == "open" else "h.state = %(state)s"
    if sought.since is not None:
        yield "h.opened_at >= %(since)s"
    if sought.before is not None:
        yield "h.opened_at < %(before)s"
    if sought.below is not None:
        yield "h.id < %(below)s"


def held_by(db: Session, staff_id: int) -> list[Found]:
    """The people whom this social worker has now, newest first."""
    return _found(db, ["h.owner_id = %(me)s", "h.state <> 'closed'"], 50, me=staff_id)


def with_names(db: Session, viewer: Viewer, since: datetime) -> list[Found]:
    """People whose name is known, with an open handoff or one that the viewer talked in since; newest first, each once.

    MOST_NAMES at most of either kind.
    """
    named = ["p.sealed_name is not null", "p.erased_at is null"]
    found = [
        *_found(db, [*named, "h.state <> 'closed'", _MAY_SEE], MOST_NAMES, **_who(viewer)),
        *_found(db, [*named, "h.owner_id = %(me)s", "h.spoke_at >= %(since)s"], MOST_NAMES, me=viewer.staff_id, since=since),
    ]
    newest = sorted(found, key=lambda row: row.handoff_id, reverse=True)
    return list({row.conversation_id: row for row in reversed(newest)}.values())[::-1]


def with_addresses(db: Session, sealer: Sealer, addresses: Iterable[Address]) -> list[int]:
    """The conversations with any of these addresses, by the blind index."""
    lookups = [sealer.index(address) for address in addresses]
    return [row[0] for row in plain(db).execute(_WITH_ADDRESSES, (lookups,)).fetchall()]


def of_same_person(db: Session, conversation_id: int) -> list[Known]:
    """This conversation and at most 20 others of the same person, newest first; nothing where there is none."""
    return [Known(*row) for row in plain(db).execute(_OF_SAME_PERSON, {"id": conversation_id}).fetchall()]


def handed_over(db: Session, conversation_ids: Collection[int], staff_id: int) -> list[HandedOver]:
    """All handoffs of these conversations, open and closed, oldest first, as this member of staff looks at them."""
    rows = plain(db).execute(_HANDED_OVER, {"ids": list(conversation_ids), "me": staff_id}).fetchall()
    return [HandedOver(*row) for row in rows]


def _who(viewer: Viewer) -> dict[str, Any]:
    return {"me": viewer.staff_id, "teams": [*viewer.teams, ANYONE]}


def _found(db: Session, conditions: Iterable[str], limit: int, **given: Any) -> list[Found]:
    """The conditions are constants of this module: whatever somebody typed is in `given`."""
    # The limit is written out: as a parameter PostgreSQL would plan for a tenth of all handoffs ever, and sort them.
    statement = _FOUND.format(conditions=" and ".join(conditions), limit=limit)
    return [Found(*row) for row in plain(db).execute(statement, given).fetchall()]
