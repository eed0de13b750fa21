"""The webhook and all that the network may send: a clear refusal for each, and nothing lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from urllib.parse import quote_from_bytes, urlencode

import pytest
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from bot.storage.tables.residents import Message
from tests.support.help_line import ADA, PUBLIC_URL, HelpLine

FORM = {"From": ADA, "To": "+13145550100", "Body": "hi", "MessageSid": "SM" + "0" * 32, "NumMedia": "0"}
FORM_TYPE = "application/x-www-form-urlencoded"


def signed(line: HelpLine, url: str, form: object) -> str:
    return str(RequestValidator(line.twilio.auth_token).compute_signature(url, form))


def post(line: HelpLine, data: object, signature: str | None, path: str = "/twilio/sms", **more: object) -> tuple[int, str]:
    headers = {"X-Twilio-Signature": signature} if signature is not None else {}
    answer = line.app.test_client().post(path, data=data, headers=headers, **more)
    return answer.status_code, answer.get_data(as_text=True)


@pytest.mark.parametrize("signature", [None, "", "x", "ü" * 28, "=" * 28, "A" * 5000])
def test_it_refuses_a_malformed_signature(line: HelpLine, signature: str | None) -> None:
    headers = {"X-Twilio-Signature": signature.encode().decode("latin-1")} if signature is not None else {}
    answer = line.app.test_client().post("/twilio/sms", data=FORM, headers=headers)
    assert answer.status_code == 403
    assert line.count(Message) == 0


@pytest.mark.parametrize("base", ["https://help.example.gov:443", "https://help.example.gov"])
def test_it_accepts_a_signature_made_with_and_without_the_port(line: HelpLine, base: str) -> None:
    assert post(line, FORM, signed(line, f"{base}/twilio/sms", FORM))[0] == 200


def test_it_checks_against_the_public_address_whatever_the_proxy_says(line: HelpLine) -> None:
    good = signed(line, f"{PUBLIC_URL}/twilio/sms", FORM)
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    answer = line.app.test_client().post("/twilio/sms", data=FORM, headers={"X-Twilio-Signature": good, **forged})
    assert answer.status_code == 200
    evil = signed(line, "https://evil.example/twilio/sms", FORM)
    answer = line.app.test_client().post("/twilio/sms", data=FORM, headers={"X-Twilio-Signature": evil, **forged})
    assert answer.status_code == 403


def test_it_signs_the_query_too(line: HelpLine) -> None:
    url = f"{PUBLIC_URL}/twilio/sms?a=1&b=%20x"
    assert post(line, FORM, signed(line, url, FORM), "/twilio/sms?a=1&b=%20x")[0] == 200
    assert post(line, FORM, signed(line, url, FORM), "/twilio/sms?a=2&b=%20x")[0] == 403


def test_it_accepts_a_json_body_by_its_hash(line: HelpLine) -> None:
    raw = json.dumps(FORM)
    path = f"/twilio/sms?bodySHA256={hashlib.sha256(raw.encode()).hexdigest()}"
    signature = signed(line, PUBLIC_URL + path, {})
    assert post(line, raw, signature, path, content_type="application/json")[0] == 200
    assert post(line, raw.replace("hi", "ho"), signature, path, content_type="application/json")[0] == 403
    assert post(line, raw, signature, "/twilio/sms", content_type="application/json")[0] == 403


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"Body=%ff%fe&From=x", b"a=b&a=c&=d&&&%%%", b"{" * 900, b""])
def test_it_refuses_unsigned_garbage(line: HelpLine, raw: bytes) -> None:
    for kind in (FORM_TYPE, "application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = line.app.test_client().post("/twilio/sms", data=raw, content_type=kind, headers={"X-Twilio-Signature": "x"})
        assert answer.status_code == 403


def test_it_keeps_what_can_be_kept_of_bad_utf8(line: HelpLine) -> None:
    raw = urlencode(FORM).replace("Body=hi", "Body=food" + quote_from_bytes(b"\xff\xfe ok"))
    # The carrier signs the bytes it sends; a lone byte is signed as it is.
    body = b"food\xff\xfe ok"
    parts = {**{k: v.encode() for k, v in FORM.items()}, "Body": body}
    text = f"{PUBLIC_URL}/twilio/sms".encode() + b"".join(k.encode() + parts[k] for k in sorted(parts))
    good = base64.b64encode(hmac.digest(line.twilio.auth_token.encode(), text, "sha1")).decode()
    status, _ = post(line, raw.encode(), good, content_type=FORM_TYPE)
    assert status == 200
    with line.db() as db:
        row = db.scalars(select(Message).where(~Message.outbound)).one()
    assert line.runtime.context.sealer.open(row.sealed_body or "").startswith("food")


def test_it_refuses_a_huge_body_before_reading_it(line: HelpLine) -> None:
    assert post(line, {**FORM, "Body": "x" * 200_000}, "x")[0] == 413


def test_it_names_the_parameter_that_a_signed_request_lacks(line: HelpLine) -> None:
    for missing in ("MessageSid", "From"):
        form = {key: value for key, value in FORM.items() if key != missing}
        status, text = post(line, form, signed(line, f"{PUBLIC_URL}/twilio/sms", form))
        assert status == 400 and missing in text


def test_it_ignores_parameters_that_it_does_not_know(line: HelpLine) -> None:
    form = {**FORM, "AddOns": '{"status":"x"}', "Zukunft": "ja", "NumMedia": "many", "NumSegments": "?"}
    assert post(line, form, signed(line, f"{PUBLIC_URL}/twilio/sms", form))[0] == 200


@pytest.mark.parametrize("form", [{}, {"MessageSid": "SM1"}, {"MessageSid": "SM1", "MessageStatus": "dancing"}])
def test_it_answers_odd_status_callbacks_without_a_500(line: HelpLine, form: dict[str, str]) -> None:
    status, _ = post(line, form, signed(line, f"{PUBLIC_URL}/twilio/status?message=7", form), "/twilio/status?message=7")
    assert status in (204, 400)


def test_it_names_the_outbox_row_in_each_callback_address_and_escapes_the_words(line: HelpLine) -> None:
    _, text = post(line, FORM, signed(line, f"{PUBLIC_URL}/twilio/sms", FORM))
    with line.db() as db:
        row = db.scalars(select(Message).where(Message.outbound)).one()
    assert f"/twilio/status?message={row.id}" in text
    assert text.startswith("<?xml") and "City's" in text.replace("&#39;", "'").replace("&apos;", "'")


def test_it_is_ready_and_says_why_it_is_not(line: HelpLine) -> None:
    client = line.app.test_client()
    assert client.get("/ready").json["status"] == "ready"  # type: ignore[index]
    assert client.get("/health").status_code == 200
    assert b"warmline_turns_total" in client.get("/metrics").data
    line.text("hi")
    line.clock.advance(timedelta(minutes=10))
    answer = client.get("/ready")
    assert answer.status_code == 503 and "worker" in answer.get_data(as_text=True)
