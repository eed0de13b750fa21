"""Staff keep the directory: changes win over the import, a check has a name, and no one overwrites a colleague."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bot.domain.directory.editing import ServiceForm
from bot.domain.refused import InvalidForm, Refused
from bot.operations.settings.settings import Settings
from bot.storage.database import Database
from bot.storage.directory import catalog, listings
from bot.storage.directory.listings import ListingQuery
from bot.storage.sealing import Sealer
from bot.storage.tables.directory import Listing, Location, Organization, Service
from bot.storage.tables.residents import Referral
from bot.storage.tables.staff import Audit
from bot.usecases.directory import edit_services
from bot.usecases.directory.edit_services import (
    DirectorySettings,
    OpenedServiceForm,
    ServiceEditConflict,
    ServiceNotFound,
    service_version,
)
from bot.usecases.directory.read_services import ServicePage, read_service
from tests.support.console import make_staff
from tests.support.people import make_person
from tests.support.refusals import refuses
from tests.usecases.directory.example_directory import CITY, NOW, package, take_in

GROUND = DirectorySettings.with_known_needs(CITY, 180, ("en", "es"))
PANTRY = ("s1", "Food pantry", "314-555-0101")
SISTER = ("s2", "Food boxes", "314-555-0102")
LATER = NOW + timedelta(hours=1)
NEW = ServiceForm(
    name="Night kitchen", phones="314-555-0150", needs=("food",), street="2 Oak St", city="St. Louis", zip="63103"
)


@pytest.fixture
def rosa(db: Session) -> int:
    return make_staff(db)


@pytest.fixture
def pantry(db: Session, tmp_path: Path) -> int:
    take_in(db, package(tmp_path / "p", [PANTRY, SISTER]), "test")
    return one(db, "s1").id


def one(db: Session, key: str) -> Service:
    query = select(Service).where(Service.key == key).execution_options(populate_existing=True)
    return db.scalars(query).one()


def page(db: Session, service_id: int, now: datetime = NOW) -> ServicePage:
    found = read_service(db, GROUND, service_id, now)
    assert found is not None
    return found


def change(db: Session, service_id: int, by: int, now: datetime = NOW, **fields: object) -> bool:
    """Change these fields as a member of staff who has just opened the form."""
    form = page(db, service_id)
    typed = replace(form.typed, **fields)  # type: ignore[arg-type]
    return edit_services.change_service(db, GROUND, service_id, by, typed, OpenedServiceForm(form.version, form.typed), now)


def offerable(db: Session, words: str, now: datetime = NOW) -> list[dict[str, object]]:
    """The listings that a search for these words finds of services that people may be offered."""
    return [hit.shown for hit in listings.search(db, ListingQuery(words=words, offered_at=now))]


def again(db: Session, tmp_path: Path, *, named: str = "Food pantry", now: datetime = LATER) -> None:
    """Import the directory once more, with something changed in it."""
    take_in(db, package(tmp_path / "again", [("s1", named, PANTRY[2]), SISTER]), "test", now=now)


# -- changing --


def test_it_prefers_a_change_to_what_was_imported(db: Session, pantry: int, rosa: int) -> None:
    imported = dict(one(db, "s1").details)
    change(db, pantry, rosa, description="Boxes on Mondays", hours=("9am-5pm", *[""] * 6), languages="English, Bosnian")
    service = one(db, "s1")
    assert service.details == imported
    assert service.edits["description"] == "Boxes on Mondays"
    assert (service.languages, service.edits["languages"]) == (["en", "bs"], ["en", "bs"])
    assert page(db, pantry).typed.hours[0] == "9am-5pm"
    assert offerable(db, "boxes mondays")[0]["schedules"] == service.edits["schedules"]


def test_it_keeps_changes_through_a_new_import(db: Session, pantry: int, rosa: int, tmp_path: Path) -> None:
    change(
        db, pantry, rosa, name="Harbor pantry", needs=("food", "clothing"), agency="Harbor House", alert="Ring twice",
        url="https://example.org", zips="631", hours=("24 hours", *[""] * 6),
        cards=(("en", "Harbor: 314-555-0101"), ("es", "")),
    )  # fmt: skip
    before = page(db, pantry).typed
    again(db, tmp_path, named="Pantry of another name")
    db.expire_all()
    assert page(db, pantry).typed == before
    assert offerable(db, "harbor")[0]["organization"] == "Harbor House"


def test_it_removes_a_change_that_is_reverted(db: Session, pantry: int, rosa: int) -> None:
    before = page(db, pantry).typed
    fields: dict[str, Any] = {"name": "Other", "needs": ("rent",), "phones": "211", "agency": "Others", "status": "inactive"}
    change(db, pantry, rosa, hours=("9am-5pm", *[""] * 6), **fields)
    assert one(db, "s1").edits
    change(db, pantry, rosa, **{name: getattr(before, name) for name in (*fields, "hours")})
    service = one(db, "s1")
    assert (service.edits, service.replaced, service.name) == ({}, {}, "Food pantry")
    owner = db.scalars(select(Organization).execution_options(populate_existing=True)).one()
    assert (owner.name, owner.edits, owner.replaced) == ("Helpers", {}, {})
    assert page(db, pantry).typed == before


def test_it_shows_a_new_name_of_the_agency_at_all_its_services(db: Session, pantry: int, rosa: int) -> None:
    change(db, pantry, rosa, agency="Harbor House")
    assert {shown["organization"] for shown in offerable(db, "harbor house")} == {"Harbor House"}
    assert len(offerable(db, "harbor house")) == 2


def test_it_moves_a_place_to_its_new_zip(db: Session, pantry: int, rosa: int) -> None:
    change(db, pantry, rosa, street="5 Elm St", city="Chicago", state="IL", zip="60601")
    place = db.scalars(select(Location)).one()
    assert place.details.get("addresses") is None
    row = db.scalars(select(Listing).where(Listing.service_id == pantry)).one()
    assert row.latitude == pytest.approx(41.9, abs=0.1)
    assert row.shown["addresses"][0]["address_1"] == "5 Elm St"
    # The other service at this place is found there as well.
    assert len(listings.search(db, ListingQuery(near=(41.88, -87.62), words="boxes"))) == 1


def test_it_refuses_what_cannot_be_stored_and_changes_nothing(db: Session, pantry: int, rosa: int) -> None:
    with pytest.raises(InvalidForm) as refused:
        change(db, pantry, rosa, name="Fine", phones="call us", needs=("foood",))
    assert set(refused.value.problems) == {"phones", "needs"}
    assert one(db, "s1").edits == {}


def test_it_withdraws_the_check_where_the_number_changes(db: Session, pantry: int, rosa: int) -> None:
    assert offerable(db, "food pantry")
    assert change(db, pantry, rosa, description="Still the same number") is False
    assert change(db, pantry, rosa, phones="314-555-0199") is True
    assert (one(db, "s1").verified, one(db, "s1").assured_on) == (False, None)
    assert not offerable(db, "food pantry")


def test_it_does_not_let_a_removed_number_come_back(db: Session, pantry: int, rosa: int) -> None:
    change(db, pantry, rosa, phones="", url="https://example.org/help")
    row = db.scalars(select(Listing).where(Listing.service_id == pantry)).one()
    assert "phones" not in row.shown
    assert page(db, pantry).typed.phones == ""


def test_it_audits_who_changed_which_fields_and_no_values(db: Session, pantry: int, rosa: int) -> None:
    change(db, pantry, rosa, description="Boxes", email="a@example.org")
    audit = db.scalars(select(Audit).where(Audit.act == "service_changed")).one()
    assert (audit.staff_id, audit.detail) == (rosa, f"service {pantry}: description, email")


def test_it_audits_nothing_where_nothing_was_changed(db: Session, pantry: int, rosa: int) -> None:
    version = service_version(one(db, "s1"))
    change(db, pantry, rosa, now=LATER)
    assert service_version(one(db, "s1")) == version
    assert db.scalars(select(Audit)).all() == []


# -- two at once --


def test_it_tells_the_second_what_the_first_has_changed(db: Session, pantry: int, rosa: int) -> None:
    opened = page(db, pantry)
    change(db, pantry, rosa, description="First", email="first@example.org")
    mine = replace(opened.typed, description="Second", url="https://second.org")
    with pytest.raises(ServiceEditConflict) as overtaken:
        edit_services.change_service(db, GROUND, pantry, rosa, mine, OpenedServiceForm(opened.version, opened.typed), LATER)
    merged = overtaken.value.merged
    assert (merged.typed.description, merged.typed.url) == ("Second", "https://second.org")
    assert (merged.typed.email, merged.clashes) == ("first@example.org", {"description": "First"})
    assert one(db, "s1").edits["description"] == "First"


def test_it_lets_the_second_save_once_they_know(db: Session, pantry: int, rosa: int) -> None:
    change(db, pantry, rosa, description="First")
    form = page(db, pantry)
    edit_services.change_service(
        db, GROUND, pantry, rosa, replace(form.typed, description="Both"), OpenedServiceForm("", form.typed), LATER
    )
    assert one(db, "s1").edits["description"] == "Both"


def test_it_records_no_check_of_what_was_changed_meanwhile(db: Session, pantry: int, rosa: int) -> None:
    seen = edit_services.content_hash(db, pantry)
    change(db, pantry, rosa, phones="314-555-0666")
    with refuses("changed meanwhile"):
        edit_services.record_check(db, GROUND, pantry, rosa, LATER, seen)
    assert one(db, "s1").verified is False
    edit_services.record_check(db, GROUND, pantry, rosa, LATER, edit_services.content_hash(db, pantry))
    assert one(db, "s1").verified is True


def test_it_counts_a_check_and_who_is_taken_as_no_change(db: Session, pantry: int, rosa: int) -> None:
    seen = edit_services.content_hash(db, pantry)
    edit_services.set_accepting(db, pantry, rosa, "no", LATER)
    edit_services.record_check(db, GROUND, pantry, rosa, LATER, seen)
    assert edit_services.content_hash(db, pantry) == seen


def test_it_does_not_stop_for_a_check_that_changed_no_field(db: Session, pantry: int, rosa: int) -> None:
    form = page(db, pantry)
    edit_services.record_check(db, GROUND, pantry, rosa, LATER)
    typed = replace(form.typed, description="New")
    edit_services.change_service(db, GROUND, pantry, rosa, typed, OpenedServiceForm(form.version, form.typed), LATER)
    assert one(db, "s1").edits["description"] == "New"


def test_it_waits_for_the_other_and_then_compares_again(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        rosa = make_staff(db)
        take_in(db, package(tmp_path / "p", [PANTRY]), "test")
        service_id, form = one(db, "s1").id, page(db, one(db, "s1").id)
    with database.transaction() as first:
        change(first, service_id, rosa, description="First")
        with database.transaction() as second:
            second.execute(text("set local lock_timeout = '200ms'"))
            mine = replace(form.typed, description="Second")
            with pytest.raises(Exception, match="lock"):
                edit_services.change_service(
                    second, GROUND, service_id, rosa, mine, OpenedServiceForm(form.version, form.typed), LATER
                )
            second.rollback()


# -- checking, accepting, closing --


def test_it_notes_who_checked_on_the_day_of_the_city(db: Session, pantry: int, rosa: int) -> None:
    # Nine in the evening in St. Louis is the next day in UTC.
    late = datetime(2026, 11, 24, 3, tzinfo=UTC)
    edit_services.record_check(db, GROUND, pantry, rosa, late)
    service = one(db, "s1")
    assert (service.assured_on, service.assured_by, service.verified) == (date(2026, 11, 23), "Rosa Ortiz", True)
    assert service.review_by == datetime(2027, 5, 23, 5, tzinfo=UTC)
    assert db.scalars(select(Audit.act)).all() == ["service_checked"]


def test_it_offers_a_service_again_after_the_check(db: Session, pantry: int, rosa: int, tmp_path: Path) -> None:
    in_a_year = NOW + timedelta(days=365)
    assert not offerable(db, "food pantry", in_a_year)
    edit_services.record_check(db, GROUND, pantry, rosa, in_a_year)
    assert offerable(db, "food pantry", in_a_year)
    again(db, tmp_path, now=in_a_year)
    db.expire_all()
    assert one(db, "s1").assured_by == "Rosa Ortiz"
    assert offerable(db, "food pantry", in_a_year)


@pytest.mark.parametrize(("answer", "kept"), [("yes", True), ("no", False), ("unknown", None)])
def test_it_offers_no_service_that_takes_no_new_people(
    db: Session, pantry: int, rosa: int, answer: str, kept: bool | None
) -> None:
    edit_services.set_accepting(db, pantry, rosa, answer, NOW)
    assert (one(db, "s1").accepting, one(db, "s1").accepting_at) == (kept, NOW)
    assert bool(offerable(db, "food pantry")) is (answer != "no")
    with pytest.raises(Refused):
        edit_services.set_accepting(db, pantry, rosa, "perhaps", NOW)


def test_it_closes_and_opens_again(db: Session, pantry: int, rosa: int, tmp_path: Path) -> None:
    edit_services.set_status(db, pantry, rosa, "temporarily closed", NOW)
    again(db, tmp_path)
    db.expire_all()
    assert one(db, "s1").status == "temporarily closed"
    assert not offerable(db, "food pantry")
    with refuses("closed"):
        edit_services.record_check(db, GROUND, pantry, rosa, NOW)
    edit_services.set_status(db, pantry, rosa, "active", NOW)
    assert (one(db, "s1").edits, bool(offerable(db, "food pantry"))) == ({}, True)


def test_it_puts_those_first_whose_check_ran_out_or_to_which_people_were_sent(
    db: Session, pantry: int, rosa: int, settings: Settings
) -> None:
    sister = one(db, "s2")
    sister.review_by = NOW - timedelta(days=1)
    db.flush()
    assert catalog.list_due_for_check(db, 5) == [sister.id, pantry]
    one(db, "s1").verified = sister.verified = False
    made = make_person(db, Sealer(settings.encryption_keys, settings.secret_key))
    db.add(Referral(conversation_id=made.conversation, service_id=sister.id, need="food", state="requested", made_at=NOW))
    db.flush()
    assert catalog.list_never_checked(db, 5) == [sister.id, pantry]


# -- adding, and what cannot be changed here --


def test_it_adds_a_service_that_is_not_offered_before_it_is_checked(db: Session, rosa: int) -> None:
    number = edit_services.add_service(db, GROUND, rosa, replace(NEW, agency="Oak House", languages="Spanish"), NOW)
    assert not offerable(db, "night kitchen")
    edit_services.record_check(db, GROUND, number, rosa, NOW)
    shown = offerable(db, "night kitchen")[0]
    assert (shown["organization"], shown["zip"]) == ("Oak House", "63103")
    found = page(db, number)
    assert (found.typed.street, found.typed.needs, found.typed.languages) == ("2 Oak St", ("food",), "Spanish")
    assert found.is_offered and found.cards[0].text and "314-555-0150" in found.cards[0].text
    assert [row.act for row in db.scalars(select(Audit).order_by(Audit.id))] == ["service_added", "service_checked"]


def test_it_changes_what_was_added_by_hand(db: Session, rosa: int) -> None:
    number = edit_services.add_service(db, GROUND, rosa, NEW, NOW)
    change(db, number, rosa, name="Day kitchen", agency="Oak House", zip="63104", zips="631", phones="211", email="")
    found = page(db, number)
    assert (found.typed.name, found.typed.agency, found.typed.zip) == ("Day kitchen", "Oak House", "63104")
    assert (found.typed.zips, found.typed.phones) == ("631", "211")
    assert not db.get_one(Service, number).edits


def test_an_import_leaves_an_added_service_alone(db: Session, rosa: int, tmp_path: Path) -> None:
    number = edit_services.add_service(db, GROUND, rosa, NEW, NOW)
    take_in(db, package(tmp_path / "p", [PANTRY]), "test", now=LATER)
    db.expire_all()
    assert db.get_one(Service, number).gone_at is None


def test_it_refuses_a_service_that_is_gone_or_kept_in_files(db: Session, pantry: int, rosa: int) -> None:
    one(db, "s1").gone_at = NOW
    one(db, "s2").origin = "files"
    db.flush()
    with refuses("gone"):
        edit_services.record_check(db, GROUND, pantry, rosa, NOW)
    with refuses("files"):
        change(db, one(db, "s2").id, rosa, name="Other")
    with pytest.raises(ServiceNotFound):
        edit_services.record_check(db, GROUND, 999_999, rosa, NOW)
