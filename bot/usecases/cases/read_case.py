"""Read the case page of a person: cases with needs, encounters and measures, tasks, referrals, check-ins and consents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.cases import MeasureAnswer, MeasureCourse, courses_by_measure
from bot.domain.conversation.effects import ConsentChoice
from bot.storage import referrals
from bot.storage.cases import cases, related
from bot.storage.check_ins import follow_up
from bot.storage.handoff import inbox
from bot.storage.people import consents
from bot.storage.people.consents import AGENCY_PREFIX, SHARE_PREFIX
from bot.storage.referrals import ReferralRow
from bot.storage.sealing import Sealer
from bot.storage.tables.cases import CaseFile, CaseTask, Encounter, Measure, Need
from bot.storage.tables.residents import CheckIn, Consent, ReferralEvent
from bot.usecases.handoff.read_handoff import PermittedReader, may_read_conversation


@dataclass(frozen=True, slots=True)
class NeedView:
    """A need and how long it lasted. `by` is a name of staff, "" where the person texted it."""

    id: int
    code: str
    opened_at: datetime
    closed_at: datetime | None
    outcome: str
    by: str


@dataclass(frozen=True, slots=True)
class EncounterView:
    """An encounter; `note` is "" where there is none, or it was erased."""

    at: datetime
    mode: str
    minutes: int | None
    note: str
    by: str


@dataclass(frozen=True, slots=True)
class MeasureView:
    """One measure. `by` is a name of staff, "" where the person texted it."""

    value: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case; `measures` by (day, name), `courses` by name. `owner` is "" where it has none."""

    id: int
    opened_at: datetime
    closed_at: datetime | None
    outcome: str
    owner: str
    owner_id: int | None
    needs: tuple[NeedView, ...]
    meetings: tuple[EncounterView, ...]
    measures: Mapping[tuple[int, str], MeasureView]
    courses: Mapping[str, MeasureCourse]


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task. `whose` is "" for the whole team, `made_by` "" for Warmline itself."""

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
class ReferralStep:
    """An event of a referral; `by` is person, worker, agency or line, `name` the social worker's."""

    at: datetime
    kind: str
    by: str
    outcome: str
    name: str


@dataclass(frozen=True, slots=True)
class ReferralView:
    """A referral with its events, oldest first."""

    known: ReferralRow
    steps: tuple[ReferralStep, ...]


@dataclass(frozen=True, slots=True)
class CheckInView:
    """A check-in. `at` is when it was sent, else is due, else was planned for; `reason` is a fixed word."""

    at: datetime
    flow: str
    state: str
    reason: str
    ended_at: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class ConsentView:
    """An entry of the consent ledger. `agency` is the name of the agency to share with; `holds`: it is in force, the newest
    of its scope in its conversation, not withdrawn and not expired."""

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
    """`conversation_id` is one that the reader may read. `cases` has the open one first, then the newest. `hidden` counts
    the person's conversations that they may not read, whose tasks, referrals, check-ins and consents are left out.
    `agencies` are slug -> name. Times are aware UTC."""

    conversation_id: int
    name: str
    cases: tuple[CaseView, ...]
    tasks: tuple[TaskView, ...]
    referrals: tuple[ReferralView, ...]
    check_ins: tuple[CheckInView, ...]
    ledger: tuple[ConsentView, ...]
    agencies: Mapping[str, str]
    hidden: int

    @property
    def open_case(self) -> CaseView | None:
        return next((case for case in self.cases if case.closed_at is None), None)


def may_see_case(db: Session, reader: PermittedReader, conversation_id: int) -> bool:
    """Whether `me` may read any conversation of this person: a case belongs to the person, not to one number."""
    return any(may_read_conversation(db, reader, each) for each in cases.list_same_person_conversations(db, conversation_id))


def read_case_page(
    db: Session, sealer: Sealer, reader: PermittedReader, conversation_id: int, now: datetime
) -> CasePage | None:
    """The case page of this conversation's person; None where the reader may read none of the person's conversations, or
    the person was erased."""
    # Of an erased person only empty rows are left; a page of them would reveal that the person existed.
    if not follow_up.conversation_exists(db, conversation_id):
        return None
    known = cases.list_same_person_conversations(db, conversation_id)
    readable = [each for each in known if may_read_conversation(db, reader, each)]
    if not readable:
        return None
    # The plain SQL below does not see pending changes of the session.
    db.flush()
    person = cases.lock_person(db, conversation_id)
    sealed_name = related.sealed_name(db, conversation_id)
    rows = _CasePageReader(db, sealer, now, readable)
    return CasePage(
        conversation_id=conversation_id if conversation_id in readable else readable[0],
        name=sealer.open(sealed_name) if sealed_name else "",
        cases=rows.views(cases.list_for_person(db, person.id)) if person else (),
        tasks=rows.tasks(),
        referrals=rows.referrals(),
        check_ins=rows.check_ins(),
        ledger=rows.ledger(),
        agencies=related.referred_agencies(db, readable),
        hidden=len(known) - len(readable),
    )


