from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.directory.hsds.fields import TABLES
from bot.domain.directory.hsds.records import (
    LocationRecord,
    OrganizationRecord,
    Record,
    ServiceAtLocationRecord,
    ServiceRecord,
)
from bot.domain.directory.hsds.writing import Sink, write_csv, write_json
from tests.domain.directory.hsds.example_packages import SHARED, Memory, found_in, our_mapping, records, refusals, shared

Write = Callable[[Iterable[Record], Sink], None]
WRITERS = [write_json, write_csv]
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).map(str.strip)
NAME = WORDS.filter(bool)


def round_trip(write: Write, given_records: list[Record]) -> list[Record]:
    """Write these records and read them again."""
    package = Memory()
    write(given_records, package)
    found = found_in(package)
    assert not refusals(found)
    return records(found)


def by_key(some: list[Record]) -> dict[tuple[str, str], Record]:
    return {(type(one).__name__, one.key): one for one in some}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", ["sheltertech", "florida", "asheville"])
def test_it_reads_the_same_again_from_mapped_directories(name: str, write: Write) -> None:
    first = records(found_in(shared(name), our_mapping(name)))
    assert by_key(round_trip(write, first)) == by_key(first)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("folder", "part"),
    [("ohana", ".csv"), ("oruk", ".csv"), ("mock_hsds_api", ".json"), ("hsds3/examples", "tabular.json")],
)
def test_it_reads_the_same_again_from_the_specifications_own_shapes(folder: str, part: str, write: Write) -> None:
    first = records(found_in(shared(folder, lambda name: name.endswith(part))))
    assert by_key(round_trip(write, first)) == by_key(first)


PHONE = st.fixed_dictionaries({"number": NAME}, optional={"extension": st.integers(1, 9999), "description": WORDS})
SCHEDULE = st.fixed_dictionaries(
    {"freq": st.just("WEEKLY"), "byday": st.sampled_from(["MO", "MO,FR"])},
    optional={"opens_at": st.just("09:00"), "closes_at": st.sampled_from(["17:00", "00:00"]), "notes": WORDS},
)
TERM = st.sampled_from([{"id": f"t{count}", "name": f"Term {count}"} for count in range(3)])
PLACE = st.fixed_dictionaries(
    {"name": NAME},
    optional={
        "latitude": st.floats(-90, 90, allow_subnormal=False),
        "longitude": st.floats(-180, 180, allow_subnormal=False),
        "phones": st.lists(PHONE, max_size=2),
        "addresses": st.lists(st.fixed_dictionaries({"address_1": NAME}, optional={"city": WORDS}), max_size=2),
    },
)
SERVICE = st.fixed_dictionaries(
    {"name": NAME},
    optional={
        "description": WORDS,
        "status": st.sampled_from(["active", "defunct"]),
        "minimum_age": st.one_of(st.integers(0, 99), st.floats(0, 99)),
        "phones": st.lists(PHONE, max_size=2),
        "schedules": st.lists(SCHEDULE, max_size=2),
        "attributes": st.lists(st.builds(lambda term: {"taxonomy_term": term}, TERM), max_size=2),
        "contacts": st.lists(st.fixed_dictionaries({"name": NAME, "phones": st.lists(PHONE, max_size=2)}), max_size=2),
        "required_documents": st.lists(st.fixed_dictionaries({"document": NAME}), max_size=2),
        "service_at_locations": st.lists(st.fixed_dictionaries({"location": PLACE}), max_size=2),
    },
)


@given(st.lists(SERVICE, max_size=3), st.sampled_from(WRITERS))
@settings(max_examples=60, deadline=None)
def test_it_reads_the_same_again_from_any_directory(rows: list[dict[str, Any]], write: Write) -> None:
    organization = {"id": "o1", "name": "Helpers", "website": "https://example.org"}
    nested = [{**row, "id": f"s{count}", "organization": organization} for count, row in enumerate(rows)]
    first = records(found_in(Memory(services__json=nested)))
    if first:
        assert by_key(round_trip(write, first)) == by_key(first)


