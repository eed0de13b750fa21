"""The staff's side of the handoff: their telephones, their numbers, their alerts, and what must never happen with them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from psycopg import OperationalError
from psycopg.errors import DeadlockDetected
from sqlalchemy import select

from bot import reception
from bot.domain.staff.permissions import Role
from bot.storage.staff import staff, staff_threads
from bot.storage.tables.residents import Alert, Handoff
from bot.storage.tables.staff import CallOut, Staff, StaffThread
from bot.usecases.handoff import claiming, ending
from bot.usecases.handoff.receive_staff_text import answer_alert
from bot.usecases.messages.record_delivery import record_delivery
from tests.journeys.conftest import DANA
from tests.support.help_line import ADA, MARCUS, POOL, HelpLine
from tests.support.team import Worker, handoff, hire, texts_to

LEE, SUE, NEW = "+13145550122", "+13145550123", "+13145550188"
THIRD = "+13145550178"
CRISIS, CALM, NOW = "i want to kill myself tonight", "i want to talk to a person", "i took all the pills"


def settle(line: HelpLine) -> None:
    """Send everything that is due, including texts that wait for their number's sending rate."""
    for _ in range(3):
        line.work()
        line.clock.advance(timedelta(seconds=3))
    line.work()


def pass_time(line: HelpLine, minutes: int) -> None:
    for _ in range(minutes):
        line.clock.advance(timedelta(minutes=1))
        line.work()


def take(line: HelpLine, worker: Worker, sender: str = ADA, words: str = CALM) -> str:
    """The worker claims this person by telephone; gives the staff number that stands for the person."""
    line.text(words, sender)
    line.work()
    number = handoff(line)
    worker.texts(f"1 {number.id}")
    settle(line)
    with line.db() as db:
        return db.scalars(select(StaffThread.line).where(StaffThread.conversation_id == number.conversation_id)).one()


def close(line: HelpLine, worker: Worker) -> None:
    with line.db() as db:
        ending.close(db, line.runtime.context, handoff(line).id, worker.id, "resolved", line.clock.now())
    settle(line)


