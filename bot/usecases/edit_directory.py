"""Staff keep the directory: change a service, write down that it was checked or takes nobody new, add one, close one.

What was imported is never written over: changes lie over it, so that the next import cannot undo them, and a field that is
put back to what was imported lies there no longer. Every change is laid out for searching in the same transaction.
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
from bot.domain.directory.editing import Known, Merged, Typed
from bot.domain.directory.fields import STATUSES
from bot.domain.directory.needs import load_rules
from bot.storage import audits, directory_desk, listings, staff
from bot.storage.directory_desk import Held
from bot.storage.directory_tables import Location, Organization, Service, ServiceAtLocation
from bot.usecases.directory_values import Values, same, values_of

OF_STAFF = "staff"
"""The origin of what was written in the console, which no import touches."""
OF_FILES = "files"
ACCEPTING = {"yes": True, "no": False, "unknown": None}
_IN_COLUMNS = ("name", "needs", "zips")
"""Fields that stand in no details: what was imported of them is kept aside."""

_GONE = "This service is not in the directory any more. Nothing was saved."
_MEANWHILE = (
    "This service was changed meanwhile, so what you called about may be another number now. Nothing was written down. "
    "Look at it again: what holds now stands below."
)
_IN_FILES = (
    "This service is kept in the files of the directory, where two people read each card. Change it there, and load it "
    "again with: warmline directory load. Nothing was saved."
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What the house has settled: its time zone, how many days a check holds, the languages in which it writes."""

    zone: ZoneInfo
    fresh_days: int
    languages: tuple[str, ...] = ("en", "es")
    needs: tuple[str, ...] = ()

    @classmethod
    def of(cls, zone: ZoneInfo, fresh_days: int, languages: tuple[str, ...]) -> Ground:
        return cls(zone, fresh_days, languages, known_needs())


class NotThere(Exception):
    """There is no such service."""


class Refused(Exception):
    """It cannot be done, and nothing is changed; `text` says why and what to do."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.reason, self.text = reason, text


class Unfit(Exception):
    """What was typed cannot be stored. `problems`: a sentence for each field."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("a change of the directory was refused")
        self.problems = problems


class ChangedMeanwhile(Exception):
    """Somebody else has saved the same service since the form was opened. `merged` is the form with both."""

    def __init__(self, merged: Merged, version: str) -> None:
        super().__init__("a service was changed meanwhile")
        self.merged, self.version = merged, version


@dataclass(frozen=True, slots=True)
class Opened:
    """A form as it was opened: the version that it showed, and what stood in it (None where that is not known)."""

    version: str
    typed: Typed | None


@cache
def known_needs(root: Path = Path(__file__).parent.parent.parent) -> tuple[str, ...]:
    """The needs that a service may meet, in the order of directory/needs.yaml."""
    return load_rules((root / "directory/needs.yaml").read_text("utf-8")).codes


def version_of(service: Service) -> str:
    """Tells one saved state of a service from the next."""
    return service.updated_at.isoformat() if service.updated_at else ""


def change(db: Session, ground: Ground, service_id: int, staff_id: int, typed: Typed, opened: Opened, now: datetime) -> bool:
    """Keep what was typed about a service. Returns whether a check was taken back, as its telephone number is another now.

    Raises NotThere; Refused; Unfit; ChangedMeanwhile.
    """
    held, typed = _held(db, service_id), editing.tidied(typed)
    values = values_of(held)
    current = typed_of(values, ground)
    if opened.typed is not None or opened.version != version_of(held.service):
        merged = editing.merge(opened.typed, typed, current)
        if merged.changed:
            raise ChangedMeanwhile(merged, version_of(held.service))
    given, problems = editing.read(typed, _known(values, current, ground))
    if problems:
        raise Unfit(problems)
    number = _number(values.held)
    changed = _keep(db, held, values, given, now)
    if not changed:
        return False
    took_back = held.service.verified and "phones" in changed and _number(given) != number
    if took_back:
        held.service.verified, held.service.assured_on, held.service.assured_by = False, None, None
    _done(db, held, staff_id, "service_changed", f"service {service_id}: {', '.join(changed)}", now)
    return took_back


