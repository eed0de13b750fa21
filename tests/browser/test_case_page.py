"""The page of a case in a real browser: axe finds nothing with every form open, and nothing sticks out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from bot.domain.case import Measured
from bot.storage import cases, referrals
from bot.storage.directory_tables import Service
from bot.storage.tables import CheckIn
from bot.usecases import keep_case
from bot.usecases.keep_case import Met, Wanted
from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import STILL, findings
from tests.console import make_staff, signed_in
from tests.demo import Demo
from tests.someone import make_person

pytestmark = pytest.mark.browser

LOOKS = [
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
]


def full_case(demo: Demo, rosa: int) -> str:
    """A case of forty days with something of every kind; the address of its page."""
    desk, now = demo.runtime.desk, demo.runtime.clock.now()
    began = now - timedelta(days=40)
    with demo.db() as db:
        here = make_person(db, desk.sealer, name="Ada Brown", state="claimed", owner=rosa, at=began).conversation
        keep_case.open_case(db, here, rosa, began)
        for code in ("housing-instability", "utility-insecurity"):
            keep_case.open_need(db, here, code, rosa, began)
        keep_case.record_encounter(db, desk, here, Met("home_visit", now, 40, "The landlord agreed."), rosa, now)
        for day, value in ((0, "no"), (30, "unsure")):
            keep_case.record_measure(db, here, Measured(day, "housed", value), rosa, now)
        keep_case.add_task(db, desk, here, Wanted("call", "", now.date()), rosa, now)
        referrals.offer(db, here, "rent", None, list(db.scalars(select(Service.id).limit(2))), began)
        for state in ("silent", "dropped", "planned"):
            db.add(CheckIn(conversation_id=here, flow="household_check_in", due_at=now, state=state, made_at=began))
        cases.add_task(db, here, "call", "opted_out", now, now)
    return f"/console/people/{here}/case"


@pytest.mark.parametrize("look", LOOKS, ids=["phone", "desk"])
def test_it_is_accessible_as_a_case(demo: Demo, open_page: OpenPage, look: dict[str, Any]) -> None:
    rosa = make_staff(demo.runtime, "rosa@example.org", teams=["housing"])
    address = full_case(demo, rosa)
    cookie = signed_in(demo.app, rosa).get_cookie(demo.app.config["SESSION_COOKIE_NAME"])
    assert cookie
    kept = {"name": cookie.key, "value": cookie.value, "domain": "127.0.0.1", "path": "/"}
    page = open_page(address, storage_state={"cookies": [kept], "origins": []}, **look, **STILL)
    expect(page.get_by_role("heading", name="Case of Ada Brown")).to_be_visible()
    expect(page.get_by_role("img", name="The case over time")).to_be_visible()
    for fold in page.locator("main details summary").all():
        fold.click()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_it_shows_a_refused_form_open_with_what_was_typed(demo: Demo, open_page: OpenPage) -> None:
    rosa = make_staff(demo.runtime, "rosa@example.org", teams=["housing"])
    address = full_case(demo, rosa)
    cookie = signed_in(demo.app, rosa).get_cookie(demo.app.config["SESSION_COOKIE_NAME"])
    assert cookie
    kept = {"name": cookie.key, "value": cookie.value, "domain": "127.0.0.1", "path": "/"}
    page = open_page(address, storage_state={"cookies": [kept], "origins": []}, **STILL)
    page.get_by_text("Write down a meeting").click()
    page.get_by_label("Note", exact=True).fill("She has a court date")
    page.locator("section[aria-labelledby=met] details button").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose how you met")
    expect(page.get_by_label("Note", exact=True)).to_have_value("She has a court date")
