"""Take in a directory of services: all that can be read of it, or nothing.

The files are read once, from the beginning to the end, and written in the same transaction; whoever searches meanwhile
sees the directory as it was. Staff's own changes (`edits`) are never touched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from sqlalchemy.orm import Session

from bot.domain.directory import cards, places
from bot.domain.directory import mapping as mappings
from bot.domain.directory.needs import Rules, needs_of
from bot.domain.directory.reading import read
from bot.domain.directory.records import (
    AtLocation,
    Files,
    LocationRecord,
    OrganizationRecord,
    Record,
    Refusal,
    Remark,
    ServiceRecord,
    TermRecord,
)
from bot.storage import directory, directory_desk, listings
from bot.storage.database import DATABASE_ERRORS

MOST_KEPT = 5000
"""Refusals that a report names; a file that is wrong in every row needs no more to be understood."""

KINDS = {
    "term": "taxonomy terms",
    "organization": "organizations",
    "location": "locations",
    "service": "services",
    "place": "services at locations",
}
"""The kinds of rows in the order in which they must be written, and what a report calls them."""

_BAD_NAME = re.compile(r"[^a-z0-9_.-]+")

Tell = Callable[[str, int], None]
Numbers = dict[int, set[str]]
"""Telephone numbers as cards say them, by service."""

_HELD = "Another import, or somebody at work in the directory, is in the way. Nothing was imported. Try again in a minute."


class Refused(Exception):
    """Nothing was imported; the text says why and what to do. `report` holds every refused row, where rows were read."""

    def __init__(self, why: str, report: Report | None = None) -> None:
        super().__init__(why)
        self.report = report


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for. `source` is the name under which the directory is kept and imported again."""

    source: str
    by: str
    fresh_days: int
    zone: ZoneInfo
    checked_on: date | None = None
    """The day on which `checked_by` has checked all of it; None: only what the directory itself calls assured is checked."""
    checked_by: str = ""


@dataclass(slots=True)
class Report:
    """What an import did."""

    source: str
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in KINDS})
    """For each kind: taken, and of these new, updated and same; gone."""
    refused: list[Refusal] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    refused_count: int = 0
    remark_count: int = 0
    refused_keys: set[str] = field(default_factory=set)
    of_files: dict[str, Counter[str]] = field(default_factory=dict)
    """For each file: refused, warned."""
    notes: list[str] = field(default_factory=list)
    """What else the keeper of the directory must know, a sentence each."""
    offered: int = 0
    """Services that people may be told of now."""

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            "source": self.source,
            "counts": {kind: dict(counter) for kind, counter in self.counts.items()},
            "offered": self.offered,
            "refused": self.refused_count,
            "warned": self.remark_count,
            "files": {name: dict(counter) for name, counter in self.of_files.items()},
            "notes": self.notes,
            "refused_rows": [_line(one) for one in self.refused],
            "warnings": [_line(one) for one in self.remarks],
        }

    @property
    def taken(self) -> int:
        return sum(counter["taken"] for counter in self.counts.values())

    def note(self, found: Refusal | Remark) -> None:
        """Count it, and keep it while there are not too many."""
        word = "refused" if isinstance(found, Refusal) else "warned"
        self.of_files.setdefault(found.file, Counter())[word] += 1
        if isinstance(found, Refusal):
            self.refused_count += 1
            if found.key:
                self.refused_keys.add(found.key)
            if len(self.refused) < MOST_KEPT or found.fatal:
                self.refused.append(found)
        else:
            self.remark_count += 1
            if len(self.remarks) < MOST_KEPT:
                self.remarks.append(found)


def _line(found: Refusal | Remark) -> dict[str, Any]:
    return {"file": found.file, "row": found.at, "key": found.key, "what": found.what, "remedy": found.remedy}


def source_name(words: str) -> str:
    """A name under which a directory can be kept: small letters, digits, dots, dashes. Raises Refused."""
    name = _BAD_NAME.sub("-", words.strip().lower()).strip("-.")
    if not name or name in directory.RESERVED:
        raise Refused(f"A directory cannot be called {words!r}. Give it a name of its own with --source.")
    return name


