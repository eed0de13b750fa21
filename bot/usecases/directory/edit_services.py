"""Staff edit the directory: change, add or close a service, record that it was checked, or that it takes no new people.

Imported values are never overwritten: changes are stored as edits on top, so that the next import cannot undo them. A
field set back to its imported value has no edit any more. Each change updates the search listing in the same transaction.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.directory import cards, editing, places
from bot.domain.directory.editing import MergedForm, ServiceForm, ServiceFormFacts
from bot.domain.directory.hsds.fields import STATUSES
from bot.domain.directory.needs import load_rules
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.refused import InvalidForm, Refused
from bot.paths import ROOT
from bot.storage.directory import catalog, listings
from bot.storage.directory.catalog import ServiceDetail
from bot.storage.staff import audits, staff
from bot.storage.tables.directory import Location, Organization, Service, ServiceAtLocation
from bot.usecases.directory.values import ServiceValues, is_same_value, values_of

STAFF_ORIGIN = "staff"
"""The origin of services added in the console, which no import touches."""
FILES_ORIGIN = "files"
ACCEPTING_VALUES = {"yes": True, "no": False, "unknown": None}
_COLUMN_FIELDS = ("name", "needs", "zips")
"""Fields with a column of their own instead of `details`: their imported values are kept in `replaced`."""

_GONE_TEXT = "This service is not in the directory any more. Nothing was saved."
_CHANGED_TEXT = (
    "This service was changed meanwhile, so what you called about may be another number now. Nothing was written down. "
    "Look at it again: what holds now stands below."
)
_KEPT_IN_FILES_TEXT = (
    "This service is kept in the files of the directory, where two people read each card. Change it there, and load it "
    "again with: warmline directory load. Nothing was saved."
)


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    """Settings: time zone, how many days a check is valid, languages, and the needs that a service may meet."""

    zone: ZoneInfo
    fresh_days: int
    languages: tuple[str, ...] = (SOURCE_LANGUAGE,)
    needs: tuple[str, ...] = ()

    @classmethod
    def with_known_needs(cls, zone: ZoneInfo, fresh_days: int, languages: tuple[str, ...]) -> DirectorySettings:
        return cls(zone, fresh_days, languages, read_need_codes())


class ServiceNotFound(Exception):
    """There is no such service."""


class ServiceEditConflict(Exception):
    """The service was saved by someone else since the form was opened. `merged` is the form with both changes."""

    def __init__(self, merged: MergedForm, version: str) -> None:
        super().__init__("a service was changed meanwhile")
        self.merged, self.version = merged, version


@dataclass(frozen=True, slots=True)
class OpenedServiceForm:
    """A form as it was opened: the version that it showed, and its values (None where unknown)."""

    version: str
    typed: ServiceForm | None


@cache
def read_need_codes(root: Path = ROOT) -> tuple[str, ...]:
    """The codes of needs, in the order of directory/needs.yaml."""
    return load_rules((root / "directory/needs.yaml").read_text("utf-8")).codes


def service_version(service: Service) -> str:
    """Identifies a saved state of a service; changes with every save."""
    return service.updated_at.isoformat() if service.updated_at else ""


def change_service(
    db: Session,
    settings: DirectorySettings,
    service_id: int,
    staff_id: int,
    typed: ServiceForm,
    opened: OpenedServiceForm,
    now: datetime,
) -> bool:
    """Save the form of a service. Returns whether its check was revoked because its telephone number changed.

    Raises ServiceNotFound; Refused; InvalidForm; ServiceEditConflict.
    """
    held, typed = _load_for_change(db, service_id), editing.normalized(typed)
    values = values_of(held)
    current = form_of(values, settings)
    if opened.typed is not None or opened.version != service_version(held.service):
        merged = editing.merge(opened.typed, typed, current)
        if merged.changed:
            raise ServiceEditConflict(merged, service_version(held.service))
    given, problems = editing.read(typed, _known_values(values, current, settings))
    if problems:
        raise InvalidForm(problems)
    number = _telephone(values.held)
    changed = _store_changes(db, held, values, given, now)
    if not changed:
        return False
    took_back = held.service.verified and "phones" in changed and _telephone(given) != number
    if took_back:
        held.service.verified, held.service.assured_on, held.service.assured_by = False, None, None
    _finish_change(db, held, staff_id, "service_changed", f"service {service_id}: {', '.join(changed)}", now)
    return took_back


def is_import_running(error: Exception) -> bool:
    """Whether an edit failed with this database error because an import of the directory holds the lock."""
    return catalog.is_lock_timeout(error)


def content_hash(db: Session, service_id: int) -> str:
    """A hash of what the directory says of a service, telephone and places included; "" where there is no such service.

    Unlike `version_of` it does not change when a check, or whether it takes new people, is recorded: a second press of the
    button must not report a conflict.
    """
    held = catalog.load_service(db, service_id)
    if held is None:
        return ""
    service, laid_out = held.service, [row["shown"] for row in catalog.listing_rows(db, [service_id])]
    said = [service.details, service.edits, service.needs, service.languages, service.status, laid_out]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def record_check(
    db: Session, settings: DirectorySettings, service_id: int, staff_id: int, now: datetime, seen_hash: str | None = None
) -> None:
    """Record that a member of staff has called the service, and that all its data is right today.

    `seen` is what `seen_of` gave when the service was shown; None where they have just typed all of it.
    Raises ServiceNotFound; Refused.
    """
    held = _load_for_change(db, service_id)
    if seen_hash is not None and seen_hash != content_hash(db, service_id):
        raise Refused(_CHANGED_TEXT, "changed meanwhile")
    service, today = held.service, now.astimezone(settings.zone).date()
    if service.status != "active":
        raise Refused("It is marked as closed. Open it again first; then write down that you have checked it.", "closed")
    who = staff.get(db, staff_id)
    service.verified, service.assured_on, service.assured_by = True, today, who.name if who else ""
    service.review_by = editing.offered_until(today, settings.fresh_days, settings.zone)
    _finish_change(db, held, staff_id, "service_checked", f"service {service_id}", now)


def set_accepting(db: Session, service_id: int, staff_id: int, answer: str, now: datetime) -> None:
    """Record whether the service takes new people: yes, no or unknown. Raises ServiceNotFound; Refused."""
    held = _load_for_change(db, service_id, also_files=True)
    if answer not in ACCEPTING_VALUES:
        raise Refused("Choose yes, no or not known. Nothing was saved.", "accepting")
    held.service.accepting, held.service.accepting_at = ACCEPTING_VALUES[answer], now
    _finish_change(db, held, staff_id, "service_changed", f"service {service_id}: accepting {answer}", now)


def set_status(db: Session, service_id: int, staff_id: int, status: str, now: datetime) -> None:
    """Set one of HSDS's statuses: closed for a time or for good, or open again. Raises ServiceNotFound; Refused."""
    held = _load_for_change(db, service_id)
    if status not in STATUSES:
        raise Refused(f"Choose one of: {', '.join(STATUSES)}. Nothing was saved.", "status")
    values = values_of(held)
    _set_edit(held.service, "status", status, values.imported["status"])
    held.service.status = status
    _finish_change(db, held, staff_id, "service_changed", f"service {service_id}: status {status}", now)


