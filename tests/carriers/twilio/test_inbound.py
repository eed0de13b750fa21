from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from bot.carriers.twilio.webhook import (
    MalformedInbound,
    MalformedStatus,
    from_twilio_address,
    parse_form,
    read_inbound,
    read_status,
    to_twilio_address,
)
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address, Channel, Media
from tests.paths import SHARED_DATA

SAMPLES = SHARED_DATA / "twilio" / "inbound_samples.json"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SMS = {
    "MessageSid": "SM1",
    "From": "+13145550123",
    "To": "+13145550199",
    "Body": "I need help",
    "NumMedia": "0",
}


def samples(prefixes: tuple[str, ...]) -> list[dict[str, Any]]:
    if not SAMPLES.exists():
        pytest.skip("the shared test data has no inbound_samples.json here")
    return [one for one in json.loads(SAMPLES.read_text(encoding="utf-8")) if one["name"].startswith(prefixes)]


def test_it_reads_a_text() -> None:
    inbound = read_inbound(SMS, NOW)
    assert (inbound.sid, inbound.to, inbound.body) == ("SM1", "+13145550199", "I need help")
    assert inbound.sender == Address(Channel.SMS, "+13145550123")
    assert (inbound.received_at, inbound.media, inbound.opt_out) == (NOW, (), None)


def test_it_reads_every_real_sample_of_an_inbound_message_in_any_kind_of_form() -> None:
    found = samples(("receive", "waReceive", "waInteractive", "tmsReceive"))
    assert len(found) >= 12
    for sample in found:
        from_pairs = read_inbound(sample["params"], NOW)
        if "raw" in sample:
            assert read_inbound(parse_form(sample["raw"].encode()), NOW) == from_pairs, sample["name"]
        assert read_inbound(MultiDict(sample["params"]), NOW) == from_pairs, sample["name"]
        assert from_pairs.body == sample["params"].get("Body", ""), sample["name"]
        expected = Channel.WHATSAPP if "whatsapp:" in sample["params"]["From"] else Channel.SMS
        assert from_pairs.sender.channel is expected


def test_it_reads_pictures_that_come_without_a_word() -> None:
    form = SMS | {
        "Body": "",
        "NumMedia": "2",
        "MediaUrl0": "u0",
        "MediaContentType0": "image/jpeg",
        "MediaUrl1": "u1",
    }
    assert read_inbound(form, NOW).media == (Media("u0", "image/jpeg"), Media("u1", ""))
    assert read_inbound(form | {"NumMedia": "nonsense"}, NOW).media[0].url == "u0"


def test_it_takes_the_text_of_a_button_for_the_words() -> None:
    button = {"ButtonText": "Yes, call me", "ButtonPayload": "call"}
    assert read_inbound(SMS | button | {"Body": ""}, NOW).body == "Yes, call me"
    kept = read_inbound(SMS | button, NOW)
    assert (kept.body, kept.extra["ButtonPayload"]) == ("I need help", "call")


def test_it_writes_a_shared_place_as_a_line_of_text() -> None:
    place = {"Latitude": "38.627", "Longitude": "-90.199", "Label": "Kiener Plaza", "Body": ""}
    assert read_inbound(SMS | place, NOW).body == "Kiener Plaza, 38.627, -90.199"
    assert read_inbound(SMS | place | {"Body": "here"}, NOW).body == "here"
    assert read_inbound(SMS | place, NOW).extra["Latitude"] == "38.627"


@pytest.mark.parametrize(("sent", "read"), [("STOP", "STOP"), ("help", "HELP"), ("", None), ("OTHER", None)])
def test_it_says_what_the_carrier_has_answered_itself(sent: str, read: str | None) -> None:
    assert read_inbound(SMS | {"OptOutType": sent}, NOW).opt_out == read


@pytest.mark.parametrize("missing", ["MessageSid", "From", "To"])
def test_it_names_the_parameter_that_is_missing_and_no_person(missing: str) -> None:
    form = {name: value for name, value in SMS.items() if name != missing}
    with pytest.raises(MalformedInbound, match=missing) as malformed:
        read_inbound(form, NOW)
    assert malformed.value.parameter == missing
    assert "555" not in str(malformed.value)


def test_it_accepts_the_old_name_of_the_id_and_the_service_in_place_of_the_number() -> None:
    form = {"SmsSid": "SM9", "From": "+13145550123", "MessagingServiceSid": "MG1"}
    inbound = read_inbound(form, NOW)
    assert (inbound.sid, inbound.to, inbound.body) == ("SM9", "MG1", "")


