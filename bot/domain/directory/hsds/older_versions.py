"""Converts rows of versions 1 and 2 of the specification, and of systems derived from them, to version 3.

Renamed columns are renamed; a comma list in one cell becomes rows; former separate tables (eligibility, regular and holiday
schedules, physical and postal addresses) are folded in. A row of version 3 passes through unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bot.domain.directory.hsds.values import text_of, weekday_of

HsdsRow = dict[str, Any]

CLOSED = "Closed"
"""The description of a schedule row for a closure from `valid_from` to `valid_to`; version 3 has no field for it."""


def to_version_3(table: str, row: HsdsRow) -> HsdsRow:
    """The row with the names of version 3; the same object where nothing is old. Unknown keys are kept."""
    old = _CONVERSIONS.get(table)
    if old is None or old[0].isdisjoint(row):
        return row
    new = dict(row)
    old[1](new)
    return new


def rows_from_list(words: Any, column: str) -> list[HsdsRow]:
    """`Spanish, Chinese (Mandarin)` as rows {column: part}; commas and semicolons inside parentheses do not separate."""
    if isinstance(words, list):
        return [part if isinstance(part, dict) else {column: text_of(part)} for part in words]
    parts = re.split(r"[,;|](?![^(]*\))", text_of(words))
    return [{column: part.strip()} for part in parts if part.strip()]


def _rename(row: HsdsRow, **names: str) -> None:
    for old, new in names.items():
        value = row.pop(old, None)
        if text_of(value) and not text_of(row.get(new)):
            row[new] = value


def _to_rows(row: HsdsRow, name: str, into: str, column: str) -> None:
    value = row.get(name)
    if isinstance(value, list):
        return
    found = rows_from_list(row.pop(name, None), column)
    if found:
        row[into] = [*_listed(row, into), *found]


def _listed(row: HsdsRow, name: str) -> list[Any]:
    value = row.get(name)
    return value if isinstance(value, list) else []


def _move_lists(row: HsdsRow, into: str, *names: str, **extra: Any) -> None:
    for name in names:
        value = row.pop(name, None)
        rows = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        if rows:
            row[into] = [*_listed(row, into), *({**extra, **part} for part in rows if isinstance(part, dict))]


def _organization(row: HsdsRow) -> None:
    _rename(row, url="website", short_desc="description")
    if incorporated := text_of(row.pop("date_incorporated", None)):
        year = re.search(r"\d{4}", incorporated)
        row.setdefault("year_incorporated", year[0] if year else None)
    _to_rows(row, "funding_sources", "funding", "source")


def _location(row: HsdsRow) -> None:
    _rename(row, website="url", short_desc="description", lat="latitude", lon="longitude", lng="longitude")
    if text_of(row.pop("virtual", None)).lower() in ("true", "yes", "1", "t"):
        row.setdefault("location_type", "virtual")
    _move_lists(row, "addresses", "physical_addresses", "physical_address", address_type="physical")
    _move_lists(row, "addresses", "postal_addresses", "postal_address", "mail_address", address_type="postal")
    _move_lists(row, "schedules", "regular_schedules", "regular_schedule", "holiday_schedules", "holiday_schedule")
    _move_lists(row, "accessibility", "accessibility_for_disabilities")
    _to_rows(row, "accessibility", "accessibility", "description")
    _to_rows(row, "languages", "languages", "name")


def _service(row: HsdsRow) -> None:
    _rename(row, website="url", fees="fees_description")
    if isinstance(row.get("eligibility"), list):
        row["eligibilitys"] = row.pop("eligibility")
    _rename(row, eligibility="eligibility_description")
    _rename(row, audience="eligibility_description", wait_time_description="wait_time")
    for name in ("eligibilities", "eligibilitys"):
        for part in row.pop(name, None) or ():
            if isinstance(part, dict):
                fold_eligibility(row, part)
    _move_lists(row, "schedules", "regular_schedules", "regular_schedule", "holiday_schedules", "holiday_schedule")
    _move_lists(row, "attributes", "service_taxonomys", "service_taxonomies", "service_taxonomy")
    _to_rows(row, "required_documents", "required_documents", "document")
    _to_rows(row, "service_areas", "service_areas", "name")
    _to_rows(row, "languages", "languages", "name")
    _to_rows(row, "funding_sources", "funding", "source")
    _to_rows(row, "taxonomy_ids", "attributes", "taxonomy_term_id")


def fold_eligibility(service: HsdsRow, part: HsdsRow) -> None:
    """Fold a row of version 2's table `eligibility` into its service; values that the service already has win."""
    names = {"eligibility": "eligibility_description", "minimum_age": "minimum_age", "maximum_age": "maximum_age"}
    for old, new in names.items():
        if text_of(part.get(old)) and not text_of(service.get(new)):
            service[new] = part[old]


