"""Read the audit: who read what, and when. Reading the audit is itself recorded in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.staff.audit_acts import label
from bot.storage.staff import audits, lists
from bot.storage.staff.audits import AuditEntry
from bot.storage.staff.audits import AuditFilter as AuditFilter

CSV_HEADER = ("number", "time_utc", "staff_number", "staff", "act", "person", "handoff", "detail")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of the audit. `count` is the total of all pages; `page` counts from 1."""

    entries: tuple[AuditEntry, ...]
    count: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // audits.PAGE_SIZE))


def read_audit(db: Session, by: int, audit_filter: AuditFilter, page: int, now: datetime) -> AuditPage:
    """One page of the entries that match. The reading is recorded with its filter (numbers and fixed words only)."""
    count = audits.count(db, audit_filter)
    pages = max(1, -(-count // audits.PAGE_SIZE))
    page = min(max(page, 1), pages)
    found = AuditPage(tuple(audits.search(db, audit_filter, page)), count, page)
    # After the search, so that the page does not show its own reading first.
    detail = f"{_filter_text(audit_filter)}, page {page}"
    audits.record(db, by, "read_audit", now, conversation_id=audit_filter.conversation_id, detail=detail)
    return found


def export_audit(db: Session, by: int, audit_filter: AuditFilter, now: datetime) -> None:
    """Record an export of all entries that match. To be called before it: an export that breaks off was still one."""
    audits.record(
        db, by, "export_audit", now, conversation_id=audit_filter.conversation_id, detail=_filter_text(audit_filter)
    )


def csv_lines(db: Session, audit_filter: AuditFilter) -> Iterator[str]:
    """All entries that match, oldest first, as lines of a CSV file (RFC 4180). Times are UTC, ISO 8601."""
    yield _csv_line(CSV_HEADER)
    for entry in audits.stream(db, audit_filter):
        at = entry.at.isoformat(timespec="seconds")
        numbers = (entry.conversation_id, entry.handoff_id)
        yield _csv_line((entry.id, at, entry.staff_id, entry.staff, label(entry.act), *numbers, entry.detail))


def staff_names(db: Session) -> list[tuple[int, str]]:
    """All present and former staff as (id, name), by name."""
    return lists.list_names(db)


def _csv_line(cells: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_csv_cell(cell) for cell in cells])
    return line.getvalue()


def _csv_cell(value: object) -> str:
    """A cell as text. A quote in front keeps a spreadsheet from running it as a formula (a name may be anything)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _filter_text(audit_filter: AuditFilter) -> str:
    parts = [
        ("staff", audit_filter.staff_id),
        ("person", audit_filter.conversation_id),
        ("act", audit_filter.act),
        ("since", audit_filter.since and audit_filter.since.date()),
        ("before", audit_filter.before and audit_filter.before.date()),
    ]
    return " ".join(f"{name}={value}" for name, value in parts if value is not None) or "everything"
