"""Who read or did what: rows are added, searched and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from bot.storage.database import plain
from bot.storage.staff_tables import Audit, Staff

PAGE = 50


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; None means whatever. `since` and `before` are aware UTC, `before` not included."""

    staff_id: int | None = None
    conversation_id: int | None = None
    act: str | None = None
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit. `staff` is the name, "" for the line itself or for an account that is gone."""

    id: int
    at: datetime
    staff_id: int | None
    staff: str
    act: str
    conversation_id: int | None
    handoff_id: int | None
    detail: str


_RECORD = """
insert into audit (staff_id, act, at, conversation_id, handoff_id, detail) values (%s, %s, %s, %s, %s, %s)
"""


def record(
    db: Session,
    staff_id: int | None,
    act: str,
    now: datetime,
    conversation_id: int | None = None,
    handoff_id: int | None = None,
    detail: str = "",
) -> None:
    """Write down one act (a key of bot/domain/audit_acts.py).

    `detail` holds fixed words and ids only: an auditor reads it, and must learn nothing that a resident wrote.
    """
    # Plain SQL, as nearly every page writes one such row: through the mapped class it costs ten times as much.
    plain(db).execute(_RECORD, (staff_id, act, now, conversation_id, handoff_id, detail))


def search(db: Session, sought: Filter, page: int = 1) -> list[Entry]:
    """One page of what was found, newest first; pages are counted from 1."""
    newest_first = _found(sought).order_by(Audit.id.desc()).limit(PAGE).offset((max(page, 1) - 1) * PAGE)
    return [_entry(row, staff) for row, staff in db.execute(newest_first)]


def count(db: Session, sought: Filter) -> int:
    """How many rows the filter finds."""
    return db.scalar(select(func.count()).select_from(Audit).where(*_conditions(sought))) or 0


def walk(db: Session, sought: Filter) -> Iterator[Entry]:
    """All that was found, oldest first, read in pieces: a year of reading does not fit into memory at once."""
    rows = db.execute(_found(sought).order_by(Audit.id).execution_options(yield_per=1000))
    return (_entry(row, staff) for row, staff in rows)


def _found(sought: Filter) -> Select[Audit, str]:
    with_name = select(Audit, Staff.name).outerjoin(Staff, Staff.id == Audit.staff_id)
    return with_name.where(*_conditions(sought))


def _conditions(sought: Filter) -> list[ColumnElement[bool]]:
    equal = ((Audit.staff_id, sought.staff_id), (Audit.conversation_id, sought.conversation_id), (Audit.act, sought.act))
    conditions = [column == value for column, value in equal if value is not None]
    if sought.since is not None:
        conditions.append(Audit.at >= sought.since)
    if sought.before is not None:
        conditions.append(Audit.at < sought.before)
    return conditions


def _entry(row: Audit, staff: str | None) -> Entry:
    return Entry(row.id, row.at, row.staff_id, staff or "", row.act, row.conversation_id, row.handoff_id, row.detail)
