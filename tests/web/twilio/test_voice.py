"""Alert calls from end to end: placed by the outbox, answered by a key, and their end reported."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.domain.messages.message import Address, Channel, OutboxLane
from bot.storage.staff import staff, staff_threads
from bot.storage.staff.staff_threads import StaffMessageSubject
from bot.storage.tables.residents import Conversation, DeliveryReport, Handoff, Message
from bot.storage.tables.staff import CallOut, Staff
from bot.web.twilio import voice
from tests.stand_ins.twilio_calls import Call
from tests.support.console import make_staff
from tests.support.help_line import ADA, PUBLIC_URL, HelpLine

ROSA = "+13145550111"
POOL = "+13145550190"
SAYS = "This is Warmline. A handoff needs an answer. Press 1 to take it. Press 2 to pass."


@pytest.fixture
def call(line: HelpLine) -> Call:
    """Rosa's telephone rings for a person who asked for a human."""
    line.text("hi")
    rosa = make_staff(line.runtime, "rosa@example.org", alerts_by_text=False)
    sealer, now = line.runtime.context.sealer, line.clock.now()
    with line.db() as db:
        member = db.get_one(Staff, rosa)
        staff.set_phone(db, sealer, member, Address(Channel.SMS, ROSA))
        handoff = Handoff(
            conversation_id=db.scalars(select(Conversation.id)).one(), reason="asked", team="anyone", urgency="now",
            dangers=[], reachable=True, state="alerted", opened_at=now, updated_at=now, tier=1,
        )  # fmt: skip
        db.add(handoff)
        db.flush()
        db.add(CallOut(handoff_id=handoff.id, staff_id=rosa, tier=1, raised_at=now))
        about = StaffMessageSubject("voice_alert", handoff.id)
        assert staff_threads.enqueue(db, sealer, member, Channel.VOICE, POOL, SAYS, OutboxLane.CRISIS, now, about)
    line.work()
    (placed,) = line.twilio.telephone.calls_to(ROSA)
    return placed


def alert_row(line: HelpLine) -> Message:
    with line.db() as db:
        return db.scalars(select(Message).where(Message.key == "voice_alert").order_by(Message.id)).first() or Message()


def handoff_of(line: HelpLine) -> Handoff:
    with line.db() as db:
        return db.scalars(select(Handoff)).one()


def test_it_calls_from_a_number_of_the_pool_and_names_its_row(line: HelpLine, call: Call) -> None:
    row = alert_row(line)
    assert (call.from_, row.sid) == (POOL, call.sid)
    assert call.said[:2] == [SAYS, SAYS]
    assert f"{PUBLIC_URL}/twilio/voice?message={row.id}" in call.twiml
    assert call.status_callback == f"{PUBLIC_URL}/twilio/status?message={row.id}"


def test_it_claims_the_handoff_for_a_pressed_1(line: HelpLine, call: Call) -> None:
    (sentence,) = line.twilio.telephone.press(call, "1")
    assert f"You have handoff {handoff_of(line).id}" in sentence
    assert handoff_of(line).owner_id is not None


def test_it_declines_for_a_pressed_2(line: HelpLine, call: Call) -> None:
    (sentence,) = line.twilio.telephone.press(call, "2")
    assert "passed" in sentence
    assert handoff_of(line).owner_id is None


def test_it_asks_again_after_a_slip_of_the_finger(line: HelpLine, call: Call) -> None:
    for key in ("5", "*", "#", "", "11", "ü"):
        first, second, _ = line.twilio.telephone.press(call, key)
        assert first == second and "press 1" in first.lower()
    assert handoff_of(line).owner_id is None
    line.twilio.telephone.press(call, "1")
    assert handoff_of(line).owner_id is not None


def test_it_does_not_count_a_picked_up_call_as_an_answer(line: HelpLine, call: Call) -> None:
    assert line.twilio.telephone.end(call, "completed") == 204
    assert alert_row(line).state == "delivered"
    assert handoff_of(line).owner_id is None


@pytest.mark.parametrize("ending", ["no-answer", "failed"])
def test_it_records_that_the_call_was_not_picked_up(line: HelpLine, call: Call, ending: str) -> None:
    assert line.twilio.telephone.end(call, ending) == 204
    assert alert_row(line).state in ("undelivered", "failed")
    assert line.count(DeliveryReport) == 1


def test_it_says_so_when_an_answer_cannot_be_kept_and_takes_it_once_it_can(
    line: HelpLine, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("our own fault")

    with monkeypatch.context() as for_now:
        for_now.setattr(voice, "answer_call", broken)
        assert line.twilio.telephone.press(call, "1")[0] == voice.NOT_SAVED
    line.twilio.telephone.press(call, "1")
    assert handoff_of(line).owner_id is not None


def test_it_answers_for_rows_that_are_no_alert(line: HelpLine, call: Call) -> None:
    for named in ("?message=999999", "?message=0", "?message=99999999999999999999", "?message=x", "?message="):
        heard = line.twilio.telephone.ring_us(f"{PUBLIC_URL}/twilio/voice{named}", ADA, POOL)
        assert heard and all(heard)


def test_it_tells_callers_that_the_line_is_for_texts(line: HelpLine) -> None:
    english, spanish = line.twilio.telephone.ring_us(f"{PUBLIC_URL}/twilio/voice", ADA, POOL)
    assert all("9 1 1" in said and "9 8 8" in said for said in (english, spanish))


def test_it_refuses_unsigned_requests(line: HelpLine, call: Call) -> None:
    url = f"{PUBLIC_URL}/twilio/voice?message={alert_row(line).id}"
    status, _, _ = line.twilio.post_signed(url, {"CallSid": call.sid, "Digits": "1"}, token="wrong")
    assert status == 403
    assert handoff_of(line).owner_id is None


def test_it_refuses_a_signature_made_for_another_alert(line: HelpLine, call: Call) -> None:
    from twilio.request_validator import RequestValidator

    form = {"CallSid": call.sid, "Digits": "1"}
    signed = RequestValidator(line.twilio.auth_token).compute_signature(f"{PUBLIC_URL}/twilio/voice?message=1", form)
    path = f"/twilio/voice?message={alert_row(line).id}"
    answer = line.app.test_client().post(path, data=form, headers={"X-Twilio-Signature": signed})
    assert answer.status_code == 403


def test_it_names_what_a_signed_request_lacks(line: HelpLine) -> None:
    status, _, text = line.twilio.post_signed(f"{PUBLIC_URL}/twilio/voice?message=1", {"Digits": "1"})
    assert status == 400 and "CallSid" in text
