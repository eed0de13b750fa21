"""The directory as the staff edit it: one service with its places, lists by freshness, outcomes of referrals.

Searching for the best services for a person is in listings.py.
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
from bot.storage.database import driver_connection
from bot.storage.tables.directory import Location, Organization, Service, ServiceAtLocation
from bot.storage.tables.residents import Referral

_FRESHNESS = """
case when s.gone_at is not null or s.status <> 'active' then 'hidden'
     when not s.verified then 'never'
     when s.review_by > %(now)s then 'fresh' else 'stale' end
"""
"""The SQL equivalent of `editing.freshness`."""


@dataclass(frozen=True, slots=True)
class ServiceDetail:
    """A service with its organization and places."""

    service: Service
    organization: Organization | None
    places: tuple[tuple[ServiceAtLocation, Location], ...]
    """Where it is offered, without places that are gone; oldest first."""


@dataclass(frozen=True, slots=True)
class ServiceListRow:
    """What a list shows of a service, beside its listing."""

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
class ServiceFilter:
    """Which services a list contains; None or empty does not restrict."""

    freshness: str | None = None
    need: str | None = None
    words: str = ""
    accepting: str | None = None
    """yes, no or unknown."""
    language: str | None = None
    near: tuple[float, float] | None = None
    """Latitude and longitude: sorts the nearest first and services without a place last."""


def is_lock_timeout(error: Exception) -> bool:
    """Whether a statement timed out waiting for a lock, usually held by an import."""
    return isinstance(error.orig if isinstance(error, DBAPIError) else error, LockNotAvailable)


def use_single_snapshot(db: Session) -> None:
    """Make the transaction read from a single snapshot. Must be its first statement."""
    driver_connection(db).execute("set transaction isolation level repeatable read")


def load_service(db: Session, service_id: int, *, lock: bool = False) -> ServiceDetail | None:
    """One service; with `lock`, locked until the transaction ends. None if there is none."""
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
    return ServiceDetail(service, owner, tuple((link, place) for link, place in pairs))


def list_services_of_organization(db: Session, organization_id: int) -> list[int]:
    """Ids of the organization's services, which show its name and phone number."""
    return list(db.scalars(select(Service.id).where(Service.organization_id == organization_id).order_by(Service.id)))


def list_services_at_location(db: Session, location_id: int) -> list[int]:
    """Ids of the services that are offered at a place."""
    query = select(ServiceAtLocation.service_id).where(ServiceAtLocation.location_id == location_id)
    return list(db.scalars(query.order_by(ServiceAtLocation.service_id)))


def find_organization(db: Session, name: str) -> Organization | None:
    """The oldest organization of this name, from any directory; case-insensitive."""
    query = select(Organization).where(func.lower(Organization.name) == name.lower(), Organization.gone_at.is_(None))
    return db.scalars(query.order_by(Organization.id).limit(1)).first()


def freshness_counts(db: Session, now: datetime) -> dict[str, int]:
    """How many services there are of each `Freshness`."""
    rows = driver_connection(db).execute(f"select {_FRESHNESS} as kind, count(*) from service s group by 1", {"now": now})  # noqa: S608
    found = {row[0]: row[1] for row in rows}
    return {kind.value: found.get(kind.value, 0) for kind in Freshness}


_LIST_ROWS = f"""
select s.id, s.name, coalesce(o.name, '') as organization, {_FRESHNESS} as freshness, s.review_by, s.assured_on,
       s.assured_by, s.accepting, s.gone_at is not null as is_gone, s.status, s.origin,
       coalesce((select coalesce(l.edits #>> '{{addresses,0,city}}', l.city)
                   from service_at_location a join location l on l.id = a.location_id
                  where a.service_id = s.id and l.gone_at is null order by a.id limit 1), '') as city
  from service s left join organization o on o.id = s.organization_id
"""  # noqa: S608  fixed words


def list_rows(db: Session, ids: Sequence[int], now: datetime) -> dict[int, ServiceListRow]:
    """These services by their ids."""
    with driver_connection(db).cursor(row_factory=class_row(ServiceListRow)) as cursor:
        found = cursor.execute(f"{_LIST_ROWS} where s.id = any(%(ids)s)", {"ids": list(ids), "now": now}).fetchall()
    return {one.id: one for one in found}


_DISTANCE = """
(select min(point(l.longitude, l.latitude) <-> point(%(longitude)s, %(latitude)s)) from listing l where l.service_id = s.id)
"""


