"""The social workers' phones of a demo as a browser without scripts meets them, and as their own script requests them."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot import reception
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.jobs.sweep import sweep
from bot.operations.settings.settings import Settings
from bot.storage.tables.residents import Handoff, Message
from bot.storage.tables.staff import CallOut, Staff
from bot.web.app import create_app
from tests.support import staff_phones
from tests.support.clock import FrozenClock
from tests.support.demo import Demo, hidden_field, without_database
from tests.support.help_line import open_line

SCRIPT = {"Accept": "application/json"}


@pytest.fixture
def browser(demo: Demo) -> FlaskClient:
    return demo.browser()


@pytest.fixture
def rosa(demo: Demo) -> int:
    return staff_phones.hire(demo, "Rosa Ortiz", phone="rosas-phone")


def post(browser: FlaskClient, path: str, **fields: str) -> TestResponse:
    return browser.post(f"/phone/staff/{path}", data=form(browser, **fields), follow_redirects=True)


def form(browser: FlaskClient, **fields: str) -> dict[str, str]:
    return {"secret": hidden_field(browser.get("/phone/staff"), "secret"), "once": "one"} | fields


def open_names(page: TestResponse) -> list[str]:
    return re.findall(r'data-phone="[^"]+" data-name="([^"]+)"', page.text)


def test_it_shows_an_alert_as_text_call_and_mail(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    staff_phones.alert(demo, rosa)
    page = browser.get("/phone/staff").text
    assert "Reply 1 to take it" in page and re.search(r"GSM-7, 1 segment\b", page) and "Delivered" in page
    assert "STL Help calls" in page and staff_phones.SAYS in page
    assert "<strong>Warmline: handoff 7, NOW</strong>" in page


def test_it_links_to_the_console_wherever_the_demo_is_served(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    staff_phones.alert(demo, rosa)
    assert '<a href="/console/handoffs/7"' in browser.get("/phone/staff").text


def test_it_keeps_a_thread_for_each_number_of_the_pool(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    staff_phones.write(demo, rosa, "an alert", "staff-1")
    staff_phones.write(demo, rosa, "Person 7: thank you", "staff-2")
    page = browser.get("/phone/staff").text
    assert re.findall(r'class="thread" data-line="([^"]+)"', page) == ["staff-1", "staff-2"]
    assert re.findall(r'name="to" value="([^"]+)" checked', page) == ["staff-2"]


def test_it_rings_until_the_call_out_is_answered(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    staff_phones.alert(demo, rosa)
    with demo.db() as db:
        db.query(CallOut).one().answer = "taken"
    page = browser.get("/phone/staff").text
    assert "STL Help calls" not in page
    assert "Somebody else took it" in page


def test_it_shows_what_did_not_arrive_and_not_what_was_never_sent(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    staff_phones.write(demo, rosa, "lost on the way", state=DeliveryState.UNDELIVERED)
    staff_phones.write(demo, rosa, "overtaken by events", state=DeliveryState.DROPPED)
    page = browser.get("/phone/staff").text
    assert "lost on the way" in page and "This text did not arrive" in page
    assert "overtaken by events" not in page


def test_it_shows_no_member_who_has_left(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    with demo.db() as db:
        db.get_one(Staff, rosa).active = False
    assert "Rosa Ortiz" not in browser.get("/phone/staff").text
    assert "not on the table any more" in post(browser, "text", phone=str(rosa), body="1").text


def test_it_gives_no_text_to_a_phone_whose_number_was_never_given(demo: Demo, browser: FlaskClient) -> None:
    walter = staff_phones.hire(demo, "Walter Reed")
    page = post(browser, "table", open=str(walter))
    assert "does not know this phone" in page.text
    assert "cannot text" in post(browser, "text", phone=str(walter), body="1").text
    assert demo.count(Message) == 0


def test_it_opens_and_puts_away_phones(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    staff_phones.hire(demo, "Ben Adler", phone="bens-phone")
    staff_phones.hire(demo, "Mei Chen", phone="meis-phone")
    assert open_names(browser.get("/phone/staff")) == ["Rosa Ortiz", "Ben Adler"]
    page = post(browser, "table", open="stranger")
    assert open_names(page) == ["A stranger", "Rosa Ortiz", "Ben Adler"]
    page = post(browser, "table", close=str(rosa))
    assert open_names(page) == ["A stranger", "Ben Adler"]


def test_it_shows_the_strangers_phone_where_there_is_no_staff(browser: FlaskClient) -> None:
    page = browser.get("/phone/staff")
    assert open_names(page) == ["A stranger"]
    assert "There is no staff yet" in page.text


def test_it_moves_the_clock_by_the_escalation_policys_minutes_and_stays(demo: Demo, browser: FlaskClient) -> None:
    secret = hidden_field(browser.get("/phone/staff"), "secret")
    page = browser.post("/phone/clock", data={"secret": secret, "page": "staff", "step": "2m"}, follow_redirects=True)
    assert page.request.path == "/phone/staff"
    assert "2 minutes ahead of real time" in page.text


def test_it_does_not_exist_with_twilio_as_the_carrier(settings: Settings, clock: FrozenClock) -> None:
    with open_line(settings, clock) as line:
        browser = create_app(line.runtime).test_client()
        assert browser.get("/phone/staff").status_code == 404
        assert browser.post("/phone/staff/text", data={"body": "1"}).status_code == 404


@pytest.mark.parametrize("path", ["text", "table", "key"])
def test_it_refuses_posts_that_its_own_page_did_not_make(browser: FlaskClient, path: str) -> None:
    secret = hidden_field(browser.get("/phone/staff"), "secret")
    path = f"/phone/staff/{path}"
    assert browser.post(path, data={"open": "1"}).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post(path, data={"secret": secret}, headers=foreign).status_code == 403
    assert browser.post(path, data={"secret": secret}, headers={"Origin": "http://evil.example"}).status_code == 403


def test_it_presses_no_key_in_a_call_of_another_phone(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    ben = staff_phones.hire(demo, "Ben Adler", phone="bens-phone")
    _, call = staff_phones.alert(demo, rosa)
    assert "not this phone" in post(browser, "key", phone=str(ben), call=str(call), digit="1").text
    assert "not this phone" in post(browser, "key", phone="stranger", call=str(call), digit="1").text
    assert post(browser, "key", phone=str(rosa), call=str(call), digit="11").status_code == 400
    assert post(browser, "key", phone=str(rosa), call="x", digit="1").status_code == 400


def test_it_informs_the_script_only_that_something_changed(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    browser.get("/phone/staff")
    first = browser.get("/phone/staff/news").json
    assert first
    assert browser.get("/phone/staff/news", headers={"X-Seen": first["seen"]}).status_code == 204
    staff_phones.alert(demo, rosa)
    second = browser.get("/phone/staff/news", headers={"X-Seen": first["seen"]}).json
    assert second and second["phones"][str(rosa)]["counts"] == {"calls": 1, "mails": 1}
    assert demo.browser().get("/phone/staff/news").status_code == 404


def test_it_says_that_the_database_is_away(settings: Settings) -> None:
    with without_database(settings) as demo:
        browser = demo.browser()
        assert "The database is away" in browser.get("/phone/staff").text
        assert browser.get("/phone/staff/news").status_code == 503
        assert "nothing was done" in post(browser, "text", phone="stranger", body="1").text


def test_it_gives_back_a_text_that_no_phone_would_send(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    page = post(browser, "text", phone=str(rosa), body="a" * 1601)
    assert page.status_code == 422
    assert "a" * 1601 + "</textarea>" in page.text
    assert "nothing was sent" in post(browser, "text", phone=str(rosa), body=" ").text


def test_it_answers_an_alert_by_text(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    handoff, _ = staff_phones.alert(demo, rosa)
    page = post(browser, "text", phone=str(rosa), suggestion="1")
    with demo.db() as db:
        assert db.get_one(Handoff, handoff).owner_id == rosa
    assert f"You have handoff {handoff}" in page.text
    assert "STL Help calls" not in page.text and "You took it" in page.text


def test_it_answers_an_alert_by_a_key(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    handoff, call = staff_phones.alert(demo, rosa)
    assert "press 1 to take it" in post(browser, "key", phone=str(rosa), call=str(call), digit="9").text
    assert f"You have handoff {handoff}" in post(browser, "key", phone=str(rosa), call=str(call), digit="1").text
    with demo.db() as db:
        assert db.get_one(Handoff, handoff).owner_id == rosa


def test_it_tells_the_second_worker_who_has_it(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    ben = staff_phones.hire(demo, "Ben Adler", phone="bens-phone")
    handoff, _ = staff_phones.alert(demo, rosa)
    call = staff_phones.write(demo, ben, staff_phones.SAYS, channel=Channel.VOICE, handoff_id=handoff)
    post(browser, "text", phone=str(rosa), body="1")
    said = browser.post("/phone/staff/key", data=form(browser, phone=str(ben), call=str(call), digit="1"), headers=SCRIPT)
    assert said.json and "Rosa took handoff" in said.json["said"]


def test_it_takes_a_text_that_is_sent_twice_once(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    staff_phones.alert(demo, rosa)
    for _ in range(2):
        post(browser, "text", phone=str(rosa), body="#HELP")
    assert demo.count(Message, ~Message.outbound, Message.staff_id == rosa) == 1


def test_it_carries_words_to_the_person_and_back(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    handoff, _ = staff_phones.alert(demo, rosa)
    page = post(browser, "text", phone=str(rosa), body="1")
    number = re.findall(r'name="to" value="([^"]+)" checked', page.text)[0]
    post(browser, "text", phone=str(rosa), to=number, body="This is Rosa, I am here", once="two")
    with demo.db() as db:
        talk = db.get_one(Handoff, handoff).conversation_id
        bodies = [row.sealed_body for row in db.query(Message).filter_by(conversation_id=talk, staff_id=rosa)]
        assert [demo.runtime.context.sealer.open(body) for body in bodies if body] == ["This is Rosa, I am here"]
    sender = Address(Channel.SIMULATOR, f"resident-of-{rosa}")
    reception.accept(
        demo.runtime, InboundMessage("SIMthanks", sender, "warmline", "thank you Rosa", demo.runtime.clock.now())
    )
    sweep(demo.runtime)
    assert "thank you Rosa" in browser.get("/phone/staff").text


def test_it_refuses_a_stranger_who_answers_an_alert(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    handoff, _ = staff_phones.alert(demo, rosa)
    post(browser, "table", open="stranger")
    page = post(browser, "text", phone="stranger", to="staff-1", body="1")
    assert "for staff only" in page.text and "911" in page.text
    with demo.db() as db:
        assert db.get_one(Handoff, handoff).owner_id is None


def test_it_hears_a_stranger_who_needs_help(browser: FlaskClient) -> None:
    assert "988" in post(browser, "text", phone="stranger", to="staff-1", body="I want to kill myself").text