def seen_of(db: Session, service_id: int) -> str:
    """Tells what is said of a service, its number and places too, from what was said of it before or will be; "" for none.

    Unlike `version_of` it stays while a check or an answer to "do they take new people" is written down, so that whoever
    presses twice is not told that somebody else was there.
    """
    held = directory_desk.load(db, service_id)
    if held is None:
        return ""
    service, laid_out = held.service, [row["shown"] for row in directory_desk.shown(db, [service_id])]
    said = [service.details, service.edits, service.needs, service.languages, service.status, laid_out]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def checked(db: Session, ground: Ground, service_id: int, staff_id: int, now: datetime, seen: str | None = None) -> None:
    """Somebody has called, and all that the directory says of this service is right today.

    `seen` is what `seen_of` gave when the service was shown to them; None: they have typed it all in this very moment.
    Raises NotThere; Refused.
    """
    held = _held(db, service_id)
    if seen is not None and seen != seen_of(db, service_id):
        raise Refused("changed meanwhile", _MEANWHILE)
    service, today = held.service, now.astimezone(ground.zone).date()
    if service.status != "active":
        raise Refused("closed", "It is marked as closed. Open it again first; then write down that you have checked it.")
    who = staff.get(db, staff_id)
    service.verified, service.assured_on, service.assured_by = True, today, who.name if who else ""
    service.review_by = editing.good_until(today, ground.fresh_days, ground.zone)
    _done(db, held, staff_id, "service_checked", f"service {service_id}", now)


def accepting(db: Session, service_id: int, staff_id: int, answer: str, now: datetime) -> None:
    """Whether it takes new people now: yes, no or unknown. Raises NotThere; Refused."""
    held = _held(db, service_id, also_files=True)
    if answer not in ACCEPTING:
        raise Refused("accepting", "Choose yes, no or not known. Nothing was saved.")
    held.service.accepting, held.service.accepting_at = ACCEPTING[answer], now
    _done(db, held, staff_id, "service_changed", f"service {service_id}: accepting {answer}", now)


def close(db: Session, service_id: int, staff_id: int, status: str, now: datetime) -> None:
    """Close it for a time or for good, or open it again: one of the specification's words. Raises NotThere; Refused."""
    held = _held(db, service_id)
    if status not in STATUSES:
        raise Refused("status", f"Choose one of: {', '.join(STATUSES)}. Nothing was saved.")
    values = values_of(held)
    _lay_over(held.service, "status", status, values.imported["status"])
    held.service.status = status
    _done(db, held, staff_id, "service_changed", f"service {service_id}: status {status}", now)


def add(db: Session, ground: Ground, staff_id: int, typed: Typed, now: datetime) -> int:
    """Add a service by hand, and give its number. Nobody is told of it before somebody has checked it. Raises Unfit."""
    given, problems = editing.read(typed, Known(ground.needs, ground.languages))
    if problems:
        raise Unfit(problems)
    key = uuid.uuid4().hex
    service = Service(
        slug=f"{OF_STAFF}/{key}", name=given["name"], needs=[], zips=[], cards={}, verified=False, review_by=now,
        source=OF_STAFF, origin=OF_STAFF, key=key, status="active", languages=[], details={}, edits={}, replaced={},
    )  # fmt: skip
    db.add(service)
    db.flush()
    held = Held(service, None, ())
    _keep(db, held, values_of(held), given, now)
    _done(db, held, staff_id, "service_added", f"service {service.id}", now)
    return service.id


def typed_of(values: Values, ground: Ground) -> Typed:
    """The form of a service as it is."""
    return editing.typed_of(values.held, values.address, ground.languages)


def _held(db: Session, service_id: int, *, also_files: bool = False) -> Held:
    held = directory_desk.load(db, service_id, lock=True)
    if held is None:
        raise NotThere(f"There is no service {service_id}.")
    if held.service.gone_at is not None:
        raise Refused("gone", _GONE)
    if held.service.origin == OF_FILES and not also_files:
        raise Refused("files", _IN_FILES)
    return held


def _known(values: Values, current: Typed, ground: Ground) -> Known:
    phones = [*(values.held["phones"] or ()), *(values.imported["phones"] or ())]
    hours = values.imported["schedules"] or ()
    return Known(ground.needs, ground.languages, current, phones, hours, values.has_own_place)


def _number(given: dict[str, Any]) -> str:
    return cards.number_of({"phones": given["phones"] or ()})


def _done(db: Session, held: Held, by: int, act: str, detail: str, now: datetime) -> None:
    held.service.updated_at = now
    db.flush()
    affected = {held.service.id}
    for place in held.places:
        affected.update(directory_desk.services_at(db, place[1].id) if place[1].updated_at == now else ())
    if held.organization and held.organization.updated_at == now:
        affected.update(directory_desk.services_of(db, held.organization.id))
    listings.refresh(db, sorted(affected))
    audits.record(db, by, act, now, detail=detail)


