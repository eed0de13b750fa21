"""Export a directory as HSDS 3, with the changes that staff made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from bot.domain.directory.hsds.fields import TABLES
from bot.domain.directory.hsds.records import (
    LocationRecord,
    OrganizationRecord,
    Record,
    ServiceAtLocationRecord,
    ServiceRecord,
    TermRecord,
)
from bot.storage.directory import imports

_INTERNAL_FIELDS = frozenset({"alert"})
"""Notes of staff for each other ("ask for Denise"), which are not exported."""


def exported_records(db: Session, source: str) -> Iterator[Record]:
    """All current records of a directory; each comes after those that it refers to."""
    for row in imports.stream(db, "term", source):
        yield TermRecord(row["key"], row["name"], row["parent_key"], row["details"])
    for row in imports.stream(db, "organization", source):
        yield OrganizationRecord(row["key"], row["name"], _details("organization", row))
    for row in imports.stream(db, "location", source):
        yield LocationRecord(row["key"], row["name"], row["organization_key"], _details("location", row))
    for row in imports.stream(db, "service", source):
        details = {**_details("service", row), "status": row["status"]}
        details.pop("assured_date", None)
        if row["assured_on"]:
            details["assured_date"] = row["assured_on"].isoformat()
        yield ServiceRecord(row["key"], row["name"], row["organization_key"], details)
    for row in imports.stream(db, "place", source):
        yield ServiceAtLocationRecord(row["key"], row["service_key"], row["location_key"], row["details"])


def _details(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The imported details with the changes of staff, as far as HSDS has such fields."""
    spec = TABLES[table]
    known = {*spec.columns, *spec.lists} - {"id", "name", *_INTERNAL_FIELDS}
    edits = {name: value for name, value in row["edits"].items() if name in known}
    for name, child in spec.lists.items():
        if isinstance(edits.get(name), list):
            edits[name] = [_row(part, child, f"{row['key']}/{name}/{count}") for count, part in enumerate(edits[name], 1)]
    return imports.merge_edits(row["details"], edits)


def _row(part: object, table: str, key: str) -> dict[str, Any]:
    """A nested row that staff wrote, completed: they give no ids, and a language only as its code."""
    row: dict[str, Any] = dict(part) if isinstance(part, dict) else {"code" if table == "language" else "name": part}
    row.setdefault("id", key)
    for name, child in TABLES[table].lists.items():
        if isinstance(row.get(name), list):
            row[name] = [_row(inner, child, f"{key}/{name}/{count}") for count, inner in enumerate(row[name], 1)]
    return row
