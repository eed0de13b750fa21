"""Keeping a case: one at a time, notes sealed, on the right day, unknown is no success, all deleted on request."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.domain.cases import MeasureAnswer
from bot.domain.conversation.effects import ConsentChoice, ConsentMethod, RecordConsent
from bot.domain.refused import Refused
from bot.operations.settings.settings import Settings
from bot.storage import erasures, keys
from bot.storage.cases import cases
from bot.storage.people import consents
from bot.storage.sealing import Sealer
from bot.storage.tables.cases import CaseFile, CaseTask, Encounter, Measure, Need
from bot.storage.tables.residents import Consent, Conversation, Erasure, Person
from bot.usecases.cases import manage_case
from bot.usecases.cases.manage_case import EncounterEntry, TaskEntry, add_offered_need, record_check_in_answer
from bot.usecases.cases.manage_consent import ConsentEntry, record_consent
from bot.usecases.cases.read_case import CasePage, read_case_page
from bot.usecases.context import Context
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.console import make_staff
from tests.support.demo import Demo
from tests.support.people import PersonIds, make_person
from tests.support.refusals import refuses


@pytest.fixture
def ada(db: Session, context: Context) -> PersonIds:
    return make_person(db, context.sealer)


class Reader:
    """A member of the housing team with every permission."""

    def __init__(self, staff_id: int) -> None:
        self.id = staff_id
        self.teams = frozenset({"housing"})

    def may(self, _permission: object) -> bool:
        return True


def page_of(db: Session, context: Context, reader: int, made: PersonIds, now: datetime = NOW) -> CasePage:
    page = read_case_page(db, context.sealer, Reader(reader), made.conversation, now)
    assert page is not None
    return page


def after(days: float) -> datetime:
    return NOW + timedelta(days=days)


def agree(db: Session, made: PersonIds, choice: ConsentChoice = ConsentChoice.AGREED) -> None:
    consents.record(db, RecordConsent(choice, ConsentMethod.FLOW, "followup"), made.conversation, None, "en", NOW)
    db.flush()


# -- one case at a time --


def test_it_opens_one_case_and_no_second(db: Session, rosa: int, ada: PersonIds) -> None:
    assert manage_case.open_case(db, ada.conversation, rosa, NOW)
    assert not manage_case.open_case(db, ada.conversation, rosa, after(1))
    case = db.scalars(select(CaseFile)).one()
    assert (case.owner_id, case.opened_by, case.opened_at) == (rosa, rosa, NOW)


def test_it_gives_two_callers_at_once_the_same_case(demo: Demo) -> None:
    with demo.db() as db:
        person = make_person(db, demo.runtime.context.sealer).person
    found: list[int] = []

    def second() -> None:
        with demo.db() as db:
            found.append(cases.lock_or_open(db, person, after(1)).id)

    with demo.db() as db:
        first = cases.lock_or_open(db, person, NOW).id
        racer = threading.Thread(target=second)
        racer.start()
        racer.join(0.3)
        assert found == []
    racer.join(10)
    assert found == [first]
    assert demo.count(CaseFile) == 1


def test_it_opens_a_new_case_after_one_was_closed(db: Session, rosa: int, ada: PersonIds) -> None:
    manage_case.open_case(db, ada.conversation, rosa, NOW)
    manage_case.close_case(db, ada.conversation, "moved_away", rosa, after(1))
    assert manage_case.open_case(db, ada.conversation, rosa, after(2))
    assert [case.outcome for case in cases.list_for_person(db, ada.person)] == [None, "moved_away"]


def test_it_ends_open_needs_as_not_known_with_their_case(db: Session, rosa: int, ada: PersonIds) -> None:
    manage_case.open_case(db, ada.conversation, rosa, NOW)
    manage_case.open_need(db, ada.conversation, "food-insecurity", rosa, NOW)
    manage_case.close_case(db, ada.conversation, "steady", rosa, after(1))
    db.expire_all()
    assert [(need.outcome, need.closed_at) for need in db.scalars(select(Need))] == [("unknown", after(1))]


def test_it_has_each_kind_of_need_open_once(db: Session, rosa: int, ada: PersonIds) -> None:
    manage_case.open_case(db, ada.conversation, rosa, NOW)
    manage_case.open_need(db, ada.conversation, "stress", rosa, NOW)
    with refuses("has_need"):
        manage_case.open_need(db, ada.conversation, "stress", rosa, NOW)
    need = db.scalars(select(Need)).one()
    manage_case.close_need(db, ada.conversation, need.id, "partly_met", rosa, after(3))
    manage_case.open_need(db, ada.conversation, "stress", rosa, after(4))
    with refuses("need_closed"):
        manage_case.close_need(db, ada.conversation, need.id, "met", rosa, after(5))


def test_it_closes_no_need_of_another_person(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    other = make_person(db, context.sealer, "+13145550177")
    for made in (ada, other):
        manage_case.open_case(db, made.conversation, rosa, NOW)
    manage_case.open_need(db, other.conversation, "stress", rosa, NOW)
    theirs = db.scalars(select(Need.id)).one()
    with refuses("no_need"):
        manage_case.close_need(db, ada.conversation, theirs, "met", rosa, NOW)


def test_it_refuses_staff_who_may_not_follow_up(db: Session, ada: PersonIds) -> None:
    auditor = make_staff(db, "io@example.org", ["auditor"])
    with pytest.raises(Refused):
        manage_case.open_case(db, ada.conversation, auditor, NOW)


@pytest.mark.parametrize("outcome", ["", "met", "cured"])
def test_it_closes_a_case_by_a_known_outcome_only(db: Session, rosa: int, ada: PersonIds, outcome: str) -> None:
    manage_case.open_case(db, ada.conversation, rosa, NOW)
    with refuses("outcome"):
        manage_case.close_case(db, ada.conversation, outcome, rosa, NOW)


def test_it_seals_what_is_written_down(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    manage_case.open_case(db, ada.conversation, rosa, NOW)
    manage_case.record_encounter(db, context, ada.conversation, EncounterEntry("phone", NOW, 5, "her landlord"), rosa, NOW)
    manage_case.add_task(db, context, ada.conversation, TaskEntry("other", "call her landlord", NOW.date()), rosa, NOW)
    page = page_of(db, context, rosa, ada)
    assert (page.cases[0].meetings[0].note, page.tasks[0].what) == ("her landlord", "call her landlord")
    stored = [*db.scalars(select(Encounter.sealed_note)), *db.scalars(select(CaseTask.sealed_what))]
    assert not any("landlord" in str(sealed) for sealed in stored)


def test_it_makes_a_task_due_when_the_working_day_ends(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    # The clocks go forward in between: five in the afternoon is an hour earlier in UTC.
    manage_case.add_task(db, context, ada.conversation, TaskEntry("call", "", after(13).date(), is_mine=True), rosa, NOW)
    task = db.scalars(select(CaseTask)).one()
    assert (task.due_at.isoformat(), task.staff_id) == ("2026-03-15T22:00:00+00:00", rosa)
    assert [row.id for row in cases.list_open_tasks(db, after(14))] == [task.id]
    assert cases.list_open_tasks(db, after(13)) == []


# -- what people answer --


def test_it_takes_a_second_press_for_the_first(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    manage_case.open_case(db, ada.conversation, rosa, NOW)
    today = NOW.astimezone(context.zone).date()
    for seconds, words in ((0, "one"), (2, "one"), (4, "two"), (70, "one")):
        at = NOW + timedelta(seconds=seconds)
        # The sender's clock is ahead of Warmline's.
        met = EncounterEntry("phone", NOW + timedelta(minutes=2), note=words)
        manage_case.record_encounter(db, context, ada.conversation, met, rosa, at)
        manage_case.add_task(db, context, ada.conversation, TaskEntry("call", words, today), rosa, at)
    assert len(db.scalars(select(Encounter)).all()) == len(db.scalars(select(CaseTask)).all()) == 3


def test_it_keeps_an_answer_for_its_day(db: Session, ada: PersonIds) -> None:
    for days, value in ((0, "no"), (7, "unsure"), (31, "yes"), (200, "no")):
        record_check_in_answer(db, ada.conversation, "housed", value, after(days))
    kept = cases.list_measures(db, [case.id for case in cases.list_for_person(db, ada.person)])
    assert [(row.day, row.value, row.reported_by) for row in kept] == [(0, "unsure", "person"), (30, "yes", "person")]


@pytest.mark.parametrize(("name", "value"), [("happy", "yes"), ("housed", "maybe"), ("", "")])
def test_it_leaves_out_what_no_measure_has(db: Session, ada: PersonIds, name: str, value: str) -> None:
    assert not record_check_in_answer(db, ada.conversation, name, value, NOW)
    assert db.scalars(select(CaseFile)).all() == []


def test_it_keeps_the_latest_answer(db: Session, rosa: int, ada: PersonIds) -> None:
    record_check_in_answer(db, ada.conversation, "bills", "yes", after(2))
    manage_case.record_measure(db, ada.conversation, MeasureAnswer(0, "bills", "no"), rosa, after(3))
    # A text that waited through an outage.
    record_check_in_answer(db, ada.conversation, "bills", "yes", after(2.5))
    kept = db.scalars(select(Measure)).one()
    assert (kept.value, kept.reported_by, kept.staff_id) == ("no", "worker", rosa)


def test_it_still_hears_of_day_90_after_the_case_was_closed(db: Session, rosa: int, ada: PersonIds) -> None:
    manage_case.open_case(db, ada.conversation, rosa, NOW)
    manage_case.close_case(db, ada.conversation, "steady", rosa, after(65))
    assert record_check_in_answer(db, ada.conversation, "safe", "yes", after(91))
    assert [(row.day, row.value) for row in db.scalars(select(Measure))] == [(90, "yes")]
    assert len(cases.list_for_person(db, ada.person)) == 1


def test_it_refuses_a_day_that_is_still_to_come(db: Session, rosa: int, ada: PersonIds) -> None:
    manage_case.open_case(db, ada.conversation, rosa, NOW)
    with refuses("day"):
        manage_case.record_measure(db, ada.conversation, MeasureAnswer(60, "safe", "yes"), rosa, after(30))


def test_it_opens_a_case_with_the_need_of_a_person_who_agreed(db: Session, ada: PersonIds) -> None:
    agree(db, ada)
    assert add_offered_need(db, ada.conversation, "rent", NOW)
    assert not add_offered_need(db, ada.conversation, "rent", after(1))
    assert add_offered_need(db, ada.conversation, "food", after(2))
    case = db.scalars(select(CaseFile)).one()
    assert (case.owner_id, case.opened_at) == (None, NOW)
    assert [need.code for need in cases.list_needs(db, [case.id])] == ["housing-instability", "food-insecurity"]


@pytest.mark.parametrize(
    ("choice", "method", "holds"),
    [
        (ConsentChoice.WITHDRAWN, ConsentMethod.STAFF, False),
        (ConsentChoice.OPTED_OUT, ConsentMethod.KEYWORD, False),
        (ConsentChoice.AGREED, ConsentMethod.FLOW, True),
        # The other number now belongs to another person: this one has said nothing by it.
        (ConsentChoice.WITHDRAWN, ConsentMethod.CARRIER, True),
    ],
)
def test_it_applies_to_every_address_a_consent_that_was_withdrawn_at_one(
    db: Session, context: Context, ada: PersonIds, choice: ConsentChoice, method: ConsentMethod, holds: bool
) -> None:
    other = make_person(db, context.sealer, "+13145550199").conversation
    db.execute(update(Conversation).where(Conversation.id == other).values(person_id=ada.person))
    consents.record(
        db, RecordConsent(ConsentChoice.AGREED, ConsentMethod.FLOW, "followup"), ada.conversation, None, "en", NOW
    )
    assert not consents.is_agreed(db, other, "followup", NOW)
    scope = "texts" if choice is ConsentChoice.OPTED_OUT else "followup"
    consents.record(db, RecordConsent(choice, method, scope), other, None, "en", NOW)
    assert consents.is_agreed(db, ada.conversation, "followup", NOW) is holds


def test_it_opens_no_case_for_a_person_who_did_not_agree(db: Session, ada: PersonIds) -> None:
    assert not add_offered_need(db, ada.conversation, "rent", NOW)
    agree(db, ada)
    agree(db, ada, ConsentChoice.WITHDRAWN)
    assert not add_offered_need(db, ada.conversation, "rent", NOW)
    assert db.scalars(select(CaseFile)).all() == []


# -- consent --


def test_it_records_who_said_it_to_whom(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    record_consent(db, context.sealer, ada.conversation, ConsentEntry("followup", "agreed"), rosa, NOW)
    assert consents.is_agreed(db, ada.conversation, "followup", NOW)
    record_consent(db, context.sealer, ada.conversation, ConsentEntry("followup", "withdrawn"), rosa, after(1))
    assert not consents.is_agreed(db, ada.conversation, "followup", after(1))
    rows = db.scalars(select(Consent).order_by(Consent.id)).all()
    assert [(row.choice, row.method, row.staff_id) for row in rows] == [
        ("agreed", "staff", rosa),
        ("withdrawn", "staff", rosa),
    ]
    assert [entry.holds for entry in page_of(db, context, rosa, ada).ledger] == [False, False]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (ConsentEntry("all", "agreed"), "scope"),
        (ConsentEntry("survey", "opted_in"), "choice"),
        (ConsentEntry("share", "agreed", "nobody/here", after(9)), "agency"),
    ],
)
def test_it_records_nothing_that_no_person_could_have_said(
    db: Session, context: Context, rosa: int, ada: PersonIds, entry: ConsentEntry, reason: str
) -> None:
    with refuses(reason):
        record_consent(db, context.sealer, ada.conversation, entry, rosa, NOW)
    assert db.scalars(select(Consent)).all() == []


# -- whose it is --


def test_it_reads_a_case_by_any_conversation_of_the_person(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    elsewhere = make_person(db, context.sealer, "+13145550188", team="crisis")
    db.execute(update(Conversation).values(person_id=ada.person))
    manage_case.open_case(db, elsewhere.conversation, rosa, NOW)
    assert page_of(db, context, rosa, elsewhere).hidden == 1
    assert page_of(db, context, rosa, ada).open_case is not None


def test_it_reads_nothing_of_people_of_another_team(db: Session, context: Context, rosa: int) -> None:
    theirs = make_person(db, context.sealer, team="crisis")
    assert read_case_page(db, context.sealer, Reader(rosa), theirs.conversation, NOW) is None


# -- deleting, and new keys --


def fill(db: Session, context: Context, rosa: int, made: PersonIds) -> None:
    manage_case.open_case(db, made.conversation, rosa, NOW)
    manage_case.open_need(db, made.conversation, "stress", rosa, NOW)
    manage_case.record_encounter(db, context, made.conversation, EncounterEntry("phone", NOW, 5, "secret words"), rosa, NOW)
    manage_case.add_task(db, context, made.conversation, TaskEntry("other", "secret words", NOW.date()), rosa, NOW)
    manage_case.record_measure(db, made.conversation, MeasureAnswer(0, "safe", "no"), rosa, NOW)
    db.flush()


OF_CASES = (CaseFile, Need, Encounter, CaseTask, Measure)


def test_it_deletes_all_of_a_case_with_its_person_and_nothing_of_others(
    db: Session, context: Context, rosa: int, ada: PersonIds
) -> None:
    other = make_person(db, context.sealer, "+13145550177")
    for made in (ada, other):
        fill(db, context, rosa, made)
    erasures.add_request(db, ada.conversation, NOW)
    db.flush()
    erasures.erase(db, context.sealer, db.scalars(select(Erasure)).one(), after(1))
    db.expire_all()
    assert [len(db.scalars(select(table)).all()) for table in OF_CASES] == [1, 1, 1, 1, 1]
    assert cases.list_for_person(db, ada.person) == []
    assert len(cases.list_for_person(db, other.person)) == 1


def test_it_begins_nothing_with_a_deleted_person(db: Session, rosa: int, ada: PersonIds) -> None:
    agree(db, ada)
    db.execute(update(Person).values(erased_at=NOW))
    with refuses("unknown_person"):
        manage_case.open_case(db, ada.conversation, rosa, NOW)
    assert not record_check_in_answer(db, ada.conversation, "safe", "yes", NOW)
    assert not add_offered_need(db, ada.conversation, "rent", NOW)
    assert db.scalars(select(CaseFile)).all() == []


def test_it_seals_the_words_of_cases_under_a_new_key(
    db: Session, context: Context, settings: Settings, rosa: int, ada: PersonIds
) -> None:
    fill(db, context, rosa, ada)
    newest = "bmV3ZXN0IGtleSBvZiBhbGwsIG9ubHkgZm9yIHRlc3Q="
    for number in range(len(keys.SEALED_COLUMNS)):
        last: int | None = 0
        while last is not None:
            last = keys.reseal_batch(db, Sealer((newest, *settings.encryption_keys), settings.secret_key), number, last)
    only_newest = Sealer((newest,), settings.secret_key)
    db.expire_all()
    sealed = [*db.scalars(select(Encounter.sealed_note)), *db.scalars(select(CaseTask.sealed_what))]
    assert [only_newest.open(each or "") for each in sealed] == ["secret words", "secret words"]
