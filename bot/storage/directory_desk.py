"""The directory as the staff keep it: one service with its places, lists by how fresh they are, what became of referrals.

To look for the best fitting service is not here but in listings.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.errors import LockNotAvailable
from psycopg.rows import class_row
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.domain.directory.editing import Freshness
from bot.storage.database import plain
from bot.storage.directory_tables import Location, Organization, Service, ServiceAtLocation
from bot.storage.tables import Referral

_FRESHNESS = """
case when s.gone_at is not null or s.status <> 'active' then 'hidden'
     when not s.verified then 'never'
     when s.review_by > %(now)s then 'fresh' else 'stale' end
"""
"""The same as `editing.freshness`, which says it of one service."""


@dataclass(frozen=True, slots=True)
class Held:
    """A service with all that belongs to it."""

    service: Service
    organization: Organization | None
    places: tuple[tuple[ServiceAtLocation, Location], ...]
    """Where it is offered, without places that are gone; the oldest first."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a list says of a service, beside what is laid out for searching."""

    id: int
    name: str
    organization: str
    freshness: str
    review_by: datetime
    assured_on: date | None
    assured_by: str | None
    accepting: bool | None
    is_gone: bool
    status: str
    origin: str
    city: str


@dataclass(frozen=True, slots=True)
class Sought:
    """Which services a list holds; what is None or empty does not narrow."""

    freshness: str | None = None
    need: str | None = None
    words: str = ""
    accepting: str | None = None
    """yes, no or unknown."""
    language: str | None = None
    near: tuple[float, float] | None = None
    """Latitude and longitude: the nearest first, and those without a place last."""


def is_held(error: Exception) -> bool:
    """Whether a statement failed because somebody else, mostly an import, has held its rows for longer than one may wait."""
    return isinstance(error.orig if isinstance(error, DBAPIError) else error, LockNotAvailable)


def hold_still(db: Session) -> None:
    """All that this transaction reads is of one moment. Must come before everything else in it."""
    plain(db).execute("set transaction isolation level repeatable read")


def load(db: Session, service_id: int, *, lock: bool = False) -> Held | None:
    """One service; with `lock`, held until the transaction ends. None: there is none."""
    service = db.get(Service, service_id, with_for_update=lock or None, populate_existing=lock)
    if service is None:
        return None
    owner = db.get(Organization, service.organization_id) if service.organization_id else None
    pairs = db.execute(
        select(ServiceAtLocation, Location)
        .join(Location, Location.id == ServiceAtLocation.location_id)
        .where(ServiceAtLocation.service_id == service_id, Location.gone_at.is_(None))
        .order_by(ServiceAtLocation.id)
    )
    return Held(service, owner, tuple((link, place) for link, place in pairs))


def services_of(db: Session, organization_id: int) -> list[int]:
    """The services of an organization, which show its name and its number."""
    return list(db.scalars(select(Service.id).where(Service.organization_id == organization_id).order_by(Service.id)))


def services_at(db: Session, location_id: int) -> list[int]:
    """The services that are offered at a place."""
    query = select(ServiceAtLocation.service_id).where(ServiceAtLocation.location_id == location_id)
    return list(db.scalars(query.order_by(ServiceAtLocation.service_id)))


def find_organization(db: Session, name: str) -> Organization | None:
    """The oldest one of this name, whatever directory it came from."""
    query = select(Organization).where(func.lower(Organization.name) == name.lower(), Organization.gone_at.is_(None))
    return db.scalars(query.order_by(Organization.id).limit(1)).first()


def counts(db: Session, now: datetime) -> dict[str, int]:
    """How many services are fresh, stale, never checked and hidden."""
    rows = plain(db).execute(f"select {_FRESHNESS} as kind, count(*) from service s group by 1", {"now": now})  # noqa: S608
    found = {row[0]: row[1] for row in rows}
    return {kind.value: found.get(kind.value, 0) for kind in Freshness}


_LINES = f"""
select s.id, s.name, coalesce(o.name, '') as organization, {_FRESHNESS} as freshness, s.review_by, s.assured_on,
       s.assured_by, s.accepting, s.gone_at is not null as is_gone, s.status, s.origin,
       coalesce((select coalesce(l.edits #>> '{{addresses,0,city}}', l.city)
                   from service_at_location a join location l on l.id = a.location_id
                  where a.service_id = s.id and l.gone_at is null order by a.id limit 1), '') as city
  from service s left join organization o on o.id = s.organization_id
"""  # noqa: S608  fixed words


def lines(db: Session, ids: Sequence[int], now: datetime) -> dict[int, Line]:
    """These services by their ids."""
    with plain(db).cursor(row_factory=class_row(Line)) as cursor:
        found = cursor.execute(f"{_LINES} where s.id = any(%(ids)s)", {"ids": list(ids), "now": now}).fetchall()
    return {one.id: one for one in found}


_DISTANCE = """
(select min(point(l.longitude, l.latitude) <-> point(%(longitude)s, %(latitude)s)) from listing l where l.service_id = s.id)
"""


