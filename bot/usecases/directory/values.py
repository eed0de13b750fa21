"""The fields of a service: their current values, and the imported ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.storage.directory.catalog import ServiceDetail
from bot.storage.directory.imports import merge_edits
from bot.usecases.directory.import_services import language_code

DETAIL_FIELDS = ("description", "alert", "url", "email", "eligibility_description")
LIST_FIELDS = ("phones", "schedules")
_ADDRESS_FIELDS = ("address_1", "city", "state_province", "postal_code")


@dataclass(frozen=True, slots=True)
class ServiceValues:
    """`held` (current) and `imported` are keyed by the field names of `read` in bot/domain/directory/editing.py."""

    held: dict[str, Any]
    imported: dict[str, Any]
    """The values without the staff's changes. For a service that staff added, the same as `held`."""
    address: dict[str, Any] | None
    """The address of its only place. None where it has none, or several."""
    imported_address: dict[str, Any] | None
    has_own_place: bool
    """Whether it has at most one place, so that its address can be edited with it."""


def values_of(held: ServiceDetail) -> ServiceValues:
    """All fields of a service. Telephones and hours as people are told them: inherited from its place or agency too."""
    service = held.service
    imported = {name: service.details.get(name) for name in DETAIL_FIELDS}
    imported |= {name: _inherited_value(held, name) for name in LIST_FIELDS}
    by_own = service.origin == "staff"
    imported["name"] = service.replaced.get("name", service.name)
    imported["needs"] = service.replaced.get("needs", service.needs)
    imported["zips"] = service.replaced.get("zips", service.zips)
    imported["status"] = service.status if by_own else service.details.get("status", "active")
    imported["languages"] = service.languages if by_own else _language_codes(service.details.get("languages") or ())
    owner = held.organization
    imported["cards"], imported["agency"] = {}, owner.replaced.get("name", owner.name) if owner else None
    now = {**imported, **service.edits, "name": service.name, "needs": service.needs, "status": service.status}
    now["languages"], now["cards"], now["agency"] = service.languages, service.cards, owner.name if owner else None
    now["zips"] = service.edits.get("zips", service.zips)
    one = held.places[0][1] if len(held.places) == 1 else None
    place = merge_edits(one.details, one.edits) if one else {}
    return ServiceValues(
        {name: now[name] for name in imported},
        imported,
        _address(place),
        _address(one.details) if one else None,
        len(held.places) < 2,
    )


def _inherited_value(held: ServiceDetail, name: str) -> Any:
    """The first value, in the order of storage/directory/listings.py: of the service at this place, service, place,
    agency."""
    link, place = held.places[0] if held.places else (None, None)
    owner = held.organization
    return (
        (link and link.details.get(name))
        or held.service.details.get(name)
        or (place and merge_edits(place.details, place.edits).get(name))
        or (name == "phones" and owner and merge_edits(owner.details, owner.edits).get(name))
        or None
    )


def _language_codes(rows: Any) -> list[str]:
    return sorted({language_code(str(row.get("code") or row.get("name") or "")) for row in rows} - {""})


def _address(details: Mapping[str, Any]) -> dict[str, Any] | None:
    # A PO box is no address to go to, so it comes last.
    rows = sorted(details.get("addresses") or (), key=lambda row: row.get("address_type") == "postal")
    return {name: str(rows[0].get(name) or "") for name in _ADDRESS_FIELDS} if rows else None


def is_same_value(one: Any, other: Any) -> bool:
    """Whether two values mean the same: all empty values are equal, and whitespace and list order do not count."""
    if not one and not other:
        return True
    if isinstance(one, str) and isinstance(other, str):
        return one.split() == other.split()
    if isinstance(one, list) and isinstance(other, list) and all(isinstance(part, str) for part in [*one, *other]):
        return sorted(one) == sorted(other)
    return bool(one == other)
