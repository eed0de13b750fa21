"""Records out again, as the specification has them: nested JSON, or tables in CSV with their datapackage.json.

Rows are put on the shelf first, so that records may come in any order, and more of them than memory holds. What is written
and read again gives equal records; only where one id stands under several owners may rows inside a list change places in
CSV, because there it is written once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from bot.domain.directory.fields import NUMBERS, TABLES
from bot.domain.directory.older import Row
from bot.domain.directory.records import (
    AtLocation,
    LocationRecord,
    OrganizationRecord,
    Record,
    ServiceRecord,
    TermRecord,
)
from bot.domain.directory.shelf import Shelf

VERSION = "3.0"
"""The version of the specification that is written."""

_LINKS = {"attribute": ("link_id", "link_entity"), "metadata": ("resource_id", "resource_type")}


class Sink(Protocol):
    """Where files are written: a folder or a .zip. One file is open at a time."""

    def create(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A new file's stream of bytes; the file is whole when the context ends."""


def write_json(records: Iterable[Record], sink: Sink) -> None:
    """Write services.json (a list of whole services, each with its organization and places), organizations.json (all of
    them, for those that offer nothing yet), locations.json (places where nothing is offered) and taxonomy_terms.json."""
    shelf = Shelf()
    try:
        for record in records:
            _put(shelf, record)
        _write_list(sink, "organizations.json", (_full("organization", row) for _, row in shelf.rows("organization")))
        linked: set[str] = set()
        _write_list(sink, "services.json", _services(shelf, linked))
        unlinked = (row for (key, _), row in shelf.rows("location") if key not in linked)
        _write_list(sink, "locations.json", (_full("location", row) for row in unlinked))
        _write_list(sink, "taxonomy_terms.json", (_full_term(row) for _, row in shelf.rows("taxonomy_term")))
    finally:
        shelf.close()


def write_csv(records: Iterable[Record], sink: Sink) -> None:
    """Write a tabular package: a file for each table that has rows, and datapackage.json."""
    shelf = Shelf()
    try:
        terms: set[str] = set()
        for record in records:
            _flatten_record(shelf, record, terms)
        tables = [table for table in TABLES if shelf.has(table)]
        for table in tables:
            with sink.create(f"{TABLES[table].plural}.csv") as stream:
                text = io.TextIOWrapper(stream, "utf-8", newline="")
                writer = csv.DictWriter(text, _columns(table), restval="")
                writer.writeheader()
                writer.writerows(_merged(shelf, table))
                text.detach()  # writes what is left, and leaves closing to the sink
        with sink.create("datapackage.json") as stream:
            stream.write(json.dumps(_datapackage(tables), ensure_ascii=False, indent=2).encode())
    finally:
        shelf.close()


def _row_of(record: Record) -> tuple[str, Row]:
    """The table and the row of a record, with what points to other records."""
    match record:
        case OrganizationRecord():
            return "organization", {"id": record.key, "name": record.name, **record.details}
        case LocationRecord():
            owner = {"organization_id": record.organization_key} if record.organization_key else {}
            return "location", {"id": record.key, **owner, "name": record.name, **record.details}
        case ServiceRecord():
            owner = {"organization_id": record.organization_key} if record.organization_key else {}
            status = {"status": record.status}
            return "service", {"id": record.key, **owner, "name": record.name, **record.details, **status}
        case AtLocation():
            ends = {"service_id": record.service_key, "location_id": record.location_key}
            return "service_at_location", {"id": record.key, **ends, **record.details}
        case TermRecord():
            parent = {"parent_id": record.parent_key} if record.parent_key else {}
            return "taxonomy_term", {"id": record.key, "name": record.name, **parent, **record.details}


def _put(shelf: Shelf, record: Record) -> None:
    table, row = _row_of(record)
    shelf.put(table, row["service_id"] if table == "service_at_location" else row["id"], row)


def _services(shelf: Shelf, linked: set[str]) -> Iterator[Row]:
    for (key, _), row in shelf.rows("service"):
        full = _full("service", row)
        if owner := full.pop("organization_id", None):
            full["organization"] = next((_full("organization", one) for _, one in shelf.take("organization", owner)), None)
        links = [link for _, link in shelf.take("service_at_location", key)]
        linked.update(link["location_id"] for link in links)
        if links:
            full["service_at_locations"] = [_full_link(shelf, link) for link in links]
        yield full


