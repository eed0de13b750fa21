"""Drafts of flows: the state that holds, and every state before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.domain.flow_content import FlowContent
from bot.storage.studio_tables import DraftRevision, FlowDraft


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a draft. `parent_id` is what undo leads to, `undone_id` what redo leads to."""

    id: int
    flow: str
    number: int
    parent_id: int | None
    undone_id: int | None
    content: FlowContent
    what: str
    staff_id: int | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft at the state that holds. `based_on` is the id of a version, None for a flow that is new."""

    flow: str
    based_on: int | None
    revision: Revision


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a draft's history, without its texts."""

    id: int
    number: int
    what: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes: a member of staff, or a name such as "files" for what comes from elsewhere."""

    name: str
    staff_id: int | None = None


def find(db: Session, flow: str) -> Draft | None:
    """The draft of a flow."""
    row = db.get(FlowDraft, flow)
    return _draft(db, row) if row else None


def lock(db: Session, flow: str) -> Draft | None:
    """The draft, which nobody else changes until the transaction ends."""
    query = select(FlowDraft).where(FlowDraft.flow == flow).with_for_update()
    row = db.scalar(query.execution_options(populate_existing=True))
    return _draft(db, row) if row else None


def everyone(db: Session) -> list[Draft]:
    """All drafts, by name."""
    return [_draft(db, row) for row in db.scalars(select(FlowDraft).order_by(FlowDraft.flow))]


def revision(db: Session, revision_id: int) -> Revision | None:
    """One state that a draft was in."""
    row = db.get(DraftRevision, revision_id)
    return _revision(row) if row else None


def history(db: Session, flow: str, limit: int = 100, before: int | None = None) -> list[Entry]:
    """What was done to a draft, the newest first; `before` is the number from which the page before went on."""
    columns = (DraftRevision.id, DraftRevision.number, DraftRevision.what, DraftRevision.by, DraftRevision.at)
    query = select(*columns).where(DraftRevision.flow == flow)
    if before is not None:
        query = query.where(DraftRevision.number < before)
    return [Entry(*row) for row in db.execute(query.order_by(DraftRevision.number.desc()).limit(limit))]


def was_begun_after(db: Session, flow: str, number: int) -> bool:
    """Whether the draft with this revision was thrown away since, and another one begun."""
    later = select(DraftRevision.id).where(
        DraftRevision.flow == flow, DraftRevision.number > number,
        # What undo leads back to has no parent either where it was the first.
        DraftRevision.parent_id.is_(None), DraftRevision.undone_id.is_(None),
    )  # fmt: skip
    return db.scalar(later.limit(1)) is not None


def begin(
    db: Session, flow: str, content: FlowContent, based_on: int | None, what: str, by: Author, now: datetime
) -> tuple[Draft, bool]:
    """The draft of a flow, made with this content where there is none; and whether it was made now.

    Two who begin at the same moment get the same draft: the second waits for the first.
    """
    made = db.scalar(
        insert(FlowDraft)
        .values(flow=flow, revision_id=None, based_on=based_on, updated_at=now)
        .on_conflict_do_nothing()
        .returning(FlowDraft.flow)
    )
    if made is None:
        there = lock(db, flow)
        assert there is not None
        return there, False
    keep(db, flow, content, what, by, now)
    draft = find(db, flow)
    assert draft is not None
    return draft, True


def keep(
    db: Session, flow: str, content: FlowContent, what: str, by: Author, now: datetime,
    *, parent_id: int | None = None, undone_id: int | None = None,
) -> Revision:  # fmt: skip
    """Write down a new state of a draft that is locked, and let it hold."""
    number = 1 + (db.scalar(select(func.max(DraftRevision.number)).where(DraftRevision.flow == flow)) or 0)
    row = DraftRevision(
        flow=flow, number=number, parent_id=parent_id, undone_id=undone_id, source=content.source,
        translations=dict(content.translations), transcripts=dict(content.transcripts),
        what=what, staff_id=by.staff_id, by=by.name, at=now,
    )  # fmt: skip
    db.add(row)
    db.flush()
    draft = db.get_one(FlowDraft, flow)
    draft.revision_id, draft.updated_at = row.id, now
    db.flush()
    return _revision(row)


def base_on(db: Session, flow: str, version: int | None) -> None:
    """From now on this version is what the draft is compared with."""
    db.get_one(FlowDraft, flow).based_on = version
    db.flush()


def drop(db: Session, flow: str) -> None:
    """Take the draft away. What it was stays in the history."""
    row = db.get(FlowDraft, flow)
    if row is not None:
        db.delete(row)
        db.flush()


def _draft(db: Session, row: FlowDraft) -> Draft:
    assert row.revision_id is not None
    return Draft(row.flow, row.based_on, _revision(db.get_one(DraftRevision, row.revision_id)))


def _revision(row: DraftRevision) -> Revision:
    content = FlowContent(row.source, dict(row.translations), dict(row.transcripts))
    return Revision(
        row.id, row.flow, row.number, row.parent_id, row.undone_id, content, row.what, row.staff_id, row.by, row.at
    )
