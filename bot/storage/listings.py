"""The directory laid out to be searched: one row for each place of a service, and one for a service without a place.

The nearest are found by walking outwards from the person's ZIP in the index of places. That index counts degrees, and a
degree of longitude is shorter than one of latitude, so the nearest fifty are only candidates, which bot/domain/directory/
ranking.py measures and orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from sqlalchemy.orm import Session

from bot.domain.directory.ranking import Hit
from bot.storage.database import plain

CANDIDATES = 50
FARTHEST_MILES = 60
"""Nobody who texts for food or a bed is sent farther. It also ends the walk where hardly anybody offers what is needed."""

_BATCH = 1000
"""Services that one statement lays out: it must end long before the time limit of statements."""

_RANKED = 2000
"""Matches of words that are weighed; more of them means that the words say little."""

_FEWEST, _MORE_WALKS = 10, 3
"""Where the candidates are places of fewer services than that, it is looked for others, so many times."""

_CLEAR = "delete from listing where service_id = any(%(ids)s)"

# `edits` hold whole fields under the names of the details, so a field that the staff have changed wins by being laid on top.
# A number that was given for this very place goes before that of the whole service, and the organization's comes last; but
# what the staff wrote down goes before all of it, also where they wrote that there is none (null).
_LAY_OUT = """
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
       || setweight(to_tsvector('english', left(concat_ws(' ', held.d ->> 'description', s.cards ->> 'en', s.cards ->> 'es'),
                                                20000)), 'C'),
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
class Wanted:
    """What is looked for; what is None or empty does not narrow. Languages and hours do not narrow either: they rank."""

    need: str | None = None
    words: str = ""
    near: tuple[float, float] | None = None
    """Latitude and longitude."""
    offered_at: datetime | None = None
    """Only what a person may be told of then: checked, not past its review, taking new people. None: everything."""
    skip: tuple[int, ...] = ()
    """Services that were told already."""
    imported: bool = False
    """Without the services of directory/*.yaml, which are found by ZIP (storage/services.py)."""
    most: int = CANDIDATES


def refresh(db: Session, services: Sequence[int]) -> None:
    """Lay out these services anew. To be called whenever one of them, its organization or one of its places has changed."""
    connection = plain(db)
    for start in range(0, len(services), _BATCH):
        values = {"ids": list(services[start : start + _BATCH])}
        connection.execute(_CLEAR, values, prepare=False)
        # Planned each time: while a directory is imported its tables grow from nothing.
        connection.execute(_LAY_OUT, values, prepare=False)


def measure_up(db: Session) -> None:
    """Let PostgreSQL count what there is, after much was changed: it chooses between the index of places and that of needs
    by how many services meet a need."""
    # New rows of a GIN index lie on a heap that every search looks through, until somebody sorts them in.
    for index in ("listing_needs", "listing_words"):
        plain(db).execute("select gin_clean_pending_list(%s::regclass)", (index,))
    plain(db).execute("analyze listing (needs, words, offered, accepting, imported, review_by, latitude)")


def numbers(db: Session, services: Sequence[int]) -> dict[int, set[str]]:
    """The telephone numbers under which each of these services stands in the listings, as digits."""
    rows = plain(db).execute(
        """
        select service_id, array_agg(distinct regexp_replace(number #>> '{}', '[^0-9]', '', 'g'))
          from listing, jsonb_path_query(shown, '$.phones[*].number') as number
         where service_id = any(%s) group by 1
        """,
        (list(services),),
    )
    return {row[0]: set(row[1]) for row in rows}


@dataclass(frozen=True, slots=True)
class Refuges:
    """What would give a refuge away: where it is, at what it is called, and what else its organization does."""

    locations: frozenset[int]
    phones: tuple[dict[str, Any], ...]
    """Rows of telephones, for bot/domain/directory/cards.py to read; some that only look alike are among them."""
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

_KNOWN_FOR_MORE = 5
"""Services without a place, and other than a refuge, by which an organization's name no longer says that it is one."""


def refuges(db: Session, need: str, hits: Sequence[Hit], lines: Set[str]) -> Refuges:
    """What of the hits, and of the numbers under which they are called (digits), belongs to a listing that meets `need`.

    Listings that nobody is told of count too: a refuge that was not checked yet is still a refuge. By its organization a
    service belongs to it only where the organization has no other place and is not known for more.
    """
    values = {
        "need": need,
        "services": list({hit.service_id for hit in hits}),
        "locations": list({hit.location_id for hit in hits if hit.location_id is not None}),
        "alike": [f"%{line}%" for line in lines],
        "most": _KNOWN_FOR_MORE,
    }
    [(locations, phones, services)] = plain(db).execute(_REFUGES, values, prepare=False).fetchall()
    return Refuges(frozenset(locations), tuple(phones), frozenset(services))


