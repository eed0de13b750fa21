"""Defects of the warm handoff that the random nights of test_handoff_properties.py found, one test each."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from bot.domain.conversation.state import load
from bot.domain.staff.permissions import Role
from bot.storage.handoff import handoffs
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.storage.tables.staff import HandoffEvent, Shift, StaffThread, Team
from bot.usecases.handoff import claiming, ending
from bot.usecases.handoff.sla import handle_due
from tests.journeys.conftest import DANA
from tests.support.help_line import ADA, MARCUS, POOL, HelpLine
from tests.support.team import Worker, handoff, hire, texts_to

LEE = "+13145550122"
CRISIS = "i want to kill myself tonight"
CALM = "i want to talk to a person"


def take(line: HelpLine, worker: Worker, sender: str = ADA, words: str = CRISIS) -> int:
    """The worker claims the person by telephone; the id of the handoff."""
    line.text(words, sender)
    number = handoff(line).id
    worker.texts(f"1 {number}")
    line.work()
    return number


def bound(line: HelpLine, worker: Worker) -> str:
    """The staff number that stands for a person to this worker."""
    with line.db() as db:
        return db.scalars(
            select(StaffThread.line).where(StaffThread.staff_id == worker.id, StaffThread.conversation_id.is_not(None))
        ).one()


def pass_time(line: HelpLine, minutes: int) -> None:
    for _ in range(minutes):
        line.clock.advance(timedelta(minutes=1))
        line.work()


def test_it_keeps_a_persons_words_from_their_former_worker(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    line.text("the key is under the mat")
    with line.db() as db:
        ending.release(db, line.runtime.context, number, dana.id, line.clock.now())
    pass_time(line, 1)
    assert not [text for text in dana.got() if "under the mat" in text]


def test_it_gives_a_worker_a_number_that_stood_for_no_person_before(line: HelpLine, dana: Worker) -> None:
    first = take(line, dana)
    before = bound(line, dana)
    with line.db() as db:
        ending.close(db, line.runtime.context, first, dana.id, "resolved", line.clock.now())
    take(line, dana, MARCUS)
    assert bound(line, dana) != before


def test_it_passes_no_words_on_by_a_number_that_has_not_said_whom_it_stands_for(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    dana.texts("1")
    # The text that says whom the number stands for is not sent yet: the worker cannot know.
    assert "Not sent" in dana.texts("hello there", to=bound(line, dana))[0]
    line.work()
    assert dana.texts("hello again", to=bound(line, dana)) == []
    line.work()
    assert "hello there" not in texts_to(line, ADA) and "hello again" in texts_to(line, ADA)


class Crash(Exception):
    pass


def test_it_sends_words_that_were_kept_in_an_outage_to_no_one_else(line: HelpLine, dana: Worker) -> None:
    first = take(line, dana)
    number = bound(line, dana)

    def die(_session: Session) -> None:
        raise Crash

    event.listen(Session, "before_commit", die)
    dana.texts("for Ada alone", to=number)
    event.remove(Session, "before_commit", die)
    line.clock.advance(timedelta(minutes=1))
    with line.db() as db:
        ending.close(db, line.runtime.context, first, dana.id, "resolved", line.clock.now())
    for sender in (MARCUS, "+13145550178", "+13145550179"):
        line.text(CRISIS, sender)
        with line.db() as db:
            claiming.claim(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now(), by_phone=True)
    pass_time(line, 1)
    assert not [message for message in line.twilio.messages if "for Ada alone" in message.body and message.to != DANA]


def test_it_never_hands_back_by_time_a_person_who_wrote_of_danger_to_a_human(line: HelpLine, dana: Worker) -> None:
    take(line, dana, words=CALM)
    dana.texts("Hello, this is Dana", to=bound(line, dana))
    line.text("i took all the pills")
    dana.texts("I am here", to=bound(line, dana))
    for _ in range(14):
        line.clock.advance(timedelta(minutes=10))
        line.work()
    assert handoff(line).state == "with_human"


def test_it_texts_a_person_who_waits_in_danger_again_as_one_in_danger(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana, words=CALM)
    line.text("i took all the pills")
    with line.db() as db:
        ending.release(db, line.runtime.context, number, dana.id, line.clock.now())
        row = db.scalars(select(Conversation)).one()
        assert load(line.runtime.context.sealer.open(row.sealed_state)).in_danger


def test_it_waits_while_members_are_on_duty_for_another_team_only(line: HelpLine) -> None:
    dana = hire(line, "Dana", DANA, teams=["crisis", "anyones"], on=False)
    with line.db() as db:
        team = db.scalars(select(Team.id).where(Team.slug == "anyones")).one()
        hours = {"starts": time(0), "ends": time(0), "place": 1}
        db.add_all(Shift(team_id=team, staff_id=dana.id, weekday=day, **hours) for day in range(7))
    line.text(CALM)
    with line.db() as db:
        one = db.get_one(type(handoff(line)), handoff(line).id)
        one.team, one.due_at = "crisis", line.clock.now()
    line.work(3)
    assert line.count(HandoffEvent, HandoffEvent.kind == "rests") <= 1
    assert _due(line) > line.clock.now()


def _due(line: HelpLine) -> datetime:
    due = handoff(line).due_at
    assert due is not None
    return due


def test_it_checks_soon_after_danger_from_an_opted_out_person_whom_a_human_has(line: HelpLine, dana: Worker) -> None:
    take(line, dana, words=CALM)
    dana.texts("Hello", to=bound(line, dana))
    line.text("STOP")
    line.text("i took all the pills")
    assert handoff(line).unanswered_since is not None
    assert _due(line) <= line.clock.now() + timedelta(minutes=3)


def test_it_restarts_the_reminders_for_danger_after_a_long_quiet(line: HelpLine, dana: Worker) -> None:
    sue = hire(line, "Sue", LEE, role=Role.SUPERVISOR)
    take(line, dana)
    dana.texts("I am here", to=bound(line, dana))
    for _ in range(30):
        line.clock.advance(timedelta(minutes=10))
        line.work()
    assert handoff(line).tier >= 2
    line.text("i took all the pills")
    pass_time(line, 10)
    assert [text for text in sue.got() if "Please look" in text]


def test_it_says_danger_again_once(line: HelpLine, dana: Worker) -> None:
    take(line, dana)
    line.text("i took all the pills")
    pass_time(line, 1)
    assert len([text for text in dana.got() if "wrote of danger again" in text]) == 1


def test_it_tells_the_owner_that_the_person_stopped_texts(line: HelpLine, dana: Worker) -> None:
    take(line, dana)
    dana.texts("I am here", to=bound(line, dana))
    line.text("STOP")
    pass_time(line, 1)
    assert [text for text in dana.got() if "Texts do not reach this person" in text]


def test_it_tells_the_owner_that_their_words_did_not_arrive(line: HelpLine, dana: Worker) -> None:
    take(line, dana)
    dana.texts("I am here", to=bound(line, dana))
    line.work()
    sent = next(message for message in line.twilio.messages if message.body == "I am here")
    line.twilio.report(sent.sid, "undelivered", error_code=30005)
    pass_time(line, 1)
    assert [text for text in dana.got() if "Texts do not reach this person" in text]


def test_it_stops_saying_that_no_one_has_answered_once_a_worker_has(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    line.clock.advance(timedelta(minutes=3))
    with line.db() as db:
        handle_due(db, line.runtime.context, handoff(line).id, line.clock.now())
        claiming.claim(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now())
    pass_time(line, 1)
    assert not [text for text in texts_to(line, ADA) if "No one has picked up" in text]


def test_it_ends_the_first_offer_with_the_second(line: HelpLine, dana: Worker) -> None:
    lee, otto = hire(line, "Lee", LEE), hire(line, "Otto", "+13145550124")
    number = take(line, dana)
    with line.db() as db:
        claiming.offer_to_colleague(db, line.runtime.context, number, dana.id, lee.id, "", line.clock.now())
        claiming.offer_to_colleague(db, line.runtime.context, number, dana.id, otto.id, "", line.clock.now())
        assert not handoffs.list_open_call_outs(db, lee.id)


def test_it_warns_of_the_end_of_a_shift_once(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    with line.db() as db:
        one = db.get_one(type(handoff(line)), number)
        one.shift_ends_at = one.due_at = line.clock.now() + timedelta(minutes=14)
    for _ in range(3):
        line.clock.advance(timedelta(minutes=1))
        with line.db() as db:
            db.get_one(type(handoff(line)), number).due_at = line.clock.now()
        line.work()
    assert len([text for text in dana.got() if "your shift ends" in text]) == 1


def test_it_says_how_it_stands_as_often_to_a_person_who_is_handed_back_late(line: HelpLine, dana: Worker) -> None:
    number = take(line, dana)
    dana.texts("I am here", to=bound(line, dana))
    for _ in range(10):
        line.clock.advance(timedelta(hours=1))
        line.work()
    line.text("are you there")
    with line.db() as db:
        ending.release(db, line.runtime.context, number, dana.id, line.clock.now())
    pass_time(line, 7)
    assert [text for text in texts_to(line, ADA) if "No one has picked up yet" in text]


def test_it_does_not_take_equal_answers_by_two_numbers_for_one(line: HelpLine, dana: Worker) -> None:
    for number in POOL:
        assert "Not sent" in dana.texts("hello", to=number)[0]
    for message in line.twilio.messages:
        message.created_at = line.clock.now()
    for _ in range(4):
        line.clock.advance(timedelta(minutes=2))
        line.work()
    sids = [message.sid for message in line.twilio.messages]
    with line.db() as db:
        rows = {row.sid for row in db.scalars(select(Message).where(Message.outbound, Message.staff_thread_id.is_not(None)))}
    assert rows == set(sids) and len(sids) == len(POOL)


def test_it_does_not_repeat_the_bots_failed_question_while_a_human_talks(line: HelpLine, dana: Worker) -> None:
    line.text("i need food")
    asked = line.twilio.messages[-1]
    line.twilio.report(asked.sid, "undelivered", error_code=30003)
    with line.db() as db:
        claiming.claim(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now())
    for _ in range(4):
        line.clock.advance(timedelta(minutes=15))
        line.work()
    assert texts_to(line, ADA).count(asked.body) == 1


def test_it_calls_a_human_for_danger_after_a_no_to_another_question(line: HelpLine, dana: Worker) -> None:
    line.text("no")
    line.text("me quiero matar esta noche")
    line.work()
    assert line.count(Handoff, Handoff.reason == "danger") == 1
