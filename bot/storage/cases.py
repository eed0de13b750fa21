"""Cases and what belongs to them: needs, encounters, tasks, measures. Words come in and go out sealed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.domain.case import Measured
from bot.storage.case_tables import CaseFile, CaseTask, Encounter, Measure, Need
from bot.storage.tables import Conversation, Person

MOST = 200
"""Rows of one kind that a page or a list gets at most."""


# -- whose --


def person_of(db: Session, conversation_id: int) -> Person | None:
    """The person of a conversation; None where there is no such conversation or they have been deleted.

    Their row is share-locked: a deletion that runs at the same time is either seen here or waits until this is saved. The
    conversation first, as in a turn and in a deletion: the other way round two would wait for each other.
    """
    row = select(Conversation.person_id).where(Conversation.id == conversation_id)
    person_id = db.scalar(row.with_for_update(read=True, key_share=True))
    found = select(Person).where(Person.id == person_id, Person.erased_at.is_(None))
    return db.scalar(found.with_for_update(read=True).execution_options(populate_existing=True))


def conversations_of(db: Session, conversation_id: int) -> list[int]:
    """This conversation and the others of the same person, newest first; nothing where there is none."""
    person_id = select(Conversation.person_id).where(Conversation.id == conversation_id).scalar_subquery()
    rows = select(Conversation.id).where(Conversation.person_id == person_id).order_by(Conversation.id.desc())
    return list(db.scalars(rows))


# -- cases --


def open_one(db: Session, person_id: int, now: datetime, staff_id: int | None = None) -> CaseFile:
    """The person's open case, locked; a new one where they have none. `staff_id` opens and keeps it, None: the line did.

    Two callers at once get the same one: there is a unique index on the open case of a person, and the one who comes
    second waits for the first.
    """
    row = insert(CaseFile).values(person_id=person_id, owner_id=staff_id, opened_at=now, opened_by=staff_id)
    # An update that changes nothing gives the row that is there, which "do nothing" would not.
    row = row.on_conflict_do_update(
        index_elements=["person_id"], index_where=text("closed_at is null"), set_={"person_id": person_id}
    )
    case_id = db.scalars(row.returning(CaseFile.id)).one()
    return db.get_one(CaseFile, case_id, populate_existing=True)


def current(db: Session, person_id: int) -> CaseFile | None:
    """The open case, locked, or None."""
    found = select(CaseFile).where(CaseFile.person_id == person_id, CaseFile.closed_at.is_(None))
    return db.scalar(found.with_for_update(key_share=True).execution_options(populate_existing=True))


def of_person(db: Session, person_id: int) -> list[CaseFile]:
    """All cases, the open one first, then the newest first."""
    rows = select(CaseFile).where(CaseFile.person_id == person_id)
    return list(db.scalars(rows.order_by(CaseFile.closed_at.is_not(None), CaseFile.opened_at.desc(), CaseFile.id.desc())))


def close(db: Session, case: CaseFile, outcome: str, now: datetime) -> None:
    """Close a locked case; needs that are still open end with it, and how is not known."""
    left = update(Need).where(Need.case_id == case.id, Need.closed_at.is_(None))
    db.execute(left.values(closed_at=now, outcome="unknown"))
    case.closed_at, case.outcome = now, outcome


# -- needs --


def open_need(db: Session, case_id: int, code: str, now: datetime, staff_id: int | None = None) -> bool:
    """Add a need; whether it is new: a case has each kind of need open at most once."""
    row = insert(Need).values(case_id=case_id, code=code, opened_at=now, staff_id=staff_id)
    row = row.on_conflict_do_nothing(index_elements=["case_id", "code"], index_where=text("closed_at is null"))
    return db.scalars(row.returning(Need.id)).first() is not None


def need(db: Session, case_id: int, need_id: int) -> Need | None:
    """One need of this case, locked."""
    found = select(Need).where(Need.id == need_id, Need.case_id == case_id)
    return db.scalar(found.with_for_update().execution_options(populate_existing=True))


def needs(db: Session, case_ids: Collection[int]) -> list[Need]:
    """The needs of these cases, oldest first."""
    rows = select(Need).where(Need.case_id.in_(case_ids)).order_by(Need.opened_at, Need.id).limit(MOST)
    return list(db.scalars(rows))


# -- encounters --


def add_encounter(
    db: Session, case_id: int, staff_id: int, at: datetime, mode: str, minutes: int | None, sealed_note: str | None
) -> None:
    db.add(Encounter(case_id=case_id, staff_id=staff_id, at=at, mode=mode, minutes=minutes, sealed_note=sealed_note))


def encounters(db: Session, case_ids: Collection[int]) -> list[Encounter]:
    """The newest encounters of these cases, newest first."""
    rows = select(Encounter).where(Encounter.case_id.in_(case_ids))
    return list(db.scalars(rows.order_by(Encounter.at.desc(), Encounter.id.desc()).limit(MOST)))


# -- tasks --


def add_task(
    db: Session,
    conversation_id: int,
    kind: str,
    reason: str | None,
    due_at: datetime,
    now: datetime,
    check_in_id: int | None = None,
    staff_id: int | None = None,
    what: str | None = None,
    made_by: int | None = None,
) -> int:
    """Add something that a human must do, and give its number. No case is needed for it.

    `reason` is a fixed word where the line makes it, `what` sealed words where a social worker does; `staff_id` whose it
    is (None: anybody's of the team), `made_by` who wrote it down (None: the line).
    """
    task = CaseTask(
        conversation_id=conversation_id,
        check_in_id=check_in_id,
        kind=kind,
        reason=reason,
        sealed_what=what,
        due_at=due_at,
        staff_id=staff_id,
        made_at=now,
        made_by=made_by,
    )
    db.add(task)
    db.flush()
    return task.id


def task(db: Session, conversation_ids: Collection[int], task_id: int) -> CaseTask | None:
    """One task about any of these conversations, locked."""
    found = select(CaseTask).where(CaseTask.id == task_id, CaseTask.conversation_id.in_(conversation_ids))
    return db.scalar(found.with_for_update().execution_options(populate_existing=True))


def tasks(db: Session, conversation_ids: Collection[int]) -> list[CaseTask]:
    """Tasks about these conversations: the open ones by when they are due, then the done ones, newest first."""
    rows = select(CaseTask).where(CaseTask.conversation_id.in_(conversation_ids)).order_by(
        CaseTask.done_at.is_not(None), CaseTask.done_at.desc(), CaseTask.due_at, CaseTask.id
    )  # fmt: skip
    return list(db.scalars(rows.limit(MOST)))


def open_tasks(db: Session, before: datetime, limit: int = MOST) -> list[CaseTask]:
    """Tasks that are not done and due before that moment, the longest due first."""
    rows = select(CaseTask).where(CaseTask.done_at.is_(None), CaseTask.due_at < before)
    return list(db.scalars(rows.order_by(CaseTask.due_at, CaseTask.id).limit(limit)))


# -- measures --


def upsert_measure(db: Session, case_id: int, told: Measured, now: datetime, staff_id: int | None = None) -> None:
    """Keep an answer; the newest one holds. `staff_id` wrote it down, None: the person told the line."""
    row = insert(Measure).values(
        case_id=case_id,
        day=told.day,
        name=told.name,
        value=told.value,
        told_by="worker" if staff_id else "person",
        staff_id=staff_id,
        at=now,
    )
    newer = {name: row.excluded[name] for name in ("value", "told_by", "staff_id", "at")}
    # A text that waited in the spool through an outage is older than what was written down since.
    is_newer = Measure.at <= row.excluded.at
    db.execute(row.on_conflict_do_update(index_elements=["case_id", "day", "name"], set_=newer, where=is_newer))


def measures(db: Session, case_ids: Collection[int]) -> list[Measure]:
    """The measures of these cases, by day."""
    rows = select(Measure).where(Measure.case_id.in_(case_ids)).order_by(Measure.case_id, Measure.day, Measure.name)
    return list(db.scalars(rows.execution_options(populate_existing=True)))


# -- deleting --


def erase(db: Session, person_id: int, conversation_id: int) -> None:
    """Delete all that cases hold of this person, and the tasks about this conversation."""
    db.execute(delete(CaseTask).where(CaseTask.conversation_id == conversation_id))
    # Locked first: who is about to write something into the case waits, and then finds it gone.
    ids = list(db.scalars(select(CaseFile.id).where(CaseFile.person_id == person_id).with_for_update()))
    for table in (Need, Encounter, Measure):
        db.execute(delete(table).where(table.case_id.in_(ids)))
    db.execute(delete(CaseFile).where(CaseFile.id.in_(ids)))


def forget_words(db: Session, person_id: int, conversation_id: int) -> None:
    """Delete the words of encounters and of done tasks whose time is over; that they took place stays."""
    ids = select(CaseFile.id).where(CaseFile.person_id == person_id)
    db.execute(update(Encounter).where(Encounter.case_id.in_(ids)).values(sealed_note=None))
    done = update(CaseTask).where(CaseTask.conversation_id == conversation_id, CaseTask.done_at.is_not(None))
    db.execute(done.values(sealed_what=None))