def count_offered(db: Session, origin: str, now: datetime) -> int:
    """How many services of a directory people may be told of now."""
    query = """
        select count(distinct l.service_id) from listing l join service s on s.id = l.service_id
         where s.origin = %s and l.offered and l.review_by > %s and l.accepting is not false
    """
    row = plain(db).execute(query, (origin, now)).fetchone()
    return row[0] if row else 0


_COLUMNS = """
select service_id, location_id, needs, languages, latitude, longitude, offered, review_by, accepting, shown
"""


def search(db: Session, wanted: Wanted) -> list[Hit]:
    """The candidates, at most `wanted.most` rows; a service with several places may come several times.

    With `near` the nearest come first by degrees; else, with words, those that match best; else the oldest.
    """
    conditions, values = _conditions(wanted)
    if wanted.near is not None:
        values |= {"latitude": wanted.near[0], "longitude": wanted.near[1]}
        conditions.append("latitude is not null")
        order = "point(longitude, latitude) <-> point(%(longitude)s, %(latitude)s)"
        return _nearest(db, wanted, conditions, values, order)
    if wanted.words:
        # What to weigh is chosen first: a word that everybody uses would otherwise be weighed for all of them.
        conditions = [f"id in (select id from listing where {_all(conditions)} limit {_RANKED})"]  # noqa: S608
        return _hits(db, _query(wanted, conditions, "rank desc, service_id"), values)
    return _hits(db, _query(wanted, conditions, "service_id, id"), values)


def _nearest(db: Session, wanted: Wanted, conditions: Sequence[str], values: Mapping[str, Any], order: str) -> list[Hit]:
    hits = _hits(db, _query(wanted, conditions, order), values)
    fresh = hits
    for _ in range(_MORE_WALKS):
        found = {hit.service_id for hit in hits}
        if len(fresh) < wanted.most or len(found) >= _FEWEST:
            break
        # One service with a hundred places would be all that anybody hears of.
        others = [*conditions, "service_id <> all(%(found)s)"]
        fresh = _hits(db, _query(wanted, others, order), {**values, "found": list(found)})
        hits = hits + fresh
    return hits


def without_place(db: Session, wanted: Wanted) -> list[Hit]:
    """Those that no place is known of (a telephone line, a service that comes to people), the oldest first."""
    conditions, values = _conditions(wanted)
    conditions.append("latitude is null")
    return _hits(db, _query(wanted, conditions, "rank desc, service_id" if wanted.words else "service_id"), values)


def _query(wanted: Wanted, conditions: Sequence[str], order: str) -> str:
    rank = "ts_rank(words, websearch_to_tsquery('english', %(words)s))" if wanted.words else "0::real"
    return f"{_COLUMNS}, {rank} as rank from listing where {_all(conditions)} order by {order} limit {int(wanted.most)}"


def _all(conditions: Sequence[str]) -> str:
    return " and ".join(conditions) or "true"


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    values: dict[str, Any] = {}
    conditions = []
    if wanted.offered_at is not None:
        conditions.append("offered and review_by > %(at)s and accepting is not false")
        values["at"] = wanted.offered_at
    if wanted.need:
        conditions.append("needs @> array[%(need)s]::text[]")
        values["need"] = wanted.need
    if wanted.words:
        conditions.append("words @@ websearch_to_tsquery('english', %(words)s)")
        values["words"] = wanted.words
    if wanted.skip:
        conditions.append("service_id <> all(%(skip)s)")
        values["skip"] = list(wanted.skip)
    if wanted.imported:
        conditions.append("imported")
    return conditions, values


def _hits(db: Session, query: str, values: Mapping[str, Any]) -> list[Hit]:
    with plain(db).cursor(row_factory=dict_row) as cursor:
        # Planned for these very values: a need that hardly anybody meets is looked up in another index than a common one.
        rows = cursor.execute(query, values, prepare=False).fetchall()
    return [Hit(**{**row, "needs": tuple(row["needs"]), "languages": tuple(row["languages"])}) for row in rows]
