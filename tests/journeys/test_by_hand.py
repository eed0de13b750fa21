"""What an operator does by hand: close a handoff, and fetch what came while the house was away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot import reception
from bot.carriers.twilio import TwilioCarrier
from bot.domain.message import Channel
from bot.storage.tables import Alert, Handoff, Message
from bot.usecases.close_handoff import NoSuchHandoff, close_handoff
from tests.helpline import ADA, HelpLine


def test_it_gives_the_conversation_back_to_the_bot_at_its_place(line: HelpLine) -> None:
    line.text("i need food")
    line.text("i want to kill myself")
    with line.db() as db:
        handoff = db.scalars(select(Handoff)).one()
        close_handoff(db, line.runtime.desk.sealer, handoff.id, line.clock.now())
    assert "211" in "\n".join(line.text("63118"))
    assert line.count(Alert, Alert.acknowledged_at.is_(None)) == 0
    with line.db() as db, pytest.raises(NoSuchHandoff):
        close_handoff(db, line.runtime.desk.sealer, handoff.id, line.clock.now())


def test_it_opens_another_handoff_after_one_was_closed(line: HelpLine) -> None:
    line.text("PERSON")
    with line.db() as db:
        close_handoff(db, line.runtime.desk.sealer, db.scalars(select(Handoff.id)).one(), line.clock.now())
    line.text("PERSON")
    assert line.count(Handoff) == 2


def test_it_takes_what_came_while_the_house_was_away(line: HelpLine) -> None:
    line.text("hi")
    line.twilio.keep_inbound(ADA, "i need food", "SMaway")
    carrier = line.runtime.carriers[Channel.SMS]
    assert isinstance(carrier, TwilioCarrier)
    fetched = carrier.received(line.clock.now() - timedelta(days=3650))
    fresh = [reception.receive(line.runtime, inbound, answered=False).fresh for inbound in fetched]
    assert fresh.count(True) == 1
    assert line.count(Message, Message.sid == "SMaway") == 1
    line.work(2)
    assert "ZIP" in line.twilio.texts_to(ADA)[-1]
