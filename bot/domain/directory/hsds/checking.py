"""Turns nested rows into records and report items: which rows are accepted, what is broken, what points to nothing.

Only ids are kept in memory, so that packages larger than memory can be checked. Rows must come in the order of
`fields.MAIN_TABLES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.domain.directory.hsds.cleaning import RowCleaner, status_of
from bot.domain.directory.hsds.fields import LOCATION_TYPES
from bot.domain.directory.hsds.older_versions import HsdsRow
from bot.domain.directory.hsds.records import (
    ImportRefusal,
    ImportRemark,
    LocationRecord,
    OrganizationRecord,
    RecordOrReport,
    ServiceAtLocationRecord,
    ServiceRecord,
)
from bot.domain.directory.hsds.values import key_of, text_of

_KIND_WORDS = {"organization": "organization", "location": "location", "service": "service", "service_at_location": "link"}


@dataclass(frozen=True)
class RowPosition:
    """The position of a row: the file, and the row number or the JSON pointer."""

    file: str
    at: str


@dataclass
class _RowReport:
    """Collects the report items about one row."""

    place: RowPosition
    key: str | None
    items: list[RecordOrReport] = field(default_factory=list)

    def add(self, lost: bool, what: str, remedy: str) -> None:
        kind = ImportRefusal if lost else ImportRemark
        self.items.append(kind(self.place.file, self.place.at, self.key, what, remedy))

    def refuse(self, what: str, remedy: str) -> None:
        self.add(True, what, remedy)

    def remark(self, what: str, remedy: str) -> None:
        self.add(False, what, remedy)


@dataclass
class RowChecker:
    """Checks rows one by one; each method yields the report items of the row and then its record."""

    cleaner: RowCleaner = field(default_factory=RowCleaner)
    seen: dict[str, dict[str, bool]] = field(default_factory=lambda: {name: {} for name in _KIND_WORDS})
    """Accepted keys by kind, and whether the row was nested in another one."""
    organization_of: dict[str, str | None] = field(default_factory=dict)
    """Organization by location: services that name only their location belong to its organization."""
    reachable: set[tuple[str, str]] = field(default_factory=set)
    """Organizations and locations that have a phone, a page or an address."""
    nested_rows: list[tuple[str, RowPosition, HsdsRow]] = field(default_factory=list)
    """Locations and services nested in an organization. The caller buffers them and passes them in after top-level rows."""
    unreachable_services: dict[str, RowPosition] = field(default_factory=dict)
    """Services for which no phone, page, e-mail or address was found so far."""

    def check_row(self, kind: str, place: RowPosition, raw: HsdsRow, inside: bool = False) -> Iterator[RecordOrReport]:
        """Check one row of a kind in `fields.MAIN_TABLES`. A duplicate that is nested `inside` another row is no error."""
        if kind == "taxonomy_term":
            yield from self._term(place, raw)
        elif kind == "organization":
            yield from self._organization(place, raw)
        elif kind == "location":
            yield from self._location(place, raw, inside)
        elif kind == "service":
            yield from self._service(place, raw, inside)
        else:
            yield from self._link(place, raw, None, 1)

    def finish(self) -> Iterator[RecordOrReport]:
        """Report items that can be known only at the end."""
        for key, place in self.unreachable_services.items():
            yield ImportRemark(
                place.file,
                place.at,
                key,
                "the service has no phone, page, e-mail or address, so nobody can be told where to turn",
                "add one of them to the service, its location or its organization",
            )
        self.unreachable_services.clear()

    def _term(self, place: RowPosition, raw: HsdsRow) -> Iterator[RecordOrReport]:
        notes = _RowReport(place, key_of(raw.get("id") or raw.get("taxonomy_id")))
        if notes.key in self.cleaner.terms:
            notes.refuse("a taxonomy term with this id was read before", "give each term an id of its own")
        else:
            self.cleaner.term(raw, notes.add)
        yield from notes.items
        yield from self._new_terms()

    def _new_terms(self) -> Iterator[RecordOrReport]:
        if self.cleaner.new_terms:
            yield from self.cleaner.new_terms
            self.cleaner.new_terms.clear()

    def _accept(self, kind: str, raw: HsdsRow, notes: _RowReport, inside: bool) -> bool:
        """Whether to accept a row with this key now; reports the reason where not, unless it is a harmless duplicate."""
        seen, word = self.seen[kind], _KIND_WORDS[kind]
        if notes.key is None:
            notes.refuse(f"the {word} has no id", f"give each {word} an id that never changes")
            return False
        if notes.key in seen:
            if not inside and not seen[notes.key]:
                notes.refuse(f"{_article(word)} with this id was read before", f"give each {word} an id of its own")
            return False
        if kind in ("organization", "service") and not text_of(raw.get("name")):
            if not (other := text_of(raw.get("alternate_name"))):
                notes.refuse(f"the {word} has no name", "add its name")
                return False
            raw["name"] = other
            notes.remark(f"the {word} has no name; its alternate name was taken", "add its name")
        seen[notes.key] = inside
        return True

    def _organization(self, place: RowPosition, raw: HsdsRow, inside: bool = False) -> Iterator[RecordOrReport]:
        notes = _RowReport(place, key_of(raw.get("id")))
        if self._accept("organization", raw, notes, inside):
            key = notes.key or ""
            details = self._details("organization", raw, key, notes)
            if details.get("phones") or details.get("website") or details.get("email"):
                self.reachable.add(("organization", key))
            yield from self._new_terms()
            yield from notes.items
            yield OrganizationRecord(key, details.pop("name"), details)
        else:
            yield from notes.items
        if not inside:
            self._collect_nested(place, raw, notes.key)

    def _collect_nested(self, place: RowPosition, raw: HsdsRow, key: str | None) -> None:
        """Rows nested in an organization wait: the package may also contain them at top level and with more details."""
        for kind, name in (("location", "locations"), ("service", "services")):
            for count, row in enumerate(_rows(raw, name)):
                owned = row if row.get("organization_id") else {**row, "organization_id": key}
                self.nested_rows.append((kind, RowPosition(place.file, f"{place.at}/{name}/{count}"), owned))

    def _location(self, place: RowPosition, raw: HsdsRow, inside: bool = False) -> Iterator[RecordOrReport]:
        notes, organization = _RowReport(place, key_of(raw.get("id"))), None
        if isinstance(embedded := raw.get("organization"), dict):
            yield from self._organization(place, embedded, inside=True)
            organization = key_of(embedded.get("id"))
        if self._accept("location", raw, notes, inside):
            key = notes.key or ""
            owner = key_of(raw.get("organization_id")) or organization
            if owner and owner not in self.seen["organization"]:
                notes.remark(f"its organization {owner} was not taken", "add the organization; taken without it")
                owner = None
            record = self._location_record(key, owner, raw, notes)
            yield from self._new_terms()
            yield from notes.items
            yield record
        else:
            yield from notes.items

    def _location_record(self, key: str, owner: str | None, raw: HsdsRow, notes: _RowReport) -> LocationRecord:
        details = self._details("location", raw, key, notes)
        kind = str(details.get("location_type", "physical")).lower()
        details["location_type"] = kind if kind in LOCATION_TYPES else "physical"
        latitude, longitude = details.get("latitude"), details.get("longitude")
        if (latitude is None) != (longitude is None) or (latitude == 0 and longitude == 0):
            notes.remark("latitude and longitude do not name a place", "give both, in degrees")
            latitude = None
        if latitude is None:
            details.pop("latitude", None)
            details.pop("longitude", None)
        self.organization_of[key] = owner
        if details.get("phones") or details.get("addresses") or details.get("url"):
            self.reachable.add(("location", key))
        first: HsdsRow = next(iter(details.get("addresses", ())), {})
        name = details.pop("name", None) or details.get("alternate_name") or first.get("address_1") or key
        return LocationRecord(key, name, owner, details)

    def _service(self, place: RowPosition, raw: HsdsRow, inside: bool = False) -> Iterator[RecordOrReport]:
        notes, organization = _RowReport(place, key_of(raw.get("id"))), None
        if isinstance(embedded := raw.get("organization"), dict):
            yield from self._organization(place, embedded, inside=True)
            organization = key_of(embedded.get("id"))
        given = key_of(raw.get("organization_id")) or organization
        owner = given or self.organization_of.get(key_of(raw.get("location_id")) or "")
        if given and given not in self.seen["organization"]:
            notes.refuse(f"its organization {given} was not taken", "add the organization, or correct organization_id")
        elif self._accept("service", raw, notes, inside):
            yield from self._service_record(place, raw, owner, notes)
            yield from self._links(place, raw, notes.key or "")
            return
        yield from notes.items

    def _service_record(
        self, place: RowPosition, raw: HsdsRow, owner: str | None, notes: _RowReport
    ) -> Iterator[RecordOrReport]:
        key = notes.key or ""
        if owner is None:
            notes.remark("the service names no organization", "add organization_id")
        details = self._details("service", raw, key, notes)
        if not details.get("program_id") and isinstance(program := raw.get("program"), dict) and key_of(program.get("id")):
            details["program_id"] = key_of(program.get("id"))
        details["status"] = status_of(details.get("status"), notes.add)
        contact_phones = any(row.get("phones") or row.get("email") for row in details.get("contacts", ()))
        if not (details.keys() & {"phones", "url", "email"} or contact_phones or ("organization", owner) in self.reachable):
            self.unreachable_services[key] = place
        yield from self._new_terms()
        yield from notes.items
        yield ServiceRecord(key, details.pop("name"), owner, details)

    def _links(self, place: RowPosition, raw: HsdsRow, service: str) -> Iterator[RecordOrReport]:
        """The locations nested in a service, in any of the forms in use."""
        links = _rows(raw, "service_at_locations")
        links += [{"location": row} for row in _rows(raw, "locations")]
        if key_of(raw.get("location_id")) and not links:
            links = [{"location_id": raw["location_id"]}]
        for count, link in enumerate(links):
            where = RowPosition(
                place.file, f"{place.at}/service_at_locations/{count}" if place.at[:1] in ("", "/") else place.at
            )
            yield from self._link(where, link, service, count + 1)

    def _link(self, place: RowPosition, raw: HsdsRow, service: str | None, count: int) -> Iterator[RecordOrReport]:
        notes = _RowReport(place, key_of(raw.get("id")))
        if service is None and isinstance(embedded := raw.get("service"), dict):
            service = key_of(embedded.get("id"))
            if service not in self.seen["service"]:
                yield from self._service(place, embedded, inside=True)
        service = service or key_of(raw.get("service_id"))
        location = key_of(raw.get("location_id"))
        if isinstance(embedded := raw.get("location"), dict):
            location = location or key_of(embedded.get("id")) or f"{service}-location-{count}"
            yield from self._location(place, {**embedded, "id": location}, inside=True)
        if service is None or service not in self.seen["service"]:
            notes.refuse(f"its service {service or '(none given)'} was not taken", "correct service_id, or add the service")
        elif location is None or location not in self.seen["location"]:
            notes.remark(
                f"its location {location or '(none given)'} was not taken, so the service stands without that place",
                "correct location_id, or add the location",
            )
        else:
            notes.key = notes.key or f"{service}@{location}"
            if self._accept("service_at_location", raw, notes, inside=False):
                yield from self._link_record(raw, service, location, notes)
                return
        yield from notes.items

    def _link_record(self, raw: HsdsRow, service: str, location: str, notes: _RowReport) -> Iterator[RecordOrReport]:
        key = notes.key or ""
        details = self._details("service_at_location", raw, key, notes)
        if ("location", location) in self.reachable or details.get("phones"):
            self.unreachable_services.pop(service, None)
        yield from self._new_terms()
        yield from notes.items
        yield ServiceAtLocationRecord(key, service, location, details)

    def _details(self, kind: str, raw: HsdsRow, key: str, notes: _RowReport) -> dict[str, Any]:
        details = self.cleaner.clean(kind, raw, key, notes.add)
        details.pop("id", None)
        return details


def _rows(raw: HsdsRow, name: str) -> list[HsdsRow]:
    found = raw.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
