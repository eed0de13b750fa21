"""Services are found near a ZIP code, for a need, and by words, in a real directory and in invented ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from bot.domain.directory import places
from bot.domain.directory.ranking import ServiceHit
from bot.storage.database import Database, driver_connection
from bot.storage.directory import imports, listings
from bot.storage.directory.listings import ListingQuery
from bot.storage.tables.directory import Listing, Service
from tests.usecases.directory.example_directory import NOW, package, real, take_in

ORIGIN = imports.ImportOrigin("made", NOW, 180, "America/Chicago")


@pytest.fixture
def city(database: Database) -> Iterator[Session]:
    """A session with the imported and checked directory of a real city."""
    with database.transaction() as db:
        take_in(db, real("sheltertech"), "sheltertech")
        yield db


def near(code: str) -> tuple[float, float]:
    place = places.find_zip(code)
    assert place is not None
    return place.latitude, place.longitude


def names(hits: list[ServiceHit]) -> str:
    return "; ".join(f"{hit.shown.get('organization')}: {hit.shown['name']}" for hit in hits)


@pytest.mark.parametrize(
    ("need", "code", "expected"),
    [
        ("food", "94103", "St. Anthony Foundation Dining Room"),
        ("counseling", "94103", "Westside Crisis"),
        ("shelter", "94102", "Shelter"),
        ("rent", "94103", "Swords to Plowshares"),
    ],
)
def test_it_finds_what_a_city_has_for_a_need(city: Session, need: str, code: str, expected: str) -> None:
    hits = listings.search(city, ListingQuery(need, near=near(code), offered_at=NOW))
    assert hits and all(need in hit.needs and hit.offered for hit in hits)
    assert expected in names(hits)
    # The first dozen hits send no one out of the city.
    here = near(code)
    assert all(places.miles_between(*here, hit.latitude or 0, hit.longitude or 0) < 8 for hit in hits[:12])


def test_it_finds_by_words_as_people_type_them(city: Session) -> None:
    pregnant = listings.search(city, ListingQuery(words="pregnancy testing -transgender", offered_at=NOW))
    assert pregnant and "Lyon-Martin" not in names(pregnant)
    assert "Lyon-Martin" in names(listings.search(city, ListingQuery(words="pregnancy testing", offered_at=NOW)))
    # With other word endings, and by the name of the organization.
    assert "Mission Neighborhood" in names(listings.search(city, ListingQuery(words="neighborhoods missions")))
    assert listings.search(city, ListingQuery(words="'); drop table listing; --")) == []


def test_it_weighs_a_name_more_than_a_description(city: Session) -> None:
    hits = listings.search(city, ListingQuery(words="shelter"))
    assert "shelter" in names(hits[:1]).lower() and hits[0].rank >= hits[-1].rank > 0


def test_it_finds_nothing_that_may_not_be_offered(city: Session) -> None:
    def found(**wanted: object) -> int:
        return len(listings.search(city, ListingQuery("food", near=near("94103"), **wanted)))  # type: ignore[arg-type]

    assert found(offered_at=NOW) > 20
    assert found(offered_at=NOW + timedelta(days=200)) == 0 < found()
    city.execute(update(Listing).values(accepting=False))
    assert found(offered_at=NOW) == 0
    city.execute(update(Listing).values(accepting=True, offered=False))
    assert found(offered_at=NOW) == 0


def test_it_skips_what_was_already_offered(city: Session) -> None:
    wanted = ListingQuery("food", near=near("94103"), offered_at=NOW, limit=5)
    first = listings.search(city, wanted)
    offered = tuple(hit.service_id for hit in first)
    after = listings.search(city, ListingQuery("food", near=near("94103"), offered_at=NOW, limit=5, skip=offered))
    assert after and not {hit.service_id for hit in after} & set(offered)


def test_it_lists_a_service_without_a_place_and_leaves_out_what_cannot_be_reached(
    database: Database, tmp_path: Path
) -> None:
    path = package(tmp_path, [("s1", "Food line", "314-555-0101"), ("s2", "Food nowhere", "")])
    for name in ("service_at_location", "locations"):
        (path / f"{name}.csv").unlink()
    with database.transaction() as db:
        take_in(db, path, "made")
        assert listings.search(db, ListingQuery("food", near=(38.63, -90.2))) == []
        found = listings.search_without_place(db, ListingQuery("food"))
        assert {hit.shown["name"]: hit.offered for hit in found} == {"Food line": True, "Food nowhere": False}
        assert len(listings.search_without_place(db, ListingQuery("food", offered_at=NOW))) == 1


def test_it_puts_staff_edits_over_imported_values(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path, [("s1", "Food pantry", "314-555-0101")]), "made")
        edits = {"phones": [{"number": "314-555-0177"}], "description": "Ask for Rosalind"}
        service = db.execute(update(Service).values(edits=edits).returning(Service.id)).scalar_one()
        listings.rebuild(db, [service])
        hit = listings.search(db, ListingQuery(words="Rosalind"))[0]
        assert hit.shown["phones"] == edits["phones"] and hit.shown["place"] == "House"
        assert listings.phone_numbers(db, [service]) == {service: {"3145550177"}}


def test_it_finds_the_nearest_by_the_location_index_and_a_rare_need_by_the_needs_index(database: Database) -> None:
    def kinds(number: int) -> list[str]:
        return ["food"] if number % 5 else ["food", "rare"] if number == 5 else []

    rows = [{"key": f"l{n}", "name": "x", "latitude": 38 + n % 90 / 90, "longitude": -91 + n / 6000, "details": {}}
            for n in range(6000)]  # fmt: skip
    with database.transaction() as db:
        imports.begin_import(db, "made")
        for start in range(0, 6000, 2000):
            imports.upsert(db, "location", rows[start : start + 2000], ORIGIN)
            offered = [
                {"key": f"s{n}", "name": f"Service {n}", "needs": kinds(n), "zips": [], "status": "active", "languages": [],
                 "assured_on": "2026-11-01", "details": {"phones": [{"number": "314-555-0101"}]}}
                for n in range(start, start + 2000)
            ]  # fmt: skip
            imports.upsert(db, "service", offered, ORIGIN)
            pairs = [
                {"key": f"a{n}", "service_key": f"s{n}", "location_key": f"l{n}", "details": {}}
                for n in range(start, start + 2000)
            ]
            imports.upsert(db, "place", pairs, ORIGIN)
        listings.rebuild(db, imports.touched_services(db))
        listings.update_statistics(db)
        assert "listing_offered" in _plan(db, "food") or "listing_place" in _plan(db, "food")
        assert "listing_needs" in _plan(db, "rare")
        assert len(listings.search(db, ListingQuery("rare", near=(38.5, -90.5), offered_at=NOW))) == 1


def _plan(db: Session, need: str) -> str:
    """PostgreSQL's plan for this search, with sequential scans disabled: the table is too small to need an index."""
    driver_connection(db).execute("set local enable_seqscan = off")
    asked: list[str] = []
    execute = listings._fetch_hits

    def explain(session: Session, query: str, values: dict[str, object]) -> list[ServiceHit]:
        asked.extend(row[0] for row in driver_connection(session).execute(f"explain {query}", values, prepare=False))
        return []

    try:
        listings._fetch_hits = explain  # type: ignore[assignment]
        listings.search(db, ListingQuery(need, near=(38.5, -90.5), offered_at=NOW))
    finally:
        listings._fetch_hits = execute
    return "\n".join(asked)


def test_it_is_deleted_with_its_service(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path, [("s1", "Food pantry", "314-555-0101")]), "made")
        db.execute(text("delete from service"))
        assert listings.search(db, ListingQuery("food")) == []


def test_it_lists_a_service_with_very_many_long_terms(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path, [("s1", "Food pantry", "314-555-0101")]), "city")
        rows = [{"taxonomy_term": {"name": " ".join(f"word{n}x{i}" for i in range(1500))}} for n in range(100)]
        ids = list(db.scalars(update(Service).values(edits={"attributes": rows}).returning(Service.id)))
        listings.rebuild(db, ids)
        assert [hit.service_id for hit in listings.search(db, ListingQuery(words="pantry"))] == ids
