"""Import a directory of services: every row that can be read, or nothing at all.

The files are read once and written in one transaction; searches meanwhile see the directory as it was. The changes of
staff (`edits`) are never touched.
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

from sqlalchemy.orm import Session

from bot.domain.directory import cards, places
from bot.domain.directory.hsds import mapping as mappings
from bot.domain.directory.hsds.package import read
from bot.domain.directory.hsds.records import (
    ImportRefusal,
    ImportRemark,
    LocationRecord,
    OrganizationRecord,
    PackageFiles,
    Record,
    ServiceAtLocationRecord,
    ServiceRecord,
    TermRecord,
)
from bot.domain.directory.needs import NeedRules, needs_of
from bot.domain.languages import english_names
from bot.domain.refused import Refused
from bot.storage.database import DATABASE_ERRORS
from bot.storage.directory import catalog, imports, listings

MAX_LISTED_ROWS = 5000
"""How many refused rows a report lists."""

ROW_KINDS = {
    "term": "taxonomy terms",
    "organization": "organizations",
    "location": "locations",
    "service": "services",
    "place": "services at locations",
}
"""The kinds of rows in the order in which they must be written, with their names in a report."""

_INVALID_NAME_CHARS = re.compile(r"[^a-z0-9_.-]+")

ProgressCallback = Callable[[str, int], None]
NumbersByService = dict[int, set[str]]
"""Telephone numbers as on the cards, by service id."""

_LOCKED_TEXT = (
    "Another import, or somebody at work in the directory, is in the way. Nothing was imported. Try again in a minute."
)


class ImportRefused(Refused):
    """Nothing was imported; the text says why and what to do. `report` holds every refused row, where rows were read."""

    def __init__(self, text: str, report: ImportReport | None = None) -> None:
        super().__init__(text)
        self.report = report


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of an import. `source` is the name under which the directory is stored and imported again."""

    source: str
    by: str
    fresh_days: int
    zone: ZoneInfo
    checked_on: date | None = None
    """When `checked_by` has checked the whole directory; None: only services that it marks as assured count as checked."""
    checked_by: str = ""


@dataclass(slots=True)
class ImportReport:
    """The result of an import."""

    source: str
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in ROW_KINDS})
    """By kind: taken, and of these new, updated and same; gone."""
    refused: list[ImportRefusal] = field(default_factory=list)
    remarks: list[ImportRemark] = field(default_factory=list)
    refused_count: int = 0
    remark_count: int = 0
    refused_keys: set[str] = field(default_factory=set)
    by_file: dict[str, Counter[str]] = field(default_factory=dict)
    """By file: refused, warned."""
    notes: list[str] = field(default_factory=list)
    """Further remarks for the admin, a sentence each."""
    offered: int = 0
    """How many services may be offered to people now."""

    def as_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "counts": {kind: dict(counter) for kind, counter in self.counts.items()},
            "offered": self.offered,
            "refused": self.refused_count,
            "warned": self.remark_count,
            "files": {name: dict(counter) for name, counter in self.by_file.items()},
            "notes": self.notes,
            "refused_rows": [_finding_row(one) for one in self.refused],
            "warnings": [_finding_row(one) for one in self.remarks],
        }

    @property
    def taken(self) -> int:
        return sum(counter["taken"] for counter in self.counts.values())

    def add_finding(self, found: ImportRefusal | ImportRemark) -> None:
        """Count it, and list it unless there are too many."""
        word = "refused" if isinstance(found, ImportRefusal) else "warned"
        self.by_file.setdefault(found.file, Counter())[word] += 1
        if isinstance(found, ImportRefusal):
            self.refused_count += 1
            if found.key:
                self.refused_keys.add(found.key)
            if len(self.refused) < MAX_LISTED_ROWS or found.fatal:
                self.refused.append(found)
        else:
            self.remark_count += 1
            if len(self.remarks) < MAX_LISTED_ROWS:
                self.remarks.append(found)


