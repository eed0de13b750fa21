"""The person's page and the search in a real browser: axe finds nothing, the settings are kept by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from bot.domain.conversation.safe_contact import SafeContact
from tests.browser.conftest import OpenAs
from tests.browser.looks import NAMES, SIZES, Look, findings_in_both, is_too_wide
from tests.support.console import make_staff
from tests.support.demo import Demo
from tests.support.people import make_person

pytestmark = pytest.mark.browser


@pytest.fixture
def rosa(demo: Demo) -> int:
    """Rosa of the housing team, who has one person."""
    number = make_staff(demo.runtime, "rosa@example.org", teams=["housing"])
    with demo.db() as db:
        now = demo.runtime.clock.now()
        safe = SafeContact(word="Paraguas", paused=True)
        make_person(db, demo.runtime.context.sealer, name="Ada Brown", state="claimed", owner=number, safe=safe, at=now)
    return number


@pytest.mark.parametrize("look", SIZES, ids=NAMES)
def test_it_is_accessible_as_a_persons_page(open_as: OpenAs, rosa: int, look: Look) -> None:
    page = open_as(rosa, "/console/people", **look.size)
    assert findings_in_both(page) == []
    page.get_by_role("link", name="Ada Brown").click()
    page.get_by_text("Change these settings").or_(page.get_by_text("Write down how to reach them")).click()
    page.get_by_label("Safe word", exact=True).fill("STOP")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert findings_in_both(page) == []
    assert not is_too_wide(page)


def test_it_keeps_the_settings_by_keyboard_alone(open_as: OpenAs, rosa: int) -> None:
    page = open_as(rosa, "/console/people/1")
    page.locator(".safe summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("group", name="Time 1").get_by_label("Friday").focus()
    page.keyboard.press("Space")
    page.get_by_role("group", name="Time 1").get_by_label("From").fill("22:00")
    page.get_by_role("group", name="Time 1").get_by_label("To").fill("02:00")
    page.get_by_label("Safe word", exact=True).press("Enter")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    expect(page.locator(".safe")).to_contain_text("Fri, 10:00 PM to 2:00 AM the next day")