def add_service(db: Session, settings: DirectorySettings, staff_id: int, typed: ServiceForm, now: datetime) -> int:
    """Add a service by hand; returns its id. It is not offered to people until it was checked. Raises InvalidForm."""
    given, problems = editing.read(typed, ServiceFormFacts(settings.needs, settings.languages))
    if problems:
        raise InvalidForm(problems)
    key = uuid.uuid4().hex
    service = Service(
        slug=f"{STAFF_ORIGIN}/{key}", name=given["name"], needs=[], zips=[], cards={}, verified=False, review_by=now,
        source=STAFF_ORIGIN, origin=STAFF_ORIGIN, key=key, status="active", languages=[], details={}, edits={}, replaced={},
    )  # fmt: skip
    db.add(service)
    db.flush()
    held = ServiceDetail(service, None, ())
    _store_changes(db, held, values_of(held), given, now)
    _finish_change(db, held, staff_id, "service_added", f"service {service.id}", now)
    return service.id


def form_of(values: ServiceValues, settings: DirectorySettings) -> ServiceForm:
    """The form of a service with its current values."""
    return editing.form_of(values.held, values.address, settings.languages)


def _load_for_change(db: Session, service_id: int, *, also_files: bool = False) -> ServiceDetail:
    held = catalog.load_service(db, service_id, lock=True)
    if held is None:
        raise ServiceNotFound(f"There is no service {service_id}.")
    if held.service.gone_at is not None:
        raise Refused(_GONE_TEXT, "gone")
    if held.service.origin == FILES_ORIGIN and not also_files:
        raise Refused(_KEPT_IN_FILES_TEXT, "files")
    return held


def _known_values(values: ServiceValues, current: ServiceForm, settings: DirectorySettings) -> ServiceFormFacts:
    phones = [*(values.held["phones"] or ()), *(values.imported["phones"] or ())]
    hours = values.imported["schedules"] or ()
    return ServiceFormFacts(settings.needs, settings.languages, current, phones, hours, values.has_own_place)


def _telephone(given: dict[str, Any]) -> str:
    return cards.phone_of({"phones": given["phones"] or ()})


def _finish_change(db: Session, held: ServiceDetail, by: int, act: str, detail: str, now: datetime) -> None:
    held.service.updated_at = now
    db.flush()
    affected = {held.service.id}
    for place in held.places:
        affected.update(catalog.list_services_at_location(db, place[1].id) if place[1].updated_at == now else ())
    if held.organization and held.organization.updated_at == now:
        affected.update(catalog.list_services_of_organization(db, held.organization.id))
    listings.rebuild(db, sorted(affected))
    audits.record(db, by, act, now, detail=detail)


