"""Drafts of flows: the current revision, and every earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.storage.tables.studio import DraftRevision, FlowDraft


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a draft. Undo leads to `parent_id`, redo to `undone_id`."""

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
    """A draft at its current revision. `based_on` is the id of a flow version, None for a new flow."""

    flow: str
    based_on: int | None
    revision: Revision


@dataclass(frozen=True, slots=True)
class DraftHistoryEntry:
    """An entry of a draft's history, without the content."""

    id: int
    number: int
    what: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DraftAuthor:
    """Who makes a change: a staff member, or a name such as "files" for a source outside the console."""

    name: str
    staff_id: int | None = None


def find(db: Session, flow: str) -> Draft | None:
    """The draft of a flow, or None."""
    row = db.get(FlowDraft, flow)
    return _draft(db, row) if row else None


def lock(db: Session, flow: str) -> Draft | None:
    """The draft, locked until the transaction ends, or None."""
    query = select(FlowDraft).where(FlowDraft.flow == flow).with_for_update()
    row = db.scalar(query.execution_options(populate_existing=True))
    return _draft(db, row) if row else None


def list_all(db: Session) -> list[Draft]:
    """All drafts, ordered by flow name."""
    return [_draft(db, row) for row in db.scalars(select(FlowDraft).order_by(FlowDraft.flow))]


def find_revision(db: Session, revision_id: int) -> Revision | None:
    """One revision of a draft, or None."""
    row = db.get(DraftRevision, revision_id)
    return _revision(row) if row else None


def history(db: Session, flow: str, limit: int = 100, before: int | None = None) -> list[DraftHistoryEntry]:
    """The changes of a draft, newest first; only revisions numbered below `before` if given (for paging)."""
    columns = (DraftRevision.id, DraftRevision.number, DraftRevision.what, DraftRevision.by, DraftRevision.at)
    query = select(*columns).where(DraftRevision.flow == flow)
    if before is not None:
        query = query.where(DraftRevision.number < before)
    return [DraftHistoryEntry(*row) for row in db.execute(query.order_by(DraftRevision.number.desc()).limit(limit))]


def was_restarted_after(db: Session, flow: str, number: int) -> bool:
    """Whether the draft was discarded and a new one begun after this revision."""
    later = select(DraftRevision.id).where(
        DraftRevision.flow == flow, DraftRevision.number > number,
        # A first revision that undo returned to has no parent either; its `undone_id` tells it apart.
        DraftRevision.parent_id.is_(None), DraftRevision.undone_id.is_(None),
    )  # fmt: skip
    return db.scalar(later.limit(1)) is not None


def get_or_create(
    db: Session, flow: str, content: FlowContent, based_on: int | None, what: str, by: DraftAuthor, now: datetime
) -> tuple[Draft, bool]:
    """The draft of a flow, created with this content if there is none; and whether it was created now.

    Two concurrent callers get the same draft: the second waits for the first.
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
    add_revision(db, flow, content, what, by, now)
    draft = find(db, flow)
    assert draft is not None
    return draft, True


def add_revision(
    db: Session, flow: str, content: FlowContent, what: str, by: DraftAuthor, now: datetime,
    *, parent_id: int | None = None, undone_id: int | None = None,
) -> Revision:  # fmt: skip
    """Add a revision to a locked draft and make it the current one."""
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


def set_base_version(db: Session, flow: str, version: int | None) -> None:
    """Set the version that the draft is compared with."""
    db.get_one(FlowDraft, flow).based_on = version
    db.flush()


def delete(db: Session, flow: str) -> None:
    """Delete the draft. Its history stays."""
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