def import_directory(
    db: Session,
    files: Files,
    wish: Wish,
    mapping: mappings.Mapping | None,
    rules: Rules,
    now: datetime,
    tell: Tell = lambda _what, _count: None,
) -> Report:
    """Take in what `files` hold, and say what was done. The caller commits; after Refused nothing may be committed.

    `tell` is called now and then with what is being done and how much of it is done. Raises Refused.
    """
    try:
        return _take_in(db, files, wish, mapping, rules, now, tell)
    except DATABASE_ERRORS as error:
        if not directory_desk.is_held(error):
            raise
        raise Refused(_HELD) from error


def _take_in(
    db: Session, files: Files, wish: Wish, mapping: mappings.Mapping | None, rules: Rules, now: datetime, tell: Tell
) -> Report:
    origin = directory.Origin(wish.source, now, wish.fresh_days, wish.zone.key)
    try:
        directory.begin_import(db, wish.source)
    except directory.ImportUnderWay as error:
        raise Refused(f"Another import of {wish.source} is under way and does not end. Try again later.") from error
    report = Report(wish.source)
    # Before anything is written: a service that comes back has its old numbers nowhere else.
    of_gone = _said(directory_desk.phones_of_gone(db, wish.source))
    _Writer(db, origin, wish, rules, report, tell).take_all(files, mapping)
    if fatal := [one for one in report.refused if one.fatal]:
        first = fatal[0]
        where = ", ".join(part for part in (first.file, first.at) if part)
        raise Refused(f"{where + ': ' if where else ''}{first.what}; {first.remedy}. Nothing was imported.", report)
    _part_with_the_gone(db, origin, report)
    _lay_out(db, wish, report, tell, now, of_gone)
    report.offered = listings.count_offered(db, wish.source, now)
    counts = {kind: dict(counter) for kind, counter in report.counts.items()}
    directory.record_import(db, wish.source, wish.by, now, counts, report.as_json())
    return report


class _Writer:
    """Gathers records until there are enough of one kind, and writes all that it has in the order of KINDS."""

    def __init__(self, db: Session, origin: directory.Origin, wish: Wish, rules: Rules, report: Report, tell: Tell) -> None:
        self._db, self._origin, self._wish, self._rules = db, origin, wish, rules
        self._report, self._tell = report, tell
        self._rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        self._today = origin.now.astimezone(wish.zone).date()

    def take_all(self, files: Files, mapping: mappings.Mapping | None) -> None:
        for found in read(files, mapping):
            if isinstance(found, Refusal | Remark):
                self._report.note(found)
                continue
            kind, row = self._row(found)
            self._rows[kind].append(row)
            if len(self._rows[kind]) >= directory.BATCH:
                self._flush()
        self._flush()

    def _flush(self) -> None:
        for kind, rows in self._rows.items():
            written = directory.write(self._db, kind, rows, self._origin)
            counter = self._report.counts[kind]
            counter["taken"] += len(rows)
            counter["new"] += written.new
            counter["updated"] += written.updated
            counter["same"] += len(rows) - written.new - written.updated
            rows.clear()
        self._tell("rows read", self._report.taken)

    def _row(self, record: Record) -> tuple[str, dict[str, Any]]:
        match record:
            case TermRecord():
                needs = list(needs_of("", "", (record.name,), self._rules))
                return "term", {**_plain(record), "parent_key": record.parent_key, "needs": needs}
            case OrganizationRecord():
                return "organization", _plain(record)
            case LocationRecord():
                return "location", {**_plain(record), **_place(record)}
            case ServiceRecord():
                return "service", {**_plain(record), **self._service(record)}
            case AtLocation(key=key, service_key=service, location_key=location, details=details):
                return "place", {"key": key, "service_key": service, "location_key": location, "details": details}

    def _service(self, record: ServiceRecord) -> dict[str, Any]:
        assured_on, assured_by = self._assured(record)
        return {
            "organization_key": record.organization_key,
            "needs": list(needs_of(record.name, str(record.details.get("description", "")), record.terms, self._rules)),
            "zips": [],
            "status": record.status,
            "languages": sorted({language_code(word) for word in record.languages}),
            "assured_on": assured_on and assured_on.isoformat(),
            "assured_by": assured_by,
        }

    def _assured(self, record: ServiceRecord) -> tuple[date | None, str | None]:
        if self._wish.checked_on is not None:
            return self._wish.checked_on, self._wish.checked_by
        said = record.details.get("assured_date")
        try:
            day = date.fromisoformat(str(said)[:10]) if said else None
        except ValueError:
            day = None
        if day is not None and day > self._today:
            what, remedy = "assured_date is in the future", "it counts as not checked until the date is corrected"
            self._report.note(Remark("", "", record.key, what, remedy))
            day = None
        return day, (record.details.get("assurer_email") if day else None)