def _finding_row(found: ImportRefusal | ImportRemark) -> dict[str, Any]:
    return {"file": found.file, "row": found.at, "key": found.key, "what": found.what, "remedy": found.remedy}


def source_name(words: str) -> str:
    """Turn `words` into a valid source name: small letters, digits, dots, dashes. Raises ImportRefused."""
    name = _INVALID_NAME_CHARS.sub("-", words.strip().lower()).strip("-.")
    if not name or name in imports.RESERVED_SOURCES:
        raise ImportRefused(f"A directory cannot be called {words!r}. Give it a name of its own with --source.")
    return name


def import_directory(
    db: Session,
    files: PackageFiles,
    options: ImportOptions,
    mapping: mappings.DirectoryMapping | None,
    rules: NeedRules,
    now: datetime,
    on_progress: ProgressCallback = lambda _what, _count: None,
) -> ImportReport:
    """Import `files`. The caller commits, and must not after ImportRefused.

    `tell` is called now and then to show progress: the stage, and how many rows are done. Raises ImportRefused.
    """
    try:
        return _import_files(db, files, options, mapping, rules, now, on_progress)
    except DATABASE_ERRORS as error:
        if not catalog.is_lock_timeout(error):
            raise
        raise ImportRefused(_LOCKED_TEXT) from error


def _import_files(
    db: Session,
    files: PackageFiles,
    options: ImportOptions,
    mapping: mappings.DirectoryMapping | None,
    rules: NeedRules,
    now: datetime,
    on_progress: ProgressCallback,
) -> ImportReport:
    origin = imports.ImportOrigin(options.source, now, options.fresh_days, options.zone.key)
    try:
        imports.begin_import(db, options.source)
    except imports.ImportInProgress as error:
        raise ImportRefused(f"Another import of {options.source} is under way and does not end. Try again later.") from error
    report = ImportReport(options.source)
    # Before the first write: the old numbers of a service that comes back are stored nowhere else.
    of_gone = _group_numbers(catalog.phones_of_gone_services(db, options.source))
    _RecordWriter(db, origin, options, rules, report, on_progress).write_all(files, mapping)
    if fatal := [one for one in report.refused if one.fatal]:
        first = fatal[0]
        where = ", ".join(part for part in (first.file, first.at) if part)
        raise ImportRefused(f"{where + ': ' if where else ''}{first.what}; {first.remedy}. Nothing was imported.", report)
    _mark_gone(db, origin, report)
    _update_listings(db, options, report, on_progress, now, of_gone)
    report.offered = listings.count_offered(db, options.source, now)
    counts = {kind: dict(counter) for kind, counter in report.counts.items()}
    imports.record_import(db, options.source, options.by, now, counts, report.as_json())
    return report


class _RecordWriter:
    """Buffers records until one kind fills a batch, then writes all buffers in the order of KINDS."""

    def __init__(
        self,
        db: Session,
        origin: imports.ImportOrigin,
        wish: ImportOptions,
        rules: NeedRules,
        report: ImportReport,
        tell: ProgressCallback,
    ) -> None:
        self._db, self._origin, self._wish, self._rules = db, origin, wish, rules
        self._report, self._tell = report, tell
        self._rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in ROW_KINDS}
        self._today = origin.now.astimezone(wish.zone).date()

    def write_all(self, files: PackageFiles, mapping: mappings.DirectoryMapping | None) -> None:
        for found in read(files, mapping):
            if isinstance(found, ImportRefusal | ImportRemark):
                self._report.add_finding(found)
                continue
            kind, row = self._row(found)
            self._rows[kind].append(row)
            if len(self._rows[kind]) >= imports.BATCH_SIZE:
                self._flush()
        self._flush()

    def _flush(self) -> None:
        for kind, rows in self._rows.items():
            written = imports.upsert(self._db, kind, rows, self._origin)
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
                return "term", {**_common_columns(record), "parent_key": record.parent_key, "needs": needs}
            case OrganizationRecord():
                return "organization", _common_columns(record)
            case LocationRecord():
                return "location", {**_common_columns(record), **_location_columns(record)}
            case ServiceRecord():
                return "service", {**_common_columns(record), **self._service(record)}
            case ServiceAtLocationRecord(key=key, service_key=service, location_key=location, details=details):
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
            self._report.add_finding(ImportRemark("", "", record.key, what, remedy))
            day = None
        return day, (record.details.get("assurer_email") if day else None)


