from __future__ import annotations

from typing import Any

import pytest

from bot.domain.directory.hsds.records import ImportRefusal
from tests.domain.directory.hsds.example_packages import (
    PANTRY,
    Memory,
    counts,
    found_in,
    records,
    refusals,
    remarks,
    services,
    the_location,
    the_organization,
    the_service,
)

HEAD = "id,name\n"


def only_refusal(files: Memory) -> ImportRefusal:
    (one,) = (refusal for refusal in refusals(found_in(files)) if refusal.file)
    return one


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({**PANTRY, "id": ""}, "the service has no id"),
        ({**PANTRY, "name": " "}, "the service has no name"),
        ({**PANTRY, "organization": None, "organization_id": "nobody"}, "its organization nobody was not taken"),
    ],
)
def test_it_refuses_a_service_and_says_where_and_why(row: dict[str, Any], what: str) -> None:
    refusal = only_refusal(Memory(services__json=[PANTRY | {"id": "other"}, row]))
    assert (refusal.file, refusal.at, refusal.what, refusal.fatal) == ("services.json", "/1", what, False)
    assert refusal.remedy


def test_it_takes_the_first_of_two_with_one_id() -> None:
    found = found_in(Memory(organizations__csv=f"{HEAD}o1,First\no1,Second\n"))
    assert the_organization(found).name == "First"
    (refusal,) = refusals(found)
    assert (refusal.at, refusal.key) == ("row 3", "o1")


def test_it_keeps_a_service_whose_place_is_missing() -> None:
    links = [{"id": "x", "location_id": "nowhere"}]
    found = found_in(Memory(services__json=[{**PANTRY, "service_at_locations": links}]))
    assert the_service(found).key == "pantry"
    assert not refusals(found)
    assert "nowhere" in remarks(found)[0].what


def test_it_counts_a_row_that_is_too_short_as_broken() -> None:
    files = Memory(organizations__csv=f"{HEAD}o1,Helpers,Inc.\no2\no3,Fine\n,\n")
    found = found_in(files)
    assert the_organization(found).key == "o3"
    assert [refusal.at for refusal in refusals(found)] == ["row 2", "row 3"]


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ({"opens_at": "25:00", "closes_at": "26:00"}, "opens_at is 25:00, which is no time of day"),
        ({"opens_at": "9:00-25:00"}, "opens_at is 9:00-25:00, which is no time of day"),
        ({"opens_at": "09:00+99:00"}, "opens_at is 09:00+99:00, which is no time of day"),
        ({"opens_at": "08:00-12:00", "closes_at": "13:00-17:00"}, "opens_at is 08:00-12:00, which is no time of day"),
        (
            {"opens_at": "08:00-11:00", "closes_at": "13:00-05:00"},
            "its two times have different offsets; write one time into each of opens_at and closes_at",
        ),
        ({"count": 5001}, "count is above 5000; leave it out, or write the last day into `until`"),
        ({"opens_at": "09:00", "closes_at": "05:00"}, "it opens at 09:00 and closes at 05:00"),
        ({"opens_at": "09:00", "closes_at": "09:00"}, "it opens and closes at 09:00"),
        ({"byday": "Someday"}, "byday holds something that is no weekday"),
        ({"freq": "HOURLY"}, "freq is not WEEKLY or MONTHLY"),
        ({"valid_from": "soon"}, "valid_from is no date"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-01"}, "it ends before it begins"),
    ],
)
def test_it_leaves_out_hours_that_make_no_sense_and_keeps_the_service(times: dict[str, str], why: str) -> None:
    schedule = {"id": "h", "freq": "WEEKLY", "byday": "MO", "opens_at": "09:00", "closes_at": "17:00"} | times
    found = found_in(Memory(services__json=[{**PANTRY, "schedules": [schedule]}]))
    assert "schedules" not in the_service(found).details
    (refusal,) = refusals(found)
    assert refusal.what == f"a schedule was left out: {why}"
    assert refusal.key == "pantry"


def test_it_takes_a_night_over_midnight_with_a_remark() -> None:
    schedule = {"id": "h", "freq": "WEEKLY", "byday": "MO", "opens_at": "19:00", "closes_at": "07:00:00"}
    found = found_in(Memory(services__json=[{**PANTRY, "schedules": [schedule]}]))
    assert the_service(found).details["schedules"][0]["closes_at"] == "07:00"
    assert [remark.what for remark in remarks(found)] == ["open over midnight, from 19:00 to 07:00"]


def test_it_remarks_on_a_service_that_no_one_can_be_sent_to() -> None:
    found = found_in(Memory(services__json=[{**PANTRY, "phones": []}]))
    assert "no phone" in remarks(found)[0].what


