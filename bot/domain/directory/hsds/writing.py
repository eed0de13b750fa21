"""Writes records in the specification's formats: nested JSON, or CSV tables with their datapackage.json.

Rows are buffered first, so that records may come in any order and be larger than memory. Reading the output again gives
equal records, except that rows of a list may change order in CSV where one id has several owners, as it is written once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from bot.domain.directory.hsds.fields import NUMBER_COLUMNS, TABLES
from bot.domain.directory.hsds.older_versions import HsdsRow
from bot.domain.directory.hsds.records import (
    LocationRecord,
    OrganizationRecord,
    Record,
    ServiceAtLocationRecord,
    ServiceRecord,
    TermRecord,
)
from bot.domain.directory.hsds.row_buffer import RowBuffer

VERSION = "3.0"
"""The version of the specification in which we write."""

_LINKS = {"attribute": ("link_id", "link_entity"), "metadata": ("resource_id", "resource_type")}


class Sink(Protocol):
    """The destination of files: a folder or a .zip. Only one file is open at a time."""

    def create(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A byte stream for a new file; the file is complete when the context ends."""


def write_json(records: Iterable[Record], sink: Sink) -> None:
    """Write services.json (complete services, each with its organization and locations), organizations.json (all of them,
    as some have no services yet), locations.json (locations without services) and taxonomy_terms.json."""
    shelf = RowBuffer()
    try:
        for record in records:
            _buffer_record(shelf, record)
        _write_list(
            sink, "organizations.json", (_with_required("organization", row) for _, row in shelf.all_rows("organization"))
        )
        linked: set[str] = set()
        _write_list(sink, "services.json", _services(shelf, linked))
        unlinked = (row for (key, _), row in shelf.all_rows("location") if key not in linked)
        _write_list(sink, "locations.json", (_with_required("location", row) for row in unlinked))
        _write_list(sink, "taxonomy_terms.json", (_full_term(row) for _, row in shelf.all_rows("taxonomy_term")))
    finally:
        shelf.close()


def write_csv(records: Iterable[Record], sink: Sink) -> None:
    """Write a tabular package: a file for each table that has rows, and datapackage.json."""
    shelf = RowBuffer()
    try:
        terms: set[str] = set()
        for record in records:
            _flatten_record(shelf, record, terms)
        tables = [table for table in TABLES if shelf.has_rows(table)]
        for table in tables:
            with sink.create(f"{TABLES[table].plural}.csv") as stream:
                text = io.TextIOWrapper(stream, "utf-8", newline="")
                writer = csv.DictWriter(text, _columns(table), restval="")
                writer.writeheader()
                writer.writerows(_merged_rows(shelf, table))
                text.detach()  # flushes, and leaves closing to the sink
        with sink.create("datapackage.json") as stream:
            stream.write(json.dumps(_datapackage(tables), ensure_ascii=False, indent=2).encode())
    finally:
        shelf.close()


def _row_of(record: Record) -> tuple[str, HsdsRow]:
    """The table and the row of a record, with its foreign keys."""
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
        case ServiceAtLocationRecord():
            ends = {"service_id": record.service_key, "location_id": record.location_key}
            return "service_at_location", {"id": record.key, **ends, **record.details}
        case TermRecord():
            parent = {"parent_id": record.parent_key} if record.parent_key else {}
            return "taxonomy_term", {"id": record.key, "name": record.name, **parent, **record.details}


def _buffer_record(buffer: RowBuffer, record: Record) -> None:
    table, row = _row_of(record)
    buffer.put(table, row["service_id"] if table == "service_at_location" else row["id"], row)


def _services(buffer: RowBuffer, linked: set[str]) -> Iterator[HsdsRow]:
    for (key, _), row in buffer.all_rows("service"):
        full = _with_required("service", row)
        if owner := full.pop("organization_id", None):
            full["organization"] = next(
                (_with_required("organization", one) for _, one in buffer.rows_of("organization", owner)), None
            )
        links = [link for _, link in buffer.rows_of("service_at_location", key)]
        linked.update(link["location_id"] for link in links)
        if links:
            full["service_at_locations"] = [_link_with_location(buffer, link) for link in links]
        yield full


