"""The whole handoff: a human is alerted, claims, talks, hands back and closes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import time, timedelta

import pytest
from sqlalchemy import select

from bot.domain.conversation.effects import HandoffReason, OpenHandoff
from bot.domain.conversation.safe_contact import SafeContact, TimeWindow
from bot.domain.conversation.state import Holder, load
from bot.domain.refused import Refused
from bot.domain.safety.levels import Urgency
from bot.domain.staff.permissions import Role
from bot.storage.conversation import timeouts
from bot.storage.tables.residents import Alert, Conversation, Message
from bot.storage.tables.staff import Audit, CallOut, HandoffEvent, Note, StaffThread
from bot.usecases.handoff import claiming, ending, writing
from bot.usecases.handoff.escalation import open_and_alert
from tests.journeys.conftest import DANA
from tests.support.help_line import ADA, MARCUS, POOL, HelpLine
from tests.support.team import Worker, handoff, hire, keys, texts_to

LEE, SUE = "+13145550122", "+13145550123"
CRISIS = "i want to kill myself tonight"


@pytest.fixture
def lee(line: HelpLine) -> Worker:
    return hire(line, "Lee", LEE, place=2)


@pytest.fixture
def sue(line: HelpLine) -> Worker:
    return hire(line, "Sue", SUE, role=Role.SUPERVISOR, on=False)


def pass_time(line: HelpLine, minutes: float) -> None:
    """Let time pass in steps of one escalation tier, with the sweep running all along."""
    step = 1 if minutes <= 30 else 5
    while minutes > 0:
        line.clock.advance(timedelta(minutes=min(step, minutes)))
        line.work()
        minutes -= step


def settle(line: HelpLine) -> None:
    """Send everything that is due, including texts that wait for their number's sending rate."""
    for _ in range(3):
        line.work()
        line.clock.advance(timedelta(seconds=3))
    line.work()


def test_it_alerts_the_worker_on_call_in_the_transaction_of_the_text(line: HelpLine, dana: Worker, lee: Worker) -> None:
    line.text(CRISIS)
    assert handoff(line).state == "alerted"
    line.work()
    assert len(dana.got()) == 1 and lee.got() == []
    assert "Reply 1 to take it, 2 to pass" in dana.got()[0]


def test_it_never_says_a_word_or_number_of_the_person_in_an_alert(line: HelpLine, dana: Worker) -> None:
    line.text("my name is Ada Sample and i want to kill myself tonight")
    line.work()
    with line.db() as db:
        rows = db.scalars(select(Message).where(Message.staff_thread_id.is_not(None)))
        said = " ".join(line.runtime.context.sealer.open(row.sealed_body or "") for row in rows)
    assert said and not any(word in said for word in ("Ada", "Sample", "kill", "555-0142", "5550142"))


def test_it_escalates_to_the_next_the_supervisor_and_all(line: HelpLine, dana: Worker, lee: Worker, sue: Worker) -> None:
    line.text(CRISIS)
    line.work()
    pass_time(line, 2)
    assert len(lee.got()) == 1 and sue.got() == []
    pass_time(line, 2)
    assert len(sue.got()) == 1 and handoff(line).state == "escalated"
    pass_time(line, 2)
    assert len(dana.got()) == 2 and len(lee.got()) == 2 and len(sue.got()) == 2
    assert line.count(Alert, Alert.kind == "nobody_answers") == 1


def test_it_tells_the_person_that_no_one_has_answered_yet(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    pass_time(line, 2)
    assert [text for text in texts_to(line, ADA) if "No one has picked up yet" in text]
    pass_time(line, 58)
    assert 3 <= len([text for text in texts_to(line, ADA) if "No one has picked up yet" in text]) <= 7


def test_it_gives_the_conversation_to_the_worker_who_replies_1(line: HelpLine, dana: Worker, lee: Worker) -> None:
    line.text(CRISIS)
    line.work()
    assert dana.texts("1") == []
    line.work()
    assert handoff(line).owner_id == dana.id and handoff(line).state == "claimed"
    assert "Dana from our team has your texts now" in texts_to(line, ADA)[-1]
    assert "Text here to write to them" in dana.got()[-1]


def test_it_tells_the_others_who_were_called(line: HelpLine, dana: Worker, lee: Worker) -> None:
    line.text("i took all the pills")
    line.work()
    lee.texts("1")
    settle(line)
    assert "Lee took handoff" in dana.got()[-1]
    assert "Lee took handoff" in dana.texts("1")[0]
    assert handoff(line).owner_id == lee.id


def test_it_escalates_at_once_when_the_alerted_worker_declines(line: HelpLine, dana: Worker, lee: Worker) -> None:
    line.text(CRISIS)
    line.work()
    assert "you passed on handoff" in dana.texts("2")[0]
    line.work()
    assert len(lee.got()) == 1


def test_it_makes_one_owner_of_fifty_who_claim_at_once(line: HelpLine) -> None:
    workers = [hire(line, f"Worker{number}") for number in range(50)]
    line.text(CRISIS)
    number = handoff(line).id

    def press(worker: Worker) -> bool:
        try:
            with line.db() as db:
                claiming.claim(db, line.runtime.context, number, worker.id, line.clock.now())
        except Refused as refusal:
            assert refusal.reason == "taken"
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(press, workers)) == 1
    assert keys(line).count("taken") == 1


