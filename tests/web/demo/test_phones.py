"""The phone simulator as a browser without scripts meets it, and as its own script requests it."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.domain.messages.message import Channel
from bot.jobs.sweep import sweep
from bot.operations.settings.settings import Settings
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.web.app import create_app
from bot.web.demo.pretend_phones import MAX_OPEN, MAX_PHONES
from tests.support.clock import FrozenClock
from tests.support.demo import Demo, hidden_field, without_database
from tests.support.help_line import open_line

SCRIPT = {"Accept": "application/json"}


@pytest.fixture
def browser(demo: Demo) -> FlaskClient:
    return demo.browser()


def text(browser: FlaskClient, body: str, **fields: str) -> TestResponse:
    """Text from the phone in front and follow to the page."""
    page = browser.get("/phone")
    form = {name: hidden_field(page, name) for name in ("secret", "phone", "once")}
    return browser.post("/phone/text", data=form | {"do": "send", "body": body} | fields, follow_redirects=True)


def post(browser: FlaskClient, path: str, **fields: str) -> TestResponse:
    page = browser.get("/phone")
    return browser.post(path, data={"secret": hidden_field(page, "secret")} | fields, follow_redirects=True)


def open_names(page: TestResponse) -> list[str]:
    return re.findall(r'data-phone="[^"]+" data-name="([^"]+)"', page.text)


def test_it_answers_a_text_and_shows_what_it_costs(browser: FlaskClient) -> None:
    page = text(browser, "my landlord is evicting me")
    assert "court date" in page.text
    assert re.search(r"GSM-7, [1-4] segments?", page.text)
    assert "Delivered" in page.text


def test_it_shows_the_recorded_handoff_and_the_safety_rules(browser: FlaskClient) -> None:
    page = text(browser, "I want to kill myself")
    assert "A handoff was recorded" in page.text
    assert "Safety: " in page.text
    assert "yes, until a human closes it" in page.text


def test_it_shows_referrals_with_their_names(browser: FlaskClient) -> None:
    text(browser, "no tengo comida")
    page = text(browser, "63118")
    assert "Referrals" in page.text
    assert "Spanish" in page.text


def test_it_counts_accents_as_the_network_does(browser: FlaskClient) -> None:
    assert "UCS-2, 1 segment" in text(browser, "sí, mañana vendrá").text


def test_it_takes_a_suggested_text_and_a_picture(demo: Demo, browser: FlaskClient) -> None:
    assert "STOP" in text(browser, "", do="", suggestion="STOP").text
    page = text(browser, "words beside it", do="picture")
    assert 'aria-label="A picture"' in page.text
    assert "words beside it" not in page.text
    assert demo.count(Message, Message.sealed_media.is_not(None)) == 1


def test_it_keeps_each_phone_to_itself(browser: FlaskClient) -> None:
    text(browser, "my landlord is evicting me")
    post(browser, "/phone/table", new="1")
    page = text(browser, "hello")
    assert page.text.count("evicting me</div>") == 1
    other = browser.application.test_client()
    assert "evicting me</div>" not in text(other, "hello").text


def test_it_puts_no_number_and_no_phone_into_an_address(browser: FlaskClient) -> None:
    for answer in (text(browser, "hello"), post(browser, "/phone/table", new="1")):
        assert answer.request.path == "/phone"
        assert answer.request.query_string == b""


def test_it_opens_puts_away_and_makes_phones(browser: FlaskClient) -> None:
    page = browser.get("/phone")
    assert open_names(page) == ["Ada", "Lucía"]
    marcus = re.findall(r'name="open" value="([^"]+)"', page.text)[2]
    page = post(browser, "/phone/table", open=marcus)
    assert open_names(page) == ["Marcus", "Ada", "Lucía"]
    page = post(browser, "/phone/table", close=marcus)
    assert open_names(page) == ["Ada", "Lucía"]
    for _ in range(MAX_PHONES + 2):
        page = post(browser, "/phone/table", new="1")
    assert page.text.count('name="open"') == MAX_PHONES
    assert len(open_names(page)) == MAX_OPEN


def test_it_moves_the_clock_by_the_offered_steps_only(demo: Demo, browser: FlaskClient) -> None:
    before = demo.runtime.clock.now()
    assert "7 days ahead of real time" in post(browser, "/phone/clock", step="7d").text
    assert (demo.runtime.clock.now() - before).days == 7
    assert post(browser, "/phone/clock", step="-1d").status_code == 400
    assert post(browser, "/phone/clock").status_code == 400


def test_it_shows_what_the_sweep_did_after_the_clock_was_moved(demo: Demo, browser: FlaskClient) -> None:
    text(browser, "my landlord is evicting me")
    post(browser, "/phone/clock", step="7d")
    assert "no reply" not in browser.get("/phone").text
    sweep(demo.runtime)
    assert "no reply" in browser.get("/phone").text


def test_it_does_not_exist_with_twilio_as_the_carrier(settings: Settings, clock: FrozenClock) -> None:
    with open_line(settings, clock) as line:
        browser = create_app(line.runtime).test_client()
        assert browser.get("/phone").status_code == 404
        assert browser.post("/phone/text", data={"body": "hello"}).status_code == 404
        assert browser.get("/chat").status_code == 200


def test_it_speaks_on_the_simulators_channel_alone(demo: Demo, browser: FlaskClient) -> None:
    text(browser, "hello", channel="sms", sender="+13145550142")
    with demo.db() as db:
        talk = db.query(Conversation).one()
        assert demo.runtime.context.sealer.open_address(talk.sealed_address).channel is Channel.SIMULATOR


def test_it_texts_from_no_phone_of_another_visitor(demo: Demo, browser: FlaskClient) -> None:
    page = text(browser, "hello", phone="+13145550142")
    assert "could not be found" in page.text
    assert demo.count(Message) == 0


@pytest.mark.parametrize("path", ["/phone/text", "/phone/table", "/phone/clock"])
def test_it_refuses_posts_that_its_own_page_did_not_make(browser: FlaskClient, path: str) -> None:
    secret = hidden_field(browser.get("/phone"), "secret")
    assert browser.post(path, data={"new": "1", "step": "1d"}).status_code == 403
    assert browser.post(path, data={"secret": "ñ" * 9}).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post(path, data={"secret": secret}, headers=foreign).status_code == 403
    assert browser.post(path, data={"secret": secret}, headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize("cookie", ["forged", "eyJ9.x.y", ""])
def test_it_starts_with_fresh_phones_where_the_cookie_is_forged(demo: Demo, cookie: str) -> None:
    browser = demo.browser()
    browser.set_cookie("pretend_phones", cookie, path="/phone")
    page = browser.post("/phone/text", data={"body": "hello", "secret": "x"}, follow_redirects=True)
    assert page.status_code == 200
    assert "here are new ones" in page.text
    assert len(open_names(page)) == 2


def test_it_gives_back_a_text_that_no_phone_would_send(demo: Demo, browser: FlaskClient) -> None:
    page = text(browser, "a" * 1601)
    assert page.status_code == 422
    assert "a" * 1601 + "</textarea>" in page.text
    assert "nothing was sent" in text(browser, "  \x00 ").text
    assert text(browser, "a" * 10_000_000).status_code == 413
    assert demo.count(Message) == 0


def test_it_accepts_bytes_that_are_not_text(demo: Demo, browser: FlaskClient) -> None:
    page = browser.get("/phone")
    secret, key = hidden_field(page, "secret"), hidden_field(page, "phone")
    raw = f"secret={secret}&phone={key}&do=send&body=help%ff%ed%a0%80%00".encode()
    answer = browser.post("/phone/text", data=raw, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 303
    assert demo.count(Message, ~Message.outbound) == 1


def test_it_escapes_what_people_write(browser: FlaskClient) -> None:
    assert "<img src=x" not in text(browser, "<img src=x onerror=alert(1)>").text


def test_it_informs_the_script_only_that_something_changed(demo: Demo, browser: FlaskClient) -> None:
    browser.get("/phone")
    first = browser.get("/phone/news").json
    assert first
    assert browser.get("/phone/news", headers={"X-Seen": first["seen"]}).status_code == 204
    text(browser, "I want to kill myself")
    second = browser.get("/phone/news", headers={"X-Seen": first["seen"]}).json
    assert second and any("A handoff was recorded" in pieces["record"] for pieces in second["phones"].values())
    assert demo.count(Handoff) == 1
    assert demo.browser().get("/phone/news").status_code == 404


def test_it_answers_in_an_outage_and_says_that_the_text_is_kept(settings: Settings) -> None:
    with without_database(settings) as demo:
        page = text(demo.browser(), "I want to kill myself")
        assert page.status_code == 200
        assert "I want to kill myself" in page.text
        assert "the text is kept" in page.text
        assert "988" in page.text
        assert len(demo.runtime.spool.list_entries()) == 1


def test_it_leaves_the_open_page_as_it_is_in_an_outage(settings: Settings) -> None:
    with without_database(settings) as demo:
        browser = demo.browser()
        assert "The database is away" in browser.get("/phone").text
        assert browser.get("/phone/news").status_code == 503