def text_in_an_outage(line: HelpLine, worker: Worker, body: str, to: str = POOL[0]) -> list[str]:
    def away(*_: object) -> object:
        raise OperationalError("away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reception, "_take_in", away)
        return worker.texts(body, to=to)


# Numbers that are meant for the person


@pytest.mark.parametrize("words", ["12", "211", "2:30", "10", "1.5", "1 800", "Take 2", "1", "2"])
def test_it_passes_numbers_on_to_the_person(line: HelpLine, dana: Worker, words: str) -> None:
    number = take(line, dana)
    assert dana.texts(words, to=number) == []
    settle(line)
    assert texts_to(line, ADA)[-1] == words


def test_it_does_not_claim_another_handoff_by_a_time_of_day(line: HelpLine, dana: Worker) -> None:
    line.text(CALM, MARCUS)
    line.work()
    marcus = handoff(line)
    number = take(line, dana)
    dana.texts(f"1{marcus.id}", to=number)
    dana.texts(f"1 {marcus.id}", to=number)
    with line.db() as db:
        assert db.get_one(Handoff, marcus.id).owner_id is None


def test_it_asks_which_alert_a_1_is_for_on_a_number_that_stood_for_a_person(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    close(line, dana)
    line.text(CALM, MARCUS)
    line.work()
    assert "Which one" in dana.texts("1", to=number)[0]
    assert handoff(line).owner_id is None
    dana.texts(f"1 {handoff(line).id}", to=number)
    assert handoff(line).owner_id == dana.id


# Another telephone


@pytest.mark.parametrize("number", [NEW, None])
def test_it_sends_no_words_to_a_telephone_that_is_no_longer_the_workers(
    line: HelpLine, dana: Worker, number: str | None
) -> None:
    take(line, dana)
    line.text("the key is under the mat")
    with line.db() as db:
        staff.set_phone(db, line.runtime.context.sealer, db.get_one(Staff, dana.id), number)
    line.text("my address is 12 Elm St")
    settle(line)
    assert not [text for text in dana.got() if "Elm" in text or "mat" in text]
    assert not texts_to(line, NEW) or "Elm" not in texts_to(line, NEW)[-1]


def test_it_forgets_the_telephone_of_one_who_has_left(line: HelpLine, dana: Worker) -> None:
    take(line, dana)
    sealer = line.runtime.context.sealer
    with line.db() as db:
        staff.mark_left(db, sealer, db.get_one(Staff, dana.id), line.clock.now())
    with line.db() as db:
        threads = db.scalars(select(StaffThread)).all()
        assert DANA not in [sealer.open_address(one.sealed_address).value for one in threads]
        assert not [one for one in threads if one.conversation_id is not None]


# One number, one person


def test_it_gives_a_number_to_no_one_else_for_a_day(line: HelpLine, dana: Worker) -> None:
    numbers = []
    for sender in (ADA, MARCUS, THIRD):
        numbers.append(take(line, dana, sender))
        close(line, dana)
    assert len(set(numbers)) == 3
    line.text(CALM, "+13145550179")
    line.work()
    dana.texts(f"1 {handoff(line).id}")
    settle(line)
    assert "Read and write here" in dana.got()[-1]
    close(line, dana)
    line.clock.advance(timedelta(hours=25))
    assert take(line, dana, "+13145550176") in numbers


def test_it_gives_the_same_person_the_same_number_again(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    close(line, dana)
    assert take(line, dana) == number


# What came late


def test_it_claims_no_handoff_by_an_answer_of_hours_ago(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    text_in_an_outage(line, dana, "1")
    line.clock.advance(timedelta(hours=5))
    line.work(2)
    assert handoff(line).owner_id is None
    pass_time(line, 3)
    assert [text for text in dana.got() if "came too late" in text]


def test_it_takes_an_answer_of_minutes_ago(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    text_in_an_outage(line, dana, "1")
    line.clock.advance(timedelta(minutes=5))
    line.work()
    assert handoff(line).owner_id == dana.id


def test_it_passes_no_words_of_hours_ago_on(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    text_in_an_outage(line, dana, "See you in ten minutes", to=number)
    line.clock.advance(timedelta(minutes=70))
    settle(line)
    assert "See you in ten minutes" not in texts_to(line, ADA)


def test_it_tells_staff_in_an_outage_that_their_words_were_not_passed_on(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    [said] = text_in_an_outage(line, dana, "Are you thinking of killing yourself?", to=number)
    assert "Nobody got your text yet" in said


# Words that are cut or swallowed


def test_it_passes_a_list_with_dashes_on(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    dana.texts("Two are open:\n— St Patrick\n— Peter and Paul\nWhich is closer?", to=number)
    settle(line)
    assert "Peter and Paul" in texts_to(line, ADA)[-1] and "Which is closer" in texts_to(line, ADA)[-1]


def test_it_passes_a_yes_on_that_the_carrier_takes_for_start(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    dana.texts("Yes", to=number, OptOutType="START")
    settle(line)
    assert texts_to(line, ADA)[-1] == "Yes"


# Every answer is answered


def test_it_opens_the_thread_of_a_supervisor_who_takes_over_by_text(line: HelpLine, dana: Worker) -> None:
    sue = hire(line, "Sue", SUE, role=Role.SUPERVISOR, on=False)
    take(line, dana, words=CRISIS)
    pass_time(line, 9)
    sue.texts("1")
    settle(line)
    assert handoff(line).owner_id == sue.id
    line.text("are you there")
    settle(line)
    assert "are you there" in sue.got()[-1]


def test_it_opens_the_thread_of_a_worker_who_claimed_in_the_console_and_then_replies_1(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    with line.db() as db:
        claiming.claim(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now())
    dana.texts("1")
    settle(line)
    assert "Text here to write to them" in dana.got()[-1]


def test_it_gives_it_to_one_of_two_supervisors_who_press_at_once(line: HelpLine, dana: Worker) -> None:
    both = [hire(line, name, number, role=Role.SUPERVISOR, on=False) for name, number in (("Sue", SUE), ("Sam", LEE))]
    take(line, dana, words=CRISIS)
    pass_time(line, 9)
    number, gate = handoff(line).id, threading.Barrier(2)

    def press(one: Worker) -> str:
        with line.db() as db:
            row = db.get_one(Staff, one.id)
            gate.wait(10)
            return answer_alert(db, line.runtime.context, number, row, True, line.clock.now(), by_phone=True)[0]

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(press, both)) == ["", "taken_by"]


def test_it_does_not_take_a_conversation_back_from_the_bot_by_a_late_1(line: HelpLine, dana: Worker) -> None:
    lee = hire(line, "Lee", LEE, place=2)
    line.text(CRISIS)
    settle(line)
    pass_time(line, 2)
    dana.texts("1")
    with line.db() as db:
        ending.hand_back(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now())
    assert "No alert is waiting" in lee.texts("1")[0]
    lee.texts(f"1 {handoff(line).id}")
    assert (handoff(line).state, handoff(line).owner_id) == ("handed_back", dana.id)


# Alerts that cannot arrive, or should not


def test_it_escalates_past_those_who_have_no_telephone(line: HelpLine) -> None:
    hire(line, "Nora")
    hire(line, "Otto", place=2)
    dana = hire(line, "Dana", DANA, place=3)
    line.text(CRISIS)
    line.work()
    assert len(dana.got()) == 1
    assert line.count(Alert, Alert.kind == "no_way_to_alert") == 0


def test_it_raises_an_alarm_where_no_one_can_be_alerted_for_a_person_in_danger(line: HelpLine) -> None:
    hire(line, "Nora")
    line.text(CRISIS)
    assert line.count(Alert, Alert.kind == "no_way_to_alert") == 1
    assert handoff(line).due_at is not None and line.count(CallOut, CallOut.answer.is_(None)) >= 1


def test_it_waits_for_those_who_read_mail_where_it_is_no_danger(line: HelpLine) -> None:
    hire(line, "Nora")
    dana = hire(line, "Dana", DANA, place=2)
    line.text(CALM)
    line.work()
    assert dana.got() == [] and line.count(Alert, Alert.kind == "no_way_to_alert") == 0


def test_it_sends_no_alert_for_a_claimed_handoff(line: HelpLine, dana: Worker) -> None:
    lee = hire(line, "Lee", LEE)
    line.twilio.refuse(20003, status=401, times=6)
    line.text(NOW)
    line.work()
    with line.db() as db:
        claiming.claim(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now())
    pass_time(line, 12)
    assert not [text for text in lee.got() if "Reply 1" in text]


def test_it_alerts_a_worker_who_stopped_the_first_number_by_the_next(line: HelpLine, dana: Worker) -> None:
    dana.texts("STOP", OptOutType="STOP")
    line.text(CRISIS)
    line.work()
    alert = line.twilio.messages[-1]
    assert (alert.to, alert.from_) == (DANA, POOL[1])
    dana.texts("1", to=POOL[1])
    settle(line)
    with line.db() as db:
        bound = db.scalars(select(StaffThread.line).where(StaffThread.conversation_id.is_not(None))).one()
    assert handoff(line).owner_id == dana.id and bound == POOL[2]


# Staff may need help themselves


@pytest.mark.parametrize("to", POOL[:2])
def test_it_hears_a_member_of_staff_in_danger(line: HelpLine, dana: Worker, to: str) -> None:
    lee = hire(line, "Lee", LEE, place=2)
    assert "got it" in dana.texts(CRISIS, to=to)[0] or "Not sent" in dana.texts(CRISIS, to=to)[0]
    settle(line)
    assert line.count(Handoff) == 1 and "988" in " ".join(dana.got())
    assert [text for text in lee.got() if "Reply 1" in text] and not [text for text in dana.got() if "Reply 1" in text]


def test_it_does_not_alert_a_worker_for_their_own_danger(line: HelpLine, dana: Worker) -> None:
    lee = hire(line, "Lee", LEE, place=2)
    line.text(CRISIS, DANA)
    line.work()
    assert len(lee.got()) == 1
    assert not [text for text in line.twilio.messages if text.to == DANA and text.from_ == POOL[0]]


def test_it_hears_a_stranger_whose_words_look_like_a_command(line: HelpLine, dana: Worker) -> None:
    Worker(line, 0, MARCUS).texts("#suicide i am going to kill myself tonight")
    assert line.count(Handoff) == 1


# At the same moment


def test_it_takes_the_same_text_once_however_often_it_comes_at_the_same_moment(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    gate = threading.Barrier(6)

    def text(_: int) -> list[str]:
        gate.wait(10)
        return dana.texts("2", MessageSid="SM" + "a" * 32)

    with ThreadPoolExecutor(6) as pool:
        got = [one for said in pool.map(text, range(6)) for one in said]
    assert got and {one[:14] for one in got} == {"OK, you passed"}


def test_it_tries_again_where_postgresql_ended_a_deadlock(line: HelpLine, dana: Worker) -> None:
    real, left = reception._take_in, [True]

    def once(*given: object) -> object:
        if left and left.pop():
            raise DeadlockDetected("two wait for each other")
        return real(*given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reception, "_take_in", once)
        assert "No alert is waiting" in dana.texts("1")[0]


def test_it_takes_a_report_again_where_postgresql_ended_a_deadlock(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    real, left = record_delivery, [True]

    def once(*given: object) -> None:
        if left and left.pop():
            raise DeadlockDetected("two wait for each other")
        real(*given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bot.web.twilio.texts.record_delivery", once)
        assert line.twilio.report(line.twilio.messages[-1].sid, "delivered") == [204]


def test_it_opens_threads_in_one_order(line: HelpLine) -> None:
    ann = hire(line, "Ann", LEE, place=2)
    bob = hire(line, "Bob", SUE, place=1)
    line.text(NOW)
    with line.db() as db:
        opened = list(db.scalars(select(StaffThread.staff_id).order_by(StaffThread.id)))
        called = list(db.scalars(select(CallOut.staff_id).order_by(CallOut.id)))
    assert opened == sorted(opened) and set(opened) == {ann.id, bob.id} and called == [bob.id, ann.id]


def test_it_says_by_which_number_a_worker_is_alerted(line: HelpLine, dana: Worker) -> None:
    with line.db() as db:
        assert staff_threads.alert_line(db, dana.id, POOL) == POOL[0]
        assert staff_threads.alert_line(db, dana.id, ()) is None
