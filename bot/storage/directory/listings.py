"""Searching the directory in the `listing` table: one row for each place of a service, one for a service without a place.

The spatial index finds the listings nearest to the person's ZIP. It measures in degrees, and a degree of longitude is
shorter than one of latitude, so the nearest fifty are only candidates, which bot/domain/directory/ranking.py measures and
orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from sqlalchemy.orm import Session

from bot.domain.directory.ranking import ServiceHit
from bot.storage.database import driver_connection

MAX_CANDIDATES = 50
MAX_MILES = 60
"""No person who texts for food or a bed is sent farther. It also bounds the search where few services meet the need."""

_BATCH = 1000
"""Services rebuilt by one statement, which must end long before the statement time-out."""

_MAX_RANKED = 2000
"""Text matches that are ranked at most; more matches mean that the words are not specific."""

_MIN_SERVICES, _MAX_EXTRA_QUERIES = 10, 3
"""If the candidates belong to fewer services than the first number, others are searched for, at most the second number of
times."""

_DELETE = "delete from listing where service_id = any(%(ids)s)"

# `edits` hold whole fields under the names of `details`, so merging them on top makes the staff's changes win.
# A phone number of this place comes before that of the whole service, and the organization's comes last; the staff's edit
# comes before all of them, even if it says that there is none (null).
_INSERT = """
insert into listing (service_id, location_id, needs, languages, latitude, longitude, offered, review_by, accepting, imported,
                     words, shown)
select s.id, p.id,
       array(select jsonb_array_elements_text(s.needs)),
       array(select jsonb_array_elements_text(s.languages)),
       l.latitude, l.longitude,
       s.verified and s.status = 'active' and (s.cards <> '{}' or said.phones is not null or said.addresses is not null),
       s.review_by, s.accepting, s.origin <> 'files',
       setweight(to_tsvector('english', left(concat_ws(' ', s.name, held.d ->> 'alternate_name', o.name), 20000)), 'A')
       || setweight(to_tsvector('english', coalesce(left(filed.under, 20000), '')), 'B')
       || setweight(to_tsvector('english', left(concat_ws(' ', held.d ->> 'description', told.cards), 20000)), 'C'),
       jsonb_strip_nulls(jsonb_build_object(
         'name', s.name, 'organization', o.name, 'place', p.name, 'phones', said.phones, 'addresses', said.addresses,
         'schedules', said.schedules, 'zip', l.zip, 'url', held.d -> 'url', 'alert', held.d -> 'alert',
         'cards', nullif(s.cards, '{}'), 'zips', nullif(s.zips, '[]')))
  from service s
  cross join lateral (select s.details || s.edits as d) held
  cross join lateral (
    select string_agg(term, '. ') as under
      from jsonb_array_elements_text(s.needs || jsonb_path_query_array(held.d, '$.attributes[*].taxonomy_term.name')) as term
  ) filed
  cross join lateral (
    select string_agg(words, ' ' order by code) as cards from jsonb_each_text(s.cards) as card (code, words)
  ) told
  left join organization o on o.id = s.organization_id
  left join (service_at_location a join location p on p.id = a.location_id and p.gone_at is null) on a.service_id = s.id
  cross join lateral (
    select coalesce((p.edits ->> 'latitude')::float8, p.latitude) as latitude,
           coalesce((p.edits ->> 'longitude')::float8, p.longitude) as longitude,
           coalesce(p.edits ->> 'zip', p.zip) as zip, p.details || p.edits as d
  ) l
  cross join lateral (
    select case when s.edits ? 'phones' then nullif(nullif(s.edits -> 'phones', '[]'), 'null')
                else coalesce(nullif(a.details -> 'phones', '[]'), nullif(s.details -> 'phones', '[]'),
                              nullif(l.d -> 'phones', '[]'), nullif((o.details || o.edits) -> 'phones', '[]'))
           end as phones,
           case when s.edits ? 'schedules' then nullif(nullif(s.edits -> 'schedules', '[]'), 'null')
                else coalesce(nullif(a.details -> 'schedules', '[]'), nullif(s.details -> 'schedules', '[]'),
                              nullif(l.d -> 'schedules', '[]'))
           end as schedules,
           nullif(l.d -> 'addresses', '[]') as addresses
  ) said
 where s.id = any(%(ids)s) and s.gone_at is null
