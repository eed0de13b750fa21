"""The inbox: who sees whom, in which order, and that asking for news costs little and reveals nothing."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import Audit, CallOut
from bot.web.console import inbox, news
from tests.support.console import make_staff, page_text, signed_in
from tests.support.demo import Demo
from tests.support.people import PersonIds, make_person, make_text


def person(demo: Demo, number: int, team: str = "housing", name: str = "", minutes: int = 1, **changes: Any) -> PersonIds:
    """A person for whom a human was called some minutes ago."""
    at = demo.runtime.clock.now() - timedelta(minutes=minutes)
    with demo.db() as db:
        made = make_person(db, demo.runtime.context.sealer, f"+1314555{number:04}", team=team, name=name, at=at)
        for field, value in changes.items():
            setattr(db.get(Handoff, made.handoff), field, value)
    return made


def rosa(demo: Demo, **fields: Any) -> tuple[int, FlaskClient]:
    number = make_staff(demo.runtime, teams=["housing"], **fields)
    return number, signed_in(demo.app, number)


def sections(page: str) -> dict[str, list[int]]:
    """Heading -> the handoffs under it, in their order."""
    parts = re.findall(r'aria-labelledby="(\w+)"(.*?)</section>', page, re.DOTALL)
    return {name: [int(each) for each in re.findall(r'data-row="entry-(\d+)"', body)] for name, body in parts}


def ask(browser: FlaskClient, page: str, seen: str | None = None) -> int:
    """The status of the response to the page's script."""
    found = re.search(r'data-seen="([^"]*)" data-pass="([^"]*)"', page)
    assert found
    query = {"seen": found[1] if seen is None else seen}
    return browser.get("/console/news", query_string=query, headers={"X-Pass": found[2]}).status_code


def test_it_sorts_by_urgency_and_then_by_how_long_they_wait(demo: Demo) -> None:
    _, browser = rosa(demo)
    late = person(demo, 1, minutes=50, urgency="routine")
    newer, older = person(demo, 2, minutes=3, urgency="now"), person(demo, 3, minutes=9, urgency="now")
    assert sections(browser.get("/console").text) == {"waiting": [older.handoff, newer.handoff, late.handoff]}


def test_it_puts_each_handoff_under_its_heading(demo: Demo) -> None:
    me, browser = rosa(demo)
    sam = make_staff(demo.runtime, "sam@example.org", teams=["housing"])
    mine = person(demo, 1, state="with_human", owner_id=me)
    offered = person(demo, 2, state="claimed", owner_id=sam, offered_to_id=me)
    others = person(demo, 3, state="claimed", owner_id=sam)
    back = person(demo, 4, state="handed_back", owner_id=me)
    person(demo, 5, state="closed", owner_id=me)
    found = sections(browser.get("/console").text)
    assert found == {
        "offered": [offered.handoff], "mine": [mine.handoff], "others": [others.handoff], "handed_back": [back.handoff],
    }  # fmt: skip


def test_it_puts_people_who_wait_in_danger_above_everything(demo: Demo) -> None:
    me, browser = rosa(demo)
    person(demo, 1, state="with_human", owner_id=me)
    person(demo, 2, urgency="minutes")
    assert list(sections(browser.get("/console").text)) == ["mine", "waiting"]
    person(demo, 3, urgency="now")
    assert list(sections(browser.get("/console").text)) == ["waiting", "mine"]


def test_it_shows_another_teams_handoff_only_to_those_alerted_for_it(demo: Demo) -> None:
    me, browser = rosa(demo)
    hidden, called = person(demo, 1, "crisis"), person(demo, 2, "crisis")
    anyone = person(demo, 3, "anyone", minutes=0)
    with demo.db() as db:
        db.add(CallOut(handoff_id=called.handoff, staff_id=me, tier=1, raised_at=demo.runtime.clock.now()))
    page = browser.get("/console").text
    assert sections(page) == {"waiting": [called.handoff, anyone.handoff]}
    assert f"Person {hidden.conversation}" not in page


