"""A service of the directory by its fields: what holds now, and what was imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.storage.directory import effective
from bot.storage.directory_desk import Held
from bot.usecases.import_directory import language_code

IN_DETAILS = ("description", "alert", "url", "email", "eligibility_description")
LISTS = ("phones", "schedules")
_ADDRESS = ("address_1", "city", "state_province", "postal_code")


@dataclass(frozen=True, slots=True)
class Values:
    """Both by the names of bot/domain/directory/editing.py, `read`."""

    held: dict[str, Any]
    imported: dict[str, Any]
    """What would hold if the staff had changed nothing. Of a service that they wrote themselves, the same as is held."""
    address: dict[str, Any] | None
    """Of the one place that it has. None where it has none, or several."""
    imported_address: dict[str, Any] | None
    has_own_place: bool
    """Whether it has one place or none, which is no other service's: then its address is changed with it."""


def values_of(held: Held) -> Values:
    """All fields of a service. Numbers and hours are those that people are told: its place's and its agency's count too."""
    service = held.service
    imported = {name: service.details.get(name) for name in IN_DETAILS}
    imported |= {name: _inherited(held, name) for name in LISTS}
    by_own = service.origin == "staff"
    imported["name"] = service.replaced.get("name", service.name)
    imported["needs"] = service.replaced.get("needs", service.needs)
    imported["zips"] = service.replaced.get("zips", service.zips)
    imported["status"] = service.status if by_own else service.details.get("status", "active")
    imported["languages"] = service.languages if by_own else _codes(service.details.get("languages") or ())
    owner = held.organization
    imported["cards"], imported["agency"] = {}, owner.replaced.get("name", owner.name) if owner else None
    now = {**imported, **service.edits, "name": service.name, "needs": service.needs, "status": service.status}
    now["languages"], now["cards"], now["agency"] = service.languages, service.cards, owner.name if owner else None
    now["zips"] = service.edits.get("zips", service.zips)
    one = held.places[0][1] if len(held.places) == 1 else None
    place = effective(one.details, one.edits) if one else {}
    return Values(
        {name: now[name] for name in imported},
        imported,
        _address(place),
        _address(one.details) if one else None,
        len(held.places) < 2,
    )


def _inherited(held: Held, name: str) -> Any:
    """In the order of storage/listings.py: given for this very place, the service's own, the place's, the agency's."""
    link, place = held.places[0] if held.places else (None, None)
    owner = held.organization
    return (
        (link and link.details.get(name))
        or held.service.details.get(name)
        or (place and effective(place.details, place.edits).get(name))
        or (name == "phones" and owner and effective(owner.details, owner.edits).get(name))
        or None
    )


def _codes(rows: Any) -> list[str]:
    return sorted({language_code(str(row.get("code") or row.get("name") or "")) for row in rows} - {""})


def _address(details: Mapping[str, Any]) -> dict[str, Any] | None:
    # A post box says nothing of where the door is.
    rows = sorted(details.get("addresses") or (), key=lambda row: row.get("address_type") == "postal")
    return {name: str(rows[0].get(name) or "") for name in _ADDRESS} if rows else None


def same(one: Any, other: Any) -> bool:
    """Whether two values say the same: nothing is nothing, whatever stands for it, and ends of lines do not count."""
    if not one and not other:
        return True
    if isinstance(one, str) and isinstance(other, str):
        return one.split() == other.split()
    if isinstance(one, list) and isinstance(other, list) and all(isinstance(part, str) for part in [*one, *other]):
        return sorted(one) == sorted(other)
    return bool(one == other)
