"""Keeping a case: social workers open it, take it, write down needs, meetings, tasks and how the household is, and close
it; what a person tells the line is put into it as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.orm import Session

from bot.domain.case import (
    MEASURES,
    MODES,
    NEED_OUTCOMES,
    NEEDS,
    OUTCOMES,
    TASK_KINDS,
    VALUES,
    Measured,
    code_of,
    days_begun,
    nearest_day,
)
from bot.domain.permissions import Permission
from bot.storage import case_reading, cases, consents, referrals
from bot.storage.case_tables import CaseFile
from bot.storage.tables import Person
from bot.usecases.answering.common import worker
from bot.usecases.desk import Desk

LONGEST_NOTE = 4000
LONGEST_WHAT = 500
MOST_MINUTES = 24 * 60
FURTHEST_BACK = timedelta(days=366)
FURTHEST_AHEAD = timedelta(days=366)
END_OF_WORK = time(17)
_SKEW = timedelta(minutes=5)
"""A form gives whole minutes, and the clock of a worker's computer is never quite ours."""
DOUBLE_PRESS = timedelta(minutes=1)
"""The same written down again by the same worker in this time is a second press of the button."""
FOLLOW_UP = "followup"
"""The scope of consent under which a household is accompanied."""

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
    "minutes": f"Minutes are a number from 0 to {MOST_MINUTES}, or nothing. Nothing was saved.",
    "too_long": "That is too long to be kept. Make it shorter; nothing was saved.",
    "kind": "Choose what is to be done. Nothing was saved.",
    "empty": "Write down what is to be done. Nothing was saved.",
    "past": "That day is over. Choose today or a later day, a year ahead at most; nothing was saved.",
    "no_task": "There is no such task here.",
    "task_done": "That task is done already.",
    "measure": "Choose an answer. Nothing was saved.",
    "day": "That day has not come yet for this case. Nothing was saved.",
}


class NotKept(Exception):
    """The act is not possible, and nothing has happened. `text` is a sentence for the page."""

    def __init__(self, reason: str) -> None:
        self.reason, self.text = reason, _SENTENCES[reason]
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Met:
    """An encounter as a social worker writes it down; `at` is aware UTC, `minutes` None where nobody counted."""

    mode: str
    at: datetime
    minutes: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task as a social worker writes it down; `due_on` is a day in the city, `is_mine` False: anybody's of the team."""

    kind: str
    what: str
    due_on: date
    is_mine: bool = False


# -- the case --


def open_case(db: Session, conversation_id: int, staff_id: int, now: datetime) -> bool:
    """Open a case, which this social worker keeps; False where one is open already, and then nothing changes.

    Raises NotKept, and Refused for somebody who may not follow up; so do all acts of workers here.
    """
    person = _person(db, conversation_id, staff_id)
    if cases.current(db, person.id) is not None:
        return False
    cases.open_one(db, person.id, now, staff_id)
    return True


def take(db: Session, conversation_id: int, staff_id: int) -> int | None:
    """Keep the case from now on. Returns who kept it until now, None for nobody."""
    case = _open(db, conversation_id, staff_id)
    before, case.owner_id = case.owner_id, staff_id
    return before


def close(db: Session, conversation_id: int, outcome: str, staff_id: int, now: datetime) -> None:
    """Close the case with one of OUTCOMES; what is open of its needs ends as not known."""
    case = _open(db, conversation_id, staff_id)
    _one_of(outcome, OUTCOMES, "outcome")
    cases.close(db, case, outcome, now)


# -- needs --


def open_need(db: Session, conversation_id: int, code: str, staff_id: int, now: datetime) -> None:
    """Add a need, a key of NEEDS."""
    case = _open(db, conversation_id, staff_id)
    _one_of(code, NEEDS, "need")
    if not cases.open_need(db, case.id, code, now, staff_id):
        raise NotKept("has_need")


def close_need(db: Session, conversation_id: int, need_id: int, outcome: str, staff_id: int, now: datetime) -> None:
    """A need has ended, with one of NEED_OUTCOMES."""
    case = _open(db, conversation_id, staff_id)
    need = cases.need(db, case.id, need_id)
    if need is None:
        raise NotKept("no_need")
    if need.closed_at is not None:
        raise NotKept("need_closed")
    _one_of(outcome, NEED_OUTCOMES, "outcome")
    need.closed_at, need.outcome = now, outcome


# -- what workers do --


def record_encounter(db: Session, desk: Desk, conversation_id: int, met: Met, staff_id: int, now: datetime) -> None:
    """A social worker met or spoke with the household; the note is sealed. The same within a minute is kept once."""
    case = _open(db, conversation_id, staff_id)
    _one_of(met.mode, MODES, "mode")
    if met.at > now + _SKEW:
        raise NotKept("ahead")
    if met.at < now - FURTHEST_BACK:
        raise NotKept("long_ago")
    if met.minutes is not None and not 0 <= met.minutes <= MOST_MINUTES:
        raise NotKept("minutes")
    if len(met.note) > LONGEST_NOTE:
        raise NotKept("too_long")
    at, words = min(met.at, now), (met.mode, met.minutes, met.note)
    # A time that lies ahead is taken for now, so that the second press has another moment than the first.
    for row in case_reading.met_between(db, case.id, staff_id, at - DOUBLE_PRESS, at + DOUBLE_PRESS):
        if (row.mode, row.minutes, _opened(desk, row.sealed_note)) == words:
            return
    cases.add_encounter(db, case.id, staff_id, at, met.mode, met.minutes, _sealed(desk, met.note))


