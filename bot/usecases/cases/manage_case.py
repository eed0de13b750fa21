"""Manage cases: social workers open, take and close them, and record needs, encounters, tasks and measures.
A person's answers to check-ins are recorded in their case too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.orm import Session

from bot.domain.cases import (
    MEASURES,
    MODES,
    NEED_OUTCOMES,
    NEEDS,
    OUTCOMES,
    TASK_KINDS,
    VALUES,
    MeasureAnswer,
    days_begun,
    nearest_day,
    need_code,
)
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.storage import referrals
from bot.storage.cases import cases, related
from bot.storage.people import consents
from bot.storage.tables.cases import CaseFile
from bot.storage.tables.residents import Person
from bot.usecases.context import Context
from bot.usecases.handoff.common import require_worker

LONGEST_NOTE = 4000
LONGEST_TASK_TEXT = 500
MAX_MINUTES = 24 * 60
FURTHEST_BACK = timedelta(days=366)
FURTHEST_AHEAD = timedelta(days=366)
END_OF_WORK = time(17)
_CLOCK_SKEW = timedelta(minutes=5)
"""A form has whole minutes, and the clock of a social worker's computer may differ from ours."""
DOUBLE_PRESS = timedelta(minutes=1)
"""The same entry by the same social worker within this time is a second press of the button."""
FOLLOW_UP_SCOPE = "followup"
"""The scope of consent to follow-up."""

_SENTENCES = {
    "unknown_person": "There is no such person here.",
    "no_case": "There is no open case. Open one first; nothing was saved.",
    "outcome": "Choose how it ended. Nothing was saved.",
    "need": "Choose a need. Nothing was saved.",
    "has_need": "That need is open already.",
    "no_need": "There is no such need in the open case.",
    "need_closed": "That need is closed already.",
    "mode": "Choose how you met or spoke. Nothing was saved.",
    "ahead": "That time is still to come. Nothing was saved.",
    "long_ago": "That is more than a year ago. Nothing was saved.",
    "minutes": f"Minutes are a number from 0 to {MAX_MINUTES}, or nothing. Nothing was saved.",
    "too_long": "That is too long to be kept. Make it shorter; nothing was saved.",
    "kind": "Choose what is to be done. Nothing was saved.",
    "empty": "Write down what is to be done. Nothing was saved.",
    "past": "That day is over. Choose today or a later day, a year ahead at most; nothing was saved.",
    "no_task": "There is no such task here.",
    "task_done": "That task is done already.",
    "measure": "Choose an answer. Nothing was saved.",
    "day": "That day has not come yet for this case. Nothing was saved.",
}


def refused(reason: str) -> Refused:
    """The exception for a reason of the table above."""
    return Refused(_SENTENCES[reason], reason)


@dataclass(frozen=True, slots=True)
class EncounterEntry:
    """An encounter as a social worker enters it; `at` is aware UTC, `minutes` None where not measured."""

    mode: str
    at: datetime
    minutes: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A task as a social worker enters it; `due_on` is a day in the city; unless `is_mine`, it is the whole team's."""

    kind: str
    what: str
    due_on: date
    is_mine: bool = False


# -- the case --


def open_case(db: Session, conversation_id: int, staff_id: int, now: datetime) -> bool:
    """Open a case owned by this social worker; False where one is open already, and then nothing changes.

    Raises Refused, also without the permission to follow up; so do all acts of social workers here.
    """
    person = _require_person(db, conversation_id, staff_id)
    if cases.lock_open_case(db, person.id) is not None:
        return False
    cases.lock_or_open(db, person.id, now, staff_id)
    return True


def take_case(db: Session, conversation_id: int, staff_id: int) -> int | None:
    """Become the owner of the case. Returns the former owner's id, None where it had none."""
    case = _require_case(db, conversation_id, staff_id)
    before, case.owner_id = case.owner_id, staff_id
    return before