class _CasePageReader:
    """Turns rows into what the page shows: unsealed, with names of staff, which are read once for each kind of row."""

    def __init__(self, db: Session, sealer: Sealer, now: datetime, conversation_ids: Collection[int]) -> None:
        self._db, self._sealer, self._now, self._ids = db, sealer, now, conversation_ids

    def _opened(self, sealed: str | None) -> str:
        return self._sealer.open(sealed) if sealed else ""

    def views(self, rows: Collection[CaseFile]) -> tuple[CaseView, ...]:
        ids = [row.id for row in rows]
        needs, met = cases.list_needs(self._db, ids), cases.list_encounters(self._db, ids)
        measures = cases.list_measures(self._db, ids)
        names = inbox.staff_names(
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
                NeedView(row.id, row.code, row.opened_at, row.closed_at, row.outcome or "", names.get(row.staff_id or 0, ""))
                for row in needs
                if row.case_id == case.id
            ),
            meetings=tuple(
                EncounterView(row.at, row.mode, row.minutes, self._opened(row.sealed_note), names.get(row.staff_id, ""))
                for row in met
                if row.case_id == case.id
            ),
            measures={(row.day, row.name): MeasureView(row.value, names.get(row.staff_id or 0, ""), row.at) for row in mine},
            courses=courses_by_measure(MeasureAnswer(row.day, row.name, row.value) for row in mine),
        )

    def tasks(self) -> tuple[TaskView, ...]:
        rows = cases.list_tasks(self._db, self._ids)
        names = inbox.staff_names(self._db, {each for row in rows for each in (row.staff_id, row.made_by, row.done_by)})
        return tuple(self._task(row, names) for row in rows)

    def _task(self, row: CaseTask, names: Mapping[int, str]) -> TaskView:
        return TaskView(
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

    def referrals(self) -> tuple[ReferralView, ...]:
        known = [each for one in self._ids for each in referrals.list_for_conversation(self._db, one)]
        events = related.referral_events(self._db, self._ids)
        names = inbox.staff_names(self._db, {row.staff_id for rows in events.values() for row in rows})
        known.sort(key=lambda each: each.made_at, reverse=True)
        return tuple(
            ReferralView(each, tuple(_referral_step(row, names) for row in events.get(each.id, ()))) for each in known
        )

    def check_ins(self) -> tuple[CheckInView, ...]:
        rows = related.list_check_ins(self._db, self._ids)
        names = inbox.staff_names(self._db, {row.made_by for row in rows})
        found = [asked for row in rows if (asked := _check_in_view(row, names)) is not None]
        return tuple(sorted(found, key=lambda each: each.at))

    def ledger(self) -> tuple[ConsentView, ...]:
        rows = related.list_consents(self._db, self._ids)
        names = inbox.staff_names(self._db, {row.staff_id for row in rows})
        slugs = {
            row.scope.removeprefix(AGENCY_PREFIX).removeprefix(SHARE_PREFIX)
            for row in rows
            if row.scope.startswith(SHARE_PREFIX)
        }
        agencies = related.agency_names(self._db, slugs) if slugs else {}
        newest: set[tuple[int, str]] = set()
        found = []
        for row in rows:
            is_newest = (row.conversation_id, row.scope) not in newest
            newest.add((row.conversation_id, row.scope))
            found.append(self._agreement(row, names, agencies, is_newest=is_newest))
        return tuple(found)

    def _agreement(
        self, row: Consent, names: Mapping[int, str], agencies: Mapping[str, str], *, is_newest: bool
    ) -> ConsentView:
        slug = row.scope.removeprefix(AGENCY_PREFIX).removeprefix(SHARE_PREFIX) if row.scope.startswith(SHARE_PREFIX) else ""
        is_over = row.until <= self._now if row.until is not None else bool(slug)
        return ConsentView(
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
        """Whether it is in force: a withdrawal at another address ends a consent here too."""
        if row.choice == ConsentChoice.OPTED_IN:
            return True
        return row.choice == ConsentChoice.AGREED and consents.is_agreed(self._db, row.conversation_id, row.scope, self._now)


def _referral_step(row: ReferralEvent, names: Mapping[int, str]) -> ReferralStep:
    return ReferralStep(row.at, row.kind, row.by, row.outcome or "", names.get(row.staff_id or 0, ""))


def _check_in_view(row: CheckIn, names: Mapping[int, str]) -> CheckInView | None:
    at = row.asked_at or row.due_at or row.planned_for or row.made_at or row.ended_at
    if at is None:
        return None
    return CheckInView(at, row.flow, row.state, row.reason or "", row.ended_at, names.get(row.made_by or 0, ""))
