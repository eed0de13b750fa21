from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.twiml.voice_response import Gather, VoiceResponse

from bot.carriers.carrier import Carrier, CarrierError, MessageStatus, OutgoingMessage
from bot.carriers.twilio.client import TwilioAccount
from bot.carriers.twilio.voice import TwilioVoiceCarrier
from bot.carriers.twilio.voice_webhook import (
    MAX_SPOKEN_CHARACTERS,
    MalformedCall,
    question_twiml,
    read_voice_form,
    voice_twiml,
)
from bot.carriers.twilio.webhook import MalformedStatus, read_status
from bot.domain.messages.delivery import FINAL_STATES, DeliveryState
from bot.domain.messages.message import Address, Channel, OutboxLane
from tests.stand_ins.twilio import StandInTwilio
from tests.stand_ins.twilio_calls import Call, sentences

WORKER = Address(Channel.VOICE, "+13145550111")
POOL = "+13145550190"
PUBLIC_URL = "https://help.example.gov"
CALLBACK = f"{PUBLIC_URL}/twilio/status?message=7"
ALERT = "This is Warmline. Handoff 41 needs an answer. Press 1 to take it & 2 to pass."


class Webhook:
    """Our side of the webhook: keeps what was posted and answers with the next sentence."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[str, str]]] = []

    def __call__(self, url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str, str]:
        self.posted.append((url, form))
        return 200, "text/xml; charset=utf-8", voice_twiml("You have it. Goodbye.")


@pytest.fixture
def webhook() -> Webhook:
    return Webhook()


@pytest.fixture
def twilio(webhook: Webhook) -> Iterator[StandInTwilio]:
    with StandInTwilio(api_keys={"SKtest": "secret"}, post=webhook) as stand_in:
        yield stand_in


def carrier_to(twilio: StandInTwilio, from_: str = POOL) -> TwilioVoiceCarrier:
    account = TwilioAccount(twilio.account_sid, "SKtest", "secret", twilio.url, timeout=0.5)
    return TwilioVoiceCarrier(account, PUBLIC_URL, from_=from_)


def alert(body: str = ALERT, to: Address = WORKER, **rest: Any) -> OutgoingMessage:
    return OutgoingMessage(
        **{"message_id": 7, "to": to, "body": body, "lane": OutboxLane.CRISIS, "status_callback": CALLBACK, **rest}
    )


def just_now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=2)


def call_of(twilio: StandInTwilio) -> Call:
    carrier_to(twilio).send(alert())
    return twilio.telephone.calls[-1]


def test_it_is_a_carrier(twilio: StandInTwilio) -> None:
    carrier: Carrier = carrier_to(twilio)
    assert carrier.send(alert()).sid


def test_it_calls_and_says_the_words_twice(twilio: StandInTwilio) -> None:
    receipt = carrier_to(twilio).send(alert())
    (call,) = twilio.telephone.calls_to(WORKER.value)
    assert (receipt.sid, receipt.state, receipt.segments) == (call.sid, DeliveryState.QUEUED, 0)
    assert call.said == [ALERT, ALERT, "No key was pressed. Goodbye."]
    assert (call.from_, call.status_callback, call.parameters["Timeout"]) == (POOL, CALLBACK, "25")
    assert "MachineDetection" not in call.parameters


def test_it_posts_a_pressed_key_to_the_webhook_of_this_alert(twilio: StandInTwilio, webhook: Webhook) -> None:
    call = call_of(twilio)
    assert twilio.telephone.press(call, "1") == ["You have it. Goodbye."]
    ((url, form),) = webhook.posted
    assert url == f"{PUBLIC_URL}/twilio/voice?message=7"
    answer = read_voice_form(form)
    assert (answer.call_sid, answer.digits, answer.status) == (call.sid, "1", DeliveryState.SENT)
    with pytest.raises(LookupError):
        twilio.telephone.press(call, "2")


def test_it_calls_from_the_number_that_the_alert_names(twilio: StandInTwilio) -> None:
    carrier_to(twilio).send(alert(sender="+13145550191"))
    assert twilio.telephone.calls[0].from_ == "+13145550191"


@pytest.mark.parametrize("sender", [None, f"MG{'a' * 32}"])
def test_it_refuses_to_call_from_what_is_no_number(twilio: StandInTwilio, sender: str | None) -> None:
    with pytest.raises(CarrierError) as error:
        carrier_to(twilio, from_="").send(alert(sender=sender))
    assert (error.value.permanent, twilio.requests) == (True, 0)


def test_it_refuses_what_is_for_another_channel(twilio: StandInTwilio) -> None:
    with pytest.raises(CarrierError) as error:
        carrier_to(twilio).send(alert(to=Address(Channel.SMS, WORKER.value)))
    assert (error.value.permanent, twilio.requests) == (True, 0)


@pytest.mark.parametrize("body", ["x " * 3000, "&" * 3000, "a\x00b\x0b <Hangup/> \ud800", "one\n\ntwo"])
def test_it_says_whatever_an_alert_contains(twilio: StandInTwilio, body: str) -> None:
    carrier_to(twilio).send(alert(body))
    first, second, _ = twilio.telephone.calls[0].said
    assert first == second
    assert 0 < len(first) <= MAX_SPOKEN_CHARACTERS


@pytest.mark.parametrize(("code", "status", "permanent"), [(21211, 400, True), (20003, 401, False), (20429, 429, False)])
def test_it_gives_back_the_code_of_a_refusal(twilio: StandInTwilio, code: int, status: int, permanent: bool) -> None:
    twilio.refuse(code, status)
    with pytest.raises(CarrierError) as error:
        carrier_to(twilio).send(alert())
    assert (error.value.code, error.value.permanent, error.value.outcome) == (code, permanent, "refused")


@pytest.mark.parametrize("takes", [True, False])
def test_it_finds_out_whether_a_cut_line_lost_the_call(twilio: StandInTwilio, takes: bool) -> None:
    since, carrier = just_now(), carrier_to(twilio)
    twilio.cut_off(takes=takes)
    with pytest.raises(CarrierError) as error:
        carrier.send(alert())
    assert error.value.outcome == "unknown"
    found = carrier.find(alert(), since)
    assert [found.sid if found else ""] == [call.sid for call in twilio.telephone.calls] or not takes
    assert (found is not None) is takes


def test_it_does_not_take_an_older_a_known_or_another_call_for_this_one(twilio: StandInTwilio) -> None:
    since, carrier = just_now(), carrier_to(twilio)
    carrier.send(alert())
    known = carrier.send(alert()).sid
    carrier.send(alert(to=Address(Channel.VOICE, "+13145550112")))
    twilio.telephone.calls[0].created_at -= timedelta(minutes=2)
    assert carrier.find(alert(), since, known={known}) is None
    assert carrier.find(alert(), since - timedelta(minutes=5), known={known}) is not None


def test_it_cannot_look_when_the_connection_is_refused(twilio: StandInTwilio) -> None:
    twilio.stop_listening()
    for ask in (lambda: carrier_to(twilio).find(alert(), just_now()), lambda: carrier_to(twilio).fetch_status("CA1")):
        with pytest.raises(CarrierError):
            ask()


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("queued", DeliveryState.QUEUED),
        ("initiated", DeliveryState.SENDING),
        ("ringing", DeliveryState.SENDING),
        ("in-progress", DeliveryState.SENT),
        ("completed", DeliveryState.DELIVERED),
        ("busy", DeliveryState.UNDELIVERED),
        ("no-answer", DeliveryState.UNDELIVERED),
        ("failed", DeliveryState.FAILED),
        ("canceled", DeliveryState.CANCELED),
        ("on-the-moon", None),
    ],
)
def test_it_reads_the_status_of_a_call(twilio: StandInTwilio, word: str, state: DeliveryState | None) -> None:
    call = call_of(twilio)
    call.status = word
    assert carrier_to(twilio).fetch_status(call.sid) == MessageStatus(state)
    report = read_status({"CallSid": call.sid, "CallStatus": word, "To": WORKER.value})
    assert (report.sid, report.state, report.to) == (call.sid, state, WORKER)


def test_it_knows_no_call_that_twilio_does_not_know(twilio: StandInTwilio) -> None:
    assert carrier_to(twilio).fetch_status("CA" + "0" * 32) is None


@pytest.mark.parametrize("ending", ["completed", "busy", "no-answer", "failed", "canceled"])
def test_it_reads_how_every_call_ended(twilio: StandInTwilio, webhook: Webhook, ending: str) -> None:
    call = call_of(twilio)
    assert twilio.telephone.end(call, ending) == 200
    ((url, form),) = webhook.posted
    assert url == CALLBACK
    assert read_status(form).state in FINAL_STATES


@pytest.mark.parametrize(("form", "missing"), [({}, "MessageSid"), ({"CallSid": "CA1"}, "CallStatus")])
def test_it_names_what_a_report_lacks(form: dict[str, str], missing: str) -> None:
    with pytest.raises(MalformedStatus) as error:
        read_status(form)
    assert error.value.parameter == missing


def test_it_reads_a_call_without_a_key() -> None:
    assert read_voice_form({"CallSid": "CA1", "Digits": ""}).digits == ""
    with pytest.raises(MalformedCall):
        read_voice_form({"Digits": "1"})


def test_it_writes_what_the_library_would_write() -> None:
    action = f"{PUBLIC_URL}/twilio/voice?message=7&x=1"
    theirs = VoiceResponse()
    gather = Gather(num_digits=1, timeout=8, method="POST", action=action)
    gather.say(ALERT, language="en-US")
    gather.pause(length=1)
    gather.say(ALERT, language="en-US")
    theirs.append(gather)
    theirs.say("No key was pressed. Goodbye.", language="en-US")
    assert _canonical(question_twiml(ALERT, action)) == _canonical(str(theirs))


def test_it_says_a_sentence_in_two_languages_and_hangs_up() -> None:
    twiml = voice_twiml("One & two.", "Uno y dos.")
    assert sentences(twiml) == ["One & two.", "Uno y dos."]
    assert 'language="es-US"' in twiml and twiml.endswith("<Hangup/></Response>")
    assert sentences(voice_twiml("One.")) == ["One."]


def _canonical(twiml: str) -> str:
    from xml.etree.ElementTree import canonicalize

    return canonicalize(twiml)


def test_it_shows_no_words_and_no_number_in_errors_and_logs(twilio: StandInTwilio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    twilio.refuse(21211)
    carrier, private = carrier_to(twilio), alert("very private words")
    with pytest.raises(CarrierError) as error:
        carrier.send(private)
    carrier.send(private)
    carrier.find(private, just_now())
    shown = "".join(traceback.format_exception(error.value)) + caplog.text + repr(private)
    shown += repr(TwilioAccount("AC1", "SK1", "secret"))
    assert not any(secret in shown for secret in ("5550111", "5550123", "very private", "secret"))
