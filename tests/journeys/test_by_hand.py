"""What an operator does by hand: close a handoff, and fetch texts that came while Warmline was down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot import reception
from bot.carriers.twilio.texts import TwilioCarrier
from bot.domain.conversation.state import load
from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.domain.refused import Refused
from bot.storage import erasures
from bot.storage.messages import outbox
from bot.storage.tables.residents import Alert, Conversation, Handoff, Message
from bot.usecases.handoff.ending import close_by_operator
from tests.support.help_line import ADA, HelpLine


def test_it_gives_the_conversation_back_to_the_bot_at_its_place(line: HelpLine) -> None:
    line.text("i need food")
    line.text("i want to kill myself")
    with line.db() as db:
        handoff = db.scalars(select(Handoff)).one()
        close_by_operator(db, line.runtime.context, handoff.id, line.clock.now())
    assert "211" in "\n".join(line.text("63118"))
    assert line.count(Alert, Alert.handoff_id.is_not(None), Alert.acknowledged_at.is_(None)) == 0
    with line.db() as db, pytest.raises(Refused):
        close_by_operator(db, line.runtime.context, handoff.id, line.clock.now())


def test_it_opens_another_handoff_after_one_was_closed(line: HelpLine) -> None:
    line.text("PERSON")
    with line.db() as db:
        close_by_operator(db, line.runtime.context, db.scalars(select(Handoff.id)).one(), line.clock.now())
    line.text("PERSON")
    assert line.count(Handoff) == 2


def test_it_processes_texts_that_came_while_warmline_was_down(line: HelpLine) -> None:
    line.text("hi")
    line.twilio.keep_inbound(ADA, "i need food", "SMaway")
    carrier = line.runtime.carriers[Channel.SMS]
    assert isinstance(carrier, TwilioCarrier)
    fetched = carrier.received_since(line.clock.now() - timedelta(days=3650))
    fresh = [reception.receive(line.runtime, inbound, answered=False).is_new for inbound in fetched]
    assert fresh.count(True) == 1
    assert line.count(Message, Message.sid == "SMaway") == 1
    line.work(2)
    assert "ZIP" in line.twilio.texts_to(ADA)[-1]


def test_it_starts_over_for_a_person_whose_handoff_is_over(line: HelpLine) -> None:
    line.text("i need a job")
    line.text("anything")
    with line.db() as db:
        close_by_operator(db, line.runtime.context, db.scalars(select(Handoff.id)).one(), line.clock.now())
    line.clock.advance(timedelta(days=7))
    assert "ZIP" in "\n".join(line.text("hi i need food for my kids"))


def test_it_leaves_the_conversation_with_the_human_when_the_language_changes(line: HelpLine) -> None:
    line.text("i want to kill myself")
    said = line.text("espanol")
    assert "988" in said[0] and "menú" not in said[0].lower()
    with line.db() as db:
        assert db.scalars(select(Conversation.holder)).one() == "waiting"


def test_it_alerts_again_for_danger_under_another_teams_handoff(line: HelpLine) -> None:
    line.text("my landlord is evicting me")
    line.text("3/3")
    with line.db() as db:
        assert db.scalars(select(Handoff)).one().team == "housing"
    line.text("i want to kill myself tonight with a gun")
    with line.db() as db:
        handoff = db.scalars(select(Handoff)).one()
        assert (handoff.team, handoff.reason) == ("crisis", "danger")
    assert line.count(Alert, Alert.kind == "handoff") == 2


def test_it_tells_the_human_who_is_called_that_the_person_opted_out(line: HelpLine) -> None:
    line.text("i need food")
    line.text("PERSON")
    line.text("BACK")
    line.text("STOP")
    with line.db() as db:
        assert db.scalars(select(Handoff)).one().reachable is False


def test_it_can_reach_a_person_again_who_writes_from_a_number_given_up(line: HelpLine) -> None:
    line.text("hi")
    line.twilio.report(line.twilio.messages[0].sid, "undelivered", error_code=30005)
    line.text("hello, new phone")
    with line.db() as db:
        assert db.scalars(select(Conversation.unreachable)).one() is None


def test_it_recognises_the_number_of_a_deleted_person_who_is_in_danger(line: HelpLine) -> None:
    line.text("hi")
    line.text("STOP")
    with line.db() as db:
        erasures.add_request(db, db.scalars(select(Conversation.id)).one(), line.clock.now())
    line.clock.advance(timedelta(hours=1))
    line.work()
    line.text("i am going to kill myself tonight")
    with line.db() as db:
        row = db.scalars(select(Conversation)).one()
        assert line.runtime.context.sealer.open_address(row.sealed_address).value == ADA


def test_it_does_not_take_an_old_text_as_an_answer(line: HelpLine) -> None:
    line.text("i feel hopeless")
    late = InboundMessage("SMlate", Address(Channel.SMS, ADA), "+13145550100", "no", line.clock.now() - timedelta(days=3))
    reception.receive(line.runtime, late, answered=False)
    with line.db() as db:
        row = db.scalars(select(Conversation)).one()
        assert load(line.runtime.context.sealer.open(row.sealed_state)).asked_danger == "self_harm"
    stop = InboundMessage("SMstop", Address(Channel.SMS, ADA), "+13145550100", "STOP", line.clock.now() - timedelta(days=3))
    reception.receive(line.runtime, stop, answered=False)
    assert line.count(Conversation, Conversation.opted_out) == 1


def test_it_leaves_no_row_due_for_words_that_were_deleted(line: HelpLine) -> None:
    line.text("hi")
    with line.db() as db:
        row = db.scalars(select(Message).where(Message.outbound)).one()
        row.sealed_body = None
    line.clock.advance(timedelta(minutes=5))
    line.work()
    with line.db() as db:
        assert outbox.longest_overdue(db, line.clock.now()) is None
