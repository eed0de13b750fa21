from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.carriers.carrier import Carrier, CarrierError, OutgoingMessage
from bot.carriers.twilio.client import TwilioAccount
from bot.carriers.twilio.texts import TwilioCarrier
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address, Channel, OutboxLane
from tests.stand_ins.twilio import OUR_NUMBER, StandInTwilio

PERSON = Address(Channel.SMS, "+13145550123")
SERVICE = f"MG{'a' * 32}"
CALLBACK = "https://help.example.gov/twilio/status?message=7"


@pytest.fixture
def twilio() -> Iterator[StandInTwilio]:
    with StandInTwilio(api_keys={"SKtest": "secret"}) as stand_in:
        yield stand_in


def carrier_to(twilio: StandInTwilio, **settings: Any) -> TwilioCarrier:
    sender = {} if "messaging_service_sid" in settings else {"from_": OUR_NUMBER}
    account = TwilioAccount(twilio.account_sid, "SKtest", "secret", twilio.url, timeout=0.5)
    return TwilioCarrier(account, **{**sender, **settings})


def outgoing(body: str = "We are here.", to: Address = PERSON, **rest: Any) -> OutgoingMessage:
    return OutgoingMessage(**{"message_id": 7, "to": to, "body": body, "lane": OutboxLane.REPLY, **rest})


def just_now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=2)


def test_it_is_a_carrier(twilio: StandInTwilio) -> None:
    carrier: Carrier = carrier_to(twilio)
    assert carrier.send(outgoing()).sid


def test_it_sends_a_text_with_all_that_belongs_to_it(twilio: StandInTwilio) -> None:
    receipt = carrier_to(twilio).send(outgoing(status_callback=CALLBACK, validity_seconds=300))
    (kept,) = twilio.messages
    assert (receipt.sid, receipt.state, receipt.segments) == (kept.sid, DeliveryState.QUEUED, 1)
    assert kept.parameters == {
        "To": PERSON.value,
        "From": OUR_NUMBER,
        "Body": "We are here.",
        "StatusCallback": CALLBACK,
        "ValidityPeriod": "300",
        "SmartEncoded": "false",
    }


def test_it_sends_through_the_messaging_service_and_counts_the_segments_itself(twilio: StandInTwilio) -> None:
    receipt = carrier_to(twilio, messaging_service_sid=SERVICE, from_=OUR_NUMBER).send(outgoing("x" * 161))
    (kept,) = twilio.messages
    assert (kept.parameters["MessagingServiceSid"], "From" in kept.parameters) == (SERVICE, False)
    assert (receipt.state, receipt.segments) == (DeliveryState.ACCEPTED, 2)


def test_it_sends_from_the_number_that_the_message_asks_for(twilio: StandInTwilio) -> None:
    carrier_to(twilio, messaging_service_sid=SERVICE).send(outgoing(sender="+13145550188"))
    assert twilio.messages[0].from_ == "+13145550188"


def test_it_writes_whatsapp_on_both_ends_and_keeps_its_accents(twilio: StandInTwilio) -> None:
    carrier_to(twilio).send(outgoing("¿Está bien?", Address(Channel.WHATSAPP, "+13145550123")))
    (kept,) = twilio.messages
    assert (kept.to, kept.from_) == ("whatsapp:+13145550123", f"whatsapp:{OUR_NUMBER}")
    assert kept.body == "¿Está bien?"


def test_it_folds_the_accents_of_an_sms(twilio: StandInTwilio) -> None:
    carrier_to(twilio).send(outgoing("¿Está bien?"))
    carrier_to(twilio, fold_accents=False).send(outgoing("¿Está bien?"))
    assert twilio.texts_to(PERSON.value) == ["¿Esta bien?", "¿Está bien?"]


WHATSAPP = Address(Channel.WHATSAPP, "+13145550123")


@pytest.mark.parametrize(
    ("to", "asked", "sent"),
    [(PERSON, 0, "1"), (PERSON, -5, "1"), (PERSON, 99_999, "36000"), (WHATSAPP, 99_999, "14400")],
)
def test_it_keeps_the_validity_within_what_twilio_takes(twilio: StandInTwilio, to: Address, asked: int, sent: str) -> None:
    carrier_to(twilio).send(outgoing(to=to, validity_seconds=asked))
    assert twilio.messages[0].parameters["ValidityPeriod"] == sent


@pytest.mark.parametrize(
    ("code", "status", "permanent"),
    [(21610, 400, True), (21211, 400, True), (30001, 400, False), (20003, 401, False), (20429, 429, False)],
)
def test_it_gives_back_the_code_of_a_refusal(twilio: StandInTwilio, code: int, status: int, permanent: bool) -> None:
    twilio.refuse(code, status)
    with pytest.raises(CarrierError) as error:
        carrier_to(twilio).send(outgoing())
    assert (error.value.code, error.value.permanent, error.value.outcome) == (code, permanent, "refused")


