"""Outgoing texts: answers in TwiML that were never reported, reports in any order, failures, time-outs."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import OutboxLane
from bot.jobs.sweep import sweep
from bot.storage.messages import outbox
from bot.storage.tables.residents import Alert, Consent, Conversation, DeliveryReport, Handoff, Message
from tests.support.help_line import ADA, MARCUS, PUBLIC_URL, HelpLine


def promise(line: HelpLine, body: str = "A text for later", lane: OutboxLane = OutboxLane.REPLY) -> int:
    """An outbox row for a person who has written once, and whose reply is settled."""
    line.text("hi")
    line.twilio.report(line.twilio.messages[-1].sid, "delivered")
    with line.db() as db:
        conversation = db.scalars(select(Conversation)).one()
        sealer = line.runtime.context.sealer
        return outbox.enqueue(db, sealer, conversation.id, body, lane, None, 1, line.clock.now()).id


def test_it_leaves_a_reported_answer_alone(line: HelpLine) -> None:
    line.text("hi")
    line.twilio.report(line.twilio.messages[0].sid, "sent", "delivered")
    line.clock.advance(timedelta(hours=1))
    line.work(2)
    assert len(line.twilio.texts_to(ADA)) == 1
    assert [row.state for row in line.outgoing()] == ["delivered"]


def test_it_finds_an_answer_that_twilio_took_but_never_reported(line: HelpLine) -> None:
    line.text("hi")
    line.clock.advance(timedelta(minutes=3))
    line.work()
    assert len(line.twilio.texts_to(ADA)) == 1
    assert line.outgoing()[0].sid == line.twilio.messages[0].sid


def test_it_sends_an_answer_that_twilio_never_took(line: HelpLine) -> None:
    url, form = f"{PUBLIC_URL}/twilio/sms", {"From": ADA, "To": "+13145550100", "Body": "hi", "MessageSid": "SM1"}
    line.twilio.post_signed(url, form)
    line.clock.advance(timedelta(minutes=3))
    line.work(3)
    assert len(line.twilio.texts_to(ADA)) == 1
    assert "STL Help" in line.twilio.texts_to(ADA)[0]


def test_it_moves_a_state_only_forward(line: HelpLine) -> None:
    line.text("hi")
    sid = line.twilio.messages[0].sid
    line.twilio.report(sid, "delivered", "sent", "queued", "delivered")
    assert [row.state for row in line.outgoing()] == ["delivered"]
    assert line.count(DeliveryReport) == 4


def test_it_sends_an_enqueued_text_once(line: HelpLine) -> None:
    promise(line)
    line.work(3)
    assert line.twilio.texts_to(ADA).count("A text for later") == 1


def test_it_asks_before_it_sends_again_after_a_time_out(line: HelpLine) -> None:
    row = promise(line)
    line.twilio.cut_off(takes=True)
    line.work()
    assert line.outgoing()[-1].state == DeliveryState.UNKNOWN.value
    line.clock.advance(timedelta(minutes=2))
    line.work()
    assert line.twilio.texts_to(ADA).count("A text for later") == 1
    assert line.outgoing()[-1].id == row and line.outgoing()[-1].sid


def test_it_sends_again_what_the_carrier_did_not_take(line: HelpLine) -> None:
    promise(line)
    line.twilio.refuse(20429, 429)
    line.work()
    line.clock.advance(timedelta(minutes=1))
    line.work()
    assert line.twilio.texts_to(ADA).count("A text for later") == 1


def test_it_never_texts_a_number_that_opted_out_at_the_carrier(line: HelpLine) -> None:
    promise(line)
    line.twilio.refuse(21610)
    line.work(2)
    line.clock.advance(timedelta(days=1))
    line.work(2)
    assert "A text for later" not in line.twilio.texts_to(ADA)
    with line.db() as db:
        assert db.scalars(select(Conversation)).one().opted_out
        assert db.scalars(select(Consent)).one().method == "carrier"
        assert db.scalars(select(Handoff)).one().reachable is False


def test_it_holds_all_texts_and_tells_the_operator_when_the_account_is_refused(line: HelpLine) -> None:
    promise(line)
    line.twilio.refuse(20003, 401)
    line.work()
    assert line.count(Alert, Alert.kind == "sending_failed") == 1
    line.clock.advance(timedelta(hours=1))
    line.work()
    assert line.twilio.texts_to(ADA).count("A text for later") == 1


def test_it_stops_at_a_number_that_is_not_in_use(line: HelpLine) -> None:
    line.text("hi")
    sid = line.twilio.messages[0].sid
    line.twilio.report(sid, "undelivered", error_code=30005)
    with line.db() as db:
        assert db.scalars(select(Conversation)).one().unreachable == "reassigned"
    assert line.count(Handoff, Handoff.reason == "failure") == 1


def test_it_delivers_without_a_queue(line: HelpLine) -> None:
    promise(line)
    with line.runtime.queue._redis as redis:
        redis.flushall()
    line.clock.advance(timedelta(seconds=11))
    sweep(line.runtime)
    assert line.twilio.texts_to(ADA).count("A text for later") == 1


def test_it_sends_the_crisis_lane_first(line: HelpLine) -> None:
    promise(line, "bulk", OutboxLane.BULK)
    with line.db() as db:
        conversation = db.scalars(select(Conversation)).one()
        outbox.enqueue(
            db, line.runtime.context.sealer, conversation.id, "crisis", OutboxLane.CRISIS, None, 1, line.clock.now()
        )
    line.work()
    sent = [body for body in line.twilio.texts_to(ADA) if body in ("bulk", "crisis")]
    assert sent[0] == "crisis"


def test_it_keeps_the_pace_of_its_number(line: HelpLine) -> None:
    promise(line, "one")
    with line.db() as db:
        conversation = db.scalars(select(Conversation)).one()
        for number in range(4):
            outbox.enqueue(
                db, line.runtime.context.sealer, conversation.id, f"n{number}", OutboxLane.REPLY, None, 3, line.clock.now()
            )
    line.work()
    assert len(line.twilio.texts_to(ADA)) < 6
    for _ in range(8):
        line.clock.advance(timedelta(seconds=3))
        line.work()
    assert sorted(line.twilio.texts_to(ADA)[1:]) == ["n0", "n1", "n2", "n3", "one"]


def test_it_drops_what_waits_when_the_person_opts_out(line: HelpLine) -> None:
    promise(line)
    line.text("STOP")
    line.work()
    assert "A text for later" not in line.twilio.texts_to(ADA)


def test_it_refuses_unsigned_requests(line: HelpLine) -> None:
    url = f"{PUBLIC_URL}/twilio/sms"
    status, _, _ = line.twilio.post_signed(url, {"From": MARCUS, "Body": "hi", "MessageSid": "SM1"}, token="wrong")
    assert status == 403
    assert line.count(Message) == 0


def test_it_never_sends_on_a_guess_while_the_carrier_cannot_be_asked(line: HelpLine) -> None:
    promise(line)
    line.twilio.cut_off(takes=True)
    line.work()
    line.twilio.stop_listening()
    for _ in range(6):
        line.clock.advance(timedelta(hours=2))
        line.work()
    assert line.outgoing()[-1].state == DeliveryState.UNKNOWN.value
    line.twilio.listen()
    line.clock.advance(timedelta(hours=2))
    line.work()
    assert line.twilio.texts_to(ADA).count("A text for later") == 1
    assert line.outgoing()[-1].sid


def test_it_tells_a_human_of_every_text_that_could_not_be_delivered(line: HelpLine) -> None:
    row = promise(line)
    line.twilio.refuse(63016)
    line.work()
    line.clock.advance(timedelta(minutes=1))
    line.twilio.refuse(63016)
    line.work()
    with line.db() as db:
        assert db.get_one(Message, row).state == "failed"
        assert db.scalars(select(Handoff)).one().reason == "failure"


def test_it_asks_for_the_final_state_that_was_never_reported(line: HelpLine) -> None:
    promise(line)
    line.work()
    sent = next(message for message in line.twilio.messages if message.body == "A text for later")
    line.twilio.report(sent.sid, "sent")
    line.clock.advance(timedelta(hours=13))
    line.twilio.message(sent.sid).status = "delivered"
    line.work()
    assert line.outgoing()[-1].state == "delivered" and line.outgoing()[-1].due_at is None
    assert line.twilio.texts_to(ADA).count("A text for later") == 1


def test_it_tells_a_human_of_a_crisis_text_that_stays_sent(line: HelpLine) -> None:
    promise(line, "crisis", OutboxLane.CRISIS)
    line.work()
    sent = next(message for message in line.twilio.messages if message.body == "crisis")
    line.twilio.report(sent.sid, "sent")
    assert line.count(Handoff) == 0
    line.clock.advance(timedelta(minutes=11))
    line.work()
    assert line.count(Handoff, Handoff.reason == "failure") == 1
    assert line.twilio.texts_to(ADA).count("crisis") == 1


def test_it_does_not_repeat_a_refused_confirmation_of_an_opt_out(line: HelpLine) -> None:
    line.text("STOP")
    line.twilio.report(line.twilio.messages[-1].sid, "undelivered", error_code=21610)
    line.work()
    assert line.count(Handoff) == 0


def test_it_heeds_a_failure_of_a_reply_that_is_out_of_date_but_does_not_send_it_again(line: HelpLine) -> None:
    line.text("hi")
    line.text("food")
    line.text("63118")
    filtered, unclear, _ = (message.sid for message in line.twilio.messages)
    said = len(line.outgoing())
    line.twilio.report(filtered, "undelivered", error_code=30007)
    line.twilio.report(unclear, "undelivered", error_code=30008)
    assert line.count(Alert, Alert.kind == "sending_failed") == 1
    assert len(line.outgoing()) == said
