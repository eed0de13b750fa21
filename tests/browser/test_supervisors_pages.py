"""The supervisor's pages in a real browser: axe-core finds nothing, nothing sticks out, and the board is live."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bot.domain.safety.levels import Urgency
from bot.settings import Settings
from bot.storage import audits
from bot.storage.tables import Handoff
from bot.usecases.canned_replies import Reply, keep, seed
from tests.browser.test_accessibility import SCHEMES, SIZES, STILL, findings
from tests.demo import serve
from tests.supervisors import Office, call_for_human, called, open_office, taken

pytestmark = pytest.mark.browser

PAGES = {
    "/console/board": "supervisor",
    "/console/staff": "admin",
    "/console/staff/1": "admin",
    "/console/teams": "admin",
    "/console/audit": "auditor",
    "/console/audit?person=x": "auditor",
    "/console/replies": "supervisor",
    "/console/replies/bus_pass/edit": "supervisor",
}


@pytest.fixture
def office(settings: Settings) -> Iterator[Office]:
    with open_office(settings) as opened:
        with opened.demo.db() as db:
            seed(db, opened.now)
            keep(db, opened.supervisor, Reply("", "Bus pass", "", {"en": "I can send you one."}), [], opened.now)
            audits.record(db, opened.worker, "read_transcript", opened.now, conversation_id=1)
        wait_for(opened, "+13145550101", 9)
        with opened.demo.db() as db:
            number = call_for_human(db, opened.runtime.desk.sealer, "+13145550102", opened.minutes_ago(70))
            taken(db, number, opened.worker, opened.minutes_ago(60)).unanswered_since = opened.minutes_ago(30)
        yield opened


def wait_for(office: Office, number: str, minutes: float) -> int:
    with office.demo.db() as db:
        handoff = call_for_human(db, office.runtime.desk.sealer, number, office.minutes_ago(minutes), Urgency.MINUTES)
        called(db, handoff, office.worker, office.minutes_ago(minutes), "passed")
    return handoff


def refusals(page: Page) -> list[str]:
    """What the Content-Security-Policy stops on this page, from now on."""
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    return refused


def enter(office: Office, chromium: Browser, address: str, role: str, **options: Any) -> Page:
    client = office.browser(getattr(office, role))
    cookie = client.get_cookie("warmline")
    assert cookie is not None
    context = chromium.new_context(base_url=address, **options)
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
    return context.new_page()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_is_accessible_on_every_page(office: Office, chromium: Browser, width: int, height: int, scheme: str) -> None:
    looks: dict[str, Any] = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, **STILL}
    with serve(office.demo.app) as address:
        for path, role in PAGES.items():
            page = enter(office, chromium, address, role, **looks)
            refused = refusals(page)
            page.goto(path)
            page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true })")
            assert (path, findings(page), refused) == (path, [], [])
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            page.context.close()


def test_it_shows_somebody_new_on_the_open_board_and_takes_over(office: Office, chromium: Browser) -> None:
    with serve(office.demo.app) as address:
        page = enter(office, chromium, address, "supervisor")
        page.goto("/console/board")
        expect(page.locator("[data-row^=wait-]")).to_have_count(1)
        fresh = wait_for(office, "+13145550103", 1)
        card = page.locator(f"[data-row=wait-{fresh}]")
        expect(card).to_be_visible()
        card.get_by_text("Take over").first.click()
        card.get_by_role("button").click()
        page.wait_for_url("**/console/handoffs/**")
        page.context.close()
    with office.demo.db() as db:
        assert db.get_one(Handoff, fresh).owner_id == office.supervisor
