"""The supervisor's board as a page."""

from __future__ import annotations

import re

import pytest

from bot.domain.safety.levels import Urgency
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import Audit
from tests.support.console import page_text, post
from tests.support.supervisors import Office, call_for_human, record_call_out, record_claim


def wait_for(office: Office, minutes: float, team: str = "housing", urgency: Urgency = Urgency.MINUTES) -> int:
    with office.demo.db() as db:
        number = f"+1314555{office.demo.count(Handoff):04}"
        return call_for_human(db, office.runtime.context.sealer, number, office.minutes_ago(minutes), urgency, team)


def test_it_says_calmly_that_no_one_waits(office: Office) -> None:
    page = office.browser(office.supervisor).get("/console/board")
    assert page.status_code == 200
    assert "Nobody waits" in page_text(page)
    assert "No call for a person in this time." in page_text(page)


def test_it_shows_the_limit_passed_in_words(office: Office) -> None:
    number = wait_for(office, 9)
    with office.demo.db() as db:
        record_call_out(db, number, office.worker, office.minutes_ago(9), "missed")
    words = page_text(office.browser(office.supervisor).get("/console/board"))
    assert "1 over the limit" in words
    assert "over by 4 min" in words
    assert "Wanda Ortiz did not answer" in words


@pytest.mark.parametrize("role", ["worker", "admin", "auditor"])
def test_it_is_for_supervisors_only(office: Office, role: str) -> None:
    assert office.browser(getattr(office, role)).get("/console/board").status_code == 403
    assert office.browser(getattr(office, role)).get("/console/board/news").status_code == 403


def test_it_audits_who_viewed_it(office: Office) -> None:
    office.browser(office.supervisor).get("/console/board")
    assert office.demo.count(Audit, Audit.act == "read_board", Audit.staff_id == office.supervisor) == 1


def test_it_explains_each_figure(office: Office) -> None:
    first, second = wait_for(office, 20), wait_for(office, 20)
    with office.demo.db() as db:
        record_claim(db, first, office.worker, office.minutes_ago(18))
        record_claim(db, second, office.worker, office.minutes_ago(1))
    words = page_text(office.browser(office.supervisor).get("/console/board"))
    assert "50 % (1 of 2)" in words
    assert "Numerator: calls taken within what was promised. Denominator:" in words
    assert "waited 19 min" in words


def test_it_draws_the_waits_without_inline_styles(office: Office) -> None:
    wait_for(office, 30)
    page = office.browser(office.supervisor).get("/console/board").text
    assert len(re.findall(r'<rect class="bar-median"', page)) == 1
    assert "style=" not in page
    assert "NaN" not in page


def test_it_takes_over_from_the_board(office: Office) -> None:
    number = wait_for(office, 9)
    browser = office.browser(office.supervisor)
    assert f"/console/handoffs/{number}/take-over" in browser.get("/console/board").text
    answer = post(browser, f"/console/handoffs/{number}/take-over", sure="1")
    assert answer.status_code in (200, 303)
    with office.demo.db() as db:
        assert db.get_one(Handoff, number).owner_id == office.supervisor


def test_it_links_to_nothing_that_would_be_refused(office: Office) -> None:
    number = wait_for(office, 9, team="counseling")
    page = office.browser(office.supervisor).get("/console/board")
    assert f"/console/handoffs/{number}" not in page.text
    assert "It belongs to a team that you are not in" in page_text(page)


def test_it_gives_its_script_the_part_that_changes(office: Office) -> None:
    browser = office.browser(office.supervisor)
    wait_for(office, 9)
    fresh = browser.get("/console/board/news", headers={"Accept": "application/json"}).json
    assert fresh is not None
    assert "over by 4 min" in fresh["parts"]["board"]
    assert fresh["seen"] in browser.get("/console/board").text


def test_it_shows_no_word_of_a_person(office: Office) -> None:
    number = wait_for(office, 9)
    with office.demo.db() as db:
        db.get_one(Handoff, number).sealed_because = office.runtime.context.sealer.seal("rent and nowhere to go")
    assert "nowhere to go" not in office.browser(office.supervisor).get("/console/board").text