def _full_link(shelf: Shelf, link: Row) -> Row:
    full = _full("service_at_location", link)
    place = next((row for _, row in shelf.take("location", link["location_id"])), None)
    return {**full, "location": _full("location", place)} if place else full


def _full(table: str, row: Row) -> Row:
    """The row with what the specification wants in every row, down to the rows inside."""
    spec = TABLES[table]
    full = {**{name: "" for name in spec.required if name not in row}, **row}
    for name, child in spec.lists.items():
        if name in full:
            full[name] = [_full(child, part) for part in full[name]]
    if table == "attribute" and "taxonomy_term" in full:
        full["taxonomy_term"] = _full_term(full["taxonomy_term"])
    return full


def _full_term(row: Row) -> Row:
    full = _full("taxonomy_term", row)
    if "taxonomy_detail" in full:
        full["taxonomy_detail"] = _full("taxonomy", full["taxonomy_detail"])
    return full


def _write_list(sink: Sink, name: str, rows: Iterable[Row]) -> None:
    with sink.create(name) as stream:
        before = b"[\n"
        for row in rows:
            stream.write(before)
            stream.write(json.dumps(row, ensure_ascii=False).encode())
            before = b",\n"
        stream.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _flatten_record(shelf: Shelf, record: Record, terms: set[str]) -> None:
    table, row = _row_of(record)
    if table == "taxonomy_term":
        _flatten_term(shelf, row, terms)
    else:
        own = {name: row[name] for name in TABLES[table].owners if name in row}
        _flatten(shelf, table, row, own, terms)


def _flatten_term(shelf: Shelf, row: Row, terms: set[str]) -> None:
    if row["id"] in terms:
        return
    terms.add(row["id"])
    detail = row.get("taxonomy_detail")
    if detail and (mark := f"taxonomy {detail['id']}") not in terms:
        terms.add(mark)
        _flatten(shelf, "taxonomy", detail, {}, terms)
    _flatten(shelf, "taxonomy_term", row, {}, terms)


def _flatten(shelf: Shelf, table: str, row: Row, own: Row, terms: set[str]) -> None:
    spec = TABLES[table]
    flat = {**{name: row[name] for name in spec.columns if name in row}, **own}
    if table == "attribute" and (term := row.get("taxonomy_term")):
        _flatten_term(shelf, term, terms)
        flat["taxonomy_term_id"] = term["id"]
    shelf.put(table, row["id"], flat)
    for name, child in spec.lists.items():
        for part in row.get(name, ()):
            _flatten(shelf, child, part, _pointer(child, table, row["id"]), terms)


def _pointer(child: str, owner: str, key: str) -> Row:
    if child in _LINKS:
        column, entity = _LINKS[child]
        return {column: key, entity: owner}
    column = next(name for name, table in TABLES[child].owners.items() if table == owner)
    return {column: key}


def _merged(shelf: Shelf, table: str) -> Iterator[Row]:
    """The rows of a table; those with one id as few as they can be, each pointing to as many owners as it has."""
    done: set[str] = set()
    several = {key for key, count in shelf.counts(table) if count > 1}
    for (key, _), row in shelf.rows(table):
        if key not in several:
            yield row
        elif key not in done:
            done.add(key)
            yield from _joined([row for _, row in shelf.take(table, key)])


def _joined(rows: list[Row]) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        for other in found:
            # Only what points to owners may be added; where a column says two things they are two rows.
            if all(other.get(name, value) == value for name, value in row.items()) and _own(other) == _own(row):
                other.update(row)
                break
        else:
            found.append(dict(row))
    return found


def _own(row: Row) -> Row:
    return {name: value for name, value in row.items() if name == "id" or not name.endswith("_id")}


def _columns(table: str) -> list[str]:
    more = _LINKS.get(table, tuple(TABLES[table].owners))
    term = ("taxonomy_term_id",) if table == "attribute" else ()
    return [*TABLES[table].columns, *more, *term]


def _datapackage(tables: list[str]) -> dict[str, Any]:
    resources = [
        {
            "name": TABLES[table].plural,
            "path": f"{TABLES[table].plural}.csv",
            "profile": "tabular-data-resource",
            "schema": {
                "primaryKey": "id",
                "fields": [{"name": name, "type": "number" if name in NUMBERS else "string"} for name in _columns(table)],
            },
        }
        for table in tables
    ]
    about = {"name": "human_services_data", "profile": "tabular-data-package", "title": f"HSDS {VERSION}"}
    return {**about, "resources": resources}