@pytest.mark.parametrize("write", WRITERS)
def test_it_takes_records_in_any_order(write: Write) -> None:
    some: list[Record] = [
        ServiceAtLocationRecord("x", "s1", "l1", {"description": "Back door"}),
        ServiceRecord("s1", "Pantry", "o1", {"status": "active", "url": "https://example.org"}),
        LocationRecord("l2", "Where nothing is offered", None, {"location_type": "physical"}),
        LocationRecord("l1", "Hall", "o2", {"location_type": "virtual"}),
        OrganizationRecord("o2", "That offers nothing", {}),
        OrganizationRecord("o1", "Helpers", {"description": "=1+1, \"quoted\"\nand lines"}),
    ]  # fmt: skip
    assert by_key(round_trip(write, some)) == by_key(some)


def test_it_writes_one_row_for_one_phone_of_two_owners() -> None:
    phone = {"id": "p1", "number": "314-555-0100"}
    some: list[Record] = [
        OrganizationRecord("o1", "Helpers", {"phones": [phone]}),
        ServiceRecord("s1", "Pantry", "o1", {"status": "active", "phones": [phone]}),
        ServiceRecord("s2", "Closet", "o1", {"status": "active", "phones": [phone]}),
    ]
    package = Memory()
    write_csv(some, package)
    rows = package.files["phones.csv"].decode().splitlines()[1:]
    # A phone row can name one service only.
    assert len(rows) == 2
    assert by_key(records(found_in(package))) == by_key(some)


def test_it_describes_its_tables() -> None:
    package = Memory()
    write_csv([OrganizationRecord("o1", "Helpers", {})], package)
    (resource,) = json.loads(package.files["datapackage.json"])["resources"]
    heading = package.files[resource["path"]].decode().splitlines()[0]
    assert [field["name"] for field in resource["schema"]["fields"]] == heading.split(",")


def test_it_writes_an_empty_directory_as_empty_lists() -> None:
    package = Memory()
    write_json([], package)
    assert {json.dumps(json.loads(content)) for content in package.files.values()} == {"[]"}


TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "number": (int, float), "array": list, "object": dict}


def faults(value: dict[str, Any], schema: str, at: str) -> list[str]:
    """Where a row violates the specification's schema: a field is missing, has another type, or a value not listed."""
    rules = json.loads((SHARED / "hsds3" / "schema" / schema).read_text("utf-8"))
    found = [f"{at}: {name} is missing" for name in rules.get("required", []) if name not in value]
    for name, part in value.items():
        if (rule := rules["properties"].get(name)) is None:
            found += [] if name == "additional_urls" else [f"{at}: {name} is unknown"]
            continue
        if "type" in rule and not isinstance(part, TYPES[rule["type"]]):
            found.append(f"{at}: {name} is of another type")
        if "enum" in rule and part not in rule["enum"]:
            found.append(f"{at}: {name} is not in the list")
        if reference := (rule.get("items") or rule).get("$ref"):
            inner = part if isinstance(part, list) else [part]
            found += [fault for row in inner for fault in faults(row, reference, f"{at}/{name}")]
    return found


@pytest.mark.parametrize("name", ["sheltertech", "florida", "asheville", "ohana"])
def test_it_writes_json_that_fits_the_specification(name: str) -> None:
    mapping = None if name == "ohana" else our_mapping(name)
    package = Memory()
    write_json(records(found_in(shared(name), mapping)), package)
    schemas = {"services": "service.json", "organizations": "organization.json", "locations": "location.json"}
    for stem, schema in {**schemas, "taxonomy_terms": "taxonomy_term.json"}.items():
        rows = json.loads(package.files[f"{stem}.json"])
        found = [fault for row in rows for fault in faults(row, schema, stem)]
        # Version 3.0 has neither the links of 3.1 nor labels of attributes.
        assert [fault for fault in found if not fault.endswith("label is unknown")] == []


def test_it_writes_only_columns_that_the_specification_has() -> None:
    if not (SHARED / "hsds3" / "schema").is_dir():
        pytest.skip("the shared test data has no schema of HSDS 3 here")
    for name, table in TABLES.items():
        if name != "url":
            properties = json.loads((SHARED / "hsds3" / "schema" / f"{name}.json").read_text("utf-8"))["properties"]
            assert {*table.columns, *table.lists, *table.owners} - set(properties) <= {
                *("label", "additional_urls", "service_at_location_id", "service_areas")
            }
