"""The records of the directory as they were imported, with what the staff have changed laid over them.

An import reads its rows in pieces and writes each with one statement of a second or less: no statement here may take as long
as the time limit of a turn. What it has seen is kept in tables of its own transaction (`begin_import`).
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

from bot.storage.database import plain

BATCH = 2000
"""Rows written by one statement."""

RESERVED = ("files", "staff")
"""Names that no imported directory may have: they stand for directory/*.yaml and for what was written in the console."""

_SECONDS_TO_WAIT = 900

_TRY = "select pg_try_advisory_xact_lock(hashtext('directory'), hashtext(%s))"
_BEGIN = (
    "create temporary table if not exists seen (kind text, key text, primary key (kind, key)) on commit drop",
    "create temporary table if not exists touched (service_id bigint primary key) on commit drop",
    "truncate seen, touched",
)


class ImportUnderWay(Exception):
    """Another import of the same directory has not ended for a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one batch did: rows that are new, and rows that were changed. The others were as they are."""

    new: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose rows are written, and how a day of checking is turned into the end of being offered."""

    source: str
    now: datetime
    fresh_days: int
    zone: str
    """Name of the time zone in which a day of checking begins and ends."""

    def values(self) -> dict[str, Any]:
        return {"source": self.source, "now": self.now, "days": self.fresh_days, "zone": self.zone}


def effective(details: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    """What holds: the imported details, with each field that the staff have changed over it. An edit of None removes."""
    return {name: value for name, value in {**details, **edits}.items() if value is not None}


def begin_import(db: Session, source: str) -> None:
    """Wait until no other import of this directory is under way, and hold others off until the transaction ends.

    Raises ImportUnderWay after a quarter of an hour.
    """
    connection = plain(db)
    # Asked for again and again rather than waited for: to wait would meet the time limit of locks, which is made for turns.
    for _ in range(_SECONDS_TO_WAIT):
        row = connection.execute(_TRY, (source,)).fetchone()
        if row and row[0]:
            for statement in _BEGIN:
                connection.execute(statement)
            return
        connection.execute("select pg_sleep(1)")
    raise ImportUnderWay(source)


# What a row names is looked up by `lateral ... limit 1`: left to itself PostgreSQL reads the whole directory for each batch,
# as it has not counted yet what this transaction writes.
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

# What the staff have written down as checked counts until the package says that it was checked since. Of a service whose
# numbers the staff have typed, a package vouches for nothing: nobody who made it has called these.
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

# Services whose listings must be laid out anew because of these rows.
_TOUCHED = {
    "organization": "select id from service where organization_id = any(%(ids)s)",
    "location": "select service_id from service_at_location where location_id = any(%(ids)s)",
    "service": "select unnest(%(ids)s::bigint[])",
    "place": "select distinct unnest(%(ids)s::bigint[])",
}


def write(db: Session, kind: str, rows: Sequence[Mapping[str, Any]], origin: Origin) -> Written:
    """Put a batch of one kind (term, organization, location, service, place) beside what is there; edits stay and win.

    Only rows that differ are written, so that an import of what is known already changes nothing.
    """
    if not rows:
        return Written()
    connection = plain(db)
    values = {**origin.values(), "rows": Jsonb(rows, dumps=_dumps)}
    # Planned each time: while a directory is imported its tables grow from nothing.
    written = connection.execute(_STATEMENTS[kind], values, prepare=False).fetchall()
    if written and kind in _TOUCHED:
        _touch(db, _TOUCHED[kind], {"ids": [row[0] for row in written]})
    new = sum(row[1] for row in written)
    return Written(new, len(written) - new)


def _touch(db: Session, query: str, values: Mapping[str, Any]) -> None:
    plain(db).execute(f"insert into touched {query} on conflict do nothing", values)


def _dumps(value: object) -> str:
    said = json.dumps(value, ensure_ascii=False)
    # PostgreSQL keeps neither the character zero nor half of a pair; a directory that holds one is still worth reading.
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
    # Of services that are still there, as those of one that is gone tell where it was; and never a place of the staff's.
    "place": """
        delete from service_at_location t using service s, location l
         where s.id = t.service_id and s.origin = %(source)s and s.gone_at is null
           and l.id = t.location_id and l.source = %(source)s
           and not exists (select from seen where kind = 'place' and seen.key = t.service_id || '@' || t.location_id)
        returning t.service_id
    """,
}


def spare(db: Session, keys: Iterable[str]) -> None:
    """These ids were in the package, in rows that could not be taken: what was known of them before stays."""
    rows = [(kind, key) for key in keys for kind in _GONE]
    with plain(db).cursor() as cursor:
        cursor.executemany("insert into seen values (%s, %s) on conflict do nothing", rows)


def mark_gone(db: Session, kind: str, origin: Origin) -> int:
    """Mark as gone what this import has not seen (an organization, location or service), or take apart what is no longer
    offered at a place. Returns how many."""
    gone = [row[0] for row in plain(db).execute(_GONE[kind], origin.values())]
    if gone:
        _touch(db, _TOUCHED[kind], {"ids": gone})
    return len(gone)


def has(db: Session, kind: str, origin: Origin) -> bool:
    """Whether this directory holds anything of a kind that is not gone."""
    row = plain(db).execute(f"select exists ({_WALK[kind]})", origin.values()).fetchone()
    return bool(row and row[0])


def touched(db: Session) -> list[int]:
    """The services whose listings must be laid out anew, in the order of their ids."""
    return [row[0] for row in plain(db).execute("select service_id from touched order by 1")]


def checked_otherwise(db: Session, services: Sequence[int]) -> list[int]:
    """Of these, those that count as checked on another day than the one that their own directory gives."""
    rows = plain(db).execute(
        """
        select id from service where id = any(%s) and assured_on is not null
           and left(details ->> 'assured_date', 10) is distinct from assured_on::text
        """,
        (list(services),),
    )
    return [row[0] for row in rows]


def take_back_check(db: Session, services: Sequence[int]) -> None:
    """These were checked once, and what was checked has changed since: nobody has checked what they say now."""
    plain(db).execute(
        "update service set verified = false, assured_on = null, assured_by = null where id = any(%s)", (list(services),)
    )


def knows(db: Session, source: str) -> bool:
    """Whether anything was ever imported under this name."""
    row = plain(db).execute("select exists (select from directory_import where source = %s)", (source,)).fetchone()
    return bool(row and row[0])


def sources(db: Session) -> list[str]:
    """The names of the directories that were imported, in the order of the alphabet."""
    return [row[0] for row in plain(db).execute("select distinct source from directory_import order by 1")]


def record_import(
    db: Session, source: str, by: str, now: datetime, counts: Mapping[str, Any], report: Mapping[str, Any]
) -> None:
    """Keep what an import did. `report` holds names of files, rows and fields, and no words of the directory."""
    plain(db).execute(
        "insert into directory_import (source, by, at, counts, report) values (%s, %s, %s, %s, %s)",
        (source, by, now, Jsonb(counts), Jsonb(report, dumps=_dumps)),
    )


_WALK = {
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


def walk(db: Session, kind: str, source: str) -> Iterator[dict[str, Any]]:
    """Every row of one kind that is not gone, read in pieces: a directory of a state does not fit into memory at once."""
    with plain(db).cursor(f"walk_{kind}", row_factory=dict_row) as rows:
        rows.itersize = BATCH
        rows.execute(_WALK[kind], {"source": source})
        yield from rows