def close_case(db: Session, conversation_id: int, outcome: str, staff_id: int, now: datetime) -> None:
    """Close the case with one of OUTCOMES; its open needs end as not known."""
    case = _require_case(db, conversation_id, staff_id)
    _check_choice(outcome, OUTCOMES, "outcome")
    cases.close(db, case, outcome, now)


# -- needs --


def open_need(db: Session, conversation_id: int, code: str, staff_id: int, now: datetime) -> None:
    """Add a need, a key of NEEDS."""
    case = _require_case(db, conversation_id, staff_id)
    _check_choice(code, NEEDS, "need")
    if not cases.open_need(db, case.id, code, now, staff_id):
        raise refused("has_need")


def close_need(db: Session, conversation_id: int, need_id: int, outcome: str, staff_id: int, now: datetime) -> None:
    """Close a need with one of NEED_OUTCOMES."""
    case = _require_case(db, conversation_id, staff_id)
    need = cases.lock_need(db, case.id, need_id)
    if need is None:
        raise refused("no_need")
    if need.closed_at is not None:
        raise refused("need_closed")
    _check_choice(outcome, NEED_OUTCOMES, "outcome")
    need.closed_at, need.outcome = now, outcome


# -- what social workers do --


def record_encounter(
    db: Session, context: Context, conversation_id: int, entry: EncounterEntry, staff_id: int, now: datetime
) -> None:
    """Record that a social worker met or spoke with the household; the note is sealed. Twice within a minute is once."""
    case = _require_case(db, conversation_id, staff_id)
    _check_choice(entry.mode, MODES, "mode")
    if entry.at > now + _CLOCK_SKEW:
        raise refused("ahead")
    if entry.at < now - FURTHEST_BACK:
        raise refused("long_ago")
    if entry.minutes is not None and not 0 <= entry.minutes <= MAX_MINUTES:
        raise refused("minutes")
    if len(entry.note) > LONGEST_NOTE:
        raise refused("too_long")
    at, words = min(entry.at, now), (entry.mode, entry.minutes, entry.note)
    # A time in the future counts as now, so the second press has a slightly different time than the first.
    for row in related.list_encounters_between(db, case.id, staff_id, at - DOUBLE_PRESS, at + DOUBLE_PRESS):
        if (row.mode, row.minutes, _unseal(context, row.sealed_note)) == words:
            return
    cases.add_encounter(db, case.id, staff_id, at, entry.mode, entry.minutes, _seal(context, entry.note))


def add_task(db: Session, context: Context, conversation_id: int, entry: TaskEntry, staff_id: int, now: datetime) -> int:
    """Add a task for this person, with or without a case, due at the end of the working day. Its text is sealed.

    Returns the task's id. The same task again within a minute returns the first one's id.
    """
    # Locked before the person, as in a turn and in a deletion; this also serialises two presses at once.
    referrals.lock_conversation(db, conversation_id)
    _require_person(db, conversation_id, staff_id)
    _check_choice(entry.kind, TASK_KINDS, "kind")
    if entry.kind == "other" and not entry.what:
        raise refused("empty")
    if len(entry.what) > LONGEST_TASK_TEXT:
        raise refused("too_long")
    today = now.astimezone(context.zone).date()
    if not today <= entry.due_on <= today + FURTHEST_AHEAD:
        raise refused("past")
    # A task added in the evening for today is due at once.
    due_at = datetime.combine(entry.due_on, END_OF_WORK, context.zone).astimezone(UTC)
    whose = staff_id if entry.is_mine else None
    for row in related.list_open_tasks_since(db, conversation_id, staff_id, now - DOUBLE_PRESS):
        same = (row.kind, row.due_at, row.staff_id) == (entry.kind, due_at, whose)
        if same and _unseal(context, row.sealed_what) == entry.what:
            return row.id
    return cases.add_task(
        db, conversation_id, entry.kind, None, due_at, now,
        staff_id=whose, sealed_what=_seal(context, entry.what), made_by=staff_id,
    )  # fmt: skip


