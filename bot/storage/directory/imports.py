"""The directory's records as imported, with the staff's edits applied on top.

An import writes its rows in batches of at most about a second each: no statement here may reach the time limit that is
made for turns. What the import has seen is kept in temporary tables of its transaction (`begin_import`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy.orm import Session

from bot.storage.database import driver_connection

BATCH_SIZE = 2000
"""Rows written by one statement."""

RESERVED_SOURCES = ("files", "staff")
"""Names that no imported directory may have: they mean directory/*.yaml and services created in the console."""

_LOCK_WAIT_SECONDS = 900

_TRY_LOCK = "select pg_try_advisory_xact_lock(hashtext('directory'), hashtext(%s))"
_CREATE_TEMPORARY_TABLES = (
    "create temporary table if not exists seen (kind text, key text, primary key (kind, key)) on commit drop",
    "create temporary table if not exists touched (service_id bigint primary key) on commit drop",
    "truncate seen, touched",
)


class ImportInProgress(Exception):
    """Another import of the same directory has been running for a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    """How many rows of a batch were new and how many were changed; the others were identical."""

    new: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class ImportOrigin:
    """Which directory an import writes, and how the day of a check determines until when a service is offered."""

    source: str
    now: datetime
    fresh_days: int
    zone: str
    """Name of the time zone of the days of checks."""

    def sql_values(self) -> dict[str, Any]:
        return {"source": self.source, "now": self.now, "days": self.fresh_days, "zone": self.zone}


def merge_edits(details: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    """The imported details with the staff's edits on top; an edit of None removes the field."""
    return {name: value for name, value in {**details, **edits}.items() if value is not None}


def begin_import(db: Session, source: str) -> None:
    """Wait until no other import of this directory is running, and keep others out until the transaction ends.

    Raises ImportInProgress after a quarter of an hour.
    """
    connection = driver_connection(db)
    # Polled instead of waited for: a waiting statement would run into the lock time-out, which is made for turns.
    for _ in range(_LOCK_WAIT_SECONDS):
        row = connection.execute(_TRY_LOCK, (source,)).fetchone()
        if row and row[0]:
            for statement in _CREATE_TEMPORARY_TABLES:
                connection.execute(statement)
            return
        connection.execute("select pg_sleep(1)")
    raise ImportInProgress(source)


# References are looked up with `lateral ... limit 1`: otherwise PostgreSQL scans the whole directory for each batch, because
# it has no statistics yet for the rows that this transaction writes.
_TERMS = """
with incoming as (
  select distinct on (key) * from jsonb_to_recordset(%(rows)s)
         as r(key text, name text, parent_key text, needs jsonb, details jsonb)
), noted as (
  insert into seen select 'term', key from incoming on conflict do nothing
)
insert into taxonomy_term as t (source, key, name, parent_key, needs, details)
select %(source)s, key, name, parent_key, needs, details from incoming
on conflict (source, key) do update
   set name = excluded.name, parent_key = excluded.parent_key, needs = excluded.needs, details = excluded.details
 where (t.name, t.parent_key, t.needs, t.details)
       is distinct from (excluded.name, excluded.parent_key, excluded.needs, excluded.details)
returning id, xmax = 0
"""

_ORGANIZATIONS = """
with incoming as (
  select distinct on (key) * from jsonb_to_recordset(%(rows)s) as r(key text, name text, details jsonb)
), noted as (
  insert into seen select 'organization', key from incoming on conflict do nothing
)
insert into organization as t (source, key, name, details, updated_at)
select %(source)s, key, name, details, %(now)s from incoming
on conflict (source, key) do update
   set name = coalesce(t.edits ->> 'name', excluded.name), details = excluded.details, gone_at = null,
       replaced = case when t.edits ? 'name' then jsonb_build_object('name', excluded.name) else '{}' end,
       updated_at = excluded.updated_at
 where (t.name, t.details, t.gone_at, t.replaced)
       is distinct from (coalesce(t.edits ->> 'name', excluded.name), excluded.details, null,
                         case when t.edits ? 'name' then jsonb_build_object('name', excluded.name) else '{}' end)
returning id, xmax = 0
"""

_LOCATIONS = """
with incoming as (
  select distinct on (r.key) r.*, o.id as organization_id
    from jsonb_to_recordset(%(rows)s) as r(key text, name text, organization_key text, latitude float8, longitude float8,
                                           zip text, city text, details jsonb)
    left join lateral (
      select id from organization where source = %(source)s and key = r.organization_key limit 1
    ) o on true
), noted as (
  insert into seen select 'location', key from incoming on conflict do nothing
)
insert into location as t
       (source, key, organization_id, name, latitude, longitude, zip, city, details, updated_at)
select %(source)s, key, organization_id, name, latitude, longitude, zip, city, details, %(now)s from incoming
on conflict (source, key) do update
   set organization_id = excluded.organization_id, name = coalesce(t.edits ->> 'name', excluded.name),
       latitude = excluded.latitude, longitude = excluded.longitude, zip = excluded.zip, city = excluded.city,
       details = excluded.details, gone_at = null, updated_at = excluded.updated_at
 where (t.organization_id, t.name, t.latitude, t.longitude, t.zip, t.city, t.details, t.gone_at)
       is distinct from (excluded.organization_id, coalesce(t.edits ->> 'name', excluded.name), excluded.latitude,
                         excluded.longitude, excluded.zip, excluded.city, excluded.details, null)
returning id, xmax = 0
"""

# A check recorded by the staff counts until the package reports a later one. If the staff have typed a service's phone
# numbers, the package's check does not count: whoever made the package has not called those numbers.
_SERVICES = """
with incoming as (
  select distinct on (key) * from jsonb_to_recordset(%(rows)s)
         as r(key text, name text, organization_key text, needs jsonb, zips jsonb, status text, languages jsonb,
              assured_on date, assured_by text, details jsonb)
), noted as (
  insert into seen select 'service', key from incoming on conflict do nothing
), known as (
  select i.*, s.id, s.edits, s.review_by, s.assured_on as checked_on, s.assured_by as checked_by, o.id as organization_id,
         coalesce(i.assured_on >= s.assured_on, i.assured_on is not null)
         and not coalesce(s.edits ? 'phones', false) as vouched
    from incoming i
    left join lateral (select * from service where origin = %(source)s and key = i.key limit 1) s on true
    left join lateral (
      select id from organization where source = %(source)s and key = i.organization_key limit 1
    ) o on true
), final as (
  select key, coalesce(edits ->> 'name', name) as name, coalesce(edits -> 'needs', needs) as needs,
         coalesce(edits -> 'zips', zips) as zips, organization_id,
         (select coalesce(jsonb_object_agg(i.field, i.value), '{}')
            from (values ('name', to_jsonb(name)), ('needs', needs), ('zips', zips)) as i(field, value)
           where known.edits ? i.field) as replaced,
         coalesce(edits ->> 'status', status) as status, coalesce(edits -> 'languages', languages) as languages, details,
         case when vouched then assured_on else checked_on end as assured_on,
         case when vouched then assured_by else checked_by end as assured_by,
         review_by
    from known
)
insert into service as t
       (slug, name, needs, zips, cards, verified, source, origin, key, organization_id, status, languages, details,
        assured_on, assured_by, replaced, updated_at, review_by)
select %(source)s || '/' || key, name, needs, zips, '{}', assured_on is not null, %(source)s, %(source)s, key,
       organization_id, status, languages, details, assured_on, assured_by, replaced, %(now)s,
       coalesce((assured_on + %(days)s::int + 1)::timestamp at time zone %(zone)s, review_by, %(now)s)
  from final
on conflict (origin, key) where key is not null do update
   set name = excluded.name, needs = excluded.needs, zips = excluded.zips, organization_id = excluded.organization_id,
       status = excluded.status, languages = excluded.languages, details = excluded.details,
       replaced = excluded.replaced, assured_on = excluded.assured_on, assured_by = excluded.assured_by,
       verified = excluded.verified,
       review_by = excluded.review_by, gone_at = null, updated_at = excluded.updated_at
 where (t.name, t.needs, t.zips, t.organization_id, t.status, t.languages, t.details, t.assured_on, t.assured_by, t.verified,
        t.review_by, t.replaced, t.gone_at)
       is distinct from
       (excluded.name, excluded.needs, excluded.zips, excluded.organization_id, excluded.status, excluded.languages,
        excluded.details, excluded.assured_on, excluded.assured_by, excluded.verified, excluded.review_by,
        excluded.replaced, null)
returning id, xmax = 0
"""

_PLACES = """
with incoming as (
  select distinct on (s.id, l.id) s.id as service_id, l.id as location_id, r.key, r.details, r.service_key, r.location_key
    from jsonb_to_recordset(%(rows)s) as r(key text, service_key text, location_key text, details jsonb)
    join lateral (select id from service where origin = %(source)s and key = r.service_key limit 1) s on true
    join lateral (select id from location where source = %(source)s and key = r.location_key limit 1) l on true
), noted as (
  insert into seen select 'place', service_id || '@' || location_id from incoming on conflict do nothing
)
insert into service_at_location as t (service_id, location_id, key, details)
select service_id, location_id, key, details from incoming
on conflict (service_id, location_id) do update set key = excluded.key, details = excluded.details
 where (t.key, t.details) is distinct from (excluded.key, excluded.details)
returning service_id, xmax = 0
"""

_STATEMENTS = {
    "term": _TERMS,
    "organization": _ORGANIZATIONS,
    "location": _LOCATIONS,
    "service": _SERVICES,
    "place": _PLACES,
}

# Queries for the services whose listings must be rebuilt because of changed rows.
_TOUCHED = {
    "organization": "select id from service where organization_id = any(%(ids)s)",
    "location": "select service_id from service_at_location where location_id = any(%(ids)s)",
    "service": "select unnest(%(ids)s::bigint[])",
    "place": "select distinct unnest(%(ids)s::bigint[])",
}


def upsert(db: Session, kind: str, rows: Sequence[Mapping[str, Any]], origin: ImportOrigin) -> UpsertCounts:
    """Insert or update a batch of one kind (term, organization, location, service, place); the staff's edits win.

    Only rows that differ are written, so importing the same data again changes nothing.
    """
    if not rows:
        return UpsertCounts()
    connection = driver_connection(db)
    values = {**origin.sql_values(), "rows": Jsonb(rows, dumps=_dumps)}
    # Planned every time: the tables grow from nothing while a directory is imported.
    written = connection.execute(_STATEMENTS[kind], values, prepare=False).fetchall()
    if written and kind in _TOUCHED:
        _mark_touched(db, _TOUCHED[kind], {"ids": [row[0] for row in written]})
    new = sum(row[1] for row in written)
    return UpsertCounts(new, len(written) - new)


def _mark_touched(db: Session, query: str, values: Mapping[str, Any]) -> None:
    driver_connection(db).execute(f"insert into touched {query} on conflict do nothing", values)


def _dumps(value: object) -> str:
    said = json.dumps(value, ensure_ascii=False)
    # PostgreSQL stores neither NUL characters nor lone surrogates; a directory with one is still worth importing.
    if "\\u0000" in said:
        said = json.dumps(_without_zero(value), ensure_ascii=False)
    return said.encode("utf-8", "replace").decode("utf-8")


def _without_zero(value: object) -> object:
    match value:
        case str():
            return value.replace("\0", "")
        case dict():
            return {str(_without_zero(name)): _without_zero(held) for name, held in value.items()}
        case list() | tuple():
            return [_without_zero(held) for held in value]
    return value


_GONE = {
    "organization": """
        update organization t set gone_at = %(now)s, updated_at = %(now)s
         where source = %(source)s and gone_at is null
           and not exists (select from seen where kind = 'organization' and seen.key = t.key)
        returning id
    """,
    "location": """
        update location t set gone_at = %(now)s, updated_at = %(now)s
         where source = %(source)s and gone_at is null
           and not exists (select from seen where kind = 'location' and seen.key = t.key)
        returning id
    """,
    "service": """
        update service t set gone_at = %(now)s, updated_at = %(now)s
         where origin = %(source)s and gone_at is null
           and not exists (select from seen where kind = 'service' and seen.key = t.key)
        returning id
    """,
    # Only for services that still exist (a removed service keeps its places, to show where it was), and never a place that
    # the staff added.
    "place": """
        delete from service_at_location t using service s, location l
         where s.id = t.service_id and s.origin = %(source)s and s.gone_at is null
           and l.id = t.location_id and l.source = %(source)s
           and not exists (select from seen where kind = 'place' and seen.key = t.service_id || '@' || t.location_id)
        returning t.service_id
    """,
}


def mark_seen(db: Session, keys: Iterable[str]) -> None:
    """Count these ids as seen: their rows in the package could not be read, so the earlier records stay."""
    rows = [(kind, key) for key in keys for kind in _GONE]
    with driver_connection(db).cursor() as cursor:
        cursor.executemany("insert into seen values (%s, %s) on conflict do nothing", rows)


def mark_gone(db: Session, kind: str, origin: ImportOrigin) -> int:
    """Mark organizations, locations or services that this import has not seen as gone, or delete "service at location"
    links that it has not seen. Returns how many."""
    gone = [row[0] for row in driver_connection(db).execute(_GONE[kind], origin.sql_values())]
    if gone:
        _mark_touched(db, _TOUCHED[kind], {"ids": gone})
    return len(gone)


def has_records(db: Session, kind: str, origin: ImportOrigin) -> bool:
    """Whether this directory has any record of this kind that is not gone."""
    row = driver_connection(db).execute(f"select exists ({_STREAM[kind]})", origin.sql_values()).fetchone()
    return bool(row and row[0])


def touched_services(db: Session) -> list[int]:
    """Ids of the services whose listings must be rebuilt, in order."""
    return [row[0] for row in driver_connection(db).execute("select service_id from touched order by 1")]


def checked_on_other_day(db: Session, services: Sequence[int]) -> list[int]:
    """Those of these services whose check date differs from the one in their own directory."""
    rows = driver_connection(db).execute(
        """
        select id from service where id = any(%s) and assured_on is not null
           and left(details ->> 'assured_date', 10) is distinct from assured_on::text
        """,
        (list(services),),
    )
    return [row[0] for row in rows]


def clear_checks(db: Session, services: Sequence[int]) -> None:
    """Mark these services as not checked, because what was checked has changed since."""
    driver_connection(db).execute(
        "update service set verified = false, assured_on = null, assured_by = null where id = any(%s)", (list(services),)
    )


def sources(db: Session) -> list[str]:
    """The names of the imported directories, sorted."""
    return [row[0] for row in driver_connection(db).execute("select distinct source from directory_import order by 1")]


def record_import(
    db: Session, source: str, by: str, now: datetime, counts: Mapping[str, Any], report: Mapping[str, Any]
) -> None:
    """Store the result of an import. `report` holds names of files, rows and fields, and no text from the directory."""
    driver_connection(db).execute(
        "insert into directory_import (source, by, at, counts, report) values (%s, %s, %s, %s, %s)",
        (source, by, now, Jsonb(counts), Jsonb(report, dumps=_dumps)),
    )


_STREAM = {
    "organization": """
        select key, name, details, edits from organization where source = %(source)s and gone_at is null order by id
    """,
    "location": """
        select l.key, l.name, l.details, l.edits, o.key as organization_key
          from location l left join organization o on o.id = l.organization_id
         where l.source = %(source)s and l.gone_at is null order by l.id
    """,
    "service": """
        select s.key, s.name, s.details, s.edits, s.status, s.assured_on, o.key as organization_key
          from service s left join organization o on o.id = s.organization_id
         where s.origin = %(source)s and s.gone_at is null order by s.id
    """,
    "place": """
        select a.key, a.details, s.key as service_key, l.key as location_key
          from service_at_location a join service s on s.id = a.service_id join location l on l.id = a.location_id
         where s.origin = %(source)s and s.gone_at is null and l.gone_at is null order by a.id
    """,
    "term": "select key, name, parent_key, details from taxonomy_term where source = %(source)s order by id",
}


def stream(db: Session, kind: str, source: str) -> Iterator[dict[str, Any]]:
    """Every row of one kind that is not gone, streamed in batches: a state's directory does not fit into memory at once."""
    with driver_connection(db).cursor(f"walk_{kind}", row_factory=dict_row) as rows:
        rows.itersize = BATCH_SIZE
        rows.execute(_STREAM[kind], {"source": source})
        yield from rows
