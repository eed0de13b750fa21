"""The social workers' phones in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.domain.messages.message import Channel
from bot.jobs import process
from bot.jobs.sweep import sweep
from bot.operations import job_queue
from bot.storage.tables.staff import CallOut
from tests.browser.conftest import SECONDS, OpenPage
from tests.browser.looks import NAMES, SIZES, Look, findings_in_both
from tests.browser.pace import look_again
from tests.browser.test_phone_page import text
from tests.support import staff_phones
from tests.support.demo import Demo

pytestmark = pytest.mark.browser


@pytest.fixture
def rosa(demo: Demo) -> int:
    return staff_phones.hire(demo, "Rosa Ortiz", phone="rosas-phone")


def phone(page: Page, name: str = "Rosa Ortiz") -> Locator:
    return page.locator(f'[data-name="{name}"]')


def test_it_rings_by_itself_and_falls_silent_once_claimed(demo: Demo, open_page: OpenPage, rosa: int) -> None:
    page = open_page("/phone/staff")
    expect(phone(page)).to_contain_text("No texts yet")
    staff_phones.alert(demo, rosa)
    expect(phone(page).get_by_role("button", name="Press key 1")).to_be_visible(timeout=5 * SECONDS)
    expect(phone(page).locator(".theirs")).to_contain_text("Reply 1 to take it")
    expect(phone(page).locator('[data-count="calls"]')).to_have_text("1")
    with demo.db() as db:
        db.query(CallOut).one().answer = "taken"
    look_again(page)
    expect(phone(page).get_by_role("button", name="Press key 1")).to_have_count(0)


def test_it_shows_calls_and_mails_behind_their_tabs(demo: Demo, open_page: OpenPage, rosa: int) -> None:
    staff_phones.alert(demo, rosa)
    page = open_page("/phone/staff")
    phone(page).get_by_role("radio", name="Mail").check()
    expect(phone(page).locator(".panel-texts")).to_be_hidden()
    phone(page).get_by_text("Warmline: handoff 7, NOW").click()
    staff_phones.write(demo, rosa, "Warmline: another\n\nword", "warmline@example.org", Channel.EMAIL)
    look_again(page)
    expect(phone(page).locator(".mail")).to_have_count(2)
    expect(phone(page).get_by_text("Open it here")).to_be_visible()
    phone(page).get_by_role("radio", name="Calls").check()
    expect(phone(page).locator(".panel-calls")).to_contain_text("It rings")


def test_it_brings_the_number_with_a_new_text_to_the_front_but_not_while_typing(
    demo: Demo, open_page: OpenPage, rosa: int
) -> None:
    staff_phones.write(demo, rosa, "an alert", "staff-1")
    page = open_page("/phone/staff")
    staff_phones.write(demo, rosa, "Person 7: hello", "staff-2")
    look_again(page)
    expect(phone(page).get_by_text("Person 7: hello")).to_be_visible()
    expect(phone(page).get_by_text("an alert")).to_be_hidden()
    phone(page).get_by_role("textbox").fill("for person 7")
    staff_phones.write(demo, rosa, "an alert again", "staff-1")
    look_again(page)
    expect(phone(page).locator('label[data-unread]:has(input[value="staff-1"])')).to_be_visible()
    expect(phone(page).get_by_role("radio", name="staff-2")).to_be_checked()
    phone(page).get_by_role("radio", name="staff-1").check()
    expect(phone(page).get_by_text("an alert again")).to_be_visible()


def test_it_moves_the_clock_by_minutes(open_page: OpenPage, rosa: int) -> None:
    page = open_page("/phone/staff")
    page.get_by_role("button", name="Push the clock 5 minutes forward").click()
    expect(page.get_by_text("5 minutes ahead of real time")).to_be_visible()


def test_it_fills_a_telephones_screen(demo: Demo, open_page: OpenPage, rosa: int) -> None:
    staff_phones.alert(demo, rosa)
    page = open_page("/phone/staff", viewport={"width": 390, "height": 844})
    box = phone(page).locator(".screen").bounding_box()
    assert box and (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 844)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("look", SIZES, ids=NAMES)
def test_it_is_accessible(demo: Demo, open_page: OpenPage, rosa: int, look: Look) -> None:
    staff_phones.alert(demo, rosa)
    staff_phones.write(demo, rosa, "Person 7: hello", "staff-2")
    page = open_page("/phone/staff", **look.size)
    assert findings_in_both(page) == []
    for tab in ("Calls", "Mail"):
        phone(page).get_by_role("radio", name=tab).check()
        assert findings_in_both(page) == []


def test_it_brings_a_cry_for_help_to_a_human_and_their_words_back(demo: Demo, open_page: OpenPage, rosa: int) -> None:
    page = open_page("/phone/staff", viewport={"width": 1280, "height": 900})
    ada = page.context.new_page()
    ada.goto("/phone")
    text(ada, "Ada", "I just took all my pills to die")
    work(demo)
    look_again(page)
    expect(page.get_by_text("STL Help calls")).to_be_visible()
    phone(page).get_by_role("button", name="Press key 1").click()
    expect(phone(page).locator(".said")).to_contain_text("You have handoff")
    expect(page.get_by_text("STL Help calls")).to_have_count(0)
    work(demo)
    look_again(ada)
    look_again(page)
    expect(phone(ada, "Ada")).to_contain_text("Rosa from our team has your texts now")
    expect(phone(page).locator(".thread:not([hidden])")).to_contain_text("leads to a person")
    phone(page).get_by_role("textbox").fill("This is Rosa. I am here with you.")
    page.keyboard.press("Enter")
    expect(phone(page).locator(".mine").last).to_contain_text("I am here with you")
    work(demo)
    look_again(ada)
    expect(phone(ada, "Ada")).to_contain_text("I am here with you")


def work(demo: Demo) -> None:
    """Do once what the worker process does."""
    process.set_runtime(demo.runtime)
    try:
        sweep(demo.runtime)
        job_queue.work(demo.runtime.settings.redis_url or "", burst=True)
    finally:
        process.set_runtime(None)
