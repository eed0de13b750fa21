"""Directories are imported completely or not at all, again and again, and the staff's changes stay."""

from __future__ import annotations

import threading
import zipfile
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from bot.domain.directory.hsds.records import ImportRefusal
from bot.storage.database import Database
from bot.storage.directory import imports, listings
from bot.storage.tables.directory import DirectoryImport, Listing, Location, Organization, Service, ServiceAtLocation
from bot.usecases.directory import export_services
from bot.usecases.directory.files import DirectoryFilesError, open_files, open_sink
from bot.usecases.directory.import_services import (
    ROW_KINDS,
    ImportOptions,
    ImportRefused,
    ImportReport,
    import_directory,
    language_code,
    source_name,
)
from tests.usecases.directory.example_directory import CITY, DIRECTORIES, NOW, RULES, package, real, take_in

PANTRY = ("s1", "Food pantry", "314-555-0101")
BEDS = ("s2", "Emergency shelter", "314-555-0102")


def services(db: Session) -> dict[str, Service]:
    return {row.key or "": row for row in db.scalars(select(Service).execution_options(populate_existing=True))}


def taken(report: ImportReport, kind: str) -> tuple[int, int, int]:
    counts = report.counts[kind]
    return counts["new"], counts["updated"], counts["same"]


@pytest.mark.parametrize("name", DIRECTORIES)
def test_it_imports_each_real_directory_and_explains_what_it_refuses(database: Database, name: str) -> None:
    with database.transaction() as db:
        report = take_in(db, real(name), name.split("/")[0])
    assert report.counts["service"]["taken"] > 0
    for one in report.refused:
        assert one.what and one.remedy and one.file
    with database.transaction() as db:
        kept = db.scalar(select(func.count()).select_from(Service))
        laid_out = db.scalar(select(func.count(Listing.service_id.distinct())))
        assert kept == laid_out == report.counts["service"]["taken"]
        stored = db.scalars(select(DirectoryImport)).one()
        assert stored.counts["service"]["taken"] == kept and stored.report["refused"] == report.refused_count


@pytest.mark.parametrize("name", DIRECTORIES)
def test_it_changes_nothing_when_it_is_imported_again(database: Database, name: str) -> None:
    source = name.split("/")[0]
    with database.transaction() as db:
        take_in(db, real(name), source)
        before = db.execute(text("select s.*, s.xmin from service s order by id")).all()
    with database.transaction() as db:
        again = take_in(db, real(name), source, now=NOW + timedelta(hours=1))
        assert all(taken(again, kind)[:2] == (0, 0) for kind in ROW_KINDS)
        assert db.execute(text("select s.*, s.xmin from service s order by id")).all() == before


def test_it_counts_the_services_of_a_real_city(database: Database) -> None:
    with database.transaction() as db:
        report = take_in(db, real("sheltertech"), "sheltertech")
        # Three of the 242 have no name, and each is reported.
        assert (report.counts["service"]["taken"], report.refused_count) == (239, 3)
        assert report.counts["location"]["taken"] == 217 and report.offered > 200


def test_it_updates_by_key_and_marks_what_is_gone(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path, [PANTRY, BEDS]), "city")
        first = {key: row.id for key, row in services(db).items()}
    with database.transaction() as db:
        report = take_in(db, package(tmp_path, [("s1", "Food and more", "314-555-0101")]), "city")
        held = services(db)
        assert taken(report, "service") == (0, 1, 0) and report.counts["service"]["gone"] == 1
        assert held["s1"].id == first["s1"] and held["s1"].name == "Food and more"
        # Kept for the referrals that name it, and found by no search.
        assert held["s2"].gone_at == NOW
        assert db.scalars(select(Listing.service_id)).all() == [first["s1"]]
    with database.transaction() as db:
        take_in(db, package(tmp_path, [PANTRY, BEDS]), "city")
        assert services(db)["s2"].gone_at is None and services(db)["s2"].id == first["s2"]


def test_it_lets_the_staffs_changes_win(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path, [PANTRY]), "city")
        edits = {"name": "Corner pantry", "phones": [{"number": "314-555-0199"}], "needs": ["food", "jobs"]}
        db.execute(update(Service).values(edits=edits))
    with database.transaction() as db:
        take_in(db, package(tmp_path, [("s1", "New name", "314-555-0111")]), "city")
        row, listing = services(db)["s1"], db.scalars(select(Listing)).one()
        assert (row.name, row.needs, row.edits) == ("Corner pantry", ["food", "jobs"], edits)
        assert row.details["phones"][0]["number"] == "314-555-0111"
        assert listing.shown["phones"] == edits["phones"] and listing.shown["name"] == "Corner pantry"
        # The value without the change is the newest import's.
        assert row.replaced == {"name": "New name", "needs": []}