def test_it_names_no_number_and_no_words_of_theirs(demo: Demo) -> None:
    _, browser = rosa(demo)
    made = person(demo, 42, name="Ana Lopez")
    with demo.db() as db:
        make_text(db, demo.runtime.context.sealer, made.conversation, "he took my keys", demo.runtime.clock.now())
    page = browser.get("/console").text
    assert f"Person {made.conversation}, Ana" in page
    assert not any(secret in page for secret in ("Lopez", "5550042", "keys"))


def test_it_says_how_late_it_is_who_is_called_and_what_the_worker_must_know(demo: Demo) -> None:
    me, browser = rosa(demo)
    now = demo.runtime.clock.now()
    made = person(
        demo, 1, state="alerted", tier=2, urgency="now", reason="danger", dangers=["self_harm"], reachable=False,
        limit_at=now - timedelta(minutes=3, seconds=5),
    )  # fmt: skip
    with demo.db() as db:
        db.add(CallOut(handoff_id=made.handoff, staff_id=me, tier=2, raised_at=now))
    words = page_text(browser.get("/console"))
    for sentence in (
        "over by 3 min", "Call 2: Rosa Ortiz is being called", "heard danger: Self-harm", "Texts are blocked: phone",
        "You are being called",
    ):  # fmt: skip
        assert sentence in words


def test_it_is_narrowed_by_plain_links(demo: Demo) -> None:
    _, browser = rosa(demo)
    english, spanish = person(demo, 1, minutes=9), person(demo, 2, "anyone", language="es")
    assert 'href="/console?language=es"' in browser.get("/console").text
    assert sections(browser.get("/console?language=es").text) == {"waiting": [spanish.handoff]}
    assert sections(browser.get("/console?team=housing").text) == {"waiting": [english.handoff]}
    assert "Nobody in this choice" in browser.get("/console?team=housing&language=es").text


def test_it_is_calm_when_no_one_waits(demo: Demo) -> None:
    _, browser = rosa(demo)
    assert "Nobody waits" in browser.get("/console").text


def test_it_is_closed_to_admins_and_auditors_and_audits_who_viewed_it(demo: Demo) -> None:
    me, browser = rosa(demo)
    admin = signed_in(demo.app, make_staff(demo.runtime, "admin@example.org", ["admin"]))
    assert (admin.get("/console").status_code, browser.get("/console").status_code) == (403, 200)
    assert demo.count(Audit, Audit.staff_id == me, Audit.act == "read_inbox") == 1


def test_it_gives_its_script_the_list_and_who_calls(demo: Demo) -> None:
    me, browser = rosa(demo)
    waiting = person(demo, 1, urgency="now")
    person(demo, 2, state="claimed", owner_id=me)
    answer = browser.get("/console/inbox/news", headers={"Accept": "application/json"}).get_json()
    assert answer["waiting"] == [[waiting.handoff, "Now"]]
    assert f'data-row="entry-{waiting.handoff}"' in answer["parts"]["list"]


# -- is there news? --


def test_it_answers_204_until_something_changes(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "READ_INTERVAL", 0.0)
    _, browser = rosa(demo)
    page = browser.get("/console").text
    assert ask(browser, page) == 204
    made = person(demo, 1)
    assert ask(browser, page) == 200
    page = browser.get("/console").text
    with demo.db() as db:
        db.get_one(Handoff, made.handoff).updated_at += timedelta(seconds=1)
    assert ask(browser, page) == 200


def test_it_sees_a_change_that_was_committed_late_with_an_earlier_time(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "READ_INTERVAL", 0.0)
    _, browser = rosa(demo)
    slow = person(demo, 1, minutes=9)
    person(demo, 2, minutes=0)
    page = browser.get("/console").text
    with demo.db() as db:
        db.get_one(Handoff, slow.handoff).updated_at += timedelta(minutes=1)
    assert ask(browser, page) == 200