def _store_changes(
    db: Session, held: ServiceDetail, values: ServiceValues, given: dict[str, Any], now: datetime
) -> list[str]:
    """Store the values that differ from the current ones; returns the names of these fields."""
    changed = []
    for name, value in given.items():
        if name in ("agency", "address") or is_same_value(value, values.held[name]):
            continue
        changed.append(name)
        _store_field(held.service, name, value, values.imported[name])
    if agency := given.get("agency"):
        changed += ["agency"] if _name_agency(db, held, agency, now) else []
    if values.has_own_place and "address" in given and not is_same_value(given["address"], values.address):
        changed.append("address")
        _set_address(db, held, given["address"], now)
    return changed


def _store_field(service: Service, name: str, value: Any, imported: Any) -> None:
    if name == "cards":
        service.cards = value
        return
    if name in ("name", "needs", "zips", "status", "languages"):
        if name in _COLUMN_FIELDS and service.origin != STAFF_ORIGIN:
            service.replaced = {**service.replaced, name: imported}
        setattr(service, name, value)
    _set_edit(service, name, value, imported)


def _set_edit(service: Service, name: str, value: Any, imported: Any) -> None:
    if service.origin == STAFF_ORIGIN:
        # Nothing was imported, so no edits are needed.
        kept = {key: held for key, held in service.details.items() if key != name}
        service.details = kept if value in (None, []) or name in (*_COLUMN_FIELDS, "languages") else {**kept, name: value}
        return
    edits = {key: held for key, held in service.edits.items() if key != name}
    if is_same_value(value, imported):
        service.edits = edits
        service.replaced = {key: held for key, held in service.replaced.items() if key != name}
    else:
        # In `details` an empty list would count as no edit and show the imported one, so None is stored instead.
        service.edits = {**edits, name: value if value != [] or name in (*_COLUMN_FIELDS, "languages") else None}


def _name_agency(db: Session, held: ServiceDetail, name: str, now: datetime) -> bool:
    """Name the agency of a service. False for an imported service without one: the next import would remove it again."""
    if held.organization is not None:
        _rename_agency(held.organization, name, now)
    elif held.service.origin == STAFF_ORIGIN:
        owner = catalog.find_organization(db, name) or _new_organization(db, name, now)
        held.service.organization_id = owner.id
    else:
        return False
    return True


def _rename_agency(owner: Organization, name: str, now: datetime) -> None:
    imported = owner.replaced.get("name", owner.name)
    owner.edits = {**owner.edits, "name": name}
    owner.replaced = {**owner.replaced, "name": imported}
    if name == imported:
        owner.edits = {key: held for key, held in owner.edits.items() if key != "name"}
        owner.replaced = {}
    owner.name, owner.updated_at = name, now


def _new_organization(db: Session, name: str, now: datetime) -> Organization:
    key = uuid.uuid4().hex
    owner = Organization(source=STAFF_ORIGIN, key=key, name=name, details={}, edits={}, replaced={}, updated_at=now)
    db.add(owner)
    db.flush()
    return owner


def _set_address(db: Session, held: ServiceDetail, address: dict[str, Any] | None, now: datetime) -> None:
    """Set the address of the service's only place. Unless the ZIP changes, the imported coordinates stay: they are exact."""
    place = held.places[0][1] if held.places else _new_place(db, held.service, address, now)
    if place is None:
        return
    before = ({**place.details, **place.edits}.get("addresses") or [{}])[0]
    row = {**before, "address_type": "physical", "country": before.get("country") or "US", **(address or {})}
    edits = {"addresses": [row] if address else []}
    imported = (place.details.get("addresses") or [{}])[0]
    kept = {key: value for key, value in place.edits.items() if key not in ("addresses", "zip", "latitude", "longitude")}
    if address and is_same_value(address, {key: imported.get(key, "") for key in address}):
        edits = {}
    elif address and address["postal_code"] != (place.zip or "") and (middle := places.find_zip(address["postal_code"])):
        edits |= {"zip": address["postal_code"], "latitude": middle.latitude, "longitude": middle.longitude}  # type: ignore[dict-item]
    place.edits, place.updated_at = {**kept, **edits}, now


def _new_place(db: Session, service: Service, address: dict[str, Any] | None, now: datetime) -> Location | None:
    if address is None:
        return None
    middle, key = places.find_zip(address["postal_code"]), uuid.uuid4().hex
    place = Location(
        source=STAFF_ORIGIN, key=key, organization_id=service.organization_id, name=address["address_1"] or address["city"],
        latitude=middle and middle.latitude, longitude=middle and middle.longitude, zip=address["postal_code"],
        city=address["city"], details={}, edits={}, updated_at=now,
    )  # fmt: skip
    db.add(place)
    db.flush()
    db.add(ServiceAtLocation(service_id=service.id, location_id=place.id, key=key, details={}))
    return place
