"""Nested rows in, records and the report out: who may be taken, what is broken, what points nowhere.

Only ids are remembered, so that a package larger than memory can be checked. Rows must come in the order of `fields.MAIN`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.domain.directory.cleaning import Cleaner, status_of
from bot.domain.directory.fields import PLACES
from bot.domain.directory.older import Row
from bot.domain.directory.records import (
    AtLocation,
    Found,
    LocationRecord,
    OrganizationRecord,
    Refusal,
    Remark,
    ServiceRecord,
)
from bot.domain.directory.values import key_of, text_of

_WORDS = {"organization": "organization", "location": "location", "service": "service", "service_at_location": "link"}


@dataclass(frozen=True)
class Place:
    """Where a row stands: the file, and the row or the JSON pointer."""

    file: str
    at: str


@dataclass
class _Notes:
    """Collects what the cleaner tells about one row."""

    place: Place
    key: str | None
    found: list[Found] = field(default_factory=list)

    def tell(self, lost: bool, what: str, remedy: str) -> None:
        kind = Refusal if lost else Remark
        self.found.append(kind(self.place.file, self.place.at, self.key, what, remedy))

    def refuse(self, what: str, remedy: str) -> None:
        self.tell(True, what, remedy)

    def remark(self, what: str, remedy: str) -> None:
        self.tell(False, what, remedy)


@dataclass
class Checker:
    """Takes rows one by one; each method yields what came of the row, findings first."""

    cleaner: Cleaner = field(default_factory=Cleaner)
    seen: dict[str, dict[str, bool]] = field(default_factory=lambda: {name: {} for name in _WORDS})
    """Keys that were taken, by kind, and whether the row stood inside another one."""
    organization_of: dict[str, str | None] = field(default_factory=dict)
    """By location: services that name only their location belong to its organization."""
    reachable: set[tuple[str, str]] = field(default_factory=set)
    """Organizations and locations that have a phone, a page or an address."""
    inner: list[tuple[str, Place, Row]] = field(default_factory=list)
    """Locations and services that stood inside an organization: to be put aside, and taken after those by themselves."""
    silent: dict[str, Place] = field(default_factory=dict)
    """Services of which nobody could be told where to turn, so far."""

    def take(self, kind: str, place: Place, raw: Row, inside: bool = False) -> Iterator[Found]:
        """One row of a kind out of `fields.MAIN`. One that stood `inside` another may have been read before: no fault."""
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

    def finish(self) -> Iterator[Found]:
        """What can be said only at the end."""
        for key, place in self.silent.items():
            yield Remark(
                place.file,
                place.at,
                key,
                "the service has no phone, page, e-mail or address, so nobody can be told where to turn",
                "add one of them to the service, its location or its organization",
            )
        self.silent.clear()

    def _term(self, place: Place, raw: Row) -> Iterator[Found]:
        notes = _Notes(place, key_of(raw.get("id") or raw.get("taxonomy_id")))
        if notes.key in self.cleaner.terms:
            notes.refuse("a taxonomy term with this id was read before", "give each term an id of its own")
        else:
            self.cleaner.term(raw, notes.tell)
        yield from notes.found
        yield from self._new_terms()

    def _new_terms(self) -> Iterator[Found]:
        if self.cleaner.new_terms:
            yield from self.cleaner.new_terms
            self.cleaner.new_terms.clear()

    def _admit(self, kind: str, raw: Row, notes: _Notes, inside: bool) -> bool:
        """Whether a row with this key is to be taken now; says why where it is not and that is a fault."""
        seen, word = self.seen[kind], _WORDS[kind]
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

    def _organization(self, place: Place, raw: Row, inside: bool = False) -> Iterator[Found]:
        notes = _Notes(place, key_of(raw.get("id")))
        if self._admit("organization", raw, notes, inside):
            key = notes.key or ""
            details = self._details("organization", raw, key, notes)
            if details.get("phones") or details.get("website") or details.get("email"):
                self.reachable.add(("organization", key))
            yield from self._new_terms()
            yield from notes.found
            yield OrganizationRecord(key, details.pop("name"), details)
        else:
            yield from notes.found
        if not inside:
            self._set_aside(place, raw, notes.key)

    def _set_aside(self, place: Place, raw: Row, key: str | None) -> None:
        """What stands inside an organization waits: the package may have it again, and fuller, by itself."""
        for kind, name in (("location", "locations"), ("service", "services")):
            for count, row in enumerate(_rows(raw, name)):
                whose = row if row.get("organization_id") else {**row, "organization_id": key}
                self.inner.append((kind, Place(place.file, f"{place.at}/{name}/{count}"), whose))

    def _location(self, place: Place, raw: Row, inside: bool = False) -> Iterator[Found]:
        notes, organization = _Notes(place, key_of(raw.get("id"))), None
        if isinstance(embedded := raw.get("organization"), dict):
            yield from self._organization(place, embedded, inside=True)
            organization = key_of(embedded.get("id"))
        if self._admit("location", raw, notes, inside):
            key = notes.key or ""
            owner = key_of(raw.get("organization_id")) or organization
            if owner and owner not in self.seen["organization"]:
                notes.remark(f"its organization {owner} was not taken", "add the organization; taken without it")
                owner = None
            record = self._located(key, owner, raw, notes)
            yield from self._new_terms()
            yield from notes.found
            yield record
        else:
            yield from notes.found

    def _located(self, key: str, owner: str | None, raw: Row, notes: _Notes) -> LocationRecord:
        details = self._details("location", raw, key, notes)
        kind = str(details.get("location_type", "physical")).lower()
        details["location_type"] = kind if kind in PLACES else "physical"
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
        first: Row = next(iter(details.get("addresses", ())), {})
        name = details.pop("name", None) or details.get("alternate_name") or first.get("address_1") or key
        return LocationRecord(key, name, owner, details)

    def _service(self, place: Place, raw: Row, inside: bool = False) -> Iterator[Found]:
        notes, organization = _Notes(place, key_of(raw.get("id"))), None
        if isinstance(embedded := raw.get("organization"), dict):
            yield from self._organization(place, embedded, inside=True)
            organization = key_of(embedded.get("id"))
        given = key_of(raw.get("organization_id")) or organization
        owner = given or self.organization_of.get(key_of(raw.get("location_id")) or "")
        if given and given not in self.seen["organization"]:
            notes.refuse(f"its organization {given} was not taken", "add the organization, or correct organization_id")
        elif self._admit("service", raw, notes, inside):
            yield from self._offered(place, raw, owner, notes)
            yield from self._links(place, raw, notes.key or "")
            return
        yield from notes.found

    def _offered(self, place: Place, raw: Row, owner: str | None, notes: _Notes) -> Iterator[Found]:
        key = notes.key or ""
        if owner is None:
            notes.remark("the service names no organization", "add organization_id")
        details = self._details("service", raw, key, notes)
        if not details.get("program_id") and isinstance(program := raw.get("program"), dict) and key_of(program.get("id")):
            details["program_id"] = key_of(program.get("id"))
        details["status"] = status_of(details.get("status"), notes.tell)
        contact_phones = any(row.get("phones") or row.get("email") for row in details.get("contacts", ()))
        if not (details.keys() & {"phones", "url", "email"} or contact_phones or ("organization", owner) in self.reachable):
            self.silent[key] = place
        yield from self._new_terms()
        yield from notes.found
        yield ServiceRecord(key, details.pop("name"), owner, details)

    def _links(self, place: Place, raw: Row, service: str) -> Iterator[Found]:
        """The places that stand inside a service, in any of the shapes in use."""
        links = _rows(raw, "service_at_locations")
        links += [{"location": row} for row in _rows(raw, "locations")]
        if key_of(raw.get("location_id")) and not links:
            links = [{"location_id": raw["location_id"]}]
        for count, link in enumerate(links):
            where = Place(place.file, f"{place.at}/service_at_locations/{count}" if place.at[:1] in ("", "/") else place.at)
            yield from self._link(where, link, service, count + 1)

    def _link(self, place: Place, raw: Row, service: str | None, count: int) -> Iterator[Found]:
        notes = _Notes(place, key_of(raw.get("id")))
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
            if self._admit("service_at_location", raw, notes, inside=False):
                yield from self._joined(raw, service, location, notes)
                return
        yield from notes.found

    def _joined(self, raw: Row, service: str, location: str, notes: _Notes) -> Iterator[Found]:
        key = notes.key or ""
        details = self._details("service_at_location", raw, key, notes)
        if ("location", location) in self.reachable or details.get("phones"):
            self.silent.pop(service, None)
        yield from self._new_terms()
        yield from notes.found
        yield AtLocation(key, service, location, details)

    def _details(self, kind: str, raw: Row, key: str, notes: _Notes) -> dict[str, Any]:
        details = self.cleaner.details(kind, raw, key, notes.tell)
        details.pop("id", None)
        return details


def _rows(raw: Row, name: str) -> list[Row]:
    found = raw.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