def add_task(db: Session, desk: Desk, conversation_id: int, wanted: Wanted, staff_id: int, now: datetime) -> int:
    """Something must be done for this person, with or without a case; due when the working day ends. The words are sealed.

    Gives the task's number. The same within a minute is one task, and gives the number of the first.
    """
    # Before the person, as in a turn and in a deletion; two presses at once come one after the other.
    referrals.lock_conversation(db, conversation_id)
    _person(db, conversation_id, staff_id)
    _one_of(wanted.kind, TASK_KINDS, "kind")
    if wanted.kind == "other" and not wanted.what:
        raise NotKept("empty")
    if len(wanted.what) > LONGEST_WHAT:
        raise NotKept("too_long")
    today = now.astimezone(desk.zone).date()
    if not today <= wanted.due_on <= today + FURTHEST_AHEAD:
        raise NotKept("past")
    # One that is made in the evening for today is due at once.
    due_at = datetime.combine(wanted.due_on, END_OF_WORK, desk.zone).astimezone(UTC)
    whose = staff_id if wanted.is_mine else None
    for row in case_reading.tasks_since(db, conversation_id, staff_id, now - DOUBLE_PRESS):
        same = (row.kind, row.due_at, row.staff_id) == (wanted.kind, due_at, whose)
        if same and _opened(desk, row.sealed_what) == wanted.what:
            return row.id
    return cases.add_task(
        db, conversation_id, wanted.kind, None, due_at, now,
        staff_id=whose, what=_sealed(desk, wanted.what), made_by=staff_id,
    )  # fmt: skip


def finish_task(
    db: Session, conversation_id: int, task_id: int, staff_id: int, now: datetime, may_see: Callable[[int], bool]
) -> None:
    """A task about this person is done, in any conversation of theirs that `may_see` says the worker may see.

    A task that is not shown to them is another team's promise: it stays, and is answered like one that is not there.
    """
    _person(db, conversation_id, staff_id)
    seen = [each for each in cases.conversations_of(db, conversation_id) if may_see(each)]
    task = cases.task(db, seen, task_id)
    if task is None:
        raise NotKept("no_task")
    if task.done_at is not None:
        raise NotKept("task_done")
    task.done_at, task.done_by = now, staff_id


def record_measure(db: Session, conversation_id: int, told: Measured, staff_id: int, now: datetime) -> None:
    """How the household is, as a social worker knows it. A day that lies ahead is refused."""
    case = _open(db, conversation_id, staff_id)
    if told.name not in MEASURES or told.value not in VALUES:
        raise NotKept("measure")
    if told.day not in days_begun(case.opened_at, now):
        raise NotKept("day")
    cases.upsert_measure(db, case.id, told, now, staff_id)


# -- what people tell the line --


def measured(db: Session, conversation_id: int, name: str, value: str, now: datetime) -> bool:
    """Keep the person's own answer to a check-in; whether it could be kept.

    It belongs to the open case, else to a closed one that is not over for longer than its measures go, else to a new one.
    An answer that fits no day is left out, and so are words that no measure has: a turn never fails by this.
    """
    person = cases.person_of(db, conversation_id)
    if person is None or name not in MEASURES or value not in VALUES:
        return False
    case = cases.current(db, person.id) or _lately_closed(db, person.id, now) or cases.open_one(db, person.id, now)
    day = nearest_day(case.opened_at, now)
    if day is None:
        return False
    cases.upsert_measure(db, case.id, Measured(day, name, value), now)
    return True


def _lately_closed(db: Session, person_id: int, now: datetime) -> CaseFile | None:
    """The newest case, where a day of its own is being answered: a household that was steady on day 60, so that its case
    was closed, is still asked on day 90."""
    newest = next(iter(cases.of_person(db, person_id)), None)
    return newest if newest is not None and nearest_day(newest.opened_at, now) is not None else None


def need_met_by_offer(db: Session, conversation_id: int, need: str, now: datetime) -> bool:
    """Services were offered for `need` (a word of our flows): note the need in the person's case, which begins with it.

    Only where the person agreed to be followed up: nobody is made a case of who wanted an address and no more. Whether
    the need was noted anew.
    """
    if not consents.holds(db, conversation_id, FOLLOW_UP, now):
        return False
    person = cases.person_of(db, conversation_id)
    if person is None:
        return False
    return cases.open_need(db, cases.open_one(db, person.id, now).id, code_of(need), now)


def _person(db: Session, conversation_id: int, staff_id: int) -> Person:
    worker(db, staff_id, Permission.FOLLOW_UP)
    person = cases.person_of(db, conversation_id)
    if person is None:
        raise NotKept("unknown_person")
    return person


def _open(db: Session, conversation_id: int, staff_id: int) -> CaseFile:
    case = cases.current(db, _person(db, conversation_id, staff_id).id)
    if case is None:
        raise NotKept("no_case")
    return case


def _one_of(given: str, known: Mapping[str, str], reason: str) -> None:
    if given not in known:
        raise NotKept(reason)


def _sealed(desk: Desk, words: str) -> str | None:
    return desk.sealer.seal(words) if words else None


def _opened(desk: Desk, sealed: str | None) -> str:
    return desk.sealer.open(sealed) if sealed else ""