def test_it_is_in_no_hurry_with_claimed_handoffs(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "READ_INTERVAL", 0.0)
    me, browser = rosa(demo)
    held = person(demo, 1, state="with_human", owner_id=me)
    page = browser.get("/console").text
    with demo.db() as db:
        db.get_one(Handoff, held.handoff).updated_at += timedelta(seconds=1)
    assert ask(browser, page) == 202
    with demo.db() as db:
        db.get_one(Handoff, held.handoff).offered_to_id = me
    assert ask(browser, page) == 200


def test_it_stays_light_when_many_are_with_others(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_CARDS", 2)
    _, browser = rosa(demo)
    sam = make_staff(demo.runtime, "sam@example.org", teams=["housing"])
    for number in range(3):
        person(demo, number, state="claimed", owner_id=sam)
    page = browser.get("/console").text
    assert len(sections(page)["others"]) == 2 and "Show all 3" in page
    assert len(sections(browser.get("/console?all=1").text)["others"]) == 3


def test_it_needs_no_session_for_the_question_and_leaves_none(demo: Demo) -> None:
    _, browser = rosa(demo)
    page = browser.get("/console").text
    assert ask(demo.browser(), page) == 204
    found = re.search(r'data-pass="([^"]*)"', page)
    assert found
    answer = browser.get("/console/news", headers={"X-Pass": found[1]})
    assert "Set-Cookie" not in answer.headers and answer.data == b""


def test_it_refuses_a_pass_that_is_forged_or_too_old(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    _, browser = rosa(demo)
    page = browser.get("/console").text
    for value in ("", "WzEsMF0.aaaa.bbbb"):
        assert browser.get("/console/news", headers={"X-Pass": value}).status_code == 410
    monkeypatch.setattr(news, "PASS_SECONDS", -1)
    assert ask(browser, page) == 410


def test_it_ends_for_staff_who_were_signed_out(demo: Demo) -> None:
    assert demo.browser().get("/console/inbox/news", headers={"Accept": "application/json"}).status_code == 401


class Readings:
    """What the database would return, and how often it was asked."""

    def __init__(self) -> None:
        self.count, self.fails, self.now = 0, False, 1000.0

    def read(self, handoff_ids: Any) -> tuple[str, dict[int, str]]:
        self.count += 1
        if self.fails:
            raise OperationalError("select", {}, Exception("away"))
        return f"inbox {self.count}", {each: f"case {self.count}" for each in handoff_ids if each < 90}

    def clock(self) -> float:
        return self.now


def test_it_asks_the_database_once_for_all_pages() -> None:
    readings = Readings()
    watch = news.VersionCache(readings.read, readings.clock)
    watch.version(0)
    threads = [threading.Thread(target=watch.version, args=(0,)) for _ in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert readings.count == 1
    readings.now += news.READ_INTERVAL
    assert [watch.version(0) for _ in range(5)] == ["inbox 2"] * 5


def test_it_reads_for_a_page_at_its_first_question_and_for_all_pages_together() -> None:
    readings = Readings()
    watch = news.VersionCache(readings.read, readings.clock)
    assert [watch.version(0), watch.version(7), watch.version(8)] == ["inbox 1", "case 2", "case 3"]
    readings.now += news.READ_INTERVAL
    assert [watch.version(7), watch.version(8), watch.version(0)] == ["case 4", "case 4", "inbox 4"]
    assert [watch.version(99), watch.version(99)] == ["", ""]


def test_it_says_so_while_the_database_is_away_and_does_not_hammer_it() -> None:
    readings = Readings()
    watch = news.VersionCache(readings.read, readings.clock)
    watch.version(0)
    readings.now, readings.fails = readings.now + news.READ_INTERVAL, True
    assert [watch.version(0), watch.version(0), watch.version(7)] == [None, None, None]
    assert readings.count == 2
    readings.now, readings.fails = readings.now + news.READ_INTERVAL, False
    assert watch.version(0) == "inbox 3"
