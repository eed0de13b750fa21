"""What became of a referral, as the person, a worker or the agency says, and who is notified."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from bot.domain.conversation.effects import OfferServices
from bot.domain.refused import Refused
from bot.storage import referrals
from bot.storage.people.people import Viewer
from bot.storage.tables.cases import CaseTask
from bot.storage.tables.directory import Service
from bot.storage.tables.residents import Conversation, Referral, ReferralEvent
from bot.storage.tables.staff import Audit
from bot.usecases.conversation.apply_effects import TurnOrigin, apply_effects
from bot.usecases.referrals import record_referral
from bot.usecases.referrals.record_referral import (
    record_from_agency,
    record_from_person,
    record_from_worker,
    retract_referral,
)
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.console import make_staff
from tests.support.demo import Demo
from tests.support.people import PersonIds, make_person
from tests.support.refusals import refuses

LATER = NOW + timedelta(days=7)


@pytest.fixture
def ada(db: Session, demo: Demo) -> PersonIds:
    return make_person(db, demo.runtime.context.sealer, name="Ada Brown")


def offer(db: Session, made: PersonIds, services: int = 1, need: str = "rent") -> list[Referral]:
    ids = db.scalars(select(Service.id).order_by(Service.id).limit(services)).all()
    referrals.add_offered(db, made.conversation, need, "63118", ids, NOW)
    return referrals.list_last_offer(db, made.conversation)


def states(rows: list[Referral]) -> list[str]:
    return [row.state for row in rows]


def kinds(db: Session, row: Referral) -> list[tuple[str, str, str | None]]:
    return [(event.kind, event.by, event.outcome) for event in referrals.list_events(db, row.id)]


def test_it_numbers_what_a_turn_offered_as_the_texts_came(db: Session, demo: Demo, ada: PersonIds) -> None:
    ids = db.scalars(select(Service.id).order_by(Service.id).limit(3)).all()
    effects = [OfferServices("rent", "63118", tuple(ids[:2])), OfferServices("food", None, (ids[2],))]
    apply_effects(db, demo.runtime.context, effects, TurnOrigin(ada.conversation, None, "en"), NOW)
    rows = referrals.list_last_offer(db, ada.conversation)
    assert [(row.place, row.service_id, row.state) for row in rows] == [(n, ids[n - 1], "requested") for n in (1, 2, 3)]
    assert [kinds(db, row) for row in rows] == [[("requested", "line", None)]] * 3


def test_it_closes_the_loop_when_the_person_answers(db: Session, ada: PersonIds) -> None:
    [row] = offer(db, ada)
    assert record_from_person(db, ada.conversation, "helped", None, LATER)
    assert (row.state, row.outcome, row.reported_by, row.closed_at) == ("completed", "helped", "person", LATER)
    assert kinds(db, row)[-1] == ("told", "person", "helped")


def test_it_stays_open_and_counts_while_they_have_not_reached_the_service(db: Session, ada: PersonIds) -> None:
    rows = offer(db, ada, 2)
    for days in (7, 30):
        assert record_from_person(db, ada.conversation, "not_reached", None, NOW + timedelta(days=days))
    assert states(rows) == ["requested", "requested"] and not any(row.closed_at for row in rows)
    assert [known.not_reached for known in referrals.list_for_conversation(db, ada.conversation)] == [2, 2]


def test_it_asks_which_one_where_several_are_open(db: Session, ada: PersonIds) -> None:
    rows = offer(db, ada, 3)
    assert not record_from_person(db, ada.conversation, "helped", None, LATER)
    assert states(rows) == ["requested"] * 3
    assert record_from_person(db, ada.conversation, "helped", 2, LATER)
    assert states(rows) == ["requested", "completed", "requested"]
    assert record_from_person(db, ada.conversation, "could_not_help", None, LATER)
    assert states(rows) == ["rejected", "completed", "rejected"]


def test_it_names_what_is_open_by_the_numbers_that_it_understands(db: Session, ada: PersonIds) -> None:
    rows = offer(db, ada, 3)
    names = [known.service for known in referrals.list_for_conversation(db, ada.conversation)]
    record_from_person(db, ada.conversation, "helped", 2, LATER)
    assert referrals.list_open_choices(db, ada.conversation) == [(1, names[0]), (3, names[2])]
    assert record_from_person(db, ada.conversation, "no_longer_needed", None, LATER)
    assert states(rows) == ["cancelled", "completed", "cancelled"]
    assert referrals.list_open_choices(db, ada.conversation) == []


def test_it_takes_the_only_one_that_is_still_open(db: Session, ada: PersonIds) -> None:
    rows = offer(db, ada, 2)
    assert record_from_person(db, ada.conversation, "could_not_help", 1, LATER)
    assert record_from_person(db, ada.conversation, "waitlist", None, LATER)
    assert states(rows) == ["rejected", "on_hold"] and rows[1].closed_at is None


def test_it_records_nothing_for_a_number_that_was_never_texted(db: Session, ada: PersonIds) -> None:
    rows = offer(db, ada, 3)
    assert not any(record_from_person(db, ada.conversation, "helped", which, LATER) for which in (0, -1, 4))
    assert states(rows) == ["requested"] * 3


def test_it_records_nothing_where_nothing_is_open(db: Session, ada: PersonIds) -> None:
    assert not record_from_person(db, ada.conversation, "helped", None, LATER)
    offer(db, ada)
    record_from_person(db, ada.conversation, "helped", None, LATER)
    assert not record_from_person(db, ada.conversation, "not_reached", None, LATER)


def test_it_keeps_the_first_answer(db: Session, ada: PersonIds) -> None:
    rows = offer(db, ada, 2)
    record_from_person(db, ada.conversation, "helped", 1, LATER)
    assert record_from_person(db, ada.conversation, "helped", 1, LATER)
    assert not record_from_person(db, ada.conversation, "could_not_help", 1, LATER)
    assert (rows[0].state, len(kinds(db, rows[0]))) == ("completed", 2)


def test_it_speaks_of_the_newest_offer_only(db: Session, ada: PersonIds) -> None:
    [old] = offer(db, ada)
    referrals.add_offered(db, ada.conversation, "food", None, [old.service_id], LATER)
    assert record_from_person(db, ada.conversation, "helped", 1, LATER)
    assert old.state == "requested" and states(referrals.list_last_offer(db, ada.conversation)) == ["completed"]


def test_it_knows_no_other_words(db: Session, ada: PersonIds) -> None:
    [row] = offer(db, ada)
    with pytest.raises(ValueError):
        record_from_person(db, ada.conversation, "fine", None, LATER)
    for outcome, capacity in (("fine", None), (None, "plenty"), (None, None), ("capacity", None)):
        with pytest.raises(Refused):
            record_from_agency(db, row.id, outcome, capacity, LATER)
    assert row.state == "requested"


def test_it_lets_a_worker_record_what_they_heard(db: Session, rosa: int, ada: PersonIds) -> None:
    [row] = offer(db, ada)
    record_from_worker(db, row.id, rosa, "helped", LATER)
    assert (row.state, row.reported_by, row.closed_at) == ("completed", "worker", LATER)
    audit = db.scalars(select(Audit).where(Audit.act == "referral_told")).one()
    assert (audit.staff_id, audit.conversation_id, audit.detail) == (rosa, ada.conversation, f"referral {row.id} helped")


def test_it_refuses_a_worker_what_the_machine_refuses(db: Session, rosa: int, ada: PersonIds) -> None:
    [row] = offer(db, ada)
    record_from_worker(db, row.id, rosa, "helped", LATER)
    with pytest.raises(Refused) as refused:
        record_from_worker(db, row.id, rosa, "no_longer_needed", LATER)
    assert "is over (ended at the agency)" in refused.value.text
    for unknown in (999, 2**70, -1):
        with refuses("unknown"):
            record_from_worker(db, unknown, rosa, "helped", LATER)
    assert row.state == "completed"


def test_it_undoes_a_mistake_once_and_counts_it_nowhere(db: Session, rosa: int, ada: PersonIds) -> None:
    [row] = offer(db, ada)
    record_from_worker(db, row.id, rosa, "helped", LATER)
    retract_referral(db, row.id, rosa, LATER)
    assert (row.state, row.outcome, row.closed_at) == ("entered_in_error", None, None)
    assert not record_from_person(db, ada.conversation, "helped", None, LATER)
    assert referrals.list_open(db, Viewer(rosa, ["housing"])) == []
    with pytest.raises(Refused):
        retract_referral(db, row.id, rosa, LATER)


def test_it_follows_the_agencys_answers_step_by_step(db: Session, ada: PersonIds) -> None:
    [row] = offer(db, ada)
    seen = []
    for outcome, capacity, started in (
        (None, "additional_assessment", False), (None, "capacity", False), (None, None, True), ("helped", None, False),
    ):  # fmt: skip
        record_from_agency(db, row.id, outcome, capacity, LATER, started=started)
        seen.append(row.state)
    assert seen == ["on_hold", "accepted", "in_progress", "completed"]
    assert [kind for kind, by, _ in kinds(db, row) if by == "agency"] == [
        "additional_assessment", "capacity", "started", "told",
    ]  # fmt: skip
    assert db.scalars(select(CaseTask)).all() == []


@pytest.mark.parametrize(
    ("outcome", "capacity"), [("could_not_help", None), ("not_enrolled", None), (None, "no_capacity")]
)  # fmt: skip
def test_it_gives_a_worker_the_task_to_look_further(
    db: Session, ada: PersonIds, outcome: str | None, capacity: str | None
) -> None:  # fmt: skip
    [row] = offer(db, ada)
    record_from_agency(db, row.id, outcome, capacity, LATER)
    assert row.closed_at == LATER and row.reported_by == "agency"
    task = db.scalars(select(CaseTask)).one()
    assert (task.kind, task.reason, task.due_at) == ("other", "agency_refused", LATER)
    assert task.conversation_id == ada.conversation


def test_it_makes_one_task_of_three_refusals(db: Session, ada: PersonIds) -> None:
    for row in offer(db, ada, 3):
        record_from_agency(db, row.id, None, "no_capacity", LATER)
    task = db.scalars(select(CaseTask)).one()
    task.done_at = LATER
    record_from_agency(db, offer(db, ada)[-1].id, None, "no_capacity", LATER)
    assert len(db.scalars(select(CaseTask)).all()) == 2


def test_it_forgets_the_waiting_list_once_there_is_room(db: Session, ada: PersonIds) -> None:
    [row] = offer(db, ada)
    record_from_agency(db, row.id, "waitlist", "waitlist", LATER)
    assert (row.state, row.outcome, row.reported_by, row.closed_at) == ("on_hold", "waitlist", "agency", None)
    record_from_agency(db, row.id, None, "capacity", LATER)
    assert (row.state, row.outcome, row.reported_by) == ("accepted", None, None)
    assert kinds(db, row)[1:] == [("waitlist", "agency", "waitlist"), ("capacity", "agency", None)]


def test_it_takes_a_second_press_for_the_first(db: Session, ada: PersonIds) -> None:
    [row] = offer(db, ada)
    for moment in (LATER, LATER + timedelta(seconds=2)):
        record_from_agency(db, row.id, "helped", None, moment)
    assert len(kinds(db, row)) == 2 and row.closed_at == LATER
    with pytest.raises(Refused):
        record_from_agency(db, row.id, "helped", None, LATER + timedelta(hours=1))


def test_it_lets_a_worker_refer_by_hand(db: Session, rosa: int, ada: PersonIds) -> None:
    service = db.scalars(select(Service.id)).first()
    assert service is not None
    number = record_referral.make_referral(db, ada.conversation, service, "housing-instability", rosa, NOW)
    [known] = referrals.list_for_conversation(db, ada.conversation)
    assert (known.id, known.state, known.made_by, known.place) == (number, "requested", rosa, 1)
    assert db.scalars(select(ReferralEvent)).one().by == "worker"
    assert db.scalars(select(Audit).where(Audit.act == "referral_made")).one().conversation_id == ada.conversation


def test_it_refers_once_where_the_button_is_pressed_twice(db: Session, rosa: int, ada: PersonIds) -> None:
    service = db.scalars(select(Service.id).order_by(Service.id)).first()
    assert service

    def press(seconds: int) -> int:
        return record_referral.make_referral(db, ada.conversation, service, "rent", rosa, NOW + timedelta(seconds=seconds))

    first = press(0)
    assert press(2) == first
    assert len(db.scalars(select(Audit).where(Audit.act == "referral_made")).all()) == 1
    retract_referral(db, first, rosa, NOW)
    again = press(4)
    assert again != first and press(70) not in (first, again)


def test_it_refers_to_no_unknown_service_and_not_by_a_sentence(db: Session, rosa: int, ada: PersonIds) -> None:
    service = db.scalars(select(Service.id)).first() or 0
    for conversation, where, need in (
        (ada.conversation, 999_999, "rent"), (999_999, service, "rent"), (ada.conversation, service, "her brother drinks"),
    ):  # fmt: skip
        with pytest.raises(Refused):
            record_referral.make_referral(db, conversation, where, need, rosa, NOW)
    db.execute(update(Service).values(status="inactive"))
    with refuses("no_service"):
        record_referral.make_referral(db, ada.conversation, service, "rent", rosa, NOW)
    db.execute(update(Conversation).values(unreachable="erased"))
    with refuses("no_person"):
        record_referral.make_referral(db, ada.conversation, service, "rent", rosa, NOW)
    assert db.scalars(select(Referral)).all() == []


def test_it_lists_what_waits_longest_first_to_those_who_may_see_the_person(
    db: Session, demo: Demo, rosa: int, ada: PersonIds
) -> None:
    [first] = offer(db, ada)
    referrals.add_offered(db, ada.conversation, "food", None, [first.service_id, 999_999], LATER)
    found = referrals.list_open(db, Viewer(rosa, ["housing"]))
    assert [(one.need, one.made_at, one.conversation_id) for one in found] == [
        ("rent", NOW, ada.conversation), ("food", LATER, ada.conversation), ("food", LATER, ada.conversation),
    ]  # fmt: skip
    assert found[0].service and found[2].service == ""
    assert demo.runtime.context.sealer.open(found[0].sealed_name or "") == "Ada Brown"
    assert referrals.list_open(db, Viewer(make_staff(db, "otto@example.org"), ["crisis"])) == []
    record_from_agency(db, first.id, "helped", None, LATER)
    assert len(referrals.list_open(db, Viewer(rosa, ["housing"]))) == 2
    assert len(referrals.list_open(db, Viewer(rosa, ["housing"]), limit=1, offset=1)) == 1


def test_it_lets_the_agency_wait_for_a_turn_and_then_see_the_persons_answer(demo: Demo) -> None:
    with demo.db() as db:
        made = make_person(db, demo.runtime.context.sealer)
        [row] = offer(db, made)

    def press() -> str:
        with demo.db() as db:
            try:
                return record_from_agency(db, row.id, None, "no_capacity", LATER).state
            except Refused as refused:
                return refused.reason

    with ThreadPoolExecutor(1) as agency, demo.db() as turn:
        turn.get_one(Conversation, made.conversation, with_for_update=True)
        pressed = agency.submit(press)
        wait_for_lock(demo)
        assert record_from_person(turn, made.conversation, "helped", None, LATER)
        turn.commit()
        assert pressed.result(10) == "over"
    with demo.db() as db:
        assert db.get_one(Referral, row.id).state == "completed" and db.scalars(select(CaseTask)).all() == []


def wait_for_lock(demo: Demo) -> None:
    """Wait until a transaction waits for a lock that another one holds."""
    waiters = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
    for _ in range(100):
        # Each look in a separate transaction: within one, PostgreSQL shows what it saw first.
        with demo.db() as db:
            if db.scalar(waiters):
                return
        time.sleep(0.05)
    raise AssertionError("no transaction waits for the lock")