def _link_with_location(buffer: RowBuffer, link: HsdsRow) -> HsdsRow:
    full = _with_required("service_at_location", link)
    place = next((row for _, row in buffer.rows_of("location", link["location_id"])), None)
    return {**full, "location": _with_required("location", place)} if place else full


def _with_required(table: str, row: HsdsRow) -> HsdsRow:
    """The row with all columns that the specification requires, also in nested rows."""
    spec = TABLES[table]
    full = {**{name: "" for name in spec.required if name not in row}, **row}
    for name, child in spec.lists.items():
        if name in full:
            full[name] = [_with_required(child, part) for part in full[name]]
    if table == "attribute" and "taxonomy_term" in full:
        full["taxonomy_term"] = _full_term(full["taxonomy_term"])
    return full


def _full_term(row: HsdsRow) -> HsdsRow:
    full = _with_required("taxonomy_term", row)
    if "taxonomy_detail" in full:
        full["taxonomy_detail"] = _with_required("taxonomy", full["taxonomy_detail"])
    return full


def _write_list(sink: Sink, name: str, rows: Iterable[HsdsRow]) -> None:
    with sink.create(name) as stream:
        before = b"[\n"
        for row in rows:
            stream.write(before)
            stream.write(json.dumps(row, ensure_ascii=False).encode())
            before = b",\n"
        stream.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _flatten_record(buffer: RowBuffer, record: Record, terms: set[str]) -> None:
    table, row = _row_of(record)
    if table == "taxonomy_term":
        _flatten_term(buffer, row, terms)
    else:
        own = {name: row[name] for name in TABLES[table].owners if name in row}
        _flatten(buffer, table, row, own, terms)


def _flatten_term(buffer: RowBuffer, row: HsdsRow, terms: set[str]) -> None:
    if row["id"] in terms:
        return
    terms.add(row["id"])
    detail = row.get("taxonomy_detail")
    if detail and (mark := f"taxonomy {detail['id']}") not in terms:
        terms.add(mark)
        _flatten(buffer, "taxonomy", detail, {}, terms)
    _flatten(buffer, "taxonomy_term", row, {}, terms)


def _flatten(buffer: RowBuffer, table: str, row: HsdsRow, own: HsdsRow, terms: set[str]) -> None:
    spec = TABLES[table]
    flat = {**{name: row[name] for name in spec.columns if name in row}, **own}
    if table == "attribute" and (term := row.get("taxonomy_term")):
        _flatten_term(buffer, term, terms)
        flat["taxonomy_term_id"] = term["id"]
    buffer.put(table, row["id"], flat)
    for name, child in spec.lists.items():
        for part in row.get(name, ()):
            _flatten(buffer, child, part, _foreign_key(child, table, row["id"]), terms)


def _foreign_key(child: str, owner: str, key: str) -> HsdsRow:
    if child in _LINKS:
        column, entity = _LINKS[child]
        return {column: key, entity: owner}
    column = next(name for name, table in TABLES[child].owners.items() if table == owner)
    return {column: key}


def _merged_rows(buffer: RowBuffer, table: str) -> Iterator[HsdsRow]:
    """The rows of a table. Rows with the same id are merged as far as possible, with the foreign keys of all owners."""
    done: set[str] = set()
    several = {key for key, count in buffer.counts(table) if count > 1}
    for (key, _), row in buffer.all_rows(table):
        if key not in several:
            yield row
        elif key not in done:
            done.add(key)
            yield from _merge_rows([row for _, row in buffer.rows_of(table, key)])


def _merge_rows(rows: list[HsdsRow]) -> list[HsdsRow]:
    found: list[HsdsRow] = []
    for row in rows:
        for other in found:
            # Only foreign keys to owners may be added; rows that differ in any other column stay separate.
            if all(other.get(name, value) == value for name, value in row.items()) and _own_columns(other) == _own_columns(
                row
            ):
                other.update(row)
                break
        else:
            found.append(dict(row))
    return found


def _own_columns(row: HsdsRow) -> HsdsRow:
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
                "fields": [
                    {"name": name, "type": "number" if name in NUMBER_COLUMNS else "string"} for name in _columns(table)
                ],
            },
        }
        for table in tables
    ]
    about = {"name": "human_services_data", "profile": "tabular-data-package", "title": f"HSDS {VERSION}"}
    return {**about, "resources": resources}
