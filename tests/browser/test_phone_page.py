"""The phone simulator in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.domain.messages.segments import measure_segments
from bot.storage.tables.residents import Handoff, Message, Referral
from tests.browser.conftest import OpenPage
from tests.support.demo import Demo

pytestmark = pytest.mark.browser


def phone(page: Page, name: str) -> Locator:
    return page.locator(f'[data-name="{name}"]')


def text(page: Page, name: str, body: str) -> None:
    """Text and wait for the answer."""
    theirs = phone(page, name).locator(".theirs")
    before = theirs.count()
    phone(page, name).get_by_role("textbox").fill(body)
    phone(page, name).get_by_role("button", name="Send", exact=True).click()
    expect(theirs).not_to_have_count(before)


@pytest.mark.parametrize(
    ("name", "words", "language"),
    [
        ("Ada", ["my landlord is evicting me", "NO", "63118"], "English"),
        ("Lucía", ["me van a desalojar", "NO", "63118"], "Spanish"),
    ],
)
def test_it_helps_a_person_who_is_being_evicted(
    demo: Demo, open_page: OpenPage, name: str, words: list[str], language: str
) -> None:
    page = open_page("/phone")
    for body in words:
        text(page, name, body)
    record = page.locator(".record", has=page.get_by_role("heading", name=name))
    expect(record).to_contain_text(language)
    expect(record.get_by_text("Referrals").or_(record.get_by_text("A handoff was recorded")).first).to_be_visible()
    assert demo.count(Referral) + demo.count(Handoff) > 0


def test_it_shows_two_people_side_by_side_and_a_handoff(open_page: OpenPage) -> None:
    page = open_page("/phone", viewport={"width": 1280, "height": 900})
    phone(page, "Ada").get_by_role("button", name="my landlord is evicting me").click()
    text(page, "Lucía", "quiero hablar con una persona")
    expect(phone(page, "Ada")).to_contain_text("court date")
    expect(page.get_by_text("A handoff was recorded")).to_be_visible()


def test_it_counts_segments_as_the_server_does(open_page: OpenPage) -> None:
    page = open_page("/phone")
    texts = ["a", "a" * 160, "a" * 161, "^" * 80, "^" * 81, "x" * 152 + "€" + "y", "á", "á" * 71, "😀" * 36, "¿ñ?", "š\nč"]
    box, count = phone(page, "Ada").get_by_role("textbox"), phone(page, "Ada").locator(".count")
    for body in texts:
        box.fill(body)
        cost = measure_segments(body)
        expect(count).to_contain_text(f"{cost.encoding}, {cost.segments} segment")


def test_it_moves_the_clock_without_losing_what_is_typed(open_page: OpenPage) -> None:
    page = open_page("/phone")
    phone(page, "Ada").get_by_role("textbox").fill("half a th")
    page.get_by_role("button", name="Push the clock 7 days forward").click()
    expect(page.get_by_text("7 days ahead of real time")).to_be_visible()
    expect(phone(page, "Ada").get_by_role("textbox")).to_have_value("half a th")


def test_it_gives_a_text_back_that_did_not_go_out(demo: Demo, open_page: OpenPage) -> None:
    page = open_page("/phone")
    page.context.set_offline(True)
    phone(page, "Ada").get_by_role("textbox").fill("are you there")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("not sent")
    expect(phone(page, "Ada").get_by_role("textbox")).to_have_value("are you there")
    page.context.set_offline(False)
    text(page, "Ada", "are you there")
    assert demo.count(Message, ~Message.outbound) == 1


def test_it_works_without_scripts(open_page: OpenPage) -> None:
    page = open_page("/phone", java_script_enabled=False)
    phone(page, "Ada").get_by_role("textbox").fill("my landlord is evicting me")
    phone(page, "Ada").get_by_role("button", name="Send", exact=True).click()
    expect(phone(page, "Ada").locator(".theirs")).to_contain_text("court date")


def test_it_fills_a_telephones_screen(open_page: OpenPage) -> None:
    page = open_page("/phone", viewport={"width": 390, "height": 844})
    box = phone(page, "Ada").locator(".screen").bounding_box()
    assert box and (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 844)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(phone(page, "Lucía")).to_be_hidden()
