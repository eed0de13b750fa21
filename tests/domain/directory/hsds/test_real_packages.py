"""Real directories: how many rows are read, and that no row is lost without a report."""

from __future__ import annotations

import pytest

from bot.domain.directory.hsds.records import LocationRecord
from tests.domain.directory.hsds.example_packages import (
    counts,
    found_in,
    our_mapping,
    records,
    refusals,
    remarks,
    services,
    shared,
    the_link,
    the_location,
    the_service,
)


def test_it_reads_san_francisco() -> None:
    found = found_in(shared("sheltertech"), our_mapping("sheltertech"))
    made = counts(found)
    assert (made["OrganizationRecord"], made["LocationRecord"], made["ServiceRecord"]) == (217, 217, 239)
    assert [refusal.what for refusal in refusals(found)] == ["the service has no name"] * 3
    assert sum(len(service.details.get("schedules", ())) for service in services(found)) > 1_400
    assert made["ServiceAtLocationRecord"] == 239


def test_it_reads_the_legal_aid_of_florida() -> None:
    found = found_in(shared("florida"), our_mapping("florida"))
    made = counts(found)
    assert (made["OrganizationRecord"], made["LocationRecord"], made["ServiceRecord"]) == (20, 378, 135)
    assert not refusals(found)
    places = [one for one in records(found) if isinstance(one, LocationRecord)]
    assert sum("phones" in place.details for place in places) == 66
    assert sum(place.zip is not None for place in places) > 50


def test_it_reads_asheville_and_makes_its_ids() -> None:
    found = found_in(shared("asheville"), our_mapping("asheville"))
    assert len({service.key for service in services(found)}) == 63
    assert not refusals(found)
    assert all(service.terms for service in services(found))


def test_it_reads_the_tables_of_version_1_without_a_mapping() -> None:
    found = found_in(shared("ohana", lambda name: name.endswith(".csv")))
    made = counts(found)
    assert (made["TermRecord"], made["OrganizationRecord"], made["LocationRecord"]) == (290, 8, 22)
    assert (made["ServiceRecord"], made["ServiceAtLocationRecord"]) == (23, 23)
    # Three holidays in the year 1, and one day that closes at 3 at night.
    assert len(refusals(found)) == 4
    assert all(service.organization_key for service in services(found))


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("hsds3/examples", "service_full.json"),
        ("hsds3/examples", "organization_full.json"),
        ("hsds3/examples", "tabular.json"),
        ("oruk", ".csv"),
        ("oruk", "service_full.json"),
        ("mock_hsds_api", ".json"),
    ],
)
def test_it_reads_the_examples_of_the_specification_in_every_shape(folder: str, part: str) -> None:
    found = found_in(shared(folder, lambda name: name.endswith(part)))
    service = the_service(found)
    assert not refusals(found)
    assert service.organization_key
    assert service.details["schedules"][0]["byday"] == "TH,FR"
    assert the_link(found).location_key == the_location(found).key
    # The specification's examples have a latitude of 100 degrees.
    assert the_location(found).latitude is None
    assert any("globe" in remark.what for remark in remarks(found))


def test_it_reports_each_repeated_row_where_lists_and_complete_services_are_mixed() -> None:
    found = found_in(shared("oruk", lambda name: name.endswith(".json")))
    assert len(services(found)) == 1
    assert all("was read before" in refusal.what for refusal in refusals(found))
    assert not any(refusal.fatal for refusal in refusals(found))


def test_it_refuses_a_taxonomy_that_is_no_json_and_no_csv() -> None:
    assert refusals(found_in(shared("open_eligibility")))[0].fatal
