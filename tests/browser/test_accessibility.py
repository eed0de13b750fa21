"""axe-core finds nothing on either page, at a telephone's and a desk's width, in light and in dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.looks import NAMES, SIZES, Look, findings_in_both

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("look", SIZES, ids=NAMES)
def test_it_is_accessible_as_a_chat(open_page: OpenPage, look: Look) -> None:
    page = open_page("/chat", **look.size)
    assert findings_in_both(page) == []
    page.get_by_role("textbox").fill("my landlord is evicting me")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".theirs")).to_have_count(1)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert findings_in_both(page) == []


@pytest.mark.parametrize("look", SIZES, ids=NAMES)
def test_it_is_accessible_as_a_phone(open_page: OpenPage, look: Look) -> None:
    page = open_page("/phone", **look.size)
    assert findings_in_both(page) == []
    ada = page.locator('[data-name="Ada"]')
    ada.get_by_role("textbox").fill("I want to kill myself")
    ada.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("A handoff was recorded")).to_be_attached()
    assert findings_in_both(page) == []
