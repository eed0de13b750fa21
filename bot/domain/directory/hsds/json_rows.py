"""Reads the rows of a JSON file one at a time, whatever encloses them: a list, a page, tables by name, or one object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import ijson
from ijson.common import IncompleteJSONError, JSONError

from bot.domain.directory.hsds.checking import RowPosition
from bot.domain.directory.hsds.encodings import READ_ERRORS, FileOpener, FileUnreadable
from bot.domain.directory.hsds.fields import table_named
from bot.domain.directory.hsds.older_versions import HsdsRow
from bot.domain.directory.hsds.records import ImportRefusal

LIST_KEYS = ("contents", "content", "items", "results", "data", "services", "organizations")
_ENDS = {"start_map": "end_map", "start_array": "end_array"}


@dataclass(frozen=True)
class RowGroup:
    """Where rows are in a file: `prefix` for ijson; `table` if the file names it."""

    prefix: str
    table: str | None


def find_row_groups(opener: FileOpener, name: str) -> tuple[RowGroup, ...]:
    """Where the rows are; () where there is nothing that we know. Raises FileUnreadable."""
    with opener.open_utf8(name) as stream:
        try:
            return _find_row_groups(stream)
        except JSONError as fault:
            raise _malformed(fault) from fault
        except READ_ERRORS as fault:
            raise FileUnreadable("the file breaks off", "send the whole file again") from fault


def _find_row_groups(stream: BinaryIO) -> tuple[RowGroup, ...]:
    events = ijson.basic_parse(stream, use_float=True)
    first = next(events, (None, None))[0]
    if first == "start_array":
        return (RowGroup("item", None),)
    if first != "start_map":
        return ()
    lists, depth, key = [], 0, ""
    for event, value in events:
        if event in ("end_map", "end_array"):
            depth -= 1
        if depth == 0 and event == "map_key":
            key = str(value)
        elif depth == 0 and key in ("id", "name") and event in ("string", "number"):
            return (RowGroup("", None),)
        elif depth == 0 and event == "start_array":
            if key in LIST_KEYS[:5]:
                return (RowGroup(f"{key}.item", None),)
            lists.append(key)
        if event in _ENDS:
            depth += 1
    return tuple(RowGroup(f"{name}.item", table) for name in lists if (table := table_named(name)))


def read_rows(opener: FileOpener, name: str, prefix: str) -> Iterator[tuple[RowPosition, HsdsRow] | ImportRefusal]:
    """Each object at a prefix, with its JSON pointer. Raises FileUnreadable where the file stops being valid JSON."""
    pointer = "/" + prefix.removesuffix("item").strip(".").replace(".", "/")
    pointer = pointer.rstrip("/")
    with opener.open_utf8(name) as stream:
        try:
            for count, row in enumerate(ijson.items(stream, prefix, use_float=True)):
                at = f"{pointer}/{count}" if prefix else ""
                if isinstance(row, dict):
                    yield RowPosition(name, at), row
                else:
                    yield ImportRefusal(name, at, None, "it is no object", "make each row an object with names and values")
        except JSONError as fault:
            raise _malformed(fault) from fault
        except READ_ERRORS as fault:
            raise FileUnreadable("the file breaks off", "send the whole file again") from fault


def first_row(opener: FileOpener, name: str, prefix: str) -> HsdsRow:
    """The first object at a prefix; {} where there is none. Raises FileUnreadable."""
    return next((found[1] for found in read_rows(opener, name, prefix) if isinstance(found, tuple)), {})


def _malformed(fault: Exception) -> FileUnreadable:
    if isinstance(fault, IncompleteJSONError):
        return FileUnreadable("the JSON breaks off before its end, or is not well-formed", "send the whole file again")
    return FileUnreadable("the file is not well-formed JSON", "check it with a JSON validator and send it again")


def guess_table(row: dict[str, Any]) -> str | None:
    """The table of an object, judged by its keys; None where they do not tell."""
    keys = row.keys()
    if {"service_id", "location_id"} <= keys or ("location" in keys and keys & {"service", "service_id"}):
        return "service_at_location"
    for kind, typical in _TYPICAL_KEYS.items():
        if keys & typical:
            return kind
    if "organization_id" in keys:
        return "service"
    return None


_TYPICAL_KEYS = {
    "taxonomy_term": frozenset({"taxonomy_detail", "term_uri", "parent_id"}),
    "service": frozenset(
        {
            *("service_at_locations", "status", "organization", "service_areas", "cost_options", "required_documents"),
            *("eligibility_description", "fees_description", "application_process", "program_id"),
        }
    ),
    "location": frozenset({"location_type", "latitude", "addresses", "physical_addresses", "transportation"}),
    "organization": frozenset(
        {
            *("services", "website", "organization_identifiers", "legal_status", "tax_status", "tax_id"),
            *("year_incorporated", "parent_organization_id", "programs", "logo", "locations"),
        }
    ),
    "taxonomy": frozenset({"version"}),
}
