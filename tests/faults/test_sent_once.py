"""A text whose fate is unknown: the carrier is asked before anything is sent again, and nothing is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.carriers.carrier import OutgoingMessage
from bot.domain.messages.message import Channel, OutboxLane
from bot.storage.messages import outbox
from bot.storage.messages.outbox import ClaimedText
from bot.storage.tables.residents import Message
from tests.faults.conftest import FrailLine
from tests.support.help_line import ADA

pytestmark = pytest.mark.faults

LATER = "A text for later"


def greet(line: FrailLine) -> None:
    """A person has written, and the state of the reply is settled."""
    line.say("hello")
    line.twilio.report(line.twilio.messages[-1].sid, "delivered")


def claim(line: FrailLine, row: int) -> ClaimedText:
    """A worker claims a row, and dies unless the test goes on in its place."""
    with line.db() as db:
        claimed = outbox.claim(db, line.runtime.context.sealer, row, line.clock.now())
    assert claimed is not None
    return claimed


def sends(line: FrailLine, claimed: ClaimedText) -> None:
    """The worker hands the text to the carrier, and dies before it can record that."""
    callback = f"https://help.example.gov/twilio/status?message={claimed.id}"
    outgoing = OutgoingMessage(claimed.id, claimed.to, claimed.body, claimed.lane, callback, claimed.line, 3600)
    line.runtime.carriers[Channel.SMS].send(outgoing)


def times_sent(line: FrailLine, body: str = LATER) -> int:
    return line.twilio.texts_to(ADA).count(body)


def test_it_leaves_a_claim_alone_until_its_lease_ends(frail: FrailLine) -> None:
    greet(frail)
    claim(frail, frail.promise(LATER))
    frail.clock.advance(outbox.LEASE - timedelta(seconds=1))
    frail.work(2)
    assert times_sent(frail) == 0


def test_it_sends_what_a_dead_worker_had_claimed_and_not_sent(frail: FrailLine) -> None:
    greet(frail)
    claim(frail, frail.promise(LATER))
    frail.clock.advance(outbox.LEASE)
    frail.work(2)
    assert times_sent(frail) == 1


def test_it_finds_what_a_dead_worker_had_sent_and_not_recorded(frail: FrailLine) -> None:
    greet(frail)
    row = frail.promise(LATER)
    sends(frail, claim(frail, row))
    frail.clock.advance(outbox.LEASE)
    sid = frail.twilio.messages[-1].sid
    frail.work(2)
    assert times_sent(frail) == 1
    assert frail.count(Message, Message.id == row, Message.sid == sid) == 1


def test_it_does_not_take_an_equal_text_of_before_for_the_one_in_doubt(frail: FrailLine) -> None:
    """Two equal reminders: the first was sent and is known, the second was claimed by a worker that died."""
    greet(frail)
    frail.promise(LATER)
    frail.work()
    frail.clock.advance(timedelta(minutes=2))
    claim(frail, frail.promise(LATER))
    frail.clock.advance(outbox.LEASE)
    frail.work(2)
    assert times_sent(frail) == 2


def test_it_still_asks_first_after_the_carrier_could_not_be_asked(frail: FrailLine) -> None:
    greet(frail)
    sends(frail, claim(frail, frail.promise(LATER)))
    password = frail.twilio.passwords.pop(frail.twilio.account_sid)
    frail.clock.advance(outbox.LEASE)
    frail.work()
    frail.twilio.passwords[frail.twilio.account_sid] = password
    for _ in range(4):
        frail.clock.advance(timedelta(hours=1))
        frail.work()
    assert times_sent(frail) == 1


def test_it_still_asks_first_after_waiting_for_its_number(frail: FrailLine) -> None:
    """Two answers that were never reported, and a number that is busy: the second waits, and stays in doubt."""
    frail.say("hello")
    frail.say("story one")
    with frail.db() as db:
        outbox.reserve_slot(db, "+13145550100", 1000 * 30, 1000, OutboxLane.REPLY, frail.clock.now() + timedelta(minutes=3))
        outbox.reserve_slot(db, "+13145550199", 1000 * 30, 1000, OutboxLane.REPLY, frail.clock.now() + timedelta(minutes=3))
    for _ in range(4):
        frail.clock.advance(timedelta(minutes=3))
        frail.work()
    assert times_sent(frail, "Heard story one.") == 1


def test_it_does_not_answer_again_what_the_carrier_has_reported_on(frail: FrailLine) -> None:
    frail.say("hello")
    frail.say("story one", MessageSid="SM1")
    frail.twilio.report(frail.twilio.messages[-1].sid, "delivered")
    assert frail.say("story one", MessageSid="SM1") == []


def test_it_gives_a_repeated_message_its_whole_time_before_it_is_looked_into(frail: FrailLine) -> None:
    frail.say("hello")
    form = {"From": ADA, "To": "+13145550199", "Body": "story one", "MessageSid": "SM1"}
    # Twilio never got this answer.
    frail.twilio.post_signed("https://help.example.gov/twilio/sms", form)
    frail.clock.advance(frail.runtime.context.resend_after - timedelta(seconds=1))
    assert frail.say("story one", MessageSid="SM1") == ["Heard story one."]
    frail.clock.advance(timedelta(seconds=2))
    frail.work()
    assert times_sent(frail, "Heard story one.") == 1
    assert [row.attempts for row in frail.outgoing() if row.replies_to][-1] == 0
