"""Reading all that is known of the way of one household: its cases with needs, meetings and measures, tasks, referrals,
check-ins, and what the person agreed to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.case import Course, Measured, steadier
from bot.domain.effects import Choice
from bot.storage import case_reading, cases, consents, inbox, referrals
from bot.storage.case_tables import CaseFile, CaseTask, Encounter, Measure, Need
from bot.storage.consents import AGENCY, SHARE
from bot.storage.referrals import Known
from bot.storage.sealing import Sealer
from bot.storage.tables import CheckIn, Consent, ReferralEvent
from bot.usecases.read_case import Guarded, may_read


@dataclass(frozen=True, slots=True)
class NeedSpan:
    """A need from when until when. `by` is a name of staff, "" where the person told the line."""

    id: int
    code: str
    opened_at: datetime
    closed_at: datetime | None
    outcome: str
    by: str


@dataclass(frozen=True, slots=True)
class Meeting:
    """An encounter; `note` is "" where there is none, or its words were deleted."""

    at: datetime
    mode: str
    minutes: int | None
    note: str
    by: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One cell of the measures. `by` is a name of staff, "" where the person told the line."""

    value: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case; `measures` by (day, name), `courses` by name. `owner` is "" for nobody."""

    id: int
    opened_at: datetime
    closed_at: datetime | None
    outcome: str
    owner: str
    owner_id: int | None
    needs: tuple[NeedSpan, ...]
    meetings: tuple[Meeting, ...]
    measures: Mapping[tuple[int, str], Answer]
    courses: Mapping[str, Course]


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be done. `whose` is "" for anybody of the team, `made_by` "" for the line itself."""

    id: int
    kind: str
    reason: str
    what: str
    due_at: datetime
    whose: str
    made_by: str
    done_at: datetime | None
    done_by: str


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to a referral; `by` is person, worker, agency or line, `name` the worker's."""

    at: datetime
    kind: str
    by: str
    outcome: str
    name: str


