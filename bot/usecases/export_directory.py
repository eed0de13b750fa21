"""Give a directory away again as HSDS 3, with what the staff have changed in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from bot.domain.directory.fields import TABLES
from bot.domain.directory.records import (
    AtLocation,
    LocationRecord,
    OrganizationRecord,
    Record,
    ServiceRecord,
    TermRecord,
)
from bot.storage import directory

_OURS = frozenset({"alert"})
"""What the staff write for each other and nobody else: "ask for Denise" is no part of a directory that is given away."""


def records(db: Session, source: str) -> Iterator[Record]:
    """All of a directory that is not gone, as it holds now: what a record names comes before it."""
    for row in directory.walk(db, "term", source):
        yield TermRecord(row["key"], row["name"], row["parent_key"], row["details"])
    for row in directory.walk(db, "organization", source):
        yield OrganizationRecord(row["key"], row["name"], _details("organization", row))
    for row in directory.walk(db, "location", source):
        yield LocationRecord(row["key"], row["name"], row["organization_key"], _details("location", row))
    for row in directory.walk(db, "service", source):
        details = {**_details("service", row), "status": row["status"]}
        details.pop("assured_date", None)
        if row["assured_on"]:
            details["assured_date"] = row["assured_on"].isoformat()
        yield ServiceRecord(row["key"], row["name"], row["organization_key"], details)
    for row in directory.walk(db, "place", source):
        yield AtLocation(row["key"], row["service_key"], row["location_key"], row["details"])


def _details(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The imported details under the staff's changes, of which only what the specification knows."""
    spec = TABLES[table]
    known = {*spec.columns, *spec.lists} - {"id", "name", *_OURS}
    edits = {name: value for name, value in row["edits"].items() if name in known}
    for name, child in spec.lists.items():
        if isinstance(edits.get(name), list):
            edits[name] = [_row(part, child, f"{row['key']}/{name}/{count}") for count, part in enumerate(edits[name], 1)]
    return directory.effective(row["details"], edits)


def _row(part: object, table: str, key: str) -> dict[str, Any]:
    """A row inside a record that the staff wrote. They give no ids, and a language as its code alone."""
    row: dict[str, Any] = dict(part) if isinstance(part, dict) else {"code" if table == "language" else "name": part}
    row.setdefault("id", key)
    for name, child in TABLES[table].lists.items():
        if isinstance(row.get(name), list):
            row[name] = [_row(inner, child, f"{key}/{name}/{count}") for count, inner in enumerate(row[name], 1)]
    return row
