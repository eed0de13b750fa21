"""Cases and their needs, encounters, tasks and measures. Free text is sealed on the way in and out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.domain.cases import MeasureAnswer
from bot.storage.tables.cases import CaseFile, CaseTask, Encounter, Measure, Need
from bot.storage.tables.residents import Conversation, Person

MAX_ROWS = 200
"""The most rows of one kind that a page or list gets."""


# -- people --


def lock_person(db: Session, conversation_id: int) -> Person | None:
    """The person of a conversation; None if there is no such conversation or the person has been erased.

    Their row is share-locked: a concurrent erasure is either visible here or waits for this transaction. The conversation
    is locked first, as turns and erasures do: the other order would deadlock.
    """
    row = select(Conversation.person_id).where(Conversation.id == conversation_id)
    person_id = db.scalar(row.with_for_update(read=True, key_share=True))
    found = select(Person).where(Person.id == person_id, Person.erased_at.is_(None))
    return db.scalar(found.with_for_update(read=True).execution_options(populate_existing=True))


def list_same_person_conversations(db: Session, conversation_id: int) -> list[int]:
    """The ids of this and the same person's other conversations, newest first; [] if there is no such conversation."""
    person_id = select(Conversation.person_id).where(Conversation.id == conversation_id).scalar_subquery()
    rows = select(Conversation.id).where(Conversation.person_id == person_id).order_by(Conversation.id.desc())
    return list(db.scalars(rows))


# -- cases --


def lock_or_open(db: Session, person_id: int, now: datetime, staff_id: int | None = None) -> CaseFile:
    """The person's open case, locked; a new one if they have none. `staff_id` opens and owns it; None: Warmline did.

    Two concurrent callers get the same case: a person's open case has a unique index, and the second caller waits for
    the first.
    """
    row = insert(CaseFile).values(person_id=person_id, owner_id=staff_id, opened_at=now, opened_by=staff_id)
    # A no-op update returns the existing row, which "do nothing" would not.
    row = row.on_conflict_do_update(
        index_elements=["person_id"], index_where=text("closed_at is null"), set_={"person_id": person_id}
    )
    case_id = db.scalars(row.returning(CaseFile.id)).one()
    return db.get_one(CaseFile, case_id, populate_existing=True)


def lock_open_case(db: Session, person_id: int) -> CaseFile | None:
    """The person's open case, locked, or None."""
    found = select(CaseFile).where(CaseFile.person_id == person_id, CaseFile.closed_at.is_(None))
    return db.scalar(found.with_for_update(key_share=True).execution_options(populate_existing=True))


def list_for_person(db: Session, person_id: int) -> list[CaseFile]:
    """All of the person's cases: the open one, then the newest first."""
    rows = select(CaseFile).where(CaseFile.person_id == person_id)
    return list(db.scalars(rows.order_by(CaseFile.closed_at.is_not(None), CaseFile.opened_at.desc(), CaseFile.id.desc())))


def close(db: Session, case: CaseFile, outcome: str, now: datetime) -> None:
    """Close a locked case; its open needs are closed with the outcome "unknown"."""
    left = update(Need).where(Need.case_id == case.id, Need.closed_at.is_(None))
    db.execute(left.values(closed_at=now, outcome="unknown"))
    case.closed_at, case.outcome = now, outcome


# -- needs --


def open_need(db: Session, case_id: int, code: str, now: datetime, staff_id: int | None = None) -> bool:
    """Add a need; returns whether it is new. A case has each kind of need open at most once."""
    row = insert(Need).values(case_id=case_id, code=code, opened_at=now, staff_id=staff_id)
    row = row.on_conflict_do_nothing(index_elements=["case_id", "code"], index_where=text("closed_at is null"))
    return db.scalars(row.returning(Need.id)).first() is not None


def lock_need(db: Session, case_id: int, need_id: int) -> Need | None:
    """One need of this case, locked."""
    found = select(Need).where(Need.id == need_id, Need.case_id == case_id)
    return db.scalar(found.with_for_update().execution_options(populate_existing=True))


def list_needs(db: Session, case_ids: Collection[int]) -> list[Need]:
    """The needs of these cases, oldest first."""
    rows = select(Need).where(Need.case_id.in_(case_ids)).order_by(Need.opened_at, Need.id).limit(MAX_ROWS)
    return list(db.scalars(rows))


# -- encounters --


def add_encounter(
    db: Session, case_id: int, staff_id: int, at: datetime, mode: str, minutes: int | None, sealed_note: str | None
) -> None:
    db.add(Encounter(case_id=case_id, staff_id=staff_id, at=at, mode=mode, minutes=minutes, sealed_note=sealed_note))