def browse(db: Session, sought: Sought, now: datetime, limit: int, offset: int) -> tuple[list[int], int]:
    """A page of a list by ids, and how many there are in all."""
    where, values = _where(sought)
    values |= {"now": now, "limit": limit, "offset": offset}
    order = "lower(s.name), s.id"
    if sought.near is not None:
        values |= {"latitude": sought.near[0], "longitude": sought.near[1]}
        order = f"{_DISTANCE} nulls last, {order}"
    if sought.language:
        values["language"] = sought.language
        order = f"(s.languages ? %(language)s) desc, {order}"
    total = plain(db).execute(f"select count(*) from service s where {where}", values).fetchone()  # noqa: S608
    query = f"select s.id from service s where {where} order by {order} limit %(limit)s offset %(offset)s"  # noqa: S608
    return [row[0] for row in plain(db).execute(query, values)], total[0] if total else 0


def _where(sought: Sought) -> tuple[str, dict[str, Any]]:
    conditions, values = ["true"], dict[str, Any]()
    if sought.freshness:
        conditions.append(f"{_FRESHNESS} = %(freshness)s")
        values["freshness"] = sought.freshness
    if sought.need:
        conditions.append("s.needs ? %(need)s")
        values["need"] = sought.need
    if sought.accepting:
        conditions.append("s.accepting is not distinct from %(accepting)s")
        values["accepting"] = {"yes": True, "no": False}.get(sought.accepting)
    if sought.words:
        # What is gone stands in no listing, and is found by its name.
        conditions.append(
            "(strpos(lower(s.name), lower(%(words)s)) > 0 or exists (select from listing l where l.service_id = s.id "
            "and l.words @@ websearch_to_tsquery('english', %(words)s)))"
        )
        values["words"] = sought.words
    return " and ".join(conditions), values


_KEPT_HERE = "s.gone_at is null and s.status = 'active' and s.origin <> 'files'"

_TO_CHECK = f"""
select s.id from service s where {_KEPT_HERE} and s.verified order by s.review_by, s.id
 limit %(limit)s offset %(offset)s
"""  # noqa: S608  fixed words

# Counted for all at once: a directory has many more services than were ever named by a referral.
_NEVER_CHECKED = f"""
with named as (select service_id, count(*) as times from referral group by 1)
select s.id from service s left join named on named.service_id = s.id
 where {_KEPT_HERE} and not s.verified order by named.times desc nulls last, s.id
 limit %(limit)s offset %(offset)s
"""  # noqa: S608  fixed words


def to_check(db: Session, limit: int, offset: int = 0) -> list[int]:
    """Services that were checked, those first whose check ran out longest ago or runs out next."""
    return _ids(db, _TO_CHECK, limit, offset)


def never_checked(db: Session, limit: int, offset: int = 0) -> list[int]:
    """Services that nobody has checked, those first to which people have been referred most."""
    return _ids(db, _NEVER_CHECKED, limit, offset)


def _ids(db: Session, query: str, limit: int, offset: int) -> list[int]:
    return [row[0] for row in plain(db).execute(query, {"limit": limit, "offset": offset})]


def shown(db: Session, ids: Sequence[int]) -> list[dict[str, Any]]:
    """What is laid out of these services, a row for each place: the columns of `ranking.Hit`."""
    query = """
        select service_id, location_id, needs, languages, latitude, longitude, offered, review_by, accepting, shown
          from listing where service_id = any(%s) order by id
    """
    columns = ("service_id", "location_id", "needs", "languages", "latitude", "longitude", "offered", "review_by")
    names = (*columns, "accepting", "shown")
    return [dict(zip(names, row, strict=True)) for row in plain(db).execute(query, (list(ids),))]


# The same order as in listings.py, where nothing is laid out of what is gone. Its own rows stand as they were; those of its
# place and its organization may have been imported anew since, and then nobody knows any more what its card said.
_PHONES_OF_GONE = """
select s.id, case when s.edits ? 'phones' then nullif(nullif(s.edits -> 'phones', '[]'), 'null')
                  else coalesce(own.phones, nullif((l.details || l.edits) -> 'phones', '[]'),
                                nullif((o.details || o.edits) -> 'phones', '[]')) end
  from service s
  left join organization o on o.id = s.organization_id
  left join service_at_location a on a.service_id = s.id
  left join location l on l.id = a.location_id
  cross join lateral (
    select coalesce(nullif(a.details -> 'phones', '[]'), nullif(s.details -> 'phones', '[]')) as phones
  ) own
 where s.origin = %s and s.gone_at is not null and s.assured_on is not null
   and (s.edits ? 'phones' or own.phones is not null
        or ((l.id is null or l.updated_at < s.gone_at or l.gone_at = s.gone_at)
            and (o.id is null or o.updated_at < s.gone_at or o.gone_at = s.gone_at)))
"""


def phones_of_gone(db: Session, origin: str) -> list[tuple[int, list[dict[str, Any]]]]:
    """The telephones of services that were checked and are gone from their directory, a row for each of their places."""
    return [(row[0], row[1] or []) for row in plain(db).execute(_PHONES_OF_GONE, (origin,))]


def referral_counts(db: Session, service_id: int) -> tuple[dict[str, int], dict[str, int]]:
    """How often people were referred to it: by outcome (of those that have one), and by state (of those that have none)."""
    query = select(Referral.outcome, Referral.state, func.count()).where(Referral.service_id == service_id)
    outcomes: dict[str, int] = {}
    states: dict[str, int] = {}
    for outcome, state, count in db.execute(query.group_by(Referral.outcome, Referral.state)):
        into, key = (outcomes, outcome) if outcome else (states, state)
        into[key] = into.get(key, 0) + count
    return outcomes, states
