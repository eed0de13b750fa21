"""Which services people are offered: the reviewed cards, what is near, and the national lines, together in one answer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.storage.directory import listings, reviewed_services
from bot.storage.tables.directory import Service
from bot.usecases.directory.search_services import DirectorySearch, UnknownZip, offer_to_person, search_for_staff
from tests.usecases.directory.example_directory import CITY, NOW, package, real, take_in

NEEDS = ("rent", "utilities", "food", "shelter", "counseling", "jobs", "safety", "youth")


@pytest.fixture
def db(db: Session, published: None) -> Session:
    """A transaction of a line with its own files."""
    return db


def offered(
    db: Session, need: str, near: str | None, limit: int = 3, language: str = "en", skip: tuple[int, ...] = ()
) -> list[str]:
    return [card for _, card in offer_to_person(db, need, near, limit, language, CITY, NOW, skip)]


def test_it_answers_from_the_files_alone_as_before(db: Session) -> None:
    for need, near in (("rent", "63103"), ("counseling", "63103"), ("shelter", None)):
        reviewed = reviewed_services.find(db, need, near, NOW)
        assert offered(db, need, near, 9) == [one.cards["en"] for one in reviewed]
        assert offered(db, need, near, 1) == [reviewed[0].cards["en"]]
    assert offered(db, "shelter", None, 5)[-1].startswith("211")


def test_it_offers_what_is_near_and_keeps_a_place_for_a_national_line(db: Session, tmp_path: Path) -> None:
    national = offered(db, "food", "10001", 9)
    near = [(f"s{n}", f"Food pantry {n}", f"314-555-010{n}") for n in range(4)]
    take_in(db, package(tmp_path, near), "city")
    cards = offered(db, "food", "63103")
    assert sum("Food pantry" in card for card in cards) >= 1 and cards[-1] in national
    assert len(cards) == 3
    # Far away it is not offered at all.
    assert offered(db, "food", "10001", 9) == national


def test_it_offers_more_without_repeating_itself(db: Session, tmp_path: Path) -> None:
    take_in(db, package(tmp_path, [(f"s{n}", f"Food pantry {n}", f"314-555-010{n}") for n in range(4)]), "city")
    seen: tuple[int, ...] = ()
    for _ in range(6):
        found = offer_to_person(db, "food", "63103", 2, "en", CITY, NOW, seen)
        assert not {service for service, _ in found} & set(seen)
        seen += tuple(service for service, _ in found)
    assert found == () and len(set(seen)) == len(seen) == 5


def test_it_offers_no_service_that_does_not_serve_their_zip(db: Session, tmp_path: Path) -> None:
    take_in(db, package(tmp_path, [("s1", "Food pantry", "314-555-0101")]), "city")
    ids = list(db.scalars(update(Service).where(Service.key == "s1").values(zips=["631"]).returning(Service.id)))
    listings.rebuild(db, ids)
    assert any("314-555-0101" in card for card in offered(db, "food", "63103", 9))
    assert not any("314-555-0101" in card for near in ("62040", None) for card in offered(db, "food", near, 9))


def test_it_lets_reviewed_words_win_over_the_same_number(db: Session, tmp_path: Path) -> None:
    take_in(db, package(tmp_path, [("s1", "Food by 211", "211"), ("s2", "Food pantry", "314-555-0101")]), "city")
    cards = offered(db, "food", "63103", 9)
    assert not any("Food by 211" in card for card in cards) and any("Food pantry" in card for card in cards)
    assert sum("211" in card for card in cards) == 1


def test_it_names_a_refuge_only_to_those_who_ask_for_one_and_never_where_it_is(db: Session, tmp_path: Path) -> None:
    services_there = [
        ("s1", "Domestic violence emergency shelter", "314-555-0101"),
        ("s2", "Family shelter", "314-555-0101"),
    ]
    take_in(db, package(tmp_path / "1", services_there), "city")
    take_in(db, package(tmp_path / "2", [("s3", "Shelter for everybody", "314-555-0103")]), "other")
    shelters = offered(db, "shelter", "63103", 5)
    assert any("Shelter for everybody" in card for card in shelters)
    assert not any("314-555-0101" in card for card in shelters)
    refuge = next(card for card in offered(db, "safety", "63103", 5) if "314-555-0101" in card)
    assert "Main" not in refuge and "mile" not in refuge


def refuge_and(db: Session, root: Path, *more: tuple[str, str, str], places: dict[str, str]) -> str:
    """The offers of counseling where a refuge at l1 offers more; `places` are those of the services, "" for none."""
    folder = package(root, [("s1", "Domestic violence emergency shelter", "314-555-0101"), *more])
    with (folder / "locations.csv").open("a") as file:
        file.write("l2,o1,Office,38.64,-90.2\n")
    rows = [f"a{service},{service},{place}\n" for service, place in ({"s1": "l1"} | places).items() if place]
    (folder / "service_at_location.csv").write_text("id,service_id,location_id\n" + "".join(rows))
    take_in(db, folder, "city")
    return " ".join(offered(db, "counseling", "63103", 9))


@pytest.mark.parametrize(
    ("number", "place", "is_offered"),
    [
        ("(314) 555-0101 ext. 2", "l2", False),
        ("314-555-0102", "l1", False),
        ("314-555-0102", "", False),
        ("314-555-0102", "l2", True),
    ],
)
def test_it_does_not_reveal_a_refuge_by_its_other_programs(
    db: Session, tmp_path: Path, number: str, place: str, is_offered: bool
) -> None:
    words = refuge_and(db, tmp_path, ("s2", "Counseling", number), places={"s2": place})
    assert ("314-555-01" in words) is is_offered


def test_it_offers_an_organization_that_does_much_besides_a_refuge(db: Session, tmp_path: Path) -> None:
    more = [(f"s{n}", f"Counseling {n}", f"314-555-011{n}") for n in range(2, 8)]
    assert "314-555-0112" in refuge_and(db, tmp_path, *more, places={})


def test_it_finds_others_behind_a_service_of_many_places(db: Session, tmp_path: Path) -> None:
    folder = package(tmp_path, [("s1", "Food pantry", "314-555-0101"), ("s2", "Food box", "314-555-0102")])
    sites = "".join(f"m{n},o1,Site {n},38.63,-90.2\n" for n in range(60))
    with (folder / "locations.csv").open("a") as file:
        file.write(f"{sites}far,o1,Far,38.70,-90.3\n")
    rows = "".join(f"b{n},s1,m{n}\n" for n in range(60))
    (folder / "service_at_location.csv").write_text(f"id,service_id,location_id\n{rows}c,s2,far\n")
    take_in(db, folder, "city")
    assert any("314-555-0102" in card for card in offered(db, "food", "63103", 9))


def test_it_offers_two_programs_at_one_number_once(db: Session, tmp_path: Path) -> None:
    take_in(db, package(tmp_path, [("s1", "Food pantry", "3145550101"), ("s2", "Food box", "314-555-0101")]), "city")
    assert sum("314-555-0101" in card for card in offered(db, "food", "63103", 9)) == 1


def test_it_offers_nothing_that_is_full_hidden_or_not_checked(db: Session, tmp_path: Path) -> None:
    def is_offered() -> bool:
        return any("314-555-0101" in card for card in offered(db, "food", "63103", 9))

    take_in(db, package(tmp_path, [("s1", "Food pantry", "314-555-0101")]), "city")
    assert is_offered()
    for change, back in (({"accepting": False}, {"accepting": None}), ({"status": "defunct"}, {"status": "active"}),
                         ({"gone_at": NOW}, {"gone_at": None}), ({"verified": False}, {"verified": True}),
                         ({"review_by": NOW - timedelta(days=1)}, {"review_by": NOW + timedelta(days=1)})):  # fmt: skip
        for values, expected in ((change, False), (back, True)):
            ids = list(db.scalars(update(Service).where(Service.origin == "city").values(values).returning(Service.id)))
            listings.rebuild(db, ids)
            assert is_offered() is expected, values


@pytest.mark.parametrize("language", ["en", "es"])
def test_it_makes_cards_of_a_real_directory_for_every_need(db: Session, language: str) -> None:
    take_in(db, real("sheltertech"), "sheltertech")
    for need in NEEDS:
        for card in offered(db, need, "94103", 5, language):
            assert (measure_segments(fold_for_sms(card)).encoding, measure_segments(fold_for_sms(card)).segments <= 2) == (
                "GSM-7",
                True,
            )
    assert "St. Anthony" in " ".join(offered(db, "food", "94103", 5, language))


def test_it_finds_for_staff_what_people_are_not_offered(db: Session, tmp_path: Path) -> None:
    take_in(db, package(tmp_path, [("s1", "Food pantry", "314-555-0101")], assured=""), "city", checked=None)
    asked = DirectorySearch("food", near="63103", words="pantry")
    assert [one.hit.shown["name"] for one in search_for_staff(db, asked, CITY, NOW).found][:1] == ["Food pantry"]
    assert not search_for_staff(db, DirectorySearch("food", near="63103", words="pantry", offered=True), CITY, NOW).found
    with pytest.raises(UnknownZip, match="five digits"):
        search_for_staff(db, DirectorySearch(near="99999"), CITY, NOW)


def test_it_finds_what_is_open_by_the_services_own_time_zone(db: Session) -> None:
    take_in(db, real("sheltertech"), "sheltertech")
    by_day = search_for_staff(db, DirectorySearch("food", near="94103", open_now=True, most=200), CITY, NOW).found
    at_night = search_for_staff(
        db, DirectorySearch("food", near="94103", open_now=True, most=200), CITY, NOW + timedelta(hours=16)
    ).found
    assert by_day and all(one.is_open for one in (*by_day, *at_night)) and len(at_night) < len(by_day)