def test_it_does_not_remark_on_one_whose_place_has_an_address() -> None:
    place = {"id": "l", "name": "Hall", "addresses": [{"id": "a", "address_1": "1 Main St"}]}
    service = {**PANTRY, "phones": [], "service_at_locations": [{"id": "x", "location": place}]}
    assert not remarks(found_in(Memory(services__json=[service])))


def test_it_drops_coordinates_that_are_not_on_the_globe() -> None:
    files = Memory(locations__csv="id,name,latitude,longitude\nl1,Hall,138.6,-90.2\n")
    found = found_in(files)
    assert the_location(found).latitude is None
    assert the_location(found).longitude is None
    assert remarks(found)


def test_it_takes_an_unknown_status_for_inactive() -> None:
    found = found_in(Memory(services__json=[{**PANTRY, "status": "on hold"}]))
    assert the_service(found).status == "inactive"
    assert remarks(found)


def test_it_reads_windows_letters_and_says_so() -> None:
    found = found_in(Memory(organizations__csv=f"{HEAD}o1,Niños\n".encode("cp1252")))
    assert the_organization(found).name == "Niños"
    assert "Windows-1252" in remarks(found)[0].what


def test_it_reads_a_byte_order_mark_in_csv_and_in_json() -> None:
    assert the_organization(found_in(Memory(organizations__csv=f"\ufeff{HEAD}o1,Niños\n"))).name == "Niños"
    found = found_in(Memory(organizations__json=b'\xef\xbb\xbf[{"id": "o1", "name": "Ni\xc3\xb1os"}]'))
    assert the_organization(found).name == "Niños"


@pytest.mark.parametrize(
    "files",
    [
        Memory(services__json=b'[{"id": "s1", "name": "Pan'),
        Memory(services__json=b"not json at all"),
        Memory(services__json=b'[{"id": "s1"}]]'),
        Memory(services__json=b'[{"id": "s1", "name": "x", "status": NaN}]'),
        Memory(services__json=b""),
        Memory(organizations__csv=f"{HEAD}o1,Ni".encode() + b"\xc3\xb1os\no2,\xff\xfe\x81\n"),
        Memory(organizations__csv=f"{HEAD}o1,Ni".encode() + b"\xc3"),
        Memory(organizations__csv=f'{HEAD}o1,"Helpers\no2,Others\n'),
        Memory(organizations__csv=f"{HEAD}o1,{'x' * 200_000}\n"),
        Memory(organizations__csv="first,second\no1,Helpers\n"),
        Memory(organizations__csv=b"\x89PNG\r\n\x1a\n\x81\x8d\x00"),
        Memory(notes__json={"what": "ever"}),
        Memory(nothing__txt="hello"),
        Memory(organizations__csv=""),
    ],
)
def test_it_says_that_nothing_may_be_imported_of_a_broken_package(files: Memory) -> None:
    assert any(refusal.fatal for refusal in refusals(found_in(files)))


def test_it_reads_a_truncated_file_up_to_its_end_and_then_says_so() -> None:
    files = Memory(organizations__json=b'[{"id": "o1", "name": "Helpers"}, {"id": "o2", "na')
    found = found_in(files)
    assert counts(found)["ImportRefusal"] == 1
    assert refusals(found)[0].fatal


@pytest.mark.parametrize(
    "row",
    [
        {"phones": "314-555-0100"},
        {"phones": [["314"], None, 5]},
        {"phones": {"number": "1"}},
        {"schedules": [{"byday": {"a": 1}, "opens_at": [], "count": "x", "interval": -1}]},
        {"attributes": [{"taxonomy_term": {"name": "no id"}}, {"taxonomy_term": 5}, {"taxonomy_term_id": "t9"}]},
        {"service_at_locations": [{"location": {"id": None}}, "x", {"location": 5}]},
        {"organization": "helpers"},
        {"minimum_age": "twelve", "description": ["a", "b"], "url": {"a": 1}},
        {"name": "\ud800 pantry \x00"},
        {"description": "x" * 150_000},
    ],
)
def test_it_never_fails_on_a_strange_row(row: dict[str, Any]) -> None:
    found = found_in(Memory(services__json=[PANTRY | row, PANTRY | {"id": "fine"}]))
    assert "fine" in {service.key for service in services(found)}


def test_it_reports_rows_whose_owner_was_refused() -> None:
    files = Memory(organizations__csv=f"{HEAD}o1,Helpers\n", phones__csv="id,service_id,number\np1,ghost,1\n")
    (remark,) = remarks(found_in(files))
    assert (remark.file, remark.at, remark.key) == ("phones.csv", "row 2", "ghost")


def test_it_never_repeats_the_words_of_a_row() -> None:
    secret = "Someone Private"
    files = Memory(services__json=[{**PANTRY, "id": "", "name": secret, "description": secret, "alert": secret}])
    assert secret not in str(refusals(found_in(files)))
    assert not [one for one in records(found_in(files)) if one.key == ""]