def test_it_passes_over_parameters_that_it_does_not_know() -> None:
    inbound = read_inbound(SMS | {"SomethingNew": "x", "FromZip": "63101", "AddOns": "{}"}, NOW)
    assert inbound.extra == {}


def test_it_keeps_a_long_body_whole() -> None:
    assert read_inbound(SMS | {"Body": "x" * 5000}, NOW).body == "x" * 5000


def test_it_makes_a_body_storable_and_loses_nothing_else() -> None:
    raw = b"MessageSid=SM1&From=%2B13145550123&To=%2B13145550199&Body=help%00+me%FF+now+%E2%82%AC\xe9"
    assert read_inbound(parse_form(raw), NOW).body == "help me\ufffd now €\ufffd"


@given(st.binary(max_size=60))
def test_it_can_store_whatever_comes(body: bytes) -> None:
    raw = b"MessageSid=SM1&From=1&To=2&Body=" + b"".join(b"%%%02X" % byte for byte in body)
    stored = read_inbound(parse_form(raw), NOW).body
    assert "\x00" not in stored
    stored.encode("utf-8")
    if body.isascii():
        assert stored == body.decode().replace("\x00", "")


def test_it_requires_an_aware_time() -> None:
    with pytest.raises(ValueError, match="time zone"):
        read_inbound(SMS, NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("+13145550123", Address(Channel.SMS, "+13145550123")),
        ("384387", Address(Channel.SMS, "384387")),
        ("whatsapp:+13145550123", Address(Channel.WHATSAPP, "+13145550123")),
        ("whatsapp:US.1234", Address(Channel.WHATSAPP, "US.1234")),
        ("messenger:10001", Address(Channel.SMS, "messenger:10001")),
    ],
)
def test_it_reads_and_writes_every_kind_of_address(written: str, address: Address) -> None:
    assert from_twilio_address(written) == address
    assert to_twilio_address(address) == written


def test_it_takes_a_person_on_rcs_for_the_person_with_that_number() -> None:
    assert from_twilio_address("rcs:+13145550123") == from_twilio_address("+13145550123")


def test_it_cannot_write_an_address_of_the_web_chat() -> None:
    with pytest.raises(ValueError, match="web"):
        to_twilio_address(Address(Channel.WEB, "abc"))


def test_it_reads_every_real_sample_of_a_status_callback() -> None:
    reports = {sample["name"]: read_status(sample["params"]) for sample in samples(("status", "tmsStatus"))}
    assert reports["statusStop"].state is DeliveryState.FAILED
    assert reports["statusStop"].error_code == 21610
    assert reports["statusRead"].state is DeliveryState.READ
    assert reports["statusInvalid"].state is None
    assert reports["tmsStatusExtra"].to == Address(Channel.SMS, "2021")


@pytest.mark.parametrize("word", ["queued", "sending", "sent", "delivered", "undelivered", "failed", "read", "canceled"])
def test_it_knows_the_carriers_words_for_a_state(word: str) -> None:
    assert read_status({"MessageSid": "SM1", "MessageStatus": word}).state is DeliveryState(word)


@pytest.mark.parametrize("word", ["received", "receiving", "brand_new"])
def test_it_knows_no_state_behind_a_word_that_is_not_for_us(word: str) -> None:
    assert read_status({"MessageSid": "SM1", "MessageStatus": word}).state is None


@pytest.mark.parametrize(("code", "read"), [("30003", 30003), ("", None), ("0", None), ("None", None), ("x1", None)])
def test_it_reads_an_error_code_if_there_is_one(code: str, read: int | None) -> None:
    assert read_status({"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": code}).error_code == read


@pytest.mark.parametrize("missing", ["MessageSid", "MessageStatus"])
def test_it_names_what_a_status_callback_lacks(missing: str) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "sent"}
    del form[missing]
    with pytest.raises(MalformedStatus, match=missing):
        read_status(form)


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from([b"a=1", b"b=", b"=c", b"&", b"%41=%ff+", b"a=%", b"\xff=\xfe"])).map(b"&".join),
    )
)
def test_it_reads_any_form_as_the_library_does(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    assert parse_form(raw) == parse_qs(text, keep_blank_values=True, errors="surrogateescape")
