"""The person's page and the search in a real browser: axe finds nothing, the settings are kept by keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bot.domain.safe_contact import SafeContact
from bot.web.console.inbox import inbox
from bot.web.console.people import people
from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import SCHEMES, SIZES, STILL, findings
from tests.console import make_staff, signed_in
from tests.demo import Demo
from tests.someone import make_person

pytestmark = pytest.mark.browser


@pytest.fixture
def open_signed_in(demo: Demo, open_page: OpenPage) -> OpenPage:
    """Opens a path of the console as Rosa of the housing team, who has one person."""
    for blueprint in (inbox, people):
        if blueprint.name not in demo.app.blueprints:
            demo.app.register_blueprint(blueprint)
    rosa = make_staff(demo.runtime, "rosa@example.org", teams=["housing"])
    with demo.db() as db:
        now = demo.runtime.clock.now()
        safe = SafeContact(word="Paraguas", paused=True)
        make_person(db, demo.runtime.desk.sealer, name="Ada Brown", state="claimed", owner=rosa, safe=safe, at=now)
    name = str(demo.app.config["SESSION_COOKIE_NAME"])
    cookie = signed_in(demo.app, rosa).get_cookie(name)
    assert cookie is not None

    def open_(path: str, **options: Any) -> Page:
        page = open_page("/health", **options)
        page.context.add_cookies([{"name": name, "value": cookie.value, "url": page.url}])
        page.goto(path)
        return page

    return open_


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_is_accessible_as_a_persons_page(open_signed_in: OpenPage, width: int, height: int, scheme: str) -> None:
    page = open_signed_in("/console/people", viewport={"width": width, "height": height}, color_scheme=scheme, **STILL)
    assert findings(page) == []
    page.get_by_role("link", name="Ada Brown").click()
    page.get_by_text("Change these settings").or_(page.get_by_text("Write down how to reach them")).click()
    page.get_by_label("Safe word", exact=True).fill("STOP")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_it_keeps_the_settings_by_keyboard_alone(open_signed_in: OpenPage) -> None:
    page = open_signed_in("/console/people/1")
    page.locator(".safe summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("group", name="Time 1").get_by_label("Friday").focus()
    page.keyboard.press("Space")
    page.get_by_role("group", name="Time 1").get_by_label("From").fill("22:00")
    page.get_by_role("group", name="Time 1").get_by_label("To").fill("02:00")
    page.get_by_label("Safe word", exact=True).press("Enter")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    expect(page.locator(".safe")).to_contain_text("Fri, 10:00 PM to 2:00 AM the next day")
