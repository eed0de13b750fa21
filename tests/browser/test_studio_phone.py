"""The studio's phone in a real browser: without a reload the focus stays and only what is new is put in."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import findings
from tests.console import make_staff, post, signed_in
from tests.demo import Demo

pytestmark = pytest.mark.browser

FLOW = "/console/flows/emergency_assistance"
BEGINNING = {"at": ":try", "start": "flow", "moment": "2026-11-23T10:00", "language": "en", "channel": "sms"}
LOOKS = (
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2, "color_scheme": "light"},
)


def opened(demo: Demo, open_page: OpenPage, path: str, look: dict[str, Any]) -> Page:
    """The page in a browser in which an admin is signed in, who has tried something and kept it."""
    who = make_staff(demo.runtime, f"ada{len(look)}{look['color_scheme']}{abs(hash(path))}@example.org", ["admin"])
    client = signed_in(demo.app, who)
    post(client, f"{FLOW}/try", do="restart", **BEGINNING)
    for text in ("food", "63118", "no", "1"):
        post(client, f"{FLOW}/try", do="say", body=text)
    post(client, f"{FLOW}/transcripts/record", title="Food", name="en/more_food")
    cookie = client.get_cookie(demo.app.config["SESSION_COOKIE_NAME"])
    assert cookie
    page = open_page("/sign-in", **look)
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "domain": "127.0.0.1", "path": "/"}])
    page.goto(path)
    return page


def test_it_answers_without_a_reload_and_keeps_the_focus(demo: Demo, open_page: OpenPage) -> None:
    page = opened(demo, open_page, f"{FLOW}/try", LOOKS[1])
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
def test_it_has_nothing_that_axe_finds_and_nothing_sticks_out(demo: Demo, open_page: OpenPage, path: str) -> None:
    for look in LOOKS:
        page = opened(demo, open_page, f"{FLOW}/{path}", look)
        assert findings(page) == [], look
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, look
