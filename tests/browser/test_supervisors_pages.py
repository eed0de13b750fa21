"""The supervisor's pages in a real browser: axe-core finds nothing, nothing overflows, and the board is live."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from bot.domain.safety.levels import Urgency
from bot.storage.staff import audits
from bot.storage.tables.residents import Handoff
from bot.usecases.handoff.ready_replies import ReadyReply, save, seed_if_empty
from tests.browser.conftest import SECONDS, OpenAs
from tests.browser.looks import ALL, PHONE, findings, is_too_wide, turn
from tests.support.demo import Demo
from tests.support.supervisors import Office, call_for_human, record_call_out, record_claim

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
def demo(office: Office) -> Demo:
    """The office's demo, with a person who waits, a person in a conversation, and rows for the pages to list."""
    with office.demo.db() as db:
        seed_if_empty(db, office.now)
        save(db, office.supervisor, ReadyReply("", "Bus pass", "", {"en": "I can send you one."}), [], office.now)
        audits.record(db, office.worker, "read_transcript", office.now, conversation_id=1)
    wait_for(office, "+13145550101", 9)
    with office.demo.db() as db:
        number = call_for_human(db, office.runtime.context.sealer, "+13145550102", office.minutes_ago(70))
        record_claim(db, number, office.worker, office.minutes_ago(60)).unanswered_since = office.minutes_ago(30)
    return office.demo


def wait_for(office: Office, number: str, minutes: float) -> int:
    with office.demo.db() as db:
        handoff = call_for_human(db, office.runtime.context.sealer, number, office.minutes_ago(minutes), Urgency.MINUTES)
        record_call_out(db, handoff, office.worker, office.minutes_ago(minutes), "passed")
    return handoff


@pytest.mark.parametrize("path", PAGES)
def test_it_is_accessible_on_every_page(office: Office, open_as: OpenAs, path: str) -> None:
    page = open_as(getattr(office, PAGES[path]), path, **PHONE.size)
    page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true })")
    for look in ALL:
        turn(page, look)
        assert (look, findings(page), is_too_wide(page)) == (look, [], False)


def test_it_shows_a_new_person_on_the_open_board_and_takes_over(office: Office, open_as: OpenAs) -> None:
    page = open_as(office.supervisor, "/console/board")
    expect(page.locator("[data-row^=wait-]")).to_have_count(1)
    fresh = wait_for(office, "+13145550103", 1)
    card = page.locator(f"[data-row=wait-{fresh}]")
    expect(card).to_be_visible(timeout=5 * SECONDS)
    card.get_by_text("Take over").first.click()
    card.get_by_role("button").click()
    page.wait_for_url("**/console/handoffs/**")
    with office.demo.db() as db:
        assert db.get_one(Handoff, fresh).owner_id == office.supervisor
