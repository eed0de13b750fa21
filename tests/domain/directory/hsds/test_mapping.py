from __future__ import annotations

from typing import Any

import pytest

from bot.domain.directory.hsds.mapping import read_mapping
from bot.domain.directory.hsds.mapping_values import MappingError, MappingScope, compile_value
from tests.domain.directory.hsds.example_packages import (
    Memory,
    found_in,
    refusals,
    services,
    the_link,
    the_location,
    the_organization,
    the_service,
)
from tests.paths import ROOT


def made(spec: Any, row: dict[str, Any]) -> Any:
    return compile_value(spec, "here")(MappingScope(row, "key", MappingScope({"id": "outer"}, "out")))


@pytest.mark.parametrize(
    ("spec", "row", "value"),
    [
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a.b": "a column with a dot"}, "a column with a dot"),
        ("list.1.name", {"list": [{}, {"name": "x"}]}, "x"),
        ("a.b.c", {"a": 5}, None),
        ("^.id", {}, "outer"),
        ("^.^.id", {}, None),
        ("@key", {}, "key"),
        ("^.@key", {}, "out"),
        ({"is": "CA"}, {}, "CA"),
        ({"first": ["a", "b"]}, {"a": "", "b": "x"}, "x"),
        ({"join": ["a", "b"], "with": "/"}, {"a": "1", "b": ""}, "1"),
        ({"text": "Up to {limit} %"}, {"limit": 200}, "Up to 200 %"),
        ({"text": "Up to {limit} %"}, {}, None),
        ({"say": "who", "words": {"F": "Women", "S": "Seniors"}}, {"who": ["F", "S", "?"]}, "Women, Seniors"),
        ({"split": "areas", "by": ";", "as": "name"}, {"areas": "A; B;"}, [{"name": "A"}, {"name": "B"}]),
        ({"each": "p", "fields": {"n": "x", "of": "^.id"}}, {"id": 7, "p": [{"x": 1}]}, [{"n": 1, "of": 7}]),
        ({"one": {"city": "c"}, "if": "street"}, {"c": "here"}, []),
        ({"one": {"city": "c"}}, {"c": "here"}, [{"city": "here"}]),
        ({"all": [{"split": "a", "as": "x"}, {"split": "b", "as": "y"}]}, {"a": "1", "b": "2"}, [{"x": "1"}, {"y": "2"}]),
        ({"weekday": "d"}, {"d": "Thursday"}, "TH"),
        ({"weekday": "d", "monday": 0}, {"d": 6}, "SU"),
        ({"time": "t"}, {"t": 1930}, "19:30"),
        ({"time": "t"}, {"t": 30}, "00:30"),
        ({"time": "t"}, {"t": 2400}, "00:00"),
        ({"time": "t"}, {"t": "7:30 PM"}, "19:30"),
        ({"time": "t"}, {"t": 2575}, "2575"),
        ({"number": "n", "not": [0, 999]}, {"n": "999"}, None),
        ({"number": "n"}, {"n": "12"}, 12),
        ({"made_of": ["name", "topic"]}, {"name": "The Help!", "topic": "jobs"}, "the-help-jobs"),
    ],
)
def test_it_finds_a_value(spec: Any, row: dict[str, Any], value: Any) -> None:
    assert made(spec, row) == value


def test_it_reads_telephones_out_of_a_cell() -> None:
    rows = made({"phones": "cell"}, {"cell": "main: 305-285-5922; Intake fax: (305) 555-0100 ext. 4"})
    assert rows == [
        {"number": "305-285-5922", "type": "voice"},
        {"number": "(305) 555-0100", "type": "fax", "extension": "4", "description": "Intake fax"},
    ]


def test_it_reads_an_address_out_of_a_cell() -> None:
    (row,) = made({"address": "cell"}, {"cell": "2400 S. Dixie Highway, Suite 4, Miami, FL 33133"})
    assert (row["address_1"], row["city"]) == ("2400 S. Dixie Highway, Suite 4", "Miami")
    assert (row["state_province"], row["postal_code"]) == ("FL", "33133")
    assert made({"address": "cell"}, {"cell": "State: FL"}) == []


