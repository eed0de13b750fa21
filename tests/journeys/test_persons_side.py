"""What must never happen to a resident on the way to a human: a lost answer, a text that exposes them, untrue words."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot import reception
from bot.domain.conversation.safe_contact import TimeWindow
from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import load
from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.storage.tables.residents import Conversation
from bot.storage.tables.staff import StaffThread
from bot.usecases.handoff import ending, writing
from tests.journeys.test_handoff import CRISIS, pass_time, settle, take
from tests.stand_ins.twilio_wire import Message
from tests.support.help_line import ADA, HelpLine
from tests.support.team import Worker, handoff, texts_to

EXIT = ["OK, no problem. Have a good day."]
EVENINGS = (TimeWindow(frozenset(range(7)), time(18), time(22)),)


def state(line: HelpLine) -> State:
    with line.db() as db:
        return load(line.runtime.context.sealer.open(db.scalars(select(Conversation)).one().sealed_state))


def agree(line: HelpLine, **safe: Any) -> None:
    """How the person may be reached safely."""
    with line.db() as db:
        row, known = db.scalars(select(Conversation)).one(), state(line)
        changed = replace(known, safe=replace(known.safe, **safe))
        row.sealed_state = line.runtime.context.sealer.seal(changed.dump())


def plan(line: HelpLine, dana: Worker, words: str, after: timedelta) -> None:
    with line.db() as db:
        now = line.clock.now()
        writing.send_text(
            db, line.runtime.context, handoff(line).id, dana.id, words, now, idempotency_key=words, send_at=now + after
        )


def last(line: HelpLine, to: str = ADA) -> Message:
    return [message for message in line.twilio.messages if message.to == to][-1]


def relay(line: HelpLine) -> StaffThread:
    with line.db() as db:
        return db.scalars(select(StaffThread).where(StaffThread.conversation_id.is_not(None))).one()


def test_it_hears_the_answer_to_its_question_though_an_old_handoff_is_closed(line: HelpLine, dana: Worker) -> None:
    take(line, dana, "i want to talk to a person")
    context, number = line.runtime.context, handoff(line).id
    with line.db() as db:
        ending.hand_back(db, context, number, dana.id, line.clock.now())
    line.text("ive had enough of life")
    assert state(line).asked_danger == "self_harm"
    with line.db() as db:
        ending.close(db, context, number, dana.id, "resolved", line.clock.now())
    line.text("2")
    assert handoff(line).state != "closed" and handoff(line).reason == "danger"


def test_it_asks_for_no_phone_call_for_a_planned_text_that_rightly_was_not_sent(line: HelpLine, dana: Worker) -> None:
    take(line, dana, "my husband beats me")
    plan(line, dana, "thinking of you", timedelta(hours=1))
    agree(line, times=EVENINGS)
    pass_time(line, 63)
    assert "thinking of you" not in texts_to(line, ADA)
    assert handoff(line).reachable and not [text for text in dana.got() if "please phone" in text]


def test_it_sends_no_planned_text_into_a_new_danger(line: HelpLine, dana: Worker) -> None:
    take(line, dana, "i want to talk to a person")
    plan(line, dana, "Hope you found a place, have fun tonight!", timedelta(minutes=20))
    pass_time(line, 18)
    line.text("i took all the pills")
    pass_time(line, 4)
    assert not [text for text in texts_to(line, ADA) if "fun tonight" in text]


@pytest.mark.parametrize("code", [30003, 30007])
def test_it_tells_a_worker_whose_text_did_not_arrive(line: HelpLine, dana: Worker, code: int) -> None:
    thread = take(line, dana)
    dana.texts("I am here", to=thread.line)
    settle(line)
    line.twilio.report(last(line).sid, "sent", "undelivered", error_code=code)
    pass_time(line, 2)
    assert [text for text in dana.got() if "did not reach the person" in text]


def test_it_passes_the_words_of_a_person_who_opted_out_to_the_human(line: HelpLine, dana: Worker) -> None:
    take(line, dana)
    line.text("STOP", OptOutType="STOP")
    settle(line)
    assert line.text("please call my sister instead at the shelter") == []
    settle(line)
    assert [text for text in dana.got() if "sister" in text]


def test_it_sends_nothing_again_after_an_exit_word(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana, "my husband beats me")
    dana.texts("Is he in the house?", to=thread.line)
    settle(line)
    sent = last(line)
    assert line.text("EXIT") == EXIT
    line.twilio.report(sent.sid, "sent", "undelivered", error_code=30003)
    refused = dana.texts("Are you still there?", to=thread.line)
    before = texts_to(line, ADA)
    pass_time(line, 20)
    assert "exit word" in refused[0]
    assert texts_to(line, ADA) == before


def test_it_tells_nothing_to_another_holder_of_the_phone_even_when_claimed(line: HelpLine, dana: Worker) -> None:
    line.text("hello")
    agree(line, word="blue heron")
    line.clock.advance(timedelta(days=1))
    assert line.text("who is this") == ["Thanks for your message."]
    line.work()
    pass_time(line, 6)
    dana.texts("1")
    settle(line)
    assert not [text for text in texts_to(line, ADA) if "team" in text or "picked up" in text]


def test_it_lets_a_person_opt_out_who_was_asked_about_danger_and_calls_a_human(line: HelpLine, dana: Worker) -> None:
    line.text("my boyfriend choked me last year")
    assert state(line).asked_danger == "domestic_violence"
    assert line.text("EXIT") == EXIT
    line.work()
    assert handoff(line).dangers == ["domestic_violence"] and dana.got()


def test_it_never_says_late_what_has_become_untrue(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    pass_time(line, 2)
    waiting = last(line)
    assert "No one has picked up yet" in waiting.body
    dana.texts("1")
    settle(line)
    before = len(texts_to(line, ADA))
    line.twilio.report(waiting.sid, "sent", "undelivered", error_code=30003)
    pass_time(line, 10)
    assert not [text for text in texts_to(line, ADA)[before:] if "No one has picked up yet" in text]


def test_it_leaves_closed_what_was_closed_though_a_receipt_is_missing(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana)
    dana.texts("I am here", to=thread.line)
    settle(line)
    for message in [message for message in line.twilio.messages if message.to == ADA]:
        line.twilio.report(message.sid, "sent")
    line.text("thank you, i am with my sister now")
    first = handoff(line).id
    with line.db() as db:
        ending.close(db, line.runtime.context, first, dana.id, "safety_plan", line.clock.now())
    pass_time(line, 13)
    assert handoff(line).id == first


def test_it_opens_nothing_because_a_farewell_did_not_arrive(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana, "i want to talk to a person")
    dana.texts("#BACK", to=thread.line)
    settle(line)
    line.twilio.report(last(line).sid, "sent", "undelivered", error_code=30003)
    settle(line)
    assert handoff(line).state == "handed_back"


def test_it_calls_as_urgently_as_it_is_now_and_not_as_it_was(line: HelpLine, dana: Worker) -> None:
    take(line, dana, "i took all the pills")
    with line.db() as db:
        ending.hand_back(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now())
    line.clock.advance(timedelta(days=2))
    line.text("PERSON")
    settle(line)
    assert handoff(line).urgency == "this_shift"
    assert "this shift" in dana.got()[-1]


def test_it_can_write_again_to_a_person_who_texted_start(line: HelpLine, dana: Worker) -> None:
    line.text("hi")
    line.text("STOP", OptOutType="STOP")
    line.text(CRISIS)
    line.text("START", OptOutType="START")
    settle(line)
    dana.texts("1")
    settle(line)
    assert handoff(line).reachable and relay(line).staff_id == dana.id


def test_it_says_nothing_late_to_a_person_with_safe_contact_wishes(line: HelpLine, dana: Worker) -> None:
    line.text("hello")
    agree(line, neutral=True, times=EVENINGS)
    sent = line.clock.now()
    before = texts_to(line, ADA)
    line.clock.advance(timedelta(hours=3))
    inbound = InboundMessage("SMlate", Address(Channel.SMS, ADA), "+13145550199", "are you there", sent)
    reception.receive(line.runtime, inbound, answered=False)
    settle(line)
    assert texts_to(line, ADA) == before
    assert handoff(line).state != "closed"
