"""The pages of ready replies."""

from __future__ import annotations

import pytest

from bot.storage.tables.staff import StoredReadyReply
from bot.usecases.handoff.ready_replies import seed_if_empty
from tests.support.console import page_text, post
from tests.support.supervisors import Office

PAGE = "/console/replies"


@pytest.fixture
def office(office: Office) -> Office:
    with office.demo.db() as db:
        seed_if_empty(db, office.now)
    return office


def test_it_shows_languages_side_by_side_with_what_they_cost(office: Office) -> None:
    words = page_text(office.browser(office.worker).get(PAGE))
    assert "What is your ZIP code?" in words
    assert "¿Cuál es su código postal?" in words
    assert "1 segment" in words
    assert "missing in" not in words
    assert "Add a reply" not in words


@pytest.mark.parametrize(("role", "status"), [("worker", 200), ("supervisor", 200), ("admin", 200), ("auditor", 403)])
def test_it_is_for_social_workers_and_those_who_maintain_it(office: Office, role: str, status: int) -> None:
    assert office.browser(getattr(office, role)).get(PAGE).status_code == status


@pytest.mark.parametrize("path", ["/new", "/zip/edit", "/zip/remove"])
def test_it_lets_no_social_worker_change_one(office: Office, path: str) -> None:
    answer = post(office.browser(office.worker), PAGE + path, title="x", body_en="x")
    assert answer.status_code == 403
    assert "not" in page_text(answer)


def test_it_adds_one_and_warns_of_the_missing_language(office: Office) -> None:
    browser = office.browser(office.supervisor)
    answer = post(browser, f"{PAGE}/new", title="Bus pass", team="housing", body_en="I can send you a bus pass.", body_es="")
    assert answer.status_code == 303
    words = page_text(browser.get(PAGE))
    assert "1 reply is missing in Spanish" in words
    assert "\u201cBus pass\u201d was saved" in words


def test_it_keeps_all_that_was_typed_when_something_is_wrong(office: Office) -> None:
    answer = post(
        office.browser(office.admin), f"{PAGE}/new", title="", body_en="Long and careful words.", body_es="Hola <b>"
    )
    assert answer.status_code == 422
    assert "Give it a short title" in page_text(answer)
    assert "Long and careful words." in answer.text
    assert "Hola &lt;b&gt;" in answer.text
    assert office.demo.count(StoredReadyReply, StoredReadyReply.body.like("Long%")) == 0


def test_it_changes_and_removes_one(office: Office) -> None:
    browser = office.browser(office.admin)
    assert "What is your ZIP code?" in browser.get(f"{PAGE}/zip/edit").text
    post(browser, f"{PAGE}/zip/edit", title="ZIP", body_en="Your ZIP code?", body_es="¿Su código postal?")
    assert "Your ZIP code?" in browser.get(PAGE).text
    post(browser, f"{PAGE}/zip/remove")
    assert office.demo.count(StoredReadyReply, StoredReadyReply.slug == "zip") == 0
    assert browser.get(f"{PAGE}/zip/edit").status_code == 303


def test_it_says_when_a_reply_is_hard_to_read_or_costly(office: Office) -> None:
    hard = (
        "Notwithstanding administrative eligibility determinations, documentation requirements necessitate verification. "
        * 4
    )
    browser = office.browser(office.supervisor)
    post(browser, f"{PAGE}/new", title="Hard", body_en=hard + "\u2603")
    words = page_text(browser.get(PAGE))
    assert "hard to read: reading grade" in words
    assert "has a letter that makes each segment 70 characters" in words
