"""The web chat as a browser without scripts meets it, and as its own script requests it."""

from __future__ import annotations

import html
import re

import pytest
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from bot.domain.messages.message import Address, Channel
from bot.operations.settings.settings import Settings
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.usecases.messages.read_thread import read_thread
from bot.web.chat import pages
from bot.web.chat.words import read_chat_words
from tests.support.demo import Demo, hidden_field, without_database

SCRIPT = {"Accept": "application/json"}
WORDS = read_chat_words().by_language


def send(demo: Demo, page: TestResponse, body: str, **fields: str) -> TestResponse:
    """Fill in the page's form and press Send."""
    form = {"token": hidden_field(page, "token"), "once": hidden_field(page, "once"), "do": "send", "body": body}
    return demo.browser().post("/chat", data=form | fields)


def notice(page: TestResponse) -> str:
    """What the page says above its message box."""
    found = re.search(r'id="notice"[^>]*>([^<]*)<', page.text)
    assert found
    return html.unescape(found[1])


def test_it_answers_without_scripts(demo: Demo) -> None:
    page = demo.browser().get("/chat")
    answer = send(demo, page, "my landlord is evicting me")
    assert answer.status_code == 200
    assert "my landlord is evicting me" in answer.text
    assert "court date" in answer.text


def test_it_records_nothing_before_the_first_message(demo: Demo) -> None:
    demo.browser().get("/chat")
    assert demo.count(Conversation) == 0


def test_it_leaves_no_cookie_and_forbids_keeping_the_page(demo: Demo) -> None:
    browser = demo.browser()
    page = browser.get("/chat")
    for answer in (page, send(demo, page, "hello")):
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_it_says_nothing_in_its_title_and_always_where_help_is(demo: Demo) -> None:
    page = demo.browser().get("/chat")
    assert "<title>Information</title>" in page.text
    for words in ("tel:911", "tel:988", "sms:988", pages.QUICK_EXIT_URL):
        assert words in page.text


def test_it_goes_on_with_the_same_conversation(demo: Demo) -> None:
    first = send(demo, demo.browser().get("/chat"), "my landlord is evicting me")
    second = send(demo, first, "NO")
    assert demo.count(Conversation) == 1
    assert "my landlord is evicting me" in second.text
    assert "ZIP" in second.text


def test_it_takes_a_message_that_is_sent_twice_once(demo: Demo) -> None:
    page = demo.browser().get("/chat")
    first, again = send(demo, page, "hello"), send(demo, page, "hello")
    assert demo.count(Message, ~Message.outbound) == 1
    assert first.text.count('class="line theirs"') == again.text.count('class="line theirs"') == 1


def test_it_takes_other_words_from_the_same_old_page(demo: Demo) -> None:
    page = demo.browser().get("/chat")
    send(demo, page, "hello")
    send(demo, page, "I need food")
    assert demo.count(Message, ~Message.outbound) == 2


def test_it_calls_a_human_for_a_person_in_danger(demo: Demo) -> None:
    answer = send(demo, demo.browser().get("/chat"), "I want to kill myself")
    assert "988" in answer.text.split('id="lines"')[1]
    assert demo.count(Handoff) == 1


@pytest.mark.parametrize("language", WORDS)
def test_it_offers_a_start_that_brings_a_person(demo: Demo, language: str) -> None:
    form = {"starter": WORDS[language]["start_3"], "page_language": language}
    token = hidden_field(demo.browser().get("/chat"), "token")
    demo.browser().post("/chat", data=form | {"token": token})
    assert demo.count(Handoff, Handoff.reason == "asked") == 1


def test_it_shows_what_came_later_when_asked(demo: Demo) -> None:
    page = send(demo, demo.browser().get("/chat"), "talk to a person")
    with demo.db() as db:
        talk = db.query(Conversation).one()
        words = demo.runtime.context.sealer.seal("This is Joy. I am here now.")
        now = demo.runtime.clock.now()
        db.add(Message(conversation_id=talk.id, outbound=True, sealed_body=words, at=now, state="delivered"))
    again = demo.browser().post("/chat", data={"token": hidden_field(page, "token"), "do": "check", "body": "half a dra"})
    assert "This is Joy. I am here now." in again.text
    assert "half a dra</textarea>" in again.text


def test_it_never_shows_what_was_not_sent(demo: Demo) -> None:
    page = send(demo, demo.browser().get("/chat"), "hello")
    with demo.db() as db:
        talk = db.query(Conversation).one()
        words = demo.runtime.context.sealer.seal("Too late to be true.")
        now = demo.runtime.clock.now()
        db.add(Message(conversation_id=talk.id, outbound=True, sealed_body=words, at=now, state="dropped"))
    again = demo.browser().post("/chat", data={"token": hidden_field(page, "token"), "do": "check"})
    assert "Too late to be true." not in again.text


def test_it_keeps_two_visitors_apart(demo: Demo) -> None:
    send(demo, demo.browser().get("/chat"), "my landlord is evicting me")
    other = send(demo, demo.browser().get("/chat"), "hello")
    assert "evicting" not in other.text
    assert demo.count(Conversation) == 2


@pytest.mark.parametrize("token", ["", "forged", "a.b.c", "\x00", "ÿ" * 500])
def test_it_starts_over_on_a_forged_token_and_still_answers(demo: Demo, token: str) -> None:
    answer = demo.browser().post("/chat", data={"token": token, "do": "send", "body": "I want to kill myself"})
    assert answer.status_code == 200
    assert notice(answer) == WORDS["en"]["fresh"]
    assert demo.count(Handoff) == 1