def test_it_keeps_a_place_that_the_staff_gave_to_a_service(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path, [PANTRY]), "city")
        place = Location(source="staff", key="x", name="Annex", details={}, edits={}, updated_at=NOW)
        db.add(place)
        db.flush()
        db.add(ServiceAtLocation(service_id=services(db)["s1"].id, location_id=place.id, key="x", details={}))
    with database.transaction() as db:
        take_in(db, package(tmp_path, [PANTRY]), "city")
        assert db.scalar(select(func.count()).select_from(ServiceAtLocation)) == 2


def test_it_offers_nothing_of_which_the_staff_took_the_last_number(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path, [PANTRY]), "city")
        service = db.execute(update(Service).values(edits={"phones": None}).returning(Service.id)).scalar_one()
        listings.rebuild(db, [service])
        listing = db.scalars(select(Listing)).one()
        assert "phones" not in listing.shown and not listing.offered


def test_it_marks_nothing_gone_when_most_was_refused(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path, [PANTRY, BEDS]), "city")
    with database.transaction() as db:
        report = take_in(db, package(tmp_path, [PANTRY, *((f"b{n}", "", "") for n in range(12))]), "city")
        assert report.refused_count > report.taken and "nothing was marked as gone" in report.notes[0]
        assert services(db)["s2"].gone_at is None


def test_it_offers_only_what_was_checked_lately(database: Database, tmp_path: Path) -> None:
    def offered(assured: str, checked: date | None = None) -> int:
        with database.transaction() as db:
            return take_in(db, package(tmp_path, [PANTRY], assured=assured), f"c{assured}{checked}", checked=checked).offered

    assert offered("") == 0
    # Checked 180 days ago it is offered until midnight of that day; a day longer and it is not.
    assert offered((date(2026, 11, 23) - timedelta(days=180)).isoformat()) == 1
    assert offered((date(2026, 11, 23) - timedelta(days=181)).isoformat()) == 0
    assert offered("2027-01-01") == 0
    assert offered("", date(2026, 11, 20)) == 1