def take(line: HelpLine, worker: Worker, words: str = CRISIS) -> StaffThread:
    """The worker claims the person by telephone."""
    line.text(words)
    line.work()
    worker.texts("1")
    line.work()
    with line.db() as db:
        return db.scalars(
            select(StaffThread).where(StaffThread.staff_id == worker.id, StaffThread.conversation_id.is_not(None))
        ).one()


def test_it_passes_words_both_ways_and_hides_both_numbers(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana)
    assert thread.line != POOL[0]
    assert line.text("are you there") == []
    line.work()
    assert "are you there" in dana.got()[-1] and "555" not in dana.got()[-1].replace(thread.line, "")
    dana.texts("I am here.\nSent from my iPhone\n314-555-0121", to=thread.line)
    line.work()
    assert texts_to(line, ADA)[-1] == "I am here."
    assert {message.from_ for message in line.twilio.messages if message.to == ADA} == {"+13145550199"}


def test_it_sends_what_a_worker_writes_once(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana)
    for _ in range(3):
        dana.texts("Are you safe?", to=thread.line, MessageSid="SMsame")
    line.work()
    assert texts_to(line, ADA).count("Are you safe?") == 1


def test_it_keeps_two_people_of_one_worker_apart(line: HelpLine, dana: Worker) -> None:
    first = take(line, dana)
    line.text(CRISIS, MARCUS)
    line.work()
    dana.texts("1")
    line.work()
    with line.db() as db:
        bound = db.scalars(select(StaffThread).where(StaffThread.conversation_id.is_not(None))).all()
    second = next(thread for thread in bound if thread.line != first.line)
    dana.texts("Hello Ada", to=first.line)
    dana.texts("Hello Marcus", to=second.line)
    line.work()
    assert "Hello Ada" in texts_to(line, ADA) and "Hello Ada" not in texts_to(line, MARCUS)
    assert "Hello Marcus" in texts_to(line, MARCUS) and "Hello Marcus" not in texts_to(line, ADA)


def test_it_keeps_a_third_person_in_the_console_when_the_numbers_are_all_in_use(line: HelpLine, dana: Worker) -> None:
    numbers = [ADA, MARCUS, "+13145550178", "+13145550179"]
    for sender in numbers:
        line.text(CRISIS, sender)
        line.work()
        dana.texts(f"1 {handoff(line).id}")
        settle(line)
    assert f"/console/handoffs/{handoff(line).id}" in dana.got()[-1]
    assert handoff(line).owner_id == dana.id


def test_it_refuses_what_is_written_after_the_conversation_closed(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana)
    assert "is closed" in dana.texts("#CLOSE resolved", to=thread.line)[0]
    line.work()
    before = texts_to(line, ADA)
    assert "Not sent" in dana.texts("one more thing", to=thread.line)[0]
    line.work()
    assert texts_to(line, ADA) == before
    assert line.count(Audit, Audit.act == "relay_refused") == 1


def test_it_answers_a_late_text_of_the_person_by_the_bot(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana)
    dana.texts("#CLOSE resolved", to=thread.line)
    line.work()
    before = dana.got()
    assert line.text("thanks again") != []
    line.work()
    assert dana.got() == before


def test_it_takes_a_workers_stop_as_the_workers_own_opt_out(line: HelpLine, dana: Worker, lee: Worker) -> None:
    thread = take(line, dana)
    dana.texts("STOP", to=thread.line, OptOutType="STOP")
    line.work()
    with line.db() as db:
        person = db.scalars(select(Conversation)).one()
    assert not person.opted_out
    assert all("STOP" not in text.upper().split() for text in texts_to(line, ADA)[1:] if "HELP" not in text)
    assert handoff(line).owner_id == dana.id
    line.text("hello?")
    pass_time(line, 20)
    assert handoff(line).owner_id != dana.id


