"""What is read out of somebody's directory: neutral records, and a report of what was refused or is doubtful.

The names of the fields inside `details` are those of the Human Services Data Specification 3 (docs.openreferral.org). What
the specification keeps in tables of its own (phones, schedules, addresses and so on) stands in `details` as a list of rows
under the name that the specification's JSON gives it, without the ids that only point back to the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TypeAlias

Details: TypeAlias = dict[str, Any]
"""Values are what JSON has: str, int, float, bool, lists and dicts of them. Empty ones are left out, so no value is None."""


class Files(Protocol):
    """The files of one package: of a folder, of a .zip, or one single file. Given by whoever may open files.

    A file may be opened more than once, and is read from its beginning each time; the reader closes what it opens.
    """

    def names(self) -> Sequence[str]:
        """Every file's name within the package, with `/` between folders."""

    def open(self, name: str) -> BinaryIO:
        """The bytes of one of `names()`, as a stream."""


@dataclass(frozen=True)
class OrganizationRecord:
    """Who offers services. `details` has description, email, website, phones, contacts, programs and so on."""

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
        """The postal code of its first address that has one, as it is written there."""
        return self._of_address("postal_code")

    @property
    def city(self) -> str | None:
        """The city of its first address that has one."""
        return self._of_address("city")

    def _of_address(self, field: str) -> str | None:
        # A physical address goes first: a post box says nothing of where the door is.
        addresses = sorted(self.details.get("addresses", ()), key=lambda row: row.get("address_type") == "postal")
        return next((str(row[field]) for row in addresses if row.get(field)), None)


@dataclass(frozen=True)
class ServiceRecord:
    """What is offered. `details` has status, description, url, email, phones, schedules, languages, attributes and so on."""

    key: str
    name: str
    organization_key: str | None
    """None where the package names no organization for it; it is never the key of one that was not read before."""
    details: Details

    @property
    def status(self) -> str:
        """active, inactive, defunct or temporarily closed; active where the package does not say."""
        return str(self.details.get("status", "active"))

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter codes where the package gives codes, else the names as they are written."""
        found = (str(row.get("code") or row.get("name") or "") for row in self.details.get("languages", ()))
        return tuple(dict.fromkeys(word for word in found if word))

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the taxonomy terms that it is filed under."""
        rows = (row.get("taxonomy_term", {}) for row in self.details.get("attributes", ()))
        return tuple(dict.fromkeys(str(term["name"]) for term in rows if term.get("name")))


@dataclass(frozen=True)
class AtLocation:
    """A service is offered at a place. `details` has what holds for this pair alone: phones, schedules, contacts."""

    key: str
    """Its id; `<service>@<location>` where the package gives none."""
    service_key: str
    location_key: str
    details: Details


@dataclass(frozen=True)
class TermRecord:
    """A kind of help, as the directory's taxonomy calls it. `details` has description, code, taxonomy, term_uri."""

    key: str
    name: str
    parent_key: str | None
    details: Details


Record: TypeAlias = OrganizationRecord | LocationRecord | ServiceRecord | AtLocation | TermRecord


@dataclass(frozen=True)
class Refusal:
    """Something was not taken."""

    file: str
    at: str
    """Where in the file: `row 12` (counted with the heading, as a spreadsheet does) or a JSON pointer; "" for all of it."""
    key: str | None
    """The id of the record that it is about, where there is one."""
    what: str
    """What is wrong. Never words of the file beyond names of fields, ids and times: reports are kept and shown."""
    remedy: str
    """What the keeper of the directory can do about it."""
    fatal: bool = False
    """The file broke off here. What follows was not read, so nothing may be imported: what was not read would look gone."""


@dataclass(frozen=True)
class Remark:
    """Something was taken although it lacks something, or a part of it was left out."""

    file: str
    at: str
    key: str | None
    what: str
    remedy: str


Found: TypeAlias = Record | Refusal | Remark
"""What `reading.read` yields: `read(files: Files, mapping: Mapping | None = None) -> Iterator[Found]`. It never raises for
what is in the files. Order is promised: a term comes before what is filed under it, an organization before its locations
and services, and a location and a service before the AtLocation that joins them. No key comes twice for the same kind."""

FoundStream: TypeAlias = Iterator[Found]
