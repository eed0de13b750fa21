"""Reading the audit: who read what, and when. To read it is an act of its own, and is written down."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.audit_acts import label
from bot.storage import audits
from bot.storage.audits import Entry, Filter
from bot.storage.staff_tables import Staff

HEAD = ("number", "time_utc", "staff_number", "staff", "act", "person", "handoff", "detail")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Found:
    """One page of the audit. `count` is of all pages; `page` counts from 1."""

    entries: tuple[Entry, ...]
    count: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // audits.PAGE))


def read_audit(db: Session, by: int, sought: Filter, page: int, now: datetime) -> Found:
    """One page of what the filter finds; the reading itself is recorded with the filter (numbers and fixed words)."""
    count = audits.count(db, sought)
    pages = max(1, -(-count // audits.PAGE))
    page = min(max(page, 1), pages)
    found = Found(tuple(audits.search(db, sought, page)), count, page)
    # After the search, so that a page that is turned does not begin with its own turning.
    detail = f"{_said(sought)}, page {page}"
    audits.record(db, by, "read_audit", now, conversation_id=sought.conversation_id, detail=detail)
    return found


def export_audit(db: Session, by: int, sought: Filter, now: datetime) -> None:
    """Record that all of what the filter finds is taken out of the house. Before it is: an export that breaks in the
    middle was still an export."""
    audits.record(db, by, "export_audit", now, conversation_id=sought.conversation_id, detail=_said(sought))


def as_csv(db: Session, sought: Filter) -> Iterator[str]:
    """All that the filter finds, oldest first, as the lines of a CSV file (RFC 4180). Times are UTC, ISO 8601."""
    yield _line(HEAD)
    for entry in audits.walk(db, sought):
        at = entry.at.isoformat(timespec="seconds")
        numbers = (entry.conversation_id, entry.handoff_id)
        yield _line((entry.id, at, entry.staff_id, entry.staff, label(entry.act), *numbers, entry.detail))


def staff_names(db: Session) -> list[tuple[int, str]]:
    """Everybody who is or was on the staff, by name: what somebody did who has left is looked for as well."""
    rows = db.execute(select(Staff.id, Staff.name).order_by(Staff.name, Staff.id))
    return [(number, name) for number, name in rows]


def _line(cells: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_cell(cell) for cell in cells])
    return line.getvalue()


def _cell(value: object) -> str:
    """A cell as text. One that a spreadsheet would run as a formula gets a quote in front (a name may be anything)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _said(sought: Filter) -> str:
    parts = [
        ("staff", sought.staff_id),
        ("person", sought.conversation_id),
        ("act", sought.act),
        ("since", sought.since and sought.since.date()),
        ("before", sought.before and sought.before.date()),
    ]
    return " ".join(f"{name}={value}" for name, value in parts if value is not None) or "everything"