def list_encounters(db: Session, case_ids: Collection[int]) -> list[Encounter]:
    """The newest encounters of these cases, newest first."""
    rows = select(Encounter).where(Encounter.case_id.in_(case_ids))
    return list(db.scalars(rows.order_by(Encounter.at.desc(), Encounter.id.desc()).limit(MAX_ROWS)))


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
    sealed_what: str | None = None,
    made_by: int | None = None,
) -> int:
    """Add a task for a human; returns its id. No case is needed.

    `reason` is a fixed word if Warmline creates it, `sealed_what` sealed words if a social worker does. `staff_id` is who
    must do it (None: anyone on the team), `made_by` who created it (None: Warmline).
    """
    task = CaseTask(
        conversation_id=conversation_id,
        check_in_id=check_in_id,
        kind=kind,
        reason=reason,
        sealed_what=sealed_what,
        due_at=due_at,
        staff_id=staff_id,
        made_at=now,
        made_by=made_by,
    )
    db.add(task)
    db.flush()
    return task.id


def lock_task(db: Session, conversation_ids: Collection[int], task_id: int) -> CaseTask | None:
    """One task, locked, if it is about any of these conversations."""
    found = select(CaseTask).where(CaseTask.id == task_id, CaseTask.conversation_id.in_(conversation_ids))
    return db.scalar(found.with_for_update().execution_options(populate_existing=True))


def list_tasks(db: Session, conversation_ids: Collection[int]) -> list[CaseTask]:
    """Tasks about these conversations: the open ones by due time, then the done ones, newest first."""
    rows = select(CaseTask).where(CaseTask.conversation_id.in_(conversation_ids)).order_by(
        CaseTask.done_at.is_not(None), CaseTask.done_at.desc(), CaseTask.due_at, CaseTask.id
    )  # fmt: skip
    return list(db.scalars(rows.limit(MAX_ROWS)))


def list_open_tasks(db: Session, before: datetime, limit: int = MAX_ROWS) -> list[CaseTask]:
    """Open tasks due before `before`, the most overdue first."""
    rows = select(CaseTask).where(CaseTask.done_at.is_(None), CaseTask.due_at < before)
    return list(db.scalars(rows.order_by(CaseTask.due_at, CaseTask.id).limit(limit)))


# -- measures --


def upsert_measure(db: Session, case_id: int, measured: MeasureAnswer, now: datetime, staff_id: int | None = None) -> None:
    """Store an answer unless a newer one is stored. `staff_id` recorded it; None: the person texted it."""
    row = insert(Measure).values(
        case_id=case_id,
        day=measured.day,
        name=measured.name,
        value=measured.value,
        reported_by="worker" if staff_id else "person",
        staff_id=staff_id,
        at=now,
    )
    newer = {name: row.excluded[name] for name in ("value", "reported_by", "staff_id", "at")}
    # A text that waited in the spool through an outage is older than what was recorded since.
    is_newer = Measure.at <= row.excluded.at
    db.execute(row.on_conflict_do_update(index_elements=["case_id", "day", "name"], set_=newer, where=is_newer))


def list_measures(db: Session, case_ids: Collection[int]) -> list[Measure]:
    """The measures of these cases, by day."""
    rows = select(Measure).where(Measure.case_id.in_(case_ids)).order_by(Measure.case_id, Measure.day, Measure.name)
    return list(db.scalars(rows.execution_options(populate_existing=True)))


# -- deleting --


def last_unsafe_answer_at(db: Session, person_id: int) -> datetime | None:
    """When the person last said that they are not safe where they stay (UTC); None if never."""
    rows = select(func.max(Measure.at)).join(CaseFile, CaseFile.id == Measure.case_id)
    return db.scalar(rows.where(CaseFile.person_id == person_id, Measure.name == "safe", Measure.value == "no"))


def delete_for_person(db: Session, person_id: int, conversation_id: int) -> None:
    """Delete the person's cases and the tasks about this conversation."""
    db.execute(delete(CaseTask).where(CaseTask.conversation_id == conversation_id))
    # Locked first, so that a concurrent writer waits and then finds the case gone.
    ids = list(db.scalars(select(CaseFile.id).where(CaseFile.person_id == person_id).with_for_update()))
    for table in (Need, Encounter, Measure):
        db.execute(delete(table).where(table.case_id.in_(ids)))
    db.execute(delete(CaseFile).where(CaseFile.id.in_(ids)))


def delete_words(db: Session, person_id: int, conversation_id: int) -> None:
    """Delete the words of encounters and done tasks when their retention time is over; the rows stay."""
    ids = select(CaseFile.id).where(CaseFile.person_id == person_id)
    db.execute(update(Encounter).where(Encounter.case_id.in_(ids)).values(sealed_note=None))
    done = update(CaseTask).where(CaseTask.conversation_id == conversation_id, CaseTask.done_at.is_not(None))
    db.execute(done.values(sealed_what=None))