@dataclass(frozen=True, slots=True)
class Referred:
    """A referral with all that happened to it, oldest first."""

    known: Known
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A check-in. `at` is when it was asked, else when it is due, else when it was meant to be; `reason` a fixed word."""

    at: datetime
    flow: str
    state: str
    reason: str
    ended_at: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """An entry of the ledger. `agency` is the name of whom it may be shared with; `holds`: it is the newest of its scope
    in its conversation, and says yes, and is not over."""

    at: datetime
    scope: str
    agency: str
    choice: str
    method: str
    until: datetime | None
    by: str
    holds: bool


@dataclass(frozen=True, slots=True)
class CasePage:
    """`conversation_id` is one that the reader may read. `cases` holds the open one first, then the newest; `hidden` counts
    the person's conversations that they may not read: tasks, referrals, check-ins and consents of those are not here.
    `agencies` are slug -> name. Times are aware UTC."""

    conversation_id: int
    name: str
    cases: tuple[CaseView, ...]
    tasks: tuple[Task, ...]
    referrals: tuple[Referred, ...]
    check_ins: tuple[Asked, ...]
    ledger: tuple[Agreement, ...]
    agencies: Mapping[str, str]
    hidden: int

    @property
    def open_case(self) -> CaseView | None:
        return next((case for case in self.cases if case.closed_at is None), None)


def may_keep(db: Session, me: Guarded, conversation_id: int) -> bool:
    """Whether any conversation of this person is theirs to read: a case belongs to the person, not to one number."""
    return any(may_read(db, me, each) for each in cases.conversations_of(db, conversation_id))


def read_case_file(db: Session, sealer: Sealer, me: Guarded, conversation_id: int, now: datetime) -> CasePage | None:
    """The page of this conversation's person; None where there is no such conversation or none of theirs is the reader's."""
    known = cases.conversations_of(db, conversation_id)
    readable = [each for each in known if may_read(db, me, each)]
    if not readable:
        return None
    # Plain SQL sees only what was written.
    db.flush()
    person = cases.person_of(db, conversation_id)
    sealed_name = case_reading.sealed_name(db, conversation_id)
    reader = _Reader(db, sealer, now, readable)
    return CasePage(
        conversation_id=conversation_id if conversation_id in readable else readable[0],
        name=sealer.open(sealed_name) if sealed_name else "",
        cases=reader.views(cases.of_person(db, person.id)) if person else (),
        tasks=reader.tasks(),
        referrals=reader.referrals(),
        check_ins=reader.check_ins(),
        ledger=reader.ledger(),
        agencies=case_reading.agencies(db, readable),
        hidden=len(known) - len(readable),
    )


class _Reader:
    """Rows as the page shows them: opened, with names. One look at the staff for each kind of row."""

    def __init__(self, db: Session, sealer: Sealer, now: datetime, conversation_ids: Collection[int]) -> None:
        self._db, self._sealer, self._now, self._ids = db, sealer, now, conversation_ids

    def _opened(self, sealed: str | None) -> str:
        return self._sealer.open(sealed) if sealed else ""

    def views(self, rows: Collection[CaseFile]) -> tuple[CaseView, ...]:
        ids = [row.id for row in rows]
        needs, met = cases.needs(self._db, ids), cases.encounters(self._db, ids)
        measures = cases.measures(self._db, ids)
        names = inbox.names(
            self._db,
            [*(row.owner_id for row in rows), *(row.staff_id for row in needs), *(row.staff_id for row in met),
             *(row.staff_id for row in measures)],
        )  # fmt: skip
        return tuple(self._view(row, needs, met, measures, names) for row in rows)

    def _view(
        self,
        case: CaseFile,
        needs: Iterable[Need],
        met: Iterable[Encounter],
        told: Iterable[Measure],
        names: Mapping[int, str],
    ) -> CaseView:
        mine = [row for row in told if row.case_id == case.id]
        return CaseView(
            id=case.id,
            opened_at=case.opened_at,
            closed_at=case.closed_at,
            outcome=case.outcome or "",
            owner=names.get(case.owner_id or 0, ""),
            owner_id=case.owner_id,
            needs=tuple(
                NeedSpan(row.id, row.code, row.opened_at, row.closed_at, row.outcome or "", names.get(row.staff_id or 0, ""))
                for row in needs
                if row.case_id == case.id
            ),
            meetings=tuple(
                Meeting(row.at, row.mode, row.minutes, self._opened(row.sealed_note), names.get(row.staff_id, ""))
                for row in met
                if row.case_id == case.id
            ),
            measures={(row.day, row.name): Answer(row.value, names.get(row.staff_id or 0, ""), row.at) for row in mine},
            courses=steadier(Measured(row.day, row.name, row.value) for row in mine),
        )

    def tasks(self) -> tuple[Task, ...]:
        rows = cases.tasks(self._db, self._ids)
        names = inbox.names(self._db, {each for row in rows for each in (row.staff_id, row.made_by, row.done_by)})
        return tuple(self._task(row, names) for row in rows)

    def _task(self, row: CaseTask, names: Mapping[int, str]) -> Task:
        return Task(
            id=row.id,
            kind=row.kind,
            reason=row.reason or "",
            what=self._opened(row.sealed_what),
            due_at=row.due_at,
            whose=names.get(row.staff_id or 0, ""),
            made_by=names.get(row.made_by or 0, ""),
            done_at=row.done_at,
            done_by=names.get(row.done_by or 0, ""),
        )

    def referrals(self) -> tuple[Referred, ...]:
        known = [each for one in self._ids for each in referrals.of_conversation(self._db, one)]
        events = case_reading.referral_events(self._db, self._ids)
        names = inbox.names(self._db, {row.staff_id for rows in events.values() for row in rows})
        known.sort(key=lambda each: each.made_at, reverse=True)
        return tuple(Referred(each, tuple(_step(row, names) for row in events.get(each.id, ()))) for each in known)

    def check_ins(self) -> tuple[Asked, ...]:
        rows = case_reading.check_ins(self._db, self._ids)
        names = inbox.names(self._db, {row.made_by for row in rows})
        found = [asked for row in rows if (asked := _asked(row, names)) is not None]
        return tuple(sorted(found, key=lambda each: each.at))

    def ledger(self) -> tuple[Agreement, ...]:
        rows = case_reading.ledger(self._db, self._ids)
        names = inbox.names(self._db, {row.staff_id for row in rows})
        slugs = {row.scope.removeprefix(AGENCY).removeprefix(SHARE) for row in rows if row.scope.startswith(SHARE)}
        agencies = case_reading.agency_names(self._db, slugs) if slugs else {}
        newest: set[tuple[int, str]] = set()
        found = []
        for row in rows:
            is_newest = (row.conversation_id, row.scope) not in newest
            newest.add((row.conversation_id, row.scope))
            found.append(self._agreement(row, names, agencies, is_newest=is_newest))
        return tuple(found)

    def _agreement(
        self, row: Consent, names: Mapping[int, str], agencies: Mapping[str, str], *, is_newest: bool
    ) -> Agreement:
        slug = row.scope.removeprefix(AGENCY).removeprefix(SHARE) if row.scope.startswith(SHARE) else ""
        is_over = row.until <= self._now if row.until is not None else bool(slug)
        return Agreement(
            at=row.at,
            scope=row.scope,
            agency=agencies.get(slug, slug),
            choice=row.choice,
            method=row.method,
            until=row.until,
            by=names.get(row.staff_id or 0, ""),
            holds=is_newest and not is_over and self._holds(row),
        )

    def _holds(self, row: Consent) -> bool:
        """Whether it is what counts now: taken back at another address, an agreement is over here as well."""
        if row.choice == Choice.OPTED_IN:
            return True
        return row.choice == Choice.AGREED and consents.holds(self._db, row.conversation_id, row.scope, self._now)


def _step(row: ReferralEvent, names: Mapping[int, str]) -> Step:
    return Step(row.at, row.kind, row.by, row.outcome or "", names.get(row.staff_id or 0, ""))


def _asked(row: CheckIn, names: Mapping[int, str]) -> Asked | None:
    at = row.asked_at or row.due_at or row.planned_for or row.made_at or row.ended_at
    if at is None:
        return None
    return Asked(at, row.flow, row.state, row.reason or "", row.ended_at, names.get(row.made_by or 0, ""))
