"""Signing in with a real browser: the sign-in pages and the account page, by keyboard and with axe."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.looks import NAMES, SIZES, Look, findings, findings_in_both, is_too_wide
from tests.support.console import PASSWORD, make_staff, password_hash
from tests.support.demo import Demo

pytestmark = pytest.mark.browser

EMAIL = "rosa.ortiz@example.org"


def add_people(demo: Demo) -> None:
    make_staff(demo.runtime, EMAIL, teams=["housing"], password=password_hash(demo.app))
    make_staff(demo.runtime, "sam@example.org", ["supervisor"], ["housing", "crisis"])
    make_staff(demo.runtime, "ann@example.org", ["admin", "auditor"])


def authenticator(demo: Demo, page: Page) -> str:
    """The one-time code for the key that the page shows."""
    key = page.locator(".door-key").inner_text()
    totp = demo.app.extensions["security"].totp_factory
    return str(totp._totp(key=key, format="base32").generate(demo.runtime.clock.now()).token)


@pytest.mark.parametrize("look", SIZES, ids=NAMES)
def test_it_is_accessible_from_the_sign_in_to_the_account_page(demo: Demo, open_page: OpenPage, look: Look) -> None:
    add_people(demo)
    page = open_page("/sign-in?next=/console/account", **look.size)
    assert findings_in_both(page) == [] and not is_too_wide(page)
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert findings_in_both(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="My account")).to_be_visible()
    assert findings_in_both(page) == [] and not is_too_wide(page)
    page.get_by_role("link", name="Set it up").click()
    assert findings_in_both(page) == [] and not is_too_wide(page)
    page.get_by_label("Type the six digits").fill(authenticator(demo, page))
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_text(re.compile("shown this one time only"))).to_be_visible()
    assert findings_in_both(page) == [] and not is_too_wide(page)
    page.goto("/console/account")
    assert findings_in_both(page) == [] and not is_too_wide(page)


def test_it_asks_for_the_code_and_works_without_scripts(demo: Demo, open_page: OpenPage) -> None:
    add_people(demo)
    page = open_page("/sign-in", java_script_enabled=False)
    page.get_by_role("button", name="Rosa Ortiz").click()
    page.wait_for_url("**/console**")
    page.goto("/console/account/second-factor")
    page.get_by_label("Type the six digits").fill(authenticator(demo, page))
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    recovery = page.locator(".door-codes li").first.inner_text()
    page.context.clear_cookies()
    page.goto("/console/account")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code").fill(recovery)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="My account")).to_be_visible()
    expect(page.get_by_text("9 recovery codes are left")).to_be_visible()


def test_it_tells_kindly_that_a_page_is_closed(demo: Demo, open_page: OpenPage) -> None:
    add_people(demo)
    page = open_page("/sign-in?next=/console/account", viewport={"width": 390, "height": 844})
    page.get_by_role("button", name="Ann Ortiz").click()
    expect(page.get_by_role("heading", name="My account")).to_be_visible()
    page.evaluate("document.querySelectorAll('input[name=csrf_token]').forEach((field) => { field.value = 'old' })")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_role("heading", name="This form is too old")).to_be_visible()
    assert findings(page) == []