def _plain(record: TermRecord | OrganizationRecord | LocationRecord | ServiceRecord) -> dict[str, Any]:
    return {"key": record.key, "name": record.name, "details": record.details}


def _place(record: LocationRecord) -> dict[str, Any]:
    latitude, longitude = record.latitude, record.longitude
    # A place without coordinates is found by the middle of its ZIP: a mile wrong is better than never found.
    if latitude is None and record.zip and (middle := places.of_zip(record.zip)):
        latitude, longitude = middle.latitude, middle.longitude
    return {
        "organization_key": record.organization_key,
        "latitude": latitude,
        "longitude": longitude,
        "zip": record.zip,
        "city": record.city,
    }


@cache
def language_code(word: str) -> str:
    """The two-letter code of a language that is given by code (es, es-MX) or by its English name; else the word itself."""
    small = word.strip().lower()
    if re.fullmatch(r"[a-z]{2}([-_].*)?", small):
        return small[:2]
    return _codes().get(small, small)


@cache
def _codes() -> Mapping[str, str]:
    names = Locale("en").languages
    return {name.lower(): code for code, name in names.items() if len(code) == 2}


def _part_with_the_gone(db: Session, origin: directory.Origin, report: Report) -> None:
    """Mark what the directory no longer has, unless so much of it was refused that nothing follows from what is missing."""
    if report.refused_count > report.taken:
        report.notes.append("More than half of the rows were refused, so nothing was marked as gone.")
        return
    # A slip in today's row hides no service that was right yesterday.
    directory.spare(db, report.refused_keys)
    for kind in ("organization", "location", "service", "place"):
        if report.counts[kind]["taken"]:
            report.counts[kind]["gone"] = directory.mark_gone(db, kind, origin)
        elif directory.has(db, kind, origin):
            report.notes.append(f"There were no {KINDS[kind]} at all, so none were marked as gone.")


def _lay_out(db: Session, wish: Wish, report: Report, tell: Tell, now: datetime, of_gone: Numbers) -> None:
    """Make what has changed findable, and take the check back from what was checked with another telephone number."""
    ids = directory.touched(db)
    taken_back = 0
    for start in range(0, len(ids), directory.BATCH):
        batch = ids[start : start + directory.BATCH]
        # Who vouches for the whole directory has called the new numbers.
        checked = directory.checked_otherwise(db, batch) if wish.checked_on is None else []
        before = of_gone | _numbers(db, checked)
        listings.refresh(db, batch)
        taken_back += _take_back(db, before, _numbers(db, checked))
        tell("services laid out", start + len(batch))
    if ids:
        listings.measure_up(db)
    if taken_back:
        report.notes.append(
            f"{taken_back} services have another telephone number than the one that was checked. They are not offered until "
            "somebody has called it and written that down."
        )


def _numbers(db: Session, services: list[int]) -> Numbers:
    """The numbers that cards of these services say: of each place the first that can be called."""
    return _said((row["service_id"], row["shown"].get("phones", [])) for row in directory_desk.shown(db, services))


def _said(rows: Iterable[tuple[int, list[dict[str, Any]]]]) -> Numbers:
    said: Numbers = {}
    for service, phones in rows:
        number = cards.number_of({"phones": phones})
        said.setdefault(service, set()).update({number} if number else ())
    return said


def _take_back(db: Session, before: Numbers, after: Numbers) -> int:
    changed = [service for service, numbers in after.items() if numbers - before.get(service, set())]
    if changed:
        directory.take_back_check(db, changed)
        listings.refresh(db, changed)
    return len(changed)
