"""What finding services for a person costs, and whether that grows with the directory: two invented ones, in turn.

Services lie around the centre of St. Louis, as dense as in a city; how many meet which need is invented, from one in five
to one in five thousand. Measured is everything that a text waits for: the search, the ranking and the cards.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from bot.storage.database import Database
from bot.storage.directory import imports, listings
from bot.usecases.directory import search_services

NEEDS = (("food", 0.2), ("counseling", 0.2), ("rent", 0.1), ("shelter", 0.08), ("youth", 0.02), ("childcare", 0.0002))
"""A need of the flows, and the fraction of services that meet it."""
ZIPS = ("63101", "63118", "63136")
ZONE = ZoneInfo("America/Chicago")
WARM_UP, EACH = 3, 10


@dataclass
class Side:
    """One database with a directory of `services` services, and for each need the rounds' medians in milliseconds."""

    services: int
    database: Database
    took: dict[str, list[float]] = field(default_factory=dict)
    import_seconds: float = 0.0


def measure(env: Mapping[str, str], few: int, many: int, rounds: int) -> str:
    """A table of finding services for each need over `few` and over `many`."""
    sides = [_side(env, number) for number in (few, many)]
    now = datetime.now(UTC)
    for number in range(-1, rounds):
        for need, _ in NEEDS:
            for side in sides:
                _ask(side, need, now, keep=number >= 0)
    for side in sides:
        side.database.close()
    return _table(*sides)


def _side(env: Mapping[str, str], many: int) -> Side:
    name = f"directory_{many}"
    with psycopg.connect(env["DATABASE_URL"].replace("/warmline?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"drop database if exists {name}".encode())
        admin.execute(f"create database {name} template warmline".encode())
    side = Side(many, Database(env["DATABASE_URL"].replace("/warmline?", f"/{name}?"), connections=1))
    began = time.perf_counter()
    with side.database.transaction() as db:
        origin = imports.ImportOrigin("measured", datetime.now(UTC), 180, ZONE.key)
        imports.begin_import(db, origin.source)
        for kind, rows in _batches(many, datetime.now(UTC)):
            imports.upsert(db, kind, rows, origin)
        listings.rebuild(db, imports.touched_services(db))
        listings.update_statistics(db)
    side.import_seconds = time.perf_counter() - began
    return side


def _batches(many: int, now: datetime) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Organizations, then locations, services and their links, in batches."""
    rolls = random.Random(1)
    organizations = [{"key": f"o{number}", "name": f"Agency {number}", "details": {}} for number in range(many // 5 + 1)]
    for start in range(0, len(organizations), imports.BATCH_SIZE):
        yield "organization", organizations[start : start + imports.BATCH_SIZE]
    for start in range(0, many, imports.BATCH_SIZE):
        portion = [_service(number, rolls, now) for number in range(start, min(many, start + imports.BATCH_SIZE))]
        for place, kind in enumerate(("location", "service", "place")):
            yield kind, [rows[place] for rows in portion]


def _service(number: int, rolls: random.Random, now: datetime) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    latitude, longitude = 38.63 + rolls.gauss(0, 0.25), -90.2 + rolls.gauss(0, 0.3)
    agency = f"o{number // 5}"
    address = {"address_1": f"{number} Main St", "city": "St. Louis", "postal_code": "63101", "address_type": "physical"}
    hours = {"freq": "WEEKLY", "byday": "MO,TU,WE,TH,FR", "opens_at": "09:00", "closes_at": "17:00"}
    phone = {"number": f"314-55{number % 10}-{number % 10000:04d}", "type": "voice"}
    return (
        {
            "key": f"l{number}", "name": f"Place {number}", "organization_key": agency, "latitude": latitude,
            "longitude": longitude, "zip": "63101", "city": "St. Louis", "details": {"addresses": [address]},
        },
        {
            "key": f"s{number}", "name": f"Service {number}", "organization_key": agency, "zips": [], "status": "active",
            "needs": [need for need, part in NEEDS if rolls.random() < part],
            "languages": ["en", "es"] if rolls.random() < 0.3 else [], "assured_on": now.date().isoformat(),
            "assured_by": None, "details": {"phones": [phone], "schedules": [hours], "status": "active"},
        },
        {"key": f"a{number}", "service_key": f"s{number}", "location_key": f"l{number}", "details": {}},
    )  # fmt: skip


def _ask(side: Side, need: str, now: datetime, *, keep: bool) -> None:
    took = []
    for number in range(EACH if keep else WARM_UP):
        began = time.perf_counter()
        with side.database.transaction() as db:
            search_services.offer_to_person(db, need, ZIPS[number % len(ZIPS)], 3, "en", ZONE, now)
        took.append((time.perf_counter() - began) * 1000)
    if keep:
        side.took.setdefault(need, []).append(statistics.median(took))


def _table(few: Side, many: Side) -> str:
    lines = [
        f"services near a ZIP code as cards, medians of {len(few.took[NEEDS[0][0]])} rounds:",
        f"  {'':34s}{f'of {few.services:,}':>14s}{f'of {many.services:,}':>14s}{'growth':>10s}",
    ]
    for need, part in NEEDS:
        a, b = few.took[need], many.took[need]
        ratio = statistics.median(y / x for x, y in zip(a, b, strict=True))
        shown = [f"{statistics.median(took):.1f} ms" for took in (a, b)]
        lines.append(f"  {f'{need}, met by {part:.2%}':34s}{shown[0]:>14s}{shown[1]:>14s}{f'x{ratio:.2f}':>10s}")
    written = [f"{side.services:,} in {side.import_seconds:.1f} s" for side in (few, many)]
    lines.append(f"written and laid out: {', '.join(written)} ({_each(many) / _each(few):.2f} times as long for each)")
    return "\n".join(lines)


def _each(side: Side) -> float:
    return side.import_seconds / side.services