def test_it_withdraws_a_check_when_the_number_has_changed(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        assert take_in(db, package(tmp_path, [PANTRY], assured=""), "city").offered == 1
    with database.transaction() as db:
        other = package(tmp_path, [("s1", "Food pantry", "314-555-0666")], assured="")
        report = take_in(db, other, "city", checked=None)
        assert report.offered == 0 and "another telephone number" in report.notes[0]
    with database.transaction() as db:
        assert take_in(db, other, "city", checked=None).offered == 0
        assert take_in(db, other, "city", checked=date(2026, 11, 22)).offered == 1


def offered_after(database: Database, path: Path, *, checked: date | None = None, later: int = 0) -> int:
    with database.transaction() as db:
        return take_in(db, path, "city", checked=checked, now=NOW + timedelta(minutes=later)).offered


CHECKED = date(2026, 11, 1)
OTHER = ("s1", "Food pantry", "314-555-0666")


@pytest.mark.parametrize(("back", "offered"), [(OTHER, 1), (PANTRY, 2)])
def test_it_withdraws_a_check_of_what_returns_with_another_number(
    database: Database, tmp_path: Path, back: tuple[str, str, str], offered: int
) -> None:
    assert offered_after(database, package(tmp_path / "1", [PANTRY, BEDS], assured=""), checked=CHECKED) == 2
    assert offered_after(database, package(tmp_path / "2", [BEDS], assured=""), later=1) == 1
    assert offered_after(database, package(tmp_path / "3", [back, BEDS], assured=""), later=2) == offered


@pytest.mark.parametrize(("number", "offered"), [("314-555-0666", 1), ("314-555-0101", 2)])
def test_it_withdraws_a_check_where_the_organization_changed_its_number_meanwhile(
    database: Database, tmp_path: Path, number: str, offered: int
) -> None:
    def of_organization(name: str, services: list[tuple[str, str, str]], number: str) -> Path:
        path = package(tmp_path / name, services, assured="")
        rows = "".join(f"p{key},,{key},{phone}\n" for key, _, phone in services if key != "s1")
        (path / "phones.csv").write_text(f"id,organization_id,service_id,number\np,o1,,{number}\n{rows}")
        return path

    assert offered_after(database, of_organization("1", [PANTRY, BEDS], "314-555-0101"), checked=CHECKED) == 2
    assert offered_after(database, of_organization("2", [BEDS], number), later=1) == 1
    assert offered_after(database, of_organization("3", [PANTRY, BEDS], number), later=2) == offered


def test_it_withdraws_a_check_of_an_address_that_gains_a_number(database: Database, tmp_path: Path) -> None:
    street = "id,location_id,address_1,city,postal_code,address_type\na,l1,1 Oak St,St. Louis,63101,physical\n"
    for name in ("1", "2"):
        (package(tmp_path / name, [PANTRY], assured="") / "addresses.csv").write_text(street)
    (tmp_path / "1/phones.csv").write_text("id,service_id,number\n")
    assert offered_after(database, tmp_path / "1", checked=CHECKED) == 1
    assert offered_after(database, tmp_path / "1") == 1
    assert offered_after(database, tmp_path / "2") == 0


def test_it_withdraws_a_check_when_a_fax_becomes_the_number_to_call(database: Database, tmp_path: Path) -> None:
    for kind in ("fax", "voice"):
        rows = f"id,service_id,number,type\na,s1,314-555-0666,{kind}\nb,s1,314-555-0101,voice\n"
        (package(tmp_path / kind, [PANTRY], assured="") / "phones.csv").write_text(rows)
    assert offered_after(database, tmp_path / "fax", checked=CHECKED) == 1
    assert offered_after(database, tmp_path / "voice") == 0


@pytest.mark.parametrize("checked", [None, date(2026, 11, 22)])
def test_it_never_vouches_for_a_number_that_the_staff_have_typed(
    database: Database, tmp_path: Path, checked: date | None
) -> None:
    path = package(tmp_path, [PANTRY])
    assert offered_after(database, path) == 1
    with database.transaction() as db:
        edits = {"phones": [{"number": "314-555-0666"}]}
        db.execute(update(Service).values(edits=edits, verified=False, assured_on=None, assured_by=None))
        listings.rebuild(db, [services(db)["s1"].id])
    assert offered_after(database, path, checked=checked) == 0
    # A check that the staff recorded stays.
    with database.transaction() as db:
        db.execute(update(Service).values(verified=True, assured_on=date(2026, 11, 20), assured_by="Rosa"))
        listings.rebuild(db, [services(db)["s1"].id])
    assert offered_after(database, path, checked=checked) == 1
    with database.transaction() as db:
        assert services(db)["s1"].assured_by == "Rosa"


def test_it_refuses_while_another_directory_is_imported(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path / "one", [PANTRY]), "one")
        with pytest.raises(ImportRefused, match="Nothing was imported"), database.transaction() as other:
            other.execute(text("set lock_timeout = 200"))
            take_in(other, package(tmp_path / "two", [BEDS]), "two")
    with database.transaction() as db:
        assert list(services(db)) == ["s1"]


def test_it_leaves_nothing_behind_when_it_breaks_off(database: Database, tmp_path: Path) -> None:
    def kill(what: str, _count: int) -> None:
        if what == "services laid out":
            raise KeyboardInterrupt

    wish = ImportOptions("city", "test", 180, CITY)
    with pytest.raises(KeyboardInterrupt), database.transaction() as db:
        import_directory(db, open_files(package(tmp_path, [PANTRY])), wish, None, RULES, NOW, kill)
    with database.transaction() as db:
        for table in (Service, Organization, Location, Listing, DirectoryImport):
            assert db.scalar(select(func.count()).select_from(table)) == 0


def test_it_refuses_a_file_that_breaks_off_and_keeps_what_was_there(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path / "whole", [PANTRY]), "city")
    (tmp_path / "half.json").write_text('[{"id": "s9", "name": "Cut", "status": "active"}, {"id": "s8", "na')
    with pytest.raises(ImportRefused, match="Nothing was imported") as refused, database.transaction() as db:
        take_in(db, tmp_path / "half.json", "city")
    assert refused.value.report is not None and any(one.fatal for one in refused.value.report.refused)
    with database.transaction() as db:
        assert list(services(db)) == ["s1"] and services(db)["s1"].gone_at is None


def test_it_waits_for_another_import_of_the_same_directory(database: Database, tmp_path: Path) -> None:
    path, reports = package(tmp_path, [PANTRY]), []

    def second() -> None:
        with database.transaction() as db:
            reports.append(take_in(db, path, "city"))

    thread = threading.Thread(target=second)
    with database.transaction() as db:
        take_in(db, path, "city")
        thread.start()
        thread.join(1.5)
        assert thread.is_alive() and not reports
        # One of another name need not wait.
        with database.transaction() as other:
            imports.begin_import(other, "elsewhere")
    thread.join(20)
    assert taken(reports[0], "service") == (0, 0, 1)


