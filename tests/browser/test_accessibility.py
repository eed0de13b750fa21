"""axe-core finds nothing on either page, at a telephone's and a desk's width, in light and in dark."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = [(390, 844), (1280, 900)]
SCHEMES = ["light", "dark"]
STILL: Any = {"reduced_motion": "reduce"}
"""A line that fades in would be measured half transparent."""


def findings(page: Page) -> list[tuple[str, Any]]:
    """The rules that are broken, each with where."""
    result = Axe().run(page, options={"runOnly": TAGS})
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in result.response["violations"]]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_is_accessible_as_a_chat(open_page: OpenPage, width: int, height: int, scheme: str) -> None:
    page = open_page("/chat", viewport={"width": width, "height": height}, color_scheme=scheme, **STILL)
    assert findings(page) == []
    page.get_by_role("textbox").fill("my landlord is evicting me")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".theirs")).to_have_count(1)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert findings(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_is_accessible_as_a_phone(open_page: OpenPage, width: int, height: int, scheme: str) -> None:
    page = open_page("/phone", viewport={"width": width, "height": height}, color_scheme=scheme, **STILL)
    assert findings(page) == []
    ada = page.locator('[data-name="Ada"]')
    ada.get_by_role("textbox").fill("I want to kill myself")
    ada.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("A handoff was recorded")).to_be_attached()
    assert findings(page) == []
