from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from requests.auth import HTTPBasicAuth
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.stand_ins.twilio import OUR_NUMBER, StandInTwilio

PERSON = "+13145550123"
CALLBACK = "https://help.example.gov/twilio/status?message=1"
TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response>{}</Response>'


@pytest.fixture
def twilio() -> Iterator[StandInTwilio]:
    with StandInTwilio(api_keys={"SKtest": "secret"}) as stand_in:
        yield stand_in


def client_of(twilio: StandInTwilio, user: str = "SKtest", password: str = "secret") -> Client:
    class RedirectedHttpClient(TwilioHttpClient):
        def request(self, method: str, url: str, *rest: Any, **named: Any) -> Response:  # type: ignore[override]
            return super().request(method, url.replace("https://api.twilio.com", twilio.url), *rest, **named)

    return Client(user, password, twilio.account_sid, http_client=RedirectedHttpClient(timeout=1))


class Webhook:
    """Our side of a webhook: always answers the same and keeps what was posted."""

    def __init__(self, text: str, status: int = 200, content_type: str = "text/xml; charset=utf-8") -> None:
        self.answer = (status, content_type, text)
        self.posted: list[tuple[str, dict[str, str], dict[str, str]]] = []

    def __call__(self, url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str, str]:
        self.posted.append((url, form, headers))
        return self.answer


def test_it_takes_a_message_from_the_real_client(twilio: StandInTwilio) -> None:
    made = client_of(twilio).messages.create(to=PERSON, from_=OUR_NUMBER, body="Hello", status_callback=CALLBACK)
    (kept,) = twilio.messages
    assert (made.sid, str(made.status), made.to) == (kept.sid, "queued", PERSON)
    assert (kept.body, kept.status_callback, kept.came_by) == ("Hello", CALLBACK, "api")
    assert client_of(twilio).messages(kept.sid).fetch().body == "Hello"


def test_it_lists_newest_first_over_pages_and_filters_by_person_and_day(twilio: StandInTwilio) -> None:
    client = client_of(twilio)
    for number in range(5):
        client.messages.create(to=PERSON, from_=OUR_NUMBER, body=str(number))
    client.messages.create(to="+13145550124", from_=OUR_NUMBER, body="other")
    found = client.messages.list(to=PERSON, page_size=2, date_sent_after=datetime.now(UTC) - timedelta(days=1))
    assert [message.body for message in found] == ["4", "3", "2", "1", "0"]
    assert client.messages.list(to=PERSON, date_sent_after=datetime.now(UTC) + timedelta(days=2)) == []


def test_it_refuses_a_wrong_password_and_another_account(twilio: StandInTwilio) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client_of(twilio, password="wrong").messages.create(to=PERSON, from_=OUR_NUMBER, body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)
    other = requests.get(
        f"{twilio.url}/2010-04-01/Accounts/ACother/Messages.json",
        auth=HTTPBasicAuth("SKtest", "secret"),
        timeout=2,
    )
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"body": "x", "from_": OUR_NUMBER, "to": ""}, 21604),
        ({"to": PERSON, "from_": OUR_NUMBER}, 21602),
        ({"to": PERSON, "body": "x"}, 21603),
        ({"to": PERSON, "from_": OUR_NUMBER, "body": "x" * 1601}, 21617),
        ({"to": f"whatsapp:{PERSON}", "from_": OUR_NUMBER, "body": "x"}, 21910),
        ({"to": "+13145550666", "from_": OUR_NUMBER, "body": "x"}, 21610),
    ],
)
def test_it_refuses_what_twilio_refuses(twilio: StandInTwilio, request_: dict[str, Any], code: int) -> None:
    twilio.opted_out.add("+13145550666")
    with pytest.raises(TwilioRestException) as refused:
        client_of(twilio).messages.create(**request_)
    assert refused.value.code == code
    assert twilio.messages == []


def test_it_refuses_a_parameter_that_twilio_does_not_have(twilio: StandInTwilio) -> None:
    answer = requests.post(
        f"{twilio.url}/2010-04-01/Accounts/{twilio.account_sid}/Messages.json",
        data={"To": PERSON, "From": OUR_NUMBER, "Body": "x", "Colour": "blue"},
        auth=HTTPBasicAuth("SKtest", "secret"),
        timeout=2,
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)


def test_it_fails_as_often_as_asked_and_then_works(twilio: StandInTwilio) -> None:
    twilio.refuse(30001, times=2)
    client, codes = client_of(twilio), []
    for _ in range(3):
        try:
            client.messages.create(to=PERSON, from_=OUR_NUMBER, body="x")
        except TwilioRestException as refused:
            codes.append(refused.code)
    assert codes == [30001, 30001]
    assert len(twilio.messages) == 1


def test_it_hangs_though_it_has_the_message(twilio: StandInTwilio) -> None:
    twilio.hang()
    with pytest.raises(requests.exceptions.ReadTimeout):
        client_of(twilio).messages.create(to=PERSON, from_=OUR_NUMBER, body="x")
    assert twilio.texts_to(PERSON) == ["x"]


@pytest.mark.parametrize("takes", [True, False])
def test_it_cuts_the_line_with_or_without_the_message(twilio: StandInTwilio, takes: bool) -> None:
    twilio.cut_off(takes=takes)
    with pytest.raises(requests.exceptions.ConnectionError):
        client_of(twilio).messages.create(to=PERSON, from_=OUR_NUMBER, body="x")
    assert len(twilio.messages) == takes