def test_it_escalates_when_a_workers_telephone_is_out_of_reach(line: HelpLine, dana: Worker, lee: Worker) -> None:
    line.text(CRISIS)
    line.work()
    alert = line.twilio.messages[-1]
    assert alert.to == DANA
    line.twilio.report(alert.sid, "sent", "undelivered", error_code=30003)
    line.work()
    assert len(lee.got()) == 1


def test_it_refuses_an_alert_answered_by_a_strangers_telephone(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    stranger = Worker(line, 0, "+13145550199")
    said = stranger.texts("1")
    assert "for staff only" in said[0] and "+13145550100" in said[0]
    assert handoff(line).state == "alerted"
    assert line.count(Audit, Audit.act == "stranger_texted") == 1


def test_it_hears_a_resident_who_texts_a_number_of_the_pool(line: HelpLine, dana: Worker) -> None:
    assert Worker(line, 0, MARCUS).texts("i want to die") == []
    line.work()
    assert line.twilio.messages[-1].from_ == "+13145550100" or texts_to(line, MARCUS)
    assert all(message.from_ == "+13145550100" for message in line.twilio.messages if message.to == MARCUS)


def test_it_stays_silent_while_a_human_talks(line: HelpLine, dana: Worker) -> None:
    take(line, dana)
    for words in ("menu", "1", "español", "person", "start", "thanks", "back", "delete my data"):
        assert line.text(words) == [], words


def test_it_reads_for_danger_while_a_human_talks(line: HelpLine, dana: Worker) -> None:
    take(line, dana, "i want to talk to a person")
    assert line.text("i took all the pills") == []
    settle(line)
    assert "wrote of danger again" in " ".join(dana.got())
    assert handoff(line).urgency == "now"


def test_it_hands_back_and_says_so(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana)
    dana.texts("#BACK", to=thread.line)
    line.work()
    assert "You are back with the automatic helper" in texts_to(line, ADA)[-1]
    assert handoff(line).state == "handed_back"
    assert line.text("menu") != []


def test_it_calls_the_same_worker_again_after_it_was_handed_back(line: HelpLine, lee: Worker) -> None:
    dana = hire(line, "Dana", DANA, place=9)
    line.text(CRISIS)
    with line.db() as db:
        claiming.claim(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now())
        ending.hand_back(db, line.runtime.context, handoff(line).id, dana.id, line.clock.now())
    line.work()
    dana.got()
    line.text("i want to die")
    line.work()
    assert "Reply 1 to take it" in dana.got()[-1]
    assert handoff(line).state == "alerted" and handoff(line).owner_id is None


def test_it_hands_back_after_a_quiet_time_but_not_in_danger(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana, "i want to talk to a person")
    dana.texts("Hello, this is Dana.", to=thread.line)
    pass_time(line, 121)
    assert handoff(line).state == "handed_back"
    assert "It has been quiet here" in texts_to(line, ADA)[-1]


def test_it_never_hands_back_a_person_in_danger_because_of_time(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana)
    dana.texts("I am here.", to=thread.line)
    pass_time(line, 130)
    assert handoff(line).state == "with_human"
    assert "has been quiet" in dana.got()[-1]


def test_it_reminds_then_calls_a_supervisor_then_looks_for_others(
    line: HelpLine, dana: Worker, lee: Worker, sue: Worker
) -> None:
    take(line, dana)
    pass_time(line, 4)
    assert "waited" in dana.got()[-1]
    pass_time(line, 5)
    assert "has waited" in sue.got()[-1]
    assert "Dana has not answered yet" in texts_to(line, ADA)[-1]
    pass_time(line, 7)
    assert handoff(line).owner_id is None
    assert [text for text in texts_to(line, ADA) if "cannot go on" in text]
    assert "Reply 1" in lee.got()[-1]


def test_it_lets_a_called_supervisor_take_it_over_with_a_1(line: HelpLine, dana: Worker, sue: Worker) -> None:
    take(line, dana)
    pass_time(line, 9)
    sue.texts("1")
    line.work()
    assert handoff(line).owner_id == sue.id
    assert "Sue has handoff" in dana.got()[-1]
    assert "Sue from our team will take over" in texts_to(line, ADA)[-1]


def test_it_keeps_a_warm_transfer_with_the_owner_until_the_other_says_yes(line: HelpLine, dana: Worker, lee: Worker) -> None:
    take(line, dana)
    number, context = handoff(line).id, line.runtime.context
    with line.db() as db:
        claiming.offer_to_colleague(db, context, number, dana.id, lee.id, "knows the landlord", line.clock.now())
    line.work()
    assert "asks you to take over" in lee.got()[-1] and handoff(line).owner_id == dana.id
    lee.texts("1")
    settle(line)
    assert handoff(line).owner_id == lee.id and line.count(Note) == 1
    assert "Lee has handoff" in dana.got()[-1]
    line.text("hi")
    line.work()
    assert "hi" in lee.got()[-1] and "From handoff" not in dana.got()[-1]


def test_it_leaves_a_declined_or_forgotten_offer_where_it_was(line: HelpLine, dana: Worker, lee: Worker) -> None:
    thread = take(line, dana)
    dana.texts("I am here", to=thread.line)
    context = line.runtime.context
    with line.db() as db:
        claiming.offer_to_colleague(db, context, handoff(line).id, dana.id, lee.id, "", line.clock.now())
    pass_time(line, 6)
    assert handoff(line).offered_to_id is None and handoff(line).owner_id == dana.id
    assert "Lee has not answered" in dana.got()[-1]


def test_it_says_at_night_that_no_one_is_on_duty(line: HelpLine) -> None:
    hire(line, "Dana", DANA, on=False)
    said = line.text(CRISIS)
    assert "No one on our team is on shift now" in " ".join(said)
    line.work()
    assert line.twilio.texts_to(DANA) != []


def test_it_lets_what_can_wait_rest_until_the_shift(line: HelpLine) -> None:
    dana = hire(line, "Dana", DANA, on=False)
    said = line.text("i want to talk to a person")
    assert "No one on our team is on shift" in " ".join(said)
    line.work()
    pass_time(line, 30)
    assert dana.got() == [] and handoff(line).state == "waiting" and handoff(line).due_at is not None


def test_it_asks_for_the_number_when_two_alerts_are_open(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.text(CRISIS, MARCUS)
    line.work()
    said = dana.texts("1")
    assert "Which one?" in said[0]
    dana.texts(f"1 {handoff(line).id}")
    assert handoff(line).owner_id == dana.id


def test_it_speaks_the_persons_language_to_match(line: HelpLine, dana: Worker) -> None:
    rosa = hire(line, "Rosa", LEE, place=5, languages=["en", "es"])
    line.text("me quiero matar esta noche")
    line.work()
    assert len(rosa.got()) == 1 and dana.got() == []


def test_it_does_not_answer_for_a_worker_who_cannot_see_the_team(line: HelpLine, dana: Worker) -> None:
    outsider = hire(line, "Otto", LEE, teams=["housing"], on=False)
    line.text(CRISIS)
    with line.db() as db, pytest.raises(Refused) as refusal:
        claiming.claim(db, line.runtime.context, handoff(line).id, outsider.id, line.clock.now())
    assert refusal.value.reason == "unknown"


def test_it_frees_the_worker_at_the_end_of_their_shift(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana, "i want to talk to a person")
    dana.texts("Hello", to=thread.line)
    with line.db() as db:
        db.get_one(type(handoff(line)), handoff(line).id).shift_ends_at = line.clock.now() + timedelta(minutes=40)
        db.get_one(type(handoff(line)), handoff(line).id).due_at = line.clock.now()
    pass_time(line, 26)
    assert "your shift ends in" in dana.got()[-1]
    pass_time(line, 20)
    assert handoff(line).state == "handed_back"
    with line.db() as db:
        assert db.scalars(select(StaffThread).where(StaffThread.conversation_id.is_not(None))).all() == []


def test_it_gives_the_state_back_to_the_bot_when_closed(line: HelpLine, dana: Worker) -> None:
    take(line, dana)
    with line.db() as db:
        ending.close(db, line.runtime.context, handoff(line).id, dana.id, "safety_plan", line.clock.now(), "called 988")
    with line.db() as db:
        state = load(line.runtime.context.sealer.open(db.scalars(select(Conversation)).one().sealed_state))
    assert (state.holder, state.in_danger) == (Holder.BOT, False)
    assert handoff(line).disposition == "safety_plan"
    assert line.count(CallOut, CallOut.answer.is_(None)) == 0


def test_it_sends_a_planned_text_only_while_it_still_holds(line: HelpLine, dana: Worker) -> None:
    take(line, dana, "i want to talk to a person")
    number, context = handoff(line).id, line.runtime.context
    for minutes, words in ((10, "How did the call go?"), (60, "Are you home?")):
        with line.db() as db:
            now = line.clock.now()
            writing.send_text(
                db, context, number, dana.id, words, now, idempotency_key=words, send_at=now + timedelta(minutes=minutes)
            )
    pass_time(line, 9)
    assert "How did the call go?" not in texts_to(line, ADA)
    pass_time(line, 2)
    assert "How did the call go?" in texts_to(line, ADA)
    with line.db() as db:
        ending.close(db, context, number, dana.id, "resolved", line.clock.now())
    pass_time(line, 60)
    assert "Are you home?" not in texts_to(line, ADA)
    assert line.count(HandoffEvent, HandoffEvent.kind == "not_sent") == 1


def test_it_does_not_write_first_to_a_person_at_an_unsafe_time(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana, "i want to talk to a person")
    dana.texts("#CLOSE resolved", to=thread.line)
    line.work()
    never = SafeContact(times=(TimeWindow(frozenset({6}), time(3), time(4)),))
    with line.db() as db:
        row = db.scalars(select(Conversation)).one()
        state = load(line.runtime.context.sealer.open(row.sealed_state))
        timeouts.save_state(row, line.runtime.context.sealer, replace(state, safe=never), line.clock.now())
    with line.db() as db, pytest.raises(Refused) as refusal:
        writing.reach_out(db, line.runtime.context, row.id, dana.id, line.clock.now())
    assert refusal.value.reason == "unsafe_time"


def test_it_tells_nothing_when_another_person_may_hold_the_phone(line: HelpLine, dana: Worker) -> None:
    line.text("hi")
    with line.db() as db:
        row = db.scalars(select(Conversation)).one()
        state = load(line.runtime.context.sealer.open(row.sealed_state))
        safe = SafeContact(word="bluebird", neutral=True)
        timeouts.save_state(row, line.runtime.context.sealer, replace(state, safe=safe), line.clock.now())
    assert line.text("who is this? what did she say to you") == ["Thanks for your message."]
    line.work()
    assert "within 15 minutes" in dana.got()[-1]
    assert line.text("still me") == []
    assert "Thanks for your message." not in line.text("bluebird menu")


def test_it_ends_at_once_on_an_exit_word(line: HelpLine, dana: Worker) -> None:
    thread = take(line, dana)
    assert line.text("exit") == ["OK, no problem. Have a good day."]
    with line.db() as db:
        row = db.scalars(select(Conversation)).one()
        state = load(line.runtime.context.sealer.open(row.sealed_state))
        timeouts.save_state(
            row, line.runtime.context.sealer, replace(state, safe=SafeContact(exit_word="pizza")), line.clock.now()
        )
    dana.texts("Are you safe?", to=thread.line)
    assert line.text("pizza") == ["OK, no problem. Have a good day."]
    line.work()
    assert "Are you safe?" not in texts_to(line, ADA)


def test_it_calls_a_worker_of_the_community_that_was_asked_for(line: HelpLine) -> None:
    dana = hire(line, "Dana", DANA, teams=["counseling"])
    amra = hire(line, "Amra", LEE, teams=["counseling"], place=5, communities=["Bosnian"])
    effect = OpenHandoff(HandoffReason.FLOW, Urgency.QUARTER_HOUR, "counseling", wish="somebody bosnian please")
    line.text("hi")
    with line.db() as db:
        conversation = db.scalars(select(Conversation.id)).one()
        open_and_alert(db, line.runtime.context, effect, conversation, None, "en", line.clock.now())
    line.work()
    assert handoff(line).community == "Bosnian"
    assert len(amra.got()) == 1 and dana.got() == []


def test_it_counts_a_note_as_the_answer_to_a_person_who_can_only_be_phoned(
    line: HelpLine, dana: Worker, lee: Worker
) -> None:
    line.text("hi")
    line.text("STOP")
    line.text("i want to kill myself tonight")
    line.work()
    assert "Texts do not reach this person" in dana.got()[-1]
    dana.texts("1")
    with line.db() as db:
        conversation = db.scalars(select(Conversation.id)).one()
        writing.add_note(db, line.runtime.context, conversation, dana.id, "Phoned, with her sister now.", line.clock.now())
    pass_time(line, 20)
    assert handoff(line).owner_id == dana.id and handoff(line).state == "with_human"