"""


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """Search criteria; None or empty does not restrict. Languages and hours only affect the ranking."""

    need: str | None = None
    words: str = ""
    near: tuple[float, float] | None = None
    """Latitude and longitude."""
    offered_at: datetime | None = None
    """Only services that may be offered at this time: checked, not past review, taking new people. None: all services."""
    skip: tuple[int, ...] = ()
    """Services that the person was offered already."""
    imported: bool = False
    """Leave out the services of directory/*.yaml, which are found by ZIP (storage/directory/reviewed_services.py)."""
    limit: int = MAX_CANDIDATES


def rebuild(db: Session, services: Sequence[int]) -> None:
    """Rebuild the listings of these services. Call it whenever a service, its organization or one of its places changes."""
    connection = driver_connection(db)
    for start in range(0, len(services), _BATCH):
        values = {"ids": list(services[start : start + _BATCH])}
        connection.execute(_DELETE, values, prepare=False)
        # Planned every time: the tables grow from nothing while a directory is imported.
        connection.execute(_INSERT, values, prepare=False)


def update_statistics(db: Session) -> None:
    """Update PostgreSQL's statistics after many changes: by them it chooses between the spatial index and that of needs."""
    # New GIN entries sit in a pending list that every search scans until it is merged into the index.
    for index in ("listing_needs", "listing_words"):
        driver_connection(db).execute("select gin_clean_pending_list(%s::regclass)", (index,))
    driver_connection(db).execute("analyze listing (needs, words, offered, accepting, imported, review_by, latitude)")


def phone_numbers(db: Session, services: Sequence[int]) -> dict[int, set[str]]:
    """Service id -> its telephone numbers in the listings, as digits."""
    rows = driver_connection(db).execute(
        """
        select service_id, array_agg(distinct regexp_replace(number #>> '{}', '[^0-9]', '', 'g'))
          from listing, jsonb_path_query(shown, '$.phones[*].number') as number
         where service_id = any(%s) group by 1
        """,
        (list(services),),
    )
    return {row[0]: set(row[1]) for row in rows}


@dataclass(frozen=True, slots=True)
class RefugeMatches:
    """What would reveal a refuge: its locations, its phone numbers, and its organization's other services."""

    locations: frozenset[int]
    phones: tuple[dict[str, Any], ...]
    """Phone rows for bot/domain/directory/cards.py to compare; may include near matches."""
    services: frozenset[int]


_REFUGES = """
with refuge as materialized (
  select l.service_id, l.location_id, l.shown -> 'phones' as phones from listing l where l.needs @> array[%(need)s]::text[]
), place as materialized (
  select distinct location_id as id from refuge where location_id is not null
), owner as materialized (
  select distinct s.organization_id as id from refuge r join service s on s.id = r.service_id
   where s.organization_id in (select organization_id from service where id = any(%(services)s))
)
select array(select id from place where id = any(%(locations)s)) as locations,
       array(select distinct phone from refuge, jsonb_path_query(phones, '$[*]') as phone
              where phone ->> 'number' ~ '[A-Za-z]'
                 or regexp_replace(phone ->> 'number', '[^0-9]', '', 'g') like any(%(alike)s)) as phones,
       array(select s.id from service s join owner o on o.id = s.organization_id
              where s.id = any(%(services)s)
                and not exists (select from service t join listing l on l.service_id = t.id
                                 where t.organization_id = o.id and l.location_id not in (select id from place) offset 0)
                and not exists (select from service t join listing l on l.service_id = t.id
                                 where t.organization_id = o.id and l.location_id is null
                                   and not l.needs @> array[%(need)s]::text[] offset %(most)s)) as services
"""

_OTHER_SERVICES_LIMIT = 5
"""An organization with this many services that have no place and are not a refuge is not recognisable as a refuge."""


def find_refuges(db: Session, need: str, hits: Sequence[ServiceHit], phone_numbers: Set[str]) -> RefugeMatches:
    """Which of the hits and of their phone numbers (`phone_numbers`, digits) belong to a listing that meets `need`.

    Listings that are not offered count too: a refuge that was not checked yet is still a refuge. A service counts by its
    organization only if the organization has no other place and is not known for other services.
    """
    values = {
        "need": need,
        "services": list({hit.service_id for hit in hits}),
        "locations": list({hit.location_id for hit in hits if hit.location_id is not None}),
        "alike": [f"%{line}%" for line in phone_numbers],
        "most": _OTHER_SERVICES_LIMIT,
    }
    [(locations, phones, services)] = driver_connection(db).execute(_REFUGES, values, prepare=False).fetchall()
    return RefugeMatches(frozenset(locations), tuple(phones), frozenset(services))


def count_offered(db: Session, origin: str, now: datetime) -> int:
    """How many services of a directory may be offered now."""
    query = """
        select count(distinct l.service_id) from listing l join service s on s.id = l.service_id
         where s.origin = %s and l.offered and l.review_by > %s and l.accepting is not false
    """
    row = driver_connection(db).execute(query, (origin, now)).fetchone()
    return row[0] if row else 0


_COLUMNS = """
select service_id, location_id, needs, languages, latitude, longitude, offered, review_by, accepting, shown
"""


def search(db: Session, query: ListingQuery) -> list[ServiceHit]:
    """The candidates, at most `query.limit` rows; a service with several places may occur several times.

    With `near`, the nearest come first (in degrees); otherwise, with words, the best matches; otherwise the oldest.
    """
    conditions, values = _conditions(query)
    if query.near is not None:
        values |= {"latitude": query.near[0], "longitude": query.near[1]}
        conditions.append("latitude is not null")
        order = "point(longitude, latitude) <-> point(%(longitude)s, %(latitude)s)"
        return _nearest(db, query, conditions, values, order)
    if query.words:
        # The rows to rank are limited first: a common word would otherwise be ranked for all of its matches.
        conditions = [f"id in (select id from listing where {_join_conditions(conditions)} limit {_MAX_RANKED})"]  # noqa: S608
        return _fetch_hits(db, _build_statement(query, conditions, "rank desc, service_id"), values)
    return _fetch_hits(db, _build_statement(query, conditions, "service_id, id"), values)


def _nearest(
    db: Session, query: ListingQuery, conditions: Sequence[str], values: Mapping[str, Any], order: str
) -> list[ServiceHit]:
    hits = _fetch_hits(db, _build_statement(query, conditions, order), values)
    fresh = hits
    for _ in range(_MAX_EXTRA_QUERIES):
        found = {hit.service_id for hit in hits}
        if len(fresh) < query.limit or len(found) >= _MIN_SERVICES:
            break
        # Otherwise one service with a hundred places would be the only one found.
        others = [*conditions, "service_id <> all(%(found)s)"]
        fresh = _fetch_hits(db, _build_statement(query, others, order), {**values, "found": list(found)})
        hits = hits + fresh
    return hits


def search_without_place(db: Session, query: ListingQuery) -> list[ServiceHit]:
    """Services without a place (a telephone line, a service that comes to people): best matches first with words, else the
    oldest."""
    conditions, values = _conditions(query)
    conditions.append("latitude is null")
    return _fetch_hits(
        db, _build_statement(query, conditions, "rank desc, service_id" if query.words else "service_id"), values
    )


def _build_statement(query: ListingQuery, conditions: Sequence[str], order: str) -> str:
    rank = "ts_rank(words, websearch_to_tsquery('english', %(words)s))" if query.words else "0::real"
    where = _join_conditions(conditions)
    return f"{_COLUMNS}, {rank} as rank from listing where {where} order by {order} limit {int(query.limit)}"


def _join_conditions(conditions: Sequence[str]) -> str:
    return " and ".join(conditions) or "true"


def _conditions(query: ListingQuery) -> tuple[list[str], dict[str, Any]]:
    values: dict[str, Any] = {}
    conditions = []
    if query.offered_at is not None:
        conditions.append("offered and review_by > %(at)s and accepting is not false")
        values["at"] = query.offered_at
    if query.need:
        conditions.append("needs @> array[%(need)s]::text[]")
        values["need"] = query.need
    if query.words:
        conditions.append("words @@ websearch_to_tsquery('english', %(words)s)")
        values["words"] = query.words
    if query.skip:
        conditions.append("service_id <> all(%(skip)s)")
        values["skip"] = list(query.skip)
    if query.imported:
        conditions.append("imported")
    return conditions, values


def _fetch_hits(db: Session, statement: str, values: Mapping[str, Any]) -> list[ServiceHit]:
    with driver_connection(db).cursor(row_factory=dict_row) as cursor:
        # Planned for these values: a rare need is best found by another index than a common one.
        rows = cursor.execute(statement, values, prepare=False).fetchall()
    return [ServiceHit(**{**row, "needs": tuple(row["needs"]), "languages": tuple(row["languages"])}) for row in rows]
