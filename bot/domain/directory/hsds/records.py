"""The result of reading a directory: neutral records, and a report of what was refused or is doubtful.

The names of fields in `details` are those of the Human Services Data Specification 3 (docs.openreferral.org). What the
specification has in separate tables (phones, schedules, addresses and so on) is in `details` as a list of rows, under its
name in the specification's JSON and without the ids that only point back to the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TypeAlias

Details: TypeAlias = dict[str, Any]
"""Values are JSON values: str, int, float, bool, lists and dicts of them. Empty ones are left out, so no value is None."""


class PackageFiles(Protocol):
    """The files of one package: a folder, a .zip, or a single file. Implemented outside the domain, which opens no files.

    A file may be opened more than once and is read from its beginning each time; the reader closes what it opens.
    """

    def names(self) -> Sequence[str]:
        """The name of every file within the package, with `/` between folders."""

    def open(self, name: str) -> BinaryIO:
        """The bytes of one of `names()`, as a stream."""


@dataclass(frozen=True)
class OrganizationRecord:
    """A provider of services. `details` has description, email, website, phones, contacts, programs and so on."""

    key: str
    name: str
    details: Details


@dataclass(frozen=True)
class LocationRecord:
    """A place. `details` has addresses, latitude, longitude (in degrees, checked), phones, schedules, accessibility."""

    key: str
    name: str
    organization_key: str | None
    details: Details

    @property
    def latitude(self) -> float | None:
        """Degrees north; given only where `longitude` is."""
        return self.details.get("latitude")

    @property
    def longitude(self) -> float | None:
        """Degrees east."""
        return self.details.get("longitude")

    @property
    def zip(self) -> str | None:
        """The postal code of its first address that has one, as written there."""
        return self._of_address("postal_code")

    @property
    def city(self) -> str | None:
        """The city of its first address that has one."""
        return self._of_address("city")

    def _of_address(self, field: str) -> str | None:
        # A physical address comes first: a post box does not say where the place is.
        addresses = sorted(self.details.get("addresses", ()), key=lambda row: row.get("address_type") == "postal")
        return next((str(row[field]) for row in addresses if row.get(field)), None)


@dataclass(frozen=True)
class ServiceRecord:
    """A service. `details` has status, description, url, email, phones, schedules, languages, attributes and so on."""

    key: str
    name: str
    organization_key: str | None
    """None where the package names no organization for it; otherwise the key of one that came before."""
    details: Details

    @property
    def status(self) -> str:
        """active, inactive, defunct or temporarily closed; active where the package does not say."""
        return str(self.details.get("status", "active"))

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter codes where the package gives codes, otherwise the names as written."""
        found = (str(row.get("code") or row.get("name") or "") for row in self.details.get("languages", ()))
        return tuple(dict.fromkeys(word for word in found if word))

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of its taxonomy terms."""
        rows = (row.get("taxonomy_term", {}) for row in self.details.get("attributes", ()))
        return tuple(dict.fromkeys(str(term["name"]) for term in rows if term.get("name")))


@dataclass(frozen=True)
class ServiceAtLocationRecord:
    """A service is offered at a location. `details` applies to this pair only: phones, schedules, contacts."""

    key: str
    """Its id; `<service>@<location>` where the package gives none."""
    service_key: str
    location_key: str
    details: Details


@dataclass(frozen=True)
class TermRecord:
    """A term of the directory's taxonomy, a kind of help. `details` has description, code, taxonomy, term_uri."""

    key: str
    name: str
    parent_key: str | None
    details: Details


Record: TypeAlias = OrganizationRecord | LocationRecord | ServiceRecord | ServiceAtLocationRecord | TermRecord


@dataclass(frozen=True)
class ImportRefusal:
    """Something was not imported."""

    file: str
    at: str
    """Where in the file: `row 12` (counted with the heading, as in a spreadsheet) or a JSON pointer; "" for all of it."""
    key: str | None
    """The id of the record concerned, if there is one."""
    what: str
    """What is wrong. Of the file's content only names of fields, ids and times, because reports are stored and shown."""
    remedy: str
    """What the maintainer of the directory can do about it."""
    fatal: bool = False
    """A part was not read. Nothing may be imported then, because what was not read would look deleted."""


@dataclass(frozen=True)
class ImportRemark:
    """Something was imported although it is incomplete, or a part of it was left out."""

    file: str
    at: str
    key: str | None
    what: str
    remedy: str


RecordOrReport: TypeAlias = Record | ImportRefusal | ImportRemark
"""What `reading.read` yields. The order is guaranteed: a term comes before what refers to it, an organization before its
locations and services, and a location and a service before the ServiceAtLocationRecord that links them. No key comes
twice within a kind."""