def browse(db: Session, criteria: ServiceFilter, now: datetime, limit: int, offset: int) -> tuple[list[int], int]:
    """One page of service ids, and the total count."""
    where, values = _where(criteria)
    values |= {"now": now, "limit": limit, "offset": offset}
    order = "lower(s.name), s.id"
    if criteria.near is not None:
        values |= {"latitude": criteria.near[0], "longitude": criteria.near[1]}
        order = f"{_DISTANCE} nulls last, {order}"
    if criteria.language:
        values["language"] = criteria.language
        order = f"(s.languages ? %(language)s) desc, {order}"
    total = driver_connection(db).execute(f"select count(*) from service s where {where}", values).fetchone()  # noqa: S608
    query = f"select s.id from service s where {where} order by {order} limit %(limit)s offset %(offset)s"  # noqa: S608
    return [row[0] for row in driver_connection(db).execute(query, values)], total[0] if total else 0


def _where(criteria: ServiceFilter) -> tuple[str, dict[str, Any]]:
    conditions, values = ["true"], dict[str, Any]()
    if criteria.freshness:
        conditions.append(f"{_FRESHNESS} = %(freshness)s")
        values["freshness"] = criteria.freshness
    if criteria.need:
        conditions.append("s.needs ? %(need)s")
        values["need"] = criteria.need
    if criteria.accepting:
        conditions.append("s.accepting is not distinct from %(accepting)s")
        values["accepting"] = {"yes": True, "no": False}.get(criteria.accepting)
    if criteria.words:
        # Services that are gone have no listing and are found by name.
        conditions.append(
            "(strpos(lower(s.name), lower(%(words)s)) > 0 or exists (select from listing l where l.service_id = s.id "
            "and l.words @@ websearch_to_tsquery('english', %(words)s)))"
        )
        values["words"] = criteria.words
    return " and ".join(conditions), values


_CHECKABLE = "s.gone_at is null and s.status = 'active' and s.origin <> 'files'"

_TO_CHECK = f"""
select s.id from service s where {_CHECKABLE} and s.verified order by s.review_by, s.id
 limit %(limit)s offset %(offset)s
"""  # noqa: S608  fixed words

# Counted for all at once: a directory has many more services than were ever named by a referral.
_NEVER_CHECKED = f"""
with named as (select service_id, count(*) as times from referral group by 1)
select s.id from service s left join named on named.service_id = s.id
 where {_CHECKABLE} and not s.verified order by named.times desc nulls last, s.id
 limit %(limit)s offset %(offset)s
"""  # noqa: S608  fixed words


def list_due_for_check(db: Session, limit: int, offset: int = 0) -> list[int]:
    """Ids of checked services, those whose check has expired or expires first at the top."""
    return _ids(db, _TO_CHECK, limit, offset)


def list_never_checked(db: Session, limit: int, offset: int = 0) -> list[int]:
    """Ids of services that were never checked, those with the most referrals first."""
    return _ids(db, _NEVER_CHECKED, limit, offset)


def _ids(db: Session, query: str, limit: int, offset: int) -> list[int]:
    return [row[0] for row in driver_connection(db).execute(query, {"limit": limit, "offset": offset})]


def listing_rows(db: Session, ids: Sequence[int]) -> list[dict[str, Any]]:
    """The listing rows of these services, one for each place: the columns of `ranking.Hit`."""
    query = """
        select service_id, location_id, needs, languages, latitude, longitude, offered, review_by, accepting, shown
          from listing where service_id = any(%s) order by id
    """
    columns = ("service_id", "location_id", "needs", "languages", "latitude", "longitude", "offered", "review_by")
    names = (*columns, "accepting", "shown")
    return [dict(zip(names, row, strict=True)) for row in driver_connection(db).execute(query, (list(ids),))]


# The same precedence as in listings.py, which has no rows for services that are gone. The service's own rows are unchanged
# since then; those of its place and organization may have been imported again, and then what its card said is unknown.
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


def phones_of_gone_services(db: Session, origin: str) -> list[tuple[int, list[dict[str, Any]]]]:
    """(service id, phones) of checked services that are gone from their directory, one for each place."""
    return [(row[0], row[1] or []) for row in driver_connection(db).execute(_PHONES_OF_GONE, (origin,))]


def referral_counts(db: Session, service_id: int) -> tuple[dict[str, int], dict[str, int]]:
    """Counts of the service's referrals: by outcome for those that have one, by state for the others."""
    query = select(Referral.outcome, Referral.state, func.count()).where(Referral.service_id == service_id)
    outcomes: dict[str, int] = {}
    states: dict[str, int] = {}
    for outcome, state, count in db.execute(query.group_by(Referral.outcome, Referral.state)):
        into, key = (outcomes, outcome) if outcome else (states, state)
        into[key] = into.get(key, 0) + count
    return outcomes, states