def test_it_can_go_away_and_come_back_on_the_same_port(twilio: StandInTwilio) -> None:
    client = client_of(twilio)
    twilio.stop_listening()
    with pytest.raises(requests.exceptions.ConnectionError):
        client.messages.create(to=PERSON, from_=OUR_NUMBER, body="x")
    twilio.listen()
    assert client.messages.create(to=PERSON, from_=OUR_NUMBER, body="x").sid == twilio.messages[0].sid


def test_it_signs_the_public_address_and_posts_to_the_local_one() -> None:
    webhook = Webhook(TWIML.format(""))
    twilio = StandInTwilio(post=webhook, reach={"https://help.example.gov": "http://127.0.0.1:8000"})
    twilio.text_the_line("https://help.example.gov/twilio/sms?a=1#rc=2", PERSON, "hola", OptOutType="HELP")
    ((url, form, headers),) = webhook.posted
    assert url == "http://127.0.0.1:8000/twilio/sms?a=1"
    assert (form["From"], form["Body"], form["OptOutType"]) == (PERSON, "hola", "HELP")
    signed = "https://help.example.gov/twilio/sms?a=1"
    assert RequestValidator("the-auth-token").validate(signed, form, headers["X-Twilio-Signature"])


def test_it_takes_the_replies_in_the_answer() -> None:
    reply = '<Message statusCallback="https://x.gov/s?m=1&amp;n=2">You &amp; I</Message><Message>Two</Message>'
    twilio = StandInTwilio(post=Webhook(TWIML.format(reply)))
    answer = twilio.text_the_line("https://x.gov/twilio/sms", PERSON, "hi")
    assert [message.body for message in answer.messages] == ["You & I", "Two"]
    assert answer.messages[0].status_callback == "https://x.gov/s?m=1&n=2"
    assert (answer.messages[0].to, answer.messages[0].from_, answer.error_code) == (PERSON, OUR_NUMBER, None)
    assert list(answer.messages) == twilio.messages


def test_it_posts_the_same_message_again() -> None:
    webhook = Webhook(TWIML.format(""))
    twilio = StandInTwilio(post=webhook)
    first = twilio.text_the_line("https://x.gov/sms", PERSON, "hi")
    twilio.text_the_line("https://x.gov/sms", PERSON, "hi", MessageSid=first.sid)
    assert {form[name] for _, form, _ in webhook.posted for name in ("MessageSid", "SmsSid")} == {first.sid}


@pytest.mark.parametrize(
    ("webhook", "code"),
    [
        (Webhook("oops", status=500), 11200),
        (Webhook(TWIML.format(""), content_type="application/json"), 12300),
        (Webhook("<Response><Message>a & b</Message></Response>"), 12100),
        (Webhook("<Response><message>x</message></Response>"), 12200),
        (Webhook(TWIML.format("<Message>x</Message>" * 11)), 14109),
    ],
)
def test_it_notes_what_twilio_would_not_read(webhook: Webhook, code: int) -> None:
    answer = StandInTwilio(post=webhook).text_the_line("https://x.gov/sms", PERSON, "hi")
    assert answer.error_code == code
    assert len(answer.messages) == (10 if code == 14109 else 0)


def test_it_reports_states_in_any_order_signed() -> None:
    reply = f'<Message statusCallback="{CALLBACK}">Hi</Message>'
    webhook = Webhook(TWIML.format(reply))
    twilio = StandInTwilio(post=webhook)
    sid = twilio.text_the_line("https://help.example.gov/twilio/sms", PERSON, "hi").messages[0].sid
    assert twilio.report(sid, "delivered", "sent", "sent") == [200, 200, 200]
    assert [form["MessageStatus"] for _, form, _ in webhook.posted[1:]] == ["delivered", "sent", "sent"]
    url, form, headers = webhook.posted[1]
    assert RequestValidator("the-auth-token").validate(url, form, headers["X-Twilio-Signature"])
    twilio.report(sid, "failed", error_code=30005)
    assert webhook.posted[-1][1]["ErrorCode"] == "30005"


def test_it_will_not_report_on_a_message_without_a_callback() -> None:
    twilio = StandInTwilio(post=Webhook(TWIML.format("<Message>Hi</Message>")))
    sid = twilio.text_the_line("https://x.gov/sms", PERSON, "hi").messages[0].sid
    with pytest.raises(ValueError, match="without a status callback"):
        twilio.report(sid, "sent")


def test_it_fails_a_reply_to_a_person_who_opted_out() -> None:
    twilio = StandInTwilio(post=Webhook(TWIML.format("<Message>Hi</Message>")))
    twilio.opted_out.add(PERSON)
    (message,) = twilio.text_the_line("https://x.gov/sms", PERSON, "hi").messages
    assert (message.status, message.error_code) == ("failed", 21610)


def test_it_posts_over_a_real_network(twilio: StandInTwilio) -> None:
    # The stand-in's own API answers here: there is no webhook behind this address, but it is a real socket.
    answer = twilio.text_the_line(f"{twilio.url}/twilio/sms", PERSON, "hi")
    assert (answer.status, answer.error_code) == (401, 11200)
