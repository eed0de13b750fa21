"""The page of a case: only for staff who may see the person; each view and act is audited, and nothing typed is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from bot.domain.cases import DAYS, MEASURE_NAMES
from bot.storage import erasures, referrals
from bot.storage.cases import cases
from bot.storage.tables.cases import CaseFile, CaseTask, Encounter, Measure, Need
from bot.storage.tables.directory import Organization, Service
from bot.storage.tables.residents import CheckIn, Consent, Conversation, Erasure
from bot.storage.tables.staff import Audit
from tests.support.clock import MONDAY_MORNING
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo
from tests.support.people import PersonIds, make_person


@pytest.fixture
def ada(demo: Demo) -> PersonIds:
    with demo.db() as db:
        return make_person(db, demo.runtime.context.sealer, name="Ada Brown", at=demo.runtime.clock.now())


def url(made: PersonIds, path: str = "") -> str:
    return f"/console/people/{made.conversation}/case{path}"


def see(browser: FlaskClient, made: PersonIds) -> str:
    page = browser.get(url(made))
    assert page.status_code == 200, page.text
    return page_text(page)


def kept(browser: FlaskClient, made: PersonIds, path: str, **fields: str) -> None:
    """Post a form of the page that must be accepted."""
    answer = post(browser, url(made, path), **fields)
    assert answer.status_code == 303, page_text(answer)


def refused(browser: FlaskClient, made: PersonIds, path: str, **fields: str) -> str:
    """Post a form that must be refused; the page that says so."""
    answer = post(browser, url(made, path), **fields)
    assert answer.status_code == 422, page_text(answer)
    return answer.text


def audits(demo: Demo, act: str) -> list[Audit]:
    with demo.db() as db:
        return list(db.scalars(select(Audit).where(Audit.act == act).order_by(Audit.id)))


# -- who may look --


def test_it_sends_visitors_who_are_not_signed_in_to_the_sign_in(demo: Demo, ada: PersonIds) -> None:
    assert demo.browser().get(url(ada)).status_code == 303


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_it_is_closed_to_staff_who_do_not_follow_up(demo: Demo, ada: PersonIds, role: str) -> None:
    outsider = signed_in(demo.app, make_staff(demo.runtime, "io@example.org", [role], ["housing"]))
    assert outsider.get(url(ada)).status_code == 403
    assert post(outsider, url(ada, "/open")).status_code == 403
    assert demo.count(CaseFile) == 0


def test_it_looks_the_same_for_other_teams_people_and_for_unknown_ones(demo: Demo, browser: FlaskClient) -> None:
    with demo.db() as db:
        theirs = make_person(db, demo.runtime.context.sealer, team="crisis")
    pages = [browser.get(f"/console/people/{number}/case") for number in (theirs.conversation, 9999)]
    assert [page.status_code for page in pages] == [404, 404]
    assert page_text(pages[0]) == page_text(pages[1])


FORMS = ["open", "take", "close", "needs", "needs/1/close", "encounters", "tasks", "tasks/1/done", "measures", "consents"]


def test_it_changes_nothing_for_those_who_may_not_see_the_person(demo: Demo, browser: FlaskClient) -> None:
    with demo.db() as db:
        theirs = make_person(db, demo.runtime.context.sealer, team="crisis")
        case = cases.lock_or_open(db, theirs.person, demo.runtime.clock.now())
        cases.open_need(db, case.id, "stress", demo.runtime.clock.now())
        cases.add_task(db, theirs.conversation, "call", None, MONDAY_MORNING, MONDAY_MORNING)
    fields = {"outcome": "met", "code": "stress", "mode": "phone", "at": "2026-03-02T09:00", "kind": "call",
              "due": "2026-12-01", "day": "0", "safe": "yes", "scope": "survey", "choice": "agreed"}  # fmt: skip
    assert {post(browser, url(theirs, f"/{path}"), **fields).status_code for path in FORMS} == {404}
    counts = [demo.count(table) for table in (CaseFile, Need, CaseTask, Encounter, Measure, Consent)]
    assert counts == [1, 1, 1, 0, 0, 0]
    assert demo.count(CaseTask, CaseTask.done_at.is_not(None)) == demo.count(Need, Need.closed_at.is_not(None)) == 0


def test_it_refuses_a_forged_form(browser: FlaskClient, ada: PersonIds) -> None:
    assert {browser.post(url(ada, f"/{path}"), data={"outcome": "met"}).status_code for path in FORMS} == {400}


def test_it_does_not_touch_the_task_of_another_person(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    with demo.db() as db:
        other = make_person(db, demo.runtime.context.sealer, "+13145550177", team="crisis")
        task = cases.add_task(db, other.conversation, "call", None, MONDAY_MORNING, MONDAY_MORNING)
    assert "no such task" in refused(browser, ada, f"/tasks/{task}/done")
    assert demo.count(CaseTask, CaseTask.done_at.is_(None)) == 1


# -- the page --


def test_it_audits_the_view(demo: Demo, browser: FlaskClient, rosa: int, ada: PersonIds) -> None:
    page = see(browser, ada)
    assert "Case of Ada Brown" in page
    assert "No case yet" in page
    assert [(row.staff_id, row.conversation_id) for row in audits(demo, "read_case")] == [(rosa, ada.conversation)]


def test_it_is_reached_from_the_persons_page(browser: FlaskClient, ada: PersonIds) -> None:
    assert f'href="{url(ada)}"' in browser.get(f"/console/people/{ada.conversation}").text


def test_it_draws_the_needs_and_says_the_same_in_words(browser: FlaskClient, ada: PersonIds) -> None:
    kept(browser, ada, "/open")
    kept(browser, ada, "/needs", code="utility-insecurity")
    page = browser.get(url(ada)).text
    assert page.count('class="need need-open"') == 1
    assert "Lights, heat or water: open, From" in page


def test_it_shows_what_happened_around_the_case(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    now = demo.runtime.clock.now()
    with demo.db() as db:
        service = db.scalars(select(Service).order_by(Service.id)).first()
        assert service
        referrals.add_offered(db, ada.conversation, "rent", None, [service.id], now)
        db.add(CheckIn(conversation_id=ada.conversation, flow="household_check_in", due_at=None, state="dropped",
                       planned_for=now, made_at=now, reason="opted_out"))  # fmt: skip
        db.add(Consent(conversation_id=ada.conversation, scope="followup", choice="agreed", method="flow", source="x/y@1",
                       language="en", at=now))  # fmt: skip
        name = service.name
    page = browser.get(url(ada))
    for words in (name, "Waiting to hear", "Not asked", "They asked us not to text them.", "Holds"):
        assert words in page_text(page) or words in page.text.replace("&#39;", "'"), words


def test_it_counts_the_conversations_of_another_team_and_shows_nothing_of_them(
    demo: Demo, browser: FlaskClient, ada: PersonIds
) -> None:
    now = demo.runtime.clock.now()
    with demo.db() as db:
        hidden = make_person(db, demo.runtime.context.sealer, "+13145550188", team="crisis")
        db.execute(update(Conversation).values(person_id=ada.person))
        sealed = demo.runtime.context.sealer.seal("Ask about the shelter")
        cases.add_task(db, hidden.conversation, "other", None, now, now, sealed_what=sealed)
    page = see(browser, ada)
    assert "1 more conversation of this person" in page
    assert "Ask about the shelter" not in page
    assert "Ask about the shelter" not in see(browser, hidden)
    task = post(browser, url(hidden, "/tasks"), kind="call", due=local(demo)[:10])
    consent = post(browser, url(hidden, "/consents"), scope="survey", choice="agreed")
    assert task.status_code == consent.status_code == 404


def test_it_leaves_a_task_alone_that_another_team_has(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    now = demo.runtime.clock.now()
    with demo.db() as db:
        hidden = make_person(db, demo.runtime.context.sealer, "+13145550188", team="crisis")
        db.execute(update(Conversation).values(person_id=ada.person))
        task = cases.add_task(db, hidden.conversation, "call", "silent", now, now)
    assert "no such task" in refused(browser, ada, f"/tasks/{task}/done")
    follow_up = f"/console/people/{ada.conversation}/follow-up/tasks/{task}/done"
    assert post(browser, follow_up).status_code == 422
    assert demo.count(CaseTask, CaseTask.done_at.is_not(None)) == 0


def test_it_shows_nothing_of_a_deleted_person(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    with demo.db() as db:
        erasure = Erasure(conversation_id=ada.conversation, asked_at=demo.runtime.clock.now())
        db.add(erasure)
        db.flush()
        erasures.erase(db, demo.runtime.context.sealer, erasure, demo.runtime.clock.now())
    assert browser.get(url(ada)).status_code == 404
    assert post(browser, url(ada, "/open")).status_code == 404


# -- what is recorded --


def test_it_keeps_a_case_from_its_opening_to_its_end(demo: Demo, browser: FlaskClient, rosa: int, ada: PersonIds) -> None:
    kept(browser, ada, "/open")
    assert "you keep it" in see(browser, ada)
    kept(browser, ada, "/needs", code="housing-instability")
    kept(browser, ada, "/needs/1/close", outcome="met")
    kept(browser, ada, "/close", outcome="steady")
    page = see(browser, ada)
    assert "the household is steady" in page
    assert "Open a new case" in page
    acts = ("case_opened", "need_opened", "need_closed", "case_closed")
    assert [[(row.staff_id, row.detail) for row in audits(demo, act)] for act in acts] == [
        [(rosa, "")], [(rosa, "housing-instability")], [(rosa, "need 1: met")], [(rosa, "steady")],
    ]  # fmt: skip


def test_it_lets_a_colleague_take_a_case(demo: Demo, browser: FlaskClient, rosa: int, ada: PersonIds) -> None:
    kept(browser, ada, "/open")
    sam = make_staff(demo.runtime, "sam@example.org", teams=["housing"])
    hers = signed_in(demo.app, sam)
    assert "Rosa Ortiz keeps it now" in see(hers, ada)
    kept(hers, ada, "/take")
    assert demo.count(CaseFile, CaseFile.owner_id == sam) == 1
    assert [row.detail for row in audits(demo, "case_taken")] == [f"from {rosa}"]


def test_it_seals_the_note_of_a_meeting(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    kept(browser, ada, "/open")
    kept(browser, ada, "/encounters", mode="home_visit", at=local(demo), minutes="40", note="The <b>landlord</b> agreed")
    page = browser.get(url(ada)).text
    assert "The &lt;b&gt;landlord&lt;/b&gt; agreed" in page
    assert "40 min" in page
    with demo.db() as db:
        assert "landlord" not in str(db.scalars(select(Encounter.sealed_note)).one())
    assert [row.detail for row in audits(demo, "encounter_recorded")] == ["home_visit"]


def local(demo: Demo) -> str:
    now = demo.runtime.clock.now().astimezone(demo.runtime.settings.timezone)
    return now.replace(tzinfo=None).isoformat(timespec="minutes")


def test_it_loses_nothing_of_a_note_that_is_refused(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    kept(browser, ada, "/open")
    good = {"mode": "phone", "at": local(demo), "minutes": "", "note": "She has a court date"}
    for name, typed, why in (
        ("mode", "", "Choose how you met"),
        ("at", "yesterday", "Say when it was"),
        ("at", "0001-01-01T10:00", "more than a year ago"),
        ("at", "2099-01-01T10:00", "still to come"),
        ("at", "9999-12-31T23:59", "Say when it was"),
        ("mode", "\0", "Choose how you met"),
        ("minutes", "an hour", "Minutes are a number"),
    ):
        page = refused(browser, ada, "/encounters", **(good | {name: typed}))
        assert why in page
        assert "She has a court date" in page
    assert demo.count(Encounter) == 0


def test_it_keeps_a_task_until_it_is_done(demo: Demo, browser: FlaskClient, rosa: int, ada: PersonIds) -> None:
    kept(browser, ada, "/tasks", kind="call", body="Ask about the form", due=local(demo)[:10], mine="1")
    assert "Ask about the form" in see(browser, ada)
    kept(browser, ada, "/tasks/1/done")
    assert demo.count(CaseTask, CaseTask.done_by == rosa, CaseTask.staff_id == rosa) == 1
    assert "done already" in refused(browser, ada, "/tasks/1/done")
    assert [row.detail for row in audits(demo, "task_added")] == ["task 1: call"]


def test_it_refuses_a_task_for_a_day_that_is_over(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    page = refused(browser, ada, "/tasks", kind="other", body="Bring the key", due="2020-01-01")
    assert "That day is over" in page
    assert "Bring the key" in page


def test_it_shows_the_measures_by_day(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    kept(browser, ada, "/open")
    kept(browser, ada, "/measures", day="0", housed="yes", safe="declined")
    page = see(browser, ada)
    for words in (*(f"Day {day}" for day in DAYS), *MEASURE_NAMES.values(), "Yes Rosa", "Would not say Rosa"):
        assert words in page
    assert [row.detail for row in audits(demo, "measure_recorded")] == ["day 0: housed, safe"]


def test_it_refuses_measures_that_cannot_be_known_yet(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    kept(browser, ada, "/open")
    ahead = {"day": "60", "safe": "yes"}
    for fields in ({"day": "0"}, ahead, {"day": "x", "safe": "yes"}, {"day": "0", "safe": "so"}):
        refused(browser, ada, "/measures", **fields)
    assert demo.count(Measure) == 0


def test_it_records_what_the_person_agreed_to(demo: Demo, browser: FlaskClient, rosa: int, ada: PersonIds) -> None:
    kept(browser, ada, "/consents", scope="followup", choice="agreed")
    kept(browser, ada, "/consents", scope="followup", choice="withdrawn")
    page = see(browser, ada)
    assert "Took it back:" in page
    assert "told Rosa Ortiz" in page
    assert "Holds" not in page
    assert [row.detail for row in audits(demo, "consent_recorded")] == ["followup: agreed", "followup: withdrawn"]


def test_it_requires_an_end_date_for_sharing_with_an_agency(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    now = demo.runtime.clock.now()
    with demo.db() as db:
        agency = Organization(source="city", key="Lights-1", name="Heat Fund", details={}, updated_at=now)
        db.add(agency)
        db.flush()
        service = db.scalars(select(Service).order_by(Service.id)).first()
        assert service
        service.organization_id = agency.id
        referrals.add_offered(db, ada.conversation, "utilities", None, [service.id], now)
    assert "Sharing with Heat Fund" in see(browser, ada)
    share = {"scope": "share:city/Lights-1", "choice": "agreed"}
    assert "until when" in refused(browser, ada, "/consents", **share)
    assert "more than a year" in refused(browser, ada, "/consents", until="2099-01-01", **share)
    kept(browser, ada, "/consents", until=(now + timedelta(days=90)).date().isoformat(), **share)
    assert "sharing with Heat Fund Holds" in see(browser, ada)


def test_it_loses_no_note_where_the_case_was_closed_meanwhile(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    page = refused(browser, ada, "/encounters", mode="phone", at=local(demo), note="She has a court date")
    assert "There is no open case" in page
    assert "She has a court date" in page
    assert [row.detail for row in audits(demo, "refused")] == ["encounter_recorded: no_case"]
