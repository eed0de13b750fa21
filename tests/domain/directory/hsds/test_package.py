from __future__ import annotations

import pytest

from bot.domain.directory.hsds.records import (
    LocationRecord,
    OrganizationRecord,
    ServiceAtLocationRecord,
    ServiceRecord,
    TermRecord,
)
from tests.domain.directory.hsds.example_packages import (
    PANTRY,
    Memory,
    counts,
    found_in,
    refusals,
    remarks,
    services,
    the_link,
    the_location,
    the_organization,
    the_service,
)

ORGANIZATIONS = "id,name,website\no1,Helpers,https://example.org\n"
SERVICES = "id,organization_id,name,status\ns1,o1,Food pantry,active\n"


@pytest.mark.parametrize(
    "files",
    [
        Memory(services__json=[PANTRY]),
        Memory(service_full__json=PANTRY),
        Memory(page__json={"total_items": 1, "contents": [PANTRY]}),
        Memory(export__json={"id": "helpers", "name": "Helpers", "website": "https://x.org", "services": [PANTRY]}),
    ],
)
def test_it_reads_a_service_from_each_json_shape(files: Memory) -> None:
    found = found_in(files)
    assert not refusals(found)
    assert the_service(found).organization_key == the_organization(found).key == "helpers"
    assert the_service(found).details["phones"] == [{"id": "p1", "number": "314-555-0100"}]


def test_it_reads_tables_by_name_in_one_json_file() -> None:
    tables = {
        "services.csv": [{"id": "s1", "organization_id": "o1", "name": "Pantry"}],
        "organizations": [{"id": "o1", "name": "Helpers"}],
        "phone": [{"id": "p1", "service_id": "s1", "number": "314-555-0100"}],
    }
    found = found_in(Memory(all__json=tables))
    assert the_service(found).details["phones"] == [{"id": "p1", "number": "314-555-0100"}]


def test_it_joins_tables_down_to_the_languages_of_a_phone() -> None:
    files = Memory(
        organization__csv=ORGANIZATIONS,
        services__csv=SERVICES,
        phones__csv="id,service_id,number,extension\np1,s1,314-555-0100,12\n",
        languages__csv="id,phone_id,service_id,name,code\nl1,p1,s1,Spanish,es\n",
    )
    service = the_service(found_in(files))
    assert service.languages == ("es",)
    assert service.details["phones"] == [
        {"id": "p1", "number": "314-555-0100", "extension": 12, "languages": [{"id": "l1", "name": "Spanish", "code": "es"}]}
    ]


def test_it_gives_every_record_before_those_that_refer_to_it() -> None:
    files = Memory(
        service_at_location__csv="id,service_id,location_id\nx,s1,l1\n",
        services__csv=SERVICES,
        locations__csv="id,organization_id,name\nl1,o1,Hall\n",
        organizations__csv=ORGANIZATIONS,
        attributes__csv="id,link_id,link_entity,taxonomy_term_id\na1,s1,service,t1\n",
        taxonomy_terms__csv="id,name\nt1,Food Pantry\n",
    )
    kinds = [type(one) for one in found_in(files)]
    assert kinds == [TermRecord, OrganizationRecord, LocationRecord, ServiceRecord, ServiceAtLocationRecord]


def test_it_files_a_service_under_its_terms() -> None:
    attribute = {"id": "a", "taxonomy_term": {"id": "t1", "name": "Food Pantry", "parent_id": "t0"}}
    found = found_in(Memory(services__json=[{**PANTRY, "attributes": [attribute]}]))
    assert the_service(found).terms == ("Food Pantry",)
    assert TermRecord("t1", "Food Pantry", "t0", {}) in found


def test_it_takes_a_nested_organization_once_and_without_a_word() -> None:
    other = {**PANTRY, "id": "closet", "name": "Clothes closet"}
    found = found_in(Memory(services__json=[PANTRY, other]))
    assert counts(found) == {"OrganizationRecord": 1, "ServiceRecord": 2}


