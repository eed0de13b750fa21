"""The rows of a JSON file, one at a time, whatever stands around them: a list, a page, tables by name, one object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import ijson
from ijson.common import IncompleteJSONError, JSONError

from bot.domain.directory.checking import Place
from bot.domain.directory.fields import table_named
from bot.domain.directory.older import Row
from bot.domain.directory.opening import FAULTS, Opener, Unreadable
from bot.domain.directory.records import Refusal

PAGES = ("contents", "content", "items", "results", "data", "services", "organizations")
_ENDS = {"start_map": "end_map", "start_array": "end_array"}


@dataclass(frozen=True)
class Stretch:
    """Where rows stand in a file: `prefix` as ijson has it; `table` where the file says it by a name."""

    prefix: str
    table: str | None


def stretches(opener: Opener, name: str) -> tuple[Stretch, ...]:
    """Where the rows are; () where nothing is that we know. Raises Unreadable."""
    with opener.utf8(name) as stream:
        try:
            return _stretches(stream)
        except JSONError as fault:
            raise _broken(fault) from fault
        except FAULTS as fault:
            raise Unreadable("the file breaks off", "send the whole file again") from fault


def _stretches(stream: BinaryIO) -> tuple[Stretch, ...]:
    events = ijson.basic_parse(stream, use_float=True)
    first = next(events, (None, None))[0]
    if first == "start_array":
        return (Stretch("item", None),)
    if first != "start_map":
        return ()
    lists, depth, key = [], 0, ""
    for event, value in events:
        if event in ("end_map", "end_array"):
            depth -= 1
        if depth == 0 and event == "map_key":
            key = str(value)
        elif depth == 0 and key in ("id", "name") and event in ("string", "number"):
            return (Stretch("", None),)
        elif depth == 0 and event == "start_array":
            if key in PAGES[:5]:
                return (Stretch(f"{key}.item", None),)
            lists.append(key)
        if event in _ENDS:
            depth += 1
    return tuple(Stretch(f"{name}.item", table) for name in lists if (table := table_named(name)))


def rows(opener: Opener, name: str, prefix: str) -> Iterator[tuple[Place, Row] | Refusal]:
    """Each object at a prefix, with its JSON pointer. Raises Unreadable where the file is no JSON, at that place."""
    pointer = "/" + prefix.removesuffix("item").strip(".").replace(".", "/")
    pointer = pointer.rstrip("/")
    with opener.utf8(name) as stream:
        try:
            for count, row in enumerate(ijson.items(stream, prefix, use_float=True)):
                at = f"{pointer}/{count}" if prefix else ""
                if isinstance(row, dict):
                    yield Place(name, at), row
                else:
                    yield Refusal(name, at, None, "it is no object", "make each row an object with names and values")
        except JSONError as fault:
            raise _broken(fault) from fault
        except FAULTS as fault:
            raise Unreadable("the file breaks off", "send the whole file again") from fault


def first_row(opener: Opener, name: str, prefix: str) -> Row:
    """The first object at a prefix; {} where there is none. Raises Unreadable."""
    return next((found[1] for found in rows(opener, name, prefix) if isinstance(found, tuple)), {})


def _broken(fault: Exception) -> Unreadable:
    if isinstance(fault, IncompleteJSONError):
        return Unreadable("the JSON breaks off before its end, or is not well-formed", "send the whole file again")
    return Unreadable("the file is not well-formed JSON", "check it with a JSON validator and send it again")


def kind_of(row: dict[str, Any]) -> str | None:
    """What an object is, by the names in it; None: it cannot be told."""
    keys = row.keys()
    if {"service_id", "location_id"} <= keys or ("location" in keys and keys & {"service", "service_id"}):
        return "service_at_location"
    for kind, telling in _TELLING.items():
        if keys & telling:
            return kind
    if "organization_id" in keys:
        return "service"
    return None


_TELLING = {
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
