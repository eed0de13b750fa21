from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.messaging_response import MessagingResponse

from bot.carriers.twilio.texts import body_as_sent
from bot.carriers.twilio.webhook import MAX_REPLIES, replies_twiml
from bot.domain.messages.message import Channel

CALLBACK = "https://help.example.gov/twilio/status?message=7&try=1"


def written_by_the_library(replies: list[tuple[str, str]]) -> str:
    response = MessagingResponse()
    for body, callback in replies:
        response.message(body, status_callback=callback or None)
    return str(response)


def read(twiml: str) -> list[tuple[str, str]]:
    root = ElementTree.fromstring(twiml.encode())
    assert root.tag == "Response"
    assert {child.tag for child in root} <= {"Message"}
    return [(child.text or "", child.get("statusCallback", "")) for child in root]


def test_it_writes_an_empty_response_when_there_is_nothing_to_say() -> None:
    assert replies_twiml([]) == '<?xml version="1.0" encoding="UTF-8"?><Response/>'
    assert read(replies_twiml([("  \n", CALLBACK), ("\x01", "")])) == []


def test_it_writes_what_the_library_writes() -> None:
    replies = [('You & I <3 "it\'s" ok', CALLBACK), ("¿Está bien? 🙂", "")]
    assert replies_twiml(replies) == written_by_the_library(replies)


legal = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff", min_codepoint=32), min_size=1
) | st.sampled_from(["a\nb", "a\tb", "]]>", "&amp;", "<!--", "\x85", "a\r\nb"])
replies_ = st.lists(st.tuples(legal.filter(str.strip), legal | st.just("")), max_size=MAX_REPLIES)


@given(replies_)
def test_it_says_what_the_library_says(replies: list[tuple[str, str]]) -> None:
    assert read(replies_twiml(replies)) == read(written_by_the_library(replies))


@given(st.lists(st.tuples(st.text(), st.text()), max_size=12))
def test_it_is_always_well_formed(replies: list[tuple[str, str]]) -> None:
    assert len(read(replies_twiml(replies))) <= MAX_REPLIES


def test_it_removes_what_xml_cannot_hold_and_nothing_else() -> None:
    assert read(replies_twiml([("a\x00b\x0bc\x1fd\ud800e\uffff\tf\n", "")])) == [("abcde\tf\n", "")]


def test_it_writes_no_more_messages_than_twilio_takes() -> None:
    assert len(read(replies_twiml([("x", "")] * 12))) == MAX_REPLIES


@pytest.mark.parametrize(
    ("channel", "fold", "sent"),
    [
        (Channel.SMS, True, "Esta aqui"),
        (Channel.SMS, False, "Está aquí"),
        (Channel.WHATSAPP, True, "Está aquí"),
    ],
)
def test_it_folds_accents_for_sms_only(channel: Channel, fold: bool, sent: str) -> None:
    assert body_as_sent("Está aquí", channel, fold_accents=fold) == sent