def _keep(db: Session, held: Held, values: Values, given: dict[str, Any], now: datetime) -> list[str]:
    """Store what differs from what is held, and name these fields."""
    changed = []
    for name, value in given.items():
        if name in ("agency", "address") or same(value, values.held[name]):
            continue
        changed.append(name)
        _store(held.service, name, value, values.imported[name])
    if agency := given.get("agency"):
        changed += ["agency"] if _name_agency(db, held, agency, now) else []
    if values.has_own_place and "address" in given and not same(given["address"], values.address):
        changed.append("address")
        _move(db, held, given["address"], now)
    return changed


def _store(service: Service, name: str, value: Any, imported: Any) -> None:
    if name == "cards":
        service.cards = value
        return
    if name in ("name", "needs", "zips", "status", "languages"):
        if name in _IN_COLUMNS and service.origin != OF_STAFF:
            service.replaced = {**service.replaced, name: imported}
        setattr(service, name, value)
    _lay_over(service, name, value, imported)


def _lay_over(service: Service, name: str, value: Any, imported: Any) -> None:
    if service.origin == OF_STAFF:
        # Nothing of it was imported, so there is nothing to lie over.
        kept = {key: held for key, held in service.details.items() if key != name}
        service.details = kept if value in (None, []) or name in (*_IN_COLUMNS, "languages") else {**kept, name: value}
        return
    edits = {key: held for key, held in service.edits.items() if key != name}
    if same(value, imported):
        service.edits = edits
        service.replaced = {key: held for key, held in service.replaced.items() if key != name}
    else:
        # Lists that stand in columns are laid over as they are; in details, an empty one would let the imported one through.
        service.edits = {**edits, name: value if value != [] or name in (*_IN_COLUMNS, "languages") else None}


def _name_agency(db: Session, held: Held, name: str, now: datetime) -> bool:
    """Name the agency of a service; whether that could be done: where an import names none, it would take ours away."""
    if held.organization is not None:
        _rename(held.organization, name, now)
    elif held.service.origin == OF_STAFF:
        owner = directory_desk.find_organization(db, name) or _new_organization(db, name, now)
        held.service.organization_id = owner.id
    else:
        return False
    return True


def _rename(owner: Organization, name: str, now: datetime) -> None:
    imported = owner.replaced.get("name", owner.name)
    owner.edits = {**owner.edits, "name": name}
    owner.replaced = {**owner.replaced, "name": imported}
    if name == imported:
        owner.edits = {key: held for key, held in owner.edits.items() if key != "name"}
        owner.replaced = {}
    owner.name, owner.updated_at = name, now


def _new_organization(db: Session, name: str, now: datetime) -> Organization:
    key = uuid.uuid4().hex
    owner = Organization(source=OF_STAFF, key=key, name=name, details={}, edits={}, replaced={}, updated_at=now)
    db.add(owner)
    db.flush()
    return owner


def _move(db: Session, held: Held, address: dict[str, Any] | None, now: datetime) -> None:
    """Give the service's one place this address. Without its ZIP's change the imported point stays: it is more exact."""
    place = held.places[0][1] if held.places else _new_place(db, held.service, address, now)
    if place is None:
        return
    before = ({**place.details, **place.edits}.get("addresses") or [{}])[0]
    row = {**before, "address_type": "physical", "country": before.get("country") or "US", **(address or {})}
    edits = {"addresses": [row] if address else []}
    imported = (place.details.get("addresses") or [{}])[0]
    kept = {key: value for key, value in place.edits.items() if key not in ("addresses", "zip", "latitude", "longitude")}
    if address and same(address, {key: imported.get(key, "") for key in address}):
        edits = {}
    elif address and address["postal_code"] != (place.zip or "") and (middle := places.of_zip(address["postal_code"])):
        edits |= {"zip": address["postal_code"], "latitude": middle.latitude, "longitude": middle.longitude}  # type: ignore[dict-item]
    place.edits, place.updated_at = {**kept, **edits}, now


def _new_place(db: Session, service: Service, address: dict[str, Any] | None, now: datetime) -> Location | None:
    if address is None:
        return None
    middle, key = places.of_zip(address["postal_code"]), uuid.uuid4().hex
    place = Location(
        source=OF_STAFF, key=key, organization_id=service.organization_id, name=address["address_1"] or address["city"],
        latitude=middle and middle.latitude, longitude=middle and middle.longitude, zip=address["postal_code"],
        city=address["city"], details={}, edits={}, updated_at=now,
    )  # fmt: skip
    db.add(place)
    db.flush()
    db.add(ServiceAtLocation(service_id=service.id, location_id=place.id, key=key, details={}))
    return place