def _phone(row: HsdsRow) -> None:
    _rename(row, number_type="type")
    prefix, number = text_of(row.pop("country_prefix", None)), text_of(row.get("number"))
    if prefix and number and not number.startswith("+"):
        row["number"] = f"{prefix} {number}"
    vanity = text_of(row.pop("vanity_number", None))
    said = [text_of(row.get("description")), text_of(row.pop("department", None)), vanity]
    row["description"] = ", ".join(dict.fromkeys(filter(None, said)))
    if not isinstance(row.get("language"), list):
        _to_rows(row, "language", "languages", "name")


def _schedule(row: HsdsRow) -> None:
    _rename(row, start_date="valid_from", end_date="valid_to", original_text="description")
    if "weekday" in row:
        weekday = row.pop("weekday")
        if text_of(weekday) and not text_of(row.get("byday")):
            row["byday"] = weekday_of(weekday) or text_of(weekday)
            row.setdefault("freq", "WEEKLY")
    if text_of(row.pop("closed", None)).lower() in ("true", "yes", "1", "t"):
        row.update(description=CLOSED, opens_at=None, closes_at=None)


def _attribute(row: HsdsRow) -> None:
    _rename(row, taxonomy_id="taxonomy_term_id", service_id="link_id")
    if isinstance(row.get("taxonomy"), dict):
        row["taxonomy_term"] = row.pop("taxonomy")


def _term(row: HsdsRow) -> None:
    if not text_of(row.get("id")):
        _rename(row, taxonomy_id="id")
    _rename(row, vocabulary="taxonomy", term="name")
    row.pop("parent_name", None)


def _renamer(**names: str) -> Callable[[HsdsRow], None]:
    return lambda row: _rename(row, **names)


_SCHEDULES = ("regular_schedules", "regular_schedule", "holiday_schedules", "holiday_schedule")
_CONVERSIONS: dict[str, tuple[frozenset[str], Callable[[HsdsRow], None]]] = {
    "organization": (frozenset({"url", "short_desc", "date_incorporated", "funding_sources"}), _organization),
    "location": (
        frozenset(
            {
                *("website", "short_desc", "virtual", "lat", "lon", "lng", "physical_addresses", "physical_address"),
                *("postal_addresses", "postal_address", "mail_address", "accessibility_for_disabilities"),
                *("accessibility", "languages", *_SCHEDULES),
            }
        ),
        _location,
    ),
    "service": (
        frozenset(
            {
                *("website", "fees", "eligibility", "eligibilities", "eligibilitys", "audience", "wait_time_description"),
                *("required_documents", "service_areas", "languages", "funding_sources", "taxonomy_ids"),
                *("service_taxonomys", "service_taxonomies", "service_taxonomy", *_SCHEDULES),
            }
        ),
        _service,
    ),
    "phone": (frozenset({"number_type", "country_prefix", "vanity_number", "department", "language"}), _phone),
    "schedule": (frozenset({"weekday", "closed", "start_date", "end_date", "original_text"}), _schedule),
    "language": (frozenset({"language"}), _renamer(language="name")),
    "accessibility": (frozenset({"accessibility"}), _renamer(accessibility="description")),
    "service_area": (frozenset({"service_area"}), _renamer(service_area="name")),
    "attribute": (frozenset({"taxonomy_id", "taxonomy", "service_id"}), _attribute),
    "taxonomy_term": (frozenset({"taxonomy_id", "vocabulary", "parent_name", "term"}), _term),
}
