"""The audit log: who read or did what. Rows are added and searched, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from bot.storage.database import driver_connection
from bot.storage.tables.staff import Audit, Staff

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Search criteria; None matches anything. `since` (inclusive) and `before` (exclusive) are aware UTC."""

    staff_id: int | None = None
    conversation_id: int | None = None
    act: str | None = None
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audit entry. `staff` is the name, "" for Warmline itself or a deleted account."""

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
    """Record one act (a key of bot/domain/staff/audit_acts.py).

    `detail` holds fixed words and ids only: an auditor reads it and must learn nothing that a resident wrote.
    """
    # Plain SQL, because nearly every page writes one row: the mapped class costs ten times as much.
    driver_connection(db).execute(_RECORD, (staff_id, act, now, conversation_id, handoff_id, detail))


def search(db: Session, criteria: AuditFilter, page: int = 1) -> list[AuditEntry]:
    """One page of matching entries, newest first; pages count from 1."""
    newest_first = (
        _select_entries(criteria).order_by(Audit.id.desc()).limit(PAGE_SIZE).offset((max(page, 1) - 1) * PAGE_SIZE)
    )
    return [_entry(row, staff) for row, staff in db.execute(newest_first)]


def count(db: Session, criteria: AuditFilter) -> int:
    """The number of matching entries."""
    return db.scalar(select(func.count()).select_from(Audit).where(*_conditions(criteria))) or 0


def stream(db: Session, criteria: AuditFilter) -> Iterator[AuditEntry]:
    """All matching entries, oldest first, streamed in batches: a year's entries do not fit into memory at once."""
    rows = db.execute(_select_entries(criteria).order_by(Audit.id).execution_options(yield_per=1000))
    return (_entry(row, staff) for row, staff in rows)


def _select_entries(criteria: AuditFilter) -> Select[Audit, str]:
    with_name = select(Audit, Staff.name).outerjoin(Staff, Staff.id == Audit.staff_id)
    return with_name.where(*_conditions(criteria))


def _conditions(criteria: AuditFilter) -> list[ColumnElement[bool]]:
    equal = (
        (Audit.staff_id, criteria.staff_id),
        (Audit.conversation_id, criteria.conversation_id),
        (Audit.act, criteria.act),
    )
    conditions = [column == value for column, value in equal if value is not None]
    if criteria.since is not None:
        conditions.append(Audit.at >= criteria.since)
    if criteria.before is not None:
        conditions.append(Audit.at < criteria.before)
    return conditions


def _entry(row: Audit, staff: str | None) -> AuditEntry:
    return AuditEntry(row.id, row.at, row.staff_id, staff or "", row.act, row.conversation_id, row.handoff_id, row.detail)
