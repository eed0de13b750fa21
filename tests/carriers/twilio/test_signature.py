from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from bot.carriers.twilio.signature import matching_token, signed_url
from tests.paths import SHARED_DATA

SHARED = SHARED_DATA / "twilio"
TOKEN = "12345"
CALLER = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
BODY = b'{"property": "value", "boolean": true}'
BODY_URL = f"{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
VECTORS = [
    (
        "https://example.com/myapp.php?foo=1&bar=2",
        {**CALLER, "From": "+14158675310", "Caller": "+14158675310"},
        "L/OH5YylLD5NRKLltdqwSvS0BnU=",
    ),
    (URL, CALLER, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    (URL, CALLER, "kvajT1Ptam85bY51eRf/AJRuM3w="),
    (URL.replace("https", "http"), CALLER, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    (URL.replace(".com", ".com:1234"), CALLER, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", CALLER, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
]


@pytest.mark.parametrize(("url", "form", "signature"), VECTORS)
def test_it_accepts_what_twilio_signed(url: str, form: dict[str, str], signature: str) -> None:
    assert matching_token([TOKEN], url, signature, form=form) == 0


def test_it_signs_each_value_of_a_repeated_parameter_once() -> None:
    form = MultiDict(
        [
            ("Sid", "CA123"),
            ("SidAccount", "AC123"),
            ("Digits", "5678"),
            ("Digits", "1234"),
            ("Digits", "1234"),
        ]
    )
    signature = "IK+Dwps556ElfBT0I3Rgjkr1wJU="
    assert matching_token([TOKEN], URL, signature, form=form) == 0
    assert matching_token([TOKEN], URL, signature, form=dict(form.lists())) == 0


def test_it_checks_a_body_that_is_no_form_through_its_hash() -> None:
    signature = "a9nBmqA0ju/hNViExpshrM61xv4="
    assert matching_token([TOKEN], BODY_URL, signature, raw_body=BODY) == 0
    assert matching_token([TOKEN], BODY_URL, signature, raw_body=BODY + b" ") is None


def test_it_agrees_with_the_vectors_of_twilios_libraries() -> None:
    if not (SHARED / "signature_vectors.json").exists():
        pytest.skip("the shared test data has no signature_vectors.json here")
    vectors: list[dict[str, Any]] = json.loads((SHARED / "signature_vectors.json").read_text(encoding="utf-8"))
    wrong = []
    for vector in vectors:
        raw = None if vector["body"] is None else vector["body"].encode()
        form = None if raw is not None else MultiDict(vector["params"])
        matched = matching_token([vector["token"]], vector["url"], vector["signature"], form=form, raw_body=raw)
        if (matched == 0) is not vector["valid"]:
            wrong.append((vector["source"], vector["desc"]))
    assert len(vectors) >= 23
    assert wrong == []


names = st.text(min_size=1, max_size=8)
forms = st.dictionaries(names, st.lists(st.text(max_size=20), min_size=1, max_size=3), max_size=8)
urls = st.builds(
    "{}://help.example.gov{}/twilio/sms{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["", ":443", ":80", ":8443"]),
    st.sampled_from(["", "?message=12", "?a=%27b%27&c=", "?x=1&x=2"]),
)


@given(urls, forms, st.text(min_size=1, max_size=40))
def test_it_agrees_with_the_library_on_any_form(url: str, form: dict[str, list[str]], token: str) -> None:
    library = RequestValidator(token)
    signature = library.compute_signature(url, MultiDict(form))
    assert library.validate(url, MultiDict(form), signature)
    assert matching_token([token], url, signature, form=form) == 0
    assert matching_token([token], url, signature, form=MultiDict(form)) == 0
    assert matching_token([token + "x"], url, signature, form=form) is None


@given(urls, st.text(min_size=1), st.text(max_size=30))
def test_it_agrees_with_the_library_on_signatures_that_are_not_ours(url: str, token: str, other: str) -> None:
    form = {"Body": "hello", "From": "+13145550100"}
    signature = RequestValidator(other).compute_signature(url, form)
    ours = matching_token([token], url, signature, form=form)
    assert (ours == 0) is RequestValidator(token).validate(url, form, signature)


@given(st.text(), st.text(), st.binary(), forms)
def test_it_never_raises(url: str, signature: str, body: bytes, form: dict[str, list[str]]) -> None:
    assert matching_token([TOKEN], url, signature, form=form) is None
    assert matching_token([TOKEN], url, signature, raw_body=body) is None


BROKEN: list[dict[str, Any]] = [
    {"signature": None},
    {"signature": ""},
    {"signature": "é"},
    {"signature": "\udcff"},
    {"form": {"Body": "\ud800"}},
    {"form": {"Body": None}},
    {"form": {"Body": b"bytes"}},
    {"form": ["Body"]},
    {"form": None, "raw_body": BODY},
    {"form": None, "raw_body": "text"},
    {"url": "\ud800"},
    {"url": ""},
]


@pytest.mark.parametrize("broken", BROKEN)
def test_it_takes_a_malformed_request_for_a_forged_one(broken: dict[str, Any]) -> None:
    request: dict[str, Any] = {"url": URL, "signature": VECTORS[1][2], "form": CALLER} | broken
    assert matching_token([TOKEN], **request) is None


def test_it_says_which_token_matched_while_the_token_is_changed() -> None:
    signature = RequestValidator("next").compute_signature(URL, CALLER)
    assert matching_token(["current", "next"], URL, signature, form=CALLER) == 1
    assert matching_token(["current"], URL, signature, form=CALLER) is None
    assert matching_token([], URL, signature, form=CALLER) is None


def test_it_never_accepts_an_empty_token() -> None:
    signature = RequestValidator("").compute_signature(URL, CALLER)
    assert matching_token([""], URL, signature, form=CALLER) is None


def test_it_refuses_one_changed_parameter() -> None:
    assert matching_token([TOKEN], URL, VECTORS[1][2], form={**CALLER, "Digits": "1235"}) is None
    assert matching_token([TOKEN], URL, VECTORS[1][2], form={**CALLER, "Extra": ""}) is None


def test_it_checks_the_very_bytes_of_a_body_that_is_not_utf8() -> None:
    body = b"\xff\xfeseek help"
    message = URL.encode() + b"Body" + body
    import base64
    import hashlib
    import hmac

    signature = base64.b64encode(hmac.new(TOKEN.encode(), message, hashlib.sha1).digest()).decode()
    form = {"Body": body.decode("utf-8", "surrogateescape")}
    assert matching_token([TOKEN], URL, signature, form=form) == 0


@pytest.mark.parametrize(
    ("seen", "signed"),
    [
        ("https://user:word@host.example:8443/sms", "https://user:word@host.example/sms"),
        ("https://user:word@host.example/sms", "https://user:word@host.example:443/sms"),
        ("https://[2001:db8::1]:8443/sms", "https://[2001:db8::1]/sms"),
        ("https://[2001:db8::1]/sms", "https://[2001:db8::1]:443/sms"),
    ],
)
def test_it_finds_the_port_where_the_library_loses_it(seen: str, signed: str) -> None:
    signature = RequestValidator(TOKEN).compute_signature(signed, CALLER)
    assert matching_token([TOKEN], seen, signature, form=CALLER) == 0


def test_it_builds_the_signed_address_from_the_public_one() -> None:
    assert signed_url("https://help.example.gov/", "/twilio/sms") == "https://help.example.gov/twilio/sms"
    assert signed_url("https://x.gov/line", "/a%20b", "m=1&n=%27") == "https://x.gov/line/a%20b?m=1&n=%27"
