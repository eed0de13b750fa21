"""The studio's phone in a real browser: without a reload the focus stays and only what is new is put in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenAs
from tests.browser.looks import DESK, PHONE, TWICE, findings, is_too_wide, turn
from tests.support.console import make_staff, post, signed_in
from tests.support.demo import Demo

pytestmark = pytest.mark.browser

FLOW = "/console/flows/emergency_assistance"
BEGINNING = {"at": ":try", "start": "flow", "moment": "2026-11-23T10:00", "language": "en", "channel": "sms"}
LOOKS = (replace(PHONE, scheme="dark"), DESK, replace(TWICE, scheme="light"))


@pytest.fixture
def admin(demo: Demo) -> int:
    """An admin who has tried something and saved it."""
    who = make_staff(demo.runtime, "ada@example.org", ["admin"])
    client = signed_in(demo.app, who)
    post(client, f"{FLOW}/try", do="restart", **BEGINNING)
    for text in ("food", "63118", "no", "1"):
        post(client, f"{FLOW}/try", do="say", body=text)
    post(client, f"{FLOW}/transcripts/record", title="Food", name="en/more_food")
    return who


def test_it_answers_without_a_reload_and_keeps_the_focus(admin: int, open_as: OpenAs) -> None:
    page = open_as(admin, f"{FLOW}/try", viewport=DESK.size["viewport"])
    page.evaluate("window.stays = true")
    page.get_by_role("button", name="Start over", exact=True).click()
    box = page.get_by_label("Text of the pretend person")
    box.fill("eviction")
    box.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("Do you have an eviction court date?")
    expect(box).to_be_focused()
    expect(box).to_have_value("")
    page.get_by_role("button", name="2 hours").click()
    expect(page.get_by_role("log")).to_contain_text("2 hours later: Mon, Nov 23, 12:00 PM")
    expect(page.locator("[data-part=notice]")).to_have_text("")
    expect(box).to_be_focused()
    box.fill("   ")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("Write a text first.")
    assert page.evaluate("window.stays")


@pytest.mark.parametrize("path", ["try", "transcripts", "transcripts/record", "transcripts/one?name=en/more_food&anew=1"])
def test_it_has_nothing_that_axe_finds_and_nothing_overflows(admin: int, open_as: OpenAs, path: str) -> None:
    page = open_as(admin, f"{FLOW}/{path}", **PHONE.size)
    for look in LOOKS:
        turn(page, look)
        assert (look, findings(page), is_too_wide(page)) == (look, [], False)