def failure_of(twilio: StandInTwilio) -> CarrierError:
    with pytest.raises(CarrierError) as error:
        carrier_to(twilio).send(outgoing())
    assert not error.value.permanent
    return error.value


def test_it_does_not_know_after_a_time_out_and_then_finds_the_message(twilio: StandInTwilio) -> None:
    since = just_now()
    twilio.hang()
    assert failure_of(twilio).outcome == "unknown"
    found = carrier_to(twilio).find(outgoing(), since)
    assert found is not None
    assert found.sid == twilio.messages[0].sid


@pytest.mark.parametrize("takes", [True, False])
def test_it_finds_out_whether_a_cut_line_lost_the_message(twilio: StandInTwilio, takes: bool) -> None:
    since = just_now()
    twilio.cut_off(takes=takes)
    assert failure_of(twilio).outcome == "unknown"
    assert (carrier_to(twilio).find(outgoing(), since) is not None) is takes


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (500, "unknown", 20500),
        (502, "unknown", 20500),
        (503, "refused", 20503),
        (429, "refused", 20429),
        (403, "refused", None),
    ],
)
def test_it_reads_the_answer_of_a_failing_gateway(
    twilio: StandInTwilio, status: int, outcome: str, code: int | None
) -> None:
    twilio.break_down(status)
    error = failure_of(twilio)
    assert (error.outcome, error.code) == (outcome, code)


def test_it_knows_that_nothing_was_taken_when_the_connection_is_refused(twilio: StandInTwilio) -> None:
    twilio.stop_listening()
    error = failure_of(twilio)
    assert (error.outcome, error.code) == ("refused", None)


def test_it_cannot_look_for_a_message_when_the_connection_is_refused(twilio: StandInTwilio) -> None:
    twilio.stop_listening()
    with pytest.raises(CarrierError):
        carrier_to(twilio).find(outgoing(), just_now())


def test_it_refuses_a_person_of_another_channel_for_good(twilio: StandInTwilio) -> None:
    with pytest.raises(CarrierError) as error:
        carrier_to(twilio).send(outgoing(to=Address(Channel.WEB, "abc")))
    assert (error.value.permanent, error.value.outcome, twilio.requests) == (True, "refused", 0)


def test_it_finds_a_text_that_was_folded_on_its_way(twilio: StandInTwilio) -> None:
    since, carrier = just_now(), carrier_to(twilio)
    sid = carrier.send(outgoing("¿Está\u00a0bien? \u201csí\u201d")).sid
    found = carrier.find(outgoing("¿Está\u00a0bien? \u201csí\u201d"), since)
    assert found is not None
    assert found.sid == sid


def test_it_does_not_take_another_text_or_person_for_this_one(twilio: StandInTwilio) -> None:
    since, carrier = just_now(), carrier_to(twilio)
    carrier.send(outgoing("Something else."))
    carrier.send(outgoing(to=Address(Channel.SMS, "+13145550124")))
    assert carrier.find(outgoing(), since) is None


def test_it_does_not_take_an_older_or_a_known_message_for_this_one(twilio: StandInTwilio) -> None:
    since, carrier = just_now(), carrier_to(twilio)
    carrier.send(outgoing())
    known = carrier.send(outgoing()).sid
    twilio.messages[0].created_at -= timedelta(hours=1)
    assert carrier.find(outgoing(), since, known={known}) is None
    assert carrier.find(outgoing(), since - timedelta(hours=2), known={known}) is not None


def test_it_finds_a_message_behind_a_page_of_others(twilio: StandInTwilio) -> None:
    since, carrier = just_now(), carrier_to(twilio)
    sid = carrier.send(outgoing()).sid
    for number in range(55):
        carrier.send(outgoing(f"later {number}"))
    found = carrier.find(outgoing(), since)
    assert found is not None
    assert found.sid == sid


def test_it_shows_no_words_and_no_number_in_errors_and_logs(twilio: StandInTwilio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    twilio.refuse(21211)
    carrier, text = carrier_to(twilio), outgoing("very private words")
    try:
        carrier.send(text)
    except CarrierError:
        shown = traceback.format_exc()
    carrier.send(text)
    carrier.find(text, just_now())
    shown += caplog.text + repr(text) + str(carrier)
    assert "CarrierError" in shown
    assert not any(secret in shown for secret in ("5550123", "private", "secret"))


def test_it_needs_a_sender() -> None:
    with pytest.raises(ValueError, match="sender"):
        TwilioCarrier(TwilioAccount("AC1", "SK1", "p"))


def test_it_goes_to_twilio_itself_without_another_address() -> None:
    carrier = TwilioCarrier(TwilioAccount("AC1", "SK1", "p"), from_=OUR_NUMBER)
    assert carrier._client.http_client.timeout == 10
    assert carrier._client.messages._version.domain.base_url == "https://api.twilio.com"