NESTED = """
mapping: mine
organizations:
  - {file: all.json, rows: "data.*", fields: {id: id, name: called}}
locations:
  - {file: all.json, rows: "data.*.places.*", fields: {id: "@key", name: name, organization_id: ^.id}}
services:
  - file: all.json
    rows: "data.*.places.*.offers.*"
    fields: {id: id, name: what, organization_id: ^.^.id, location_id: ^.@key}
"""


def test_it_follows_rows_within_rows() -> None:
    offer = {"id": "s1", "what": "Pantry"}
    rows = {"data": [{"id": "o1", "called": "Helpers", "places": {"p1": {"name": "Hall", "offers": [offer]}}}]}
    found = found_in(Memory(all__json=rows), read_mapping(NESTED))
    assert not refusals(found)
    assert (the_organization(found).key, the_location(found).organization_key) == ("o1", "o1")
    assert the_service(found).organization_key == "o1"
    assert the_link(found).location_key == "p1"


def test_it_names_the_place_of_a_row_that_it_refuses() -> None:
    rows = {"data": [{"id": "o1", "called": "Helpers", "places": {"p1": {"offers": [{"id": "s1"}]}}}]}
    refusal = next(one for one in refusals(found_in(Memory(all__json=rows), read_mapping(NESTED))))
    assert (refusal.at, refusal.what) == ("/data/0/places/p1/offers/0", "the service has no name")


def test_it_reads_csv_by_the_names_of_its_columns() -> None:
    mapping = read_mapping('{mapping: m, services: [{file: s.csv, fields: {id: "The ID", name: Name}}]}')
    found = found_in(Memory(s__csv="The ID,Name\n1,Pantry\n2,Shelter\n"), mapping)
    assert [service.name for service in services(found)] == ["Pantry", "Shelter"]


def test_it_finds_its_file_inside_a_folder_of_the_package() -> None:
    package = Memory()
    package.files["export/2026/s.csv"] = b"id,name\n1,Pantry\n"
    mapping = read_mapping("{mapping: m, services: [{file: s.csv, fields: {id: id, name: name}}]}")
    assert the_service(found_in(package, mapping)).name == "Pantry"


@pytest.mark.parametrize(
    "files", [Memory(other__json={}), Memory(all__json={"rows": []}), Memory(all__json=b'{"data": [{"id": "o1", '), Memory()]
)
def test_it_says_so_where_the_files_do_not_fit_the_mapping(files: Memory) -> None:
    assert refusals(found_in(files, read_mapping(NESTED)))[0].fatal


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("services: []", "the file"),
        ("mapping: [", "line 1"),
        ("{mapping: m}", "the file"),
        ("mapping: m\nabout: &a x\nservices: [{file: a.csv, fields: {id: *a}}]", "line 3"),
        ("{mapping: m, shops: []}", "shops"),
        ("{mapping: m, services: [{file: a.csv}]}", "services[0]"),
        ("{mapping: m, services: [{file: a.json, fields: {id: id}}]}", "services[0]"),
        ("{mapping: m, services: [{file: a.csv, fields: {nmae: x}}]}", "services[0].fields"),
        ("{mapping: m, services: [{file: a.csv, fields: {id: {tims: x}}}]}", "services[0].fields.id"),
        ("{mapping: m, services: [{file: a.csv, fields: {id: {time: x, by: y}}}]}", "services[0].fields.id"),
        ("{mapping: m, services: [{file: a.csv, fields: {id: 5}}]}", "services[0].fields.id"),
    ],
)
def test_it_refuses_a_mapping_and_says_where(words: str, where: str) -> None:
    with pytest.raises(MappingError) as fault:
        read_mapping(words)
    assert fault.value.where == where
    assert fault.value.remedy


def test_it_can_read_each_mapping_of_ours() -> None:
    found = sorted((ROOT / "directory" / "mappings").glob("*.yaml"))
    assert [read_mapping(path.read_text("utf-8")).name for path in found] == [path.stem for path in found]