def finish_task(
    db: Session, conversation_id: int, task_id: int, staff_id: int, now: datetime, may_see: Callable[[int], bool]
) -> None:
    """Finish a task of any conversation of this person that the social worker `may_see`.

    A task of another team that they may not see is refused like one that does not exist.
    """
    _require_person(db, conversation_id, staff_id)
    seen = [each for each in cases.list_same_person_conversations(db, conversation_id) if may_see(each)]
    task = cases.lock_task(db, seen, task_id)
    if task is None:
        raise refused("no_task")
    if task.done_at is not None:
        raise refused("task_done")
    task.done_at, task.done_by = now, staff_id


def record_measure(db: Session, conversation_id: int, measure: MeasureAnswer, staff_id: int, now: datetime) -> None:
    """Record a measure as the social worker knows it. A day in the future is refused."""
    case = _require_case(db, conversation_id, staff_id)
    if measure.name not in MEASURES or measure.value not in VALUES:
        raise refused("measure")
    if measure.day not in days_begun(case.opened_at, now):
        raise refused("day")
    cases.upsert_measure(db, case.id, measure, now, staff_id)


# -- what people text --


def record_check_in_answer(db: Session, conversation_id: int, name: str, value: str, now: datetime) -> bool:
    """Record the person's answer to a check-in as a measure. Returns whether it was recorded.

    It goes into the open case, else into the newest closed one if that still has a day to measure, else into a new one.
    An answer for no day, or with an unknown name or value, is dropped: it must never make a turn fail.
    """
    person = cases.lock_person(db, conversation_id)
    if person is None or name not in MEASURES or value not in VALUES:
        return False
    case = (
        cases.lock_open_case(db, person.id)
        or _newest_still_measured(db, person.id, now)
        or cases.lock_or_open(db, person.id, now)
    )
    day = nearest_day(case.opened_at, now)
    if day is None:
        return False
    cases.upsert_measure(db, case.id, MeasureAnswer(day, name, value), now)
    return True


def _newest_still_measured(db: Session, person_id: int, now: datetime) -> CaseFile | None:
    """The newest case, if one of its days is being measured now: a case that was closed on day 60 is still asked on
    day 90."""
    newest = next(iter(cases.list_for_person(db, person_id)), None)
    return newest if newest is not None and nearest_day(newest.opened_at, now) is not None else None


def add_offered_need(db: Session, conversation_id: int, need: str, now: datetime) -> bool:
    """Services were offered for `need` (as flows name it): add the need to the person's case, opening one if necessary.

    Only with consent to follow-up: a person who only wanted an address gets no case. Returns whether the need was added.
    """
    if not consents.is_agreed(db, conversation_id, FOLLOW_UP_SCOPE, now):
        return False
    person = cases.lock_person(db, conversation_id)
    if person is None:
        return False
    return cases.open_need(db, cases.lock_or_open(db, person.id, now).id, need_code(need), now)


def _require_person(db: Session, conversation_id: int, staff_id: int) -> Person:
    require_worker(db, staff_id, Permission.FOLLOW_UP)
    person = cases.lock_person(db, conversation_id)
    if person is None:
        raise refused("unknown_person")
    return person


def _require_case(db: Session, conversation_id: int, staff_id: int) -> CaseFile:
    case = cases.lock_open_case(db, _require_person(db, conversation_id, staff_id).id)
    if case is None:
        raise refused("no_case")
    return case


def _check_choice(given: str, known: Mapping[str, str], reason: str) -> None:
    if given not in known:
        raise refused(reason)


def _seal(context: Context, words: str) -> str | None:
    return context.sealer.seal(words) if words else None


def _unseal(context: Context, sealed: str | None) -> str:
    return context.sealer.open(sealed) if sealed else ""