def _common_columns(record: TermRecord | OrganizationRecord | LocationRecord | ServiceRecord) -> dict[str, Any]:
    return {"key": record.key, "name": record.name, "details": record.details}


def _location_columns(record: LocationRecord) -> dict[str, Any]:
    latitude, longitude = record.latitude, record.longitude
    # Without coordinates the centre of the ZIP area is used: a mile off is better than never found.
    if latitude is None and record.zip and (middle := places.find_zip(record.zip)):
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
    """The two-letter code for a code (es, es-MX) or an English name; the word itself where it is unknown."""
    small = word.strip().lower()
    if re.fullmatch(r"[a-z]{2}([-_].*)?", small):
        return small[:2]
    return _codes_by_name().get(small, small)


@cache
def _codes_by_name() -> Mapping[str, str]:
    return {name.lower(): code for code, name in english_names().items() if len(code) == 2}


def _mark_gone(db: Session, origin: imports.ImportOrigin, report: ImportReport) -> None:
    """Mark rows missing from the files as gone, unless most rows were refused: then a missing row means nothing."""
    if report.refused_count > report.taken:
        report.notes.append("More than half of the rows were refused, so nothing was marked as gone.")
        return
    # A row refused today does not hide the service that was valid yesterday.
    imports.mark_seen(db, report.refused_keys)
    for kind in ("organization", "location", "service", "place"):
        if report.counts[kind]["taken"]:
            report.counts[kind]["gone"] = imports.mark_gone(db, kind, origin)
        elif imports.has_records(db, kind, origin):
            report.notes.append(f"There were no {ROW_KINDS[kind]} at all, so none were marked as gone.")


def _update_listings(
    db: Session,
    options: ImportOptions,
    report: ImportReport,
    on_progress: ProgressCallback,
    now: datetime,
    of_gone: NumbersByService,
) -> None:
    """Update the search listings of changed services, and revoke the check of those whose telephone number changed."""
    ids = imports.touched_services(db)
    taken_back = 0
    for start in range(0, len(ids), imports.BATCH_SIZE):
        batch = ids[start : start + imports.BATCH_SIZE]
        # A check of the whole directory covers the new numbers.
        checked = imports.checked_on_other_day(db, batch) if options.checked_on is None else []
        before = of_gone | _card_numbers(db, checked)
        listings.rebuild(db, batch)
        taken_back += _revoke_checks(db, before, _card_numbers(db, checked))
        on_progress("services laid out", start + len(batch))
    if ids:
        listings.update_statistics(db)
    if taken_back:
        report.notes.append(
            f"{taken_back} services have another telephone number than the one that was checked. They are not offered until "
            "somebody has called it and written that down."
        )


def _card_numbers(db: Session, services: list[int]) -> NumbersByService:
    """The numbers on the cards of these services: for each place the first that can be called."""
    return _group_numbers((row["service_id"], row["shown"].get("phones", [])) for row in catalog.listing_rows(db, services))


def _group_numbers(rows: Iterable[tuple[int, list[dict[str, Any]]]]) -> NumbersByService:
    said: NumbersByService = {}
    for service, phones in rows:
        number = cards.phone_of({"phones": phones})
        said.setdefault(service, set()).update({number} if number else ())
    return said


def _revoke_checks(db: Session, before: NumbersByService, after: NumbersByService) -> int:
    changed = [service for service, numbers in after.items() if numbers - before.get(service, set())]
    if changed:
        imports.clear_checks(db, changed)
        listings.rebuild(db, changed)
    return len(changed)