def test_it_reads_a_zip_and_refuses_one_that_would_fill_the_disk(database: Database, tmp_path: Path) -> None:
    root = package(tmp_path / "files", [PANTRY])
    with zipfile.ZipFile(tmp_path / "city.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in root.iterdir():
            archive.write(path, f"city/{path.name}")
    with database.transaction() as db:
        assert taken(take_in(db, tmp_path / "city.zip", "city"), "service") == (1, 0, 0)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("services.csv", bytes(30_000_000))
    with pytest.raises(DirectoryFilesError, match="times its size"):
        open_files(tmp_path / "bomb.zip")
    (tmp_path / "no.zip").write_text("no zip")
    with pytest.raises(DirectoryFilesError, match="broken"):
        open_files(tmp_path / "no.zip")


@pytest.mark.parametrize("as_format", ["json", "csv"])
def test_it_exports_what_can_be_imported_again(database: Database, tmp_path: Path, as_format: str) -> None:
    from bot.domain.directory.hsds.writing import write_csv, write_json

    write = write_json if as_format == "json" else write_csv
    with database.transaction() as db:
        take_in(db, real("ohana"), "ohana")
        edited = db.scalars(select(Service).where(Service.origin == "ohana").order_by(Service.id)).first()
        assert edited is not None
        edited.edits = {"description": "Ours", "phones": [{"number": "314-555-0100"}], "languages": ["es"]}
    with database.transaction() as db:
        write(export_services.exported_records(db, "ohana"), open_sink(tmp_path / "out"))
        report = take_in(db, tmp_path / "out", "copy", checked=None)
        # The one schedule that was left out at first is not there a second time.
        assert report.refused_count == 0, report.refused
        copies = {row.key: row for row in db.scalars(select(Service).where(Service.origin == "copy"))}
        ours = copies[edited.key]
        assert len(copies) == 23 and ours.details["description"] == "Ours"
        assert ours.details["phones"][0]["number"] == "314-555-0100" and ours.languages == ["es"]
        assert ours.assured_on == date(2026, 11, 1)


def test_it_exports_no_note_of_the_staff(database: Database, tmp_path: Path) -> None:
    with database.transaction() as db:
        take_in(db, package(tmp_path / "p", [PANTRY]), "city")
        db.scalars(select(Service).where(Service.origin == "city")).one().edits = {"alert": "Ask for Denise", "url": "x.org"}
        db.flush()
        given = str([record.details for record in export_services.exported_records(db, "city")])
    assert "Denise" not in given and "x.org" in given


def test_it_goes_on_past_text_that_the_database_cannot_store(database: Database) -> None:
    origin = imports.ImportOrigin("odd", NOW, 180, "America/Chicago")
    with database.transaction() as db:
        imports.begin_import(db, "odd")
        rows = [{"key": "o1", "name": "A\0B\ud800", "details": {"description": "\\u0000 \0 \udfff"}}]
        assert imports.upsert(db, "organization", rows, origin).new == 1
        row = db.scalars(select(Organization)).one()
        assert row.name == "AB?" and row.details["description"] == "\\u0000  ?"


def test_it_names_a_directory_so_that_it_can_be_typed() -> None:
    assert source_name(" St. Louis 211 ") == "st.-louis-211"
    for reserved in ("files", "Staff", "..", ""):
        with pytest.raises(ImportRefused, match="--source"):
            source_name(reserved)


def test_it_reads_languages_by_code_or_name() -> None:
    assert [language_code(word) for word in ("es", "es-MX", "Spanish", "ENGLISH", "Klingonese")] == [
        "es", "es", "es", "en", "klingonese",
    ]  # fmt: skip


def test_it_names_only_so_many_refused_rows_and_counts_all() -> None:
    report = ImportReport("city")
    for number in range(6000):
        report.add_finding(ImportRefusal("services.csv", f"row {number}", None, "no name", "add it"))
    assert (len(report.refused), report.refused_count) == (5000, 6000)
    assert report.as_json()["files"]["services.csv"]["refused"] == 6000


def test_it_accepts_an_empty_list_of_listings_to_rebuild(database: Database) -> None:
    with database.transaction() as db:
        listings.rebuild(db, [])
        listings.update_statistics(db)