def test_it_prefers_a_service_by_itself_to_the_one_inside_its_organization() -> None:
    inside = {"id": "pantry", "name": "Food pantry"}
    whole = {"id": "helpers", "name": "Helpers", "website": "https://x.org", "services": [inside]}
    found = found_in(Memory(organizations__json=[whole], services__json=[{**PANTRY, "description": "Bags of groceries"}]))
    assert not refusals(found)
    assert the_service(found).details["description"] == "Bags of groceries"


def test_it_reads_a_place_with_its_zip_and_city_from_the_physical_address() -> None:
    location = {
        "id": "l1",
        "name": "Hall",
        "latitude": 38.6,
        "longitude": -90.2,
        "addresses": [
            {"id": "a1", "address_1": "PO Box 1", "postal_code": "63199", "address_type": "postal"},
            {"id": "a2", "address_1": "1 Main St", "postal_code": "63101", "city": "St. Louis", "address_type": "physical"},
        ],
    }
    found = found_in(Memory(services__json=[{**PANTRY, "service_at_locations": [{"id": "x", "location": location}]}]))
    place = the_location(found)
    assert (place.zip, place.city, place.latitude) == ("63101", "St. Louis", 38.6)
    assert the_link(found) == ServiceAtLocationRecord("x", "pantry", "l1", {})


def test_it_reads_the_words_of_older_versions() -> None:
    files = Memory(
        organizations__csv="id,name,url\no1,Helpers,https://example.org\n",
        locations__csv="id,organization_id,name\nl1,o1,Hall\n",
        services__csv="id,location_id,name,fees,eligibility,languages\n"
        's1,l1,Pantry,None,Anyone,"Spanish, Farsi (Dari, Tajik)"\n',
        regular_schedules__csv="id,service_id,weekday,opens_at,closes_at\n1,s1,Monday,08:00,4:00 PM\n",
        mail_addresses__csv="id,location_id,address_1\n1,l1,PO Box 1\n",
    )
    found = found_in(files)
    service = the_service(found)
    assert the_organization(found).details == {"website": "https://example.org"}
    assert service.organization_key == "o1"
    assert service.languages == ("Spanish", "Farsi (Dari, Tajik)")
    assert service.details["fees_description"] == "None"
    assert service.details["eligibility_description"] == "Anyone"
    day = {"id": "1", "freq": "WEEKLY", "byday": "MO", "opens_at": "08:00", "closes_at": "16:00"}
    assert service.details["schedules"] == [day]
    assert the_location(found).details["addresses"][0]["address_type"] == "postal"
    assert the_link(found).key == "s1@l1"


def test_it_makes_ids_for_rows_inside_that_have_none_and_the_same_ones_again() -> None:
    files = Memory(services__json=[{**PANTRY, "phones": [{"number": "1"}, {"number": "2"}]}])
    first, again = the_service(found_in(files)), the_service(found_in(files))
    assert [row["id"] for row in first.details["phones"]] == ["pantry-phone-1", "pantry-phone-2"]
    assert first == again


def test_it_keeps_numbers_as_ids() -> None:
    found = found_in(Memory(services__json=[{**PANTRY, "id": 17}]))
    assert the_service(found).key == "17"


def test_it_takes_semicolons_and_capital_headings() -> None:
    found = found_in(Memory(organizations__csv="ID;Name\no1;Helpers, Inc.\n"))
    assert the_organization(found) == OrganizationRecord("o1", "Helpers, Inc.", {})


def test_it_skips_files_that_describe_the_package() -> None:
    found = found_in(Memory(datapackage__json={"resources": []}, README__md="hello", organizations__csv=ORGANIZATIONS))
    assert counts(found) == {"OrganizationRecord": 1}


def test_it_reports_columns_that_are_never_read() -> None:
    found = found_in(Memory(organizations__csv="id,name,mascot\no1,Helpers,Owl\n"))
    assert [remark.what for remark in remarks(found)] == ["organization.mascot is not read"]


def test_it_reads_a_directory_without_holding_its_services() -> None:
    found = found_in(Memory(services__json=[{**PANTRY, "id": f"s{count}"} for count in range(500)]))
    assert len(services(found)) == 500