def test_it_starts_over_on_an_expired_token_and_loses_nothing(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    page = send(demo, demo.browser().get("/chat"), "my landlord is evicting me")
    monkeypatch.setattr(pages, "TOKEN_SECONDS", -1)
    answer = send(demo, page, "NO")
    assert WORDS["en"]["fresh"] in answer.text
    assert "evicting" not in answer.text
    assert demo.count(Conversation) == 2


def test_it_accepts_no_token_that_was_made_for_something_else(demo: Demo) -> None:
    other = URLSafeTimedSerializer(demo.runtime.settings.secret_key, salt="something else").dumps("victim")
    answer = demo.browser().post("/chat", data={"token": other, "do": "check"})
    assert WORDS["en"]["fresh"] in answer.text


@pytest.mark.parametrize("form", [{}, {"do": "send"}, {"do": "send", "body": " \n \t"}, {"do": "send", "body": "\x00\x07"}])
def test_it_asks_for_words_where_there_are_none(demo: Demo, form: dict[str, str]) -> None:
    page = demo.browser().get("/chat")
    answer = demo.browser().post("/chat", data={"token": hidden_field(page, "token")} | form)
    assert answer.status_code == (422 if form else 200)
    assert notice(answer) == (WORDS["en"]["empty"] if form else "")
    assert demo.count(Message) == 0


def test_it_gives_back_a_message_that_is_too_long(demo: Demo) -> None:
    answer = send(demo, demo.browser().get("/chat"), "a" * 2001)
    assert answer.status_code == 422
    assert notice(answer) == WORDS["en"]["too_long"]
    assert "a" * 2001 + "</textarea>" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert send(demo, answer, "ñ" * 2000).status_code == 200


def test_it_refuses_ten_megabytes_with_a_sentence(demo: Demo) -> None:
    answer = demo.browser().post("/chat", data={"do": "send", "body": "a" * 10_000_000})
    assert answer.status_code == 413
    assert len(answer.data) < 500


@pytest.mark.parametrize(
    "raw", [b"do=send&body=%ff%fe+help", b"do=send&body=help%ed%a0%80", b"do=send&body=help%00%1b%5b31m"]
)
def test_it_accepts_bytes_that_are_not_text(demo: Demo, raw: bytes) -> None:
    kind = "application/x-www-form-urlencoded"
    answer = demo.browser().post("/chat", data=raw, content_type=kind)
    assert answer.status_code == 200
    assert demo.count(Message, ~Message.outbound) == 1
    assert "\x00" not in answer.text
    assert "\x1b" not in answer.text


def test_it_escapes_what_people_write(demo: Demo) -> None:
    answer = send(demo, demo.browser().get("/chat"), "<script>alert(1)</script>")
    assert "<script>alert" not in answer.text


def test_it_refuses_a_post_of_another_site(demo: Demo) -> None:
    page = demo.browser().get("/chat")
    form = {"token": hidden_field(page, "token"), "do": "send", "body": "hello"}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        assert demo.browser().post("/chat", data=form, headers=headers).status_code == 403
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    assert demo.browser().post("/chat", data=form, headers=own).status_code == 200


def test_it_speaks_the_language_of_the_browser_and_the_one_that_is_chosen(demo: Demo) -> None:
    page = demo.browser().get("/chat", headers={"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"})
    assert '<html lang="es">' in page.text
    assert 'aria-label="See this page in English">English</button>' in page.text
    form = {"token": hidden_field(page, "token"), "language": "en", "page_language": "es", "body": "draft"}
    english = demo.browser().post("/chat", data=form)
    assert '<html lang="en">' in english.text
    assert 'aria-label="Ver esta página en español">Español</button>' in english.text
    assert "draft</textarea>" in english.text
    spanish = send(demo, page, "me van a desalojar", page_language="es")
    assert '<html lang="es">' in spanish.text


def test_it_answers_in_an_outage_and_keeps_the_words(settings: Settings) -> None:
    with without_database(settings) as demo:
        answer = send(demo, demo.browser().get("/chat"), "I need food")
        assert answer.status_code == 200
        assert "I need food" in answer.text
        assert notice(answer) == WORDS["en"]["kept"]
        assert "988" in answer.text.split('id="lines"')[1]
        assert len(demo.runtime.spool.list_entries()) == 1


def test_it_says_so_when_it_cannot_look_for_messages(settings: Settings) -> None:
    with without_database(settings) as demo:
        token = hidden_field(demo.browser().get("/chat"), "token")
        answer = demo.browser().post("/chat", data={"token": token, "do": "check"}, headers=SCRIPT)
        assert answer.status_code == 503
        assert answer.json is not None and answer.json["notice"] == WORDS["en"]["offline"]


def test_it_gives_the_script_only_what_is_new(demo: Demo) -> None:
    page = send(demo, demo.browser().get("/chat"), "hello")
    form = {"token": hidden_field(page, "token"), "do": "check", "after": "0"}
    everything = demo.browser().post("/chat", data=form, headers=SCRIPT).json
    assert everything and everything["html"].count("<li") == 2
    nothing = demo.browser().post("/chat", data=form | {"after": str(everything["after"])}, headers=SCRIPT).json
    assert nothing and nothing["html"].strip() == "" and nothing["after"] is None


def test_it_speaks_on_the_web_channel_alone(demo: Demo) -> None:
    send(demo, demo.browser().get("/chat"), "hello", channel="sms", sender="+13145550142")
    with demo.db() as db:
        talk = db.query(Conversation).one()
        address = demo.runtime.context.sealer.open_address(talk.sealed_address)
        assert address.channel is Channel.WEB
        assert read_thread(db, demo.runtime.context.sealer, Address(Channel.SMS, address.value)) == []
