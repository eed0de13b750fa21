"""The pages of the follow-up: what is due, for staff who may see it, and one person's check-ins, tasks and referrals."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from bot.domain.conversation.effects import ConsentChoice, ConsentMethod, RecordConsent
from bot.storage import referrals
from bot.storage.cases import cases
from bot.storage.check_ins import check_ins
from bot.storage.people import consents
from bot.storage.tables.cases import CaseTask
from bot.storage.tables.directory import Service
from bot.storage.tables.residents import CheckIn, Consent, Conversation, Person, Referral
from bot.storage.tables.staff import Audit
from bot.web.console.follow_up import drawing, words
from tests.support.clock import MONDAY_MORNING
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo
from tests.support.people import PersonIds, make_person

FLOW = "household_check_in"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def now(demo: Demo) -> datetime:
    return demo.runtime.clock.now()


@pytest.fixture
def ada(demo: Demo, now: datetime) -> PersonIds:
    """A person of the housing team's who agreed to check-ins."""
    made = someone(demo, now, name="Ada Brown")
    with demo.db() as db:
        said_so = RecordConsent(ConsentChoice.AGREED, ConsentMethod.FLOW, "followup", "x/y@1")
        consents.record(db, said_so, made.conversation, None, "en", now)
    return made


def someone(demo: Demo, now: datetime, number: str = "+13145550142", **fields: Any) -> PersonIds:
    with demo.db() as db:
        return make_person(db, demo.runtime.context.sealer, number, **{"state": "closed", "at": now, **fields})


def plan(demo: Demo, made: PersonIds, at: datetime, now: datetime, **more: Any) -> int:
    with demo.db() as db:
        [row] = check_ins.plan(db, made.conversation, FLOW, [at], now - 30 * DAY, **more)
        return row.id


def call(demo: Demo, made: PersonIds, due: datetime, **more: Any) -> int:
    with demo.db() as db:
        return cases.add_task(db, made.conversation, "call", "no_answer", due, due - DAY, **more)


def url(made: PersonIds, path: str = "") -> str:
    return f"/console/people/{made.conversation}/follow-up{path}"


def see(browser: FlaskClient, path: str = "/console/follow-up") -> str:
    page = browser.get(path)
    assert page.status_code == 200, page.text
    return page_text(page).replace("&#39;", "'")


def kept(browser: FlaskClient, made: PersonIds, path: str, **fields: str) -> str:
    """Post a form of the page that must be accepted; what the page says then."""
    answer = post(browser, url(made, path), **fields)
    assert answer.status_code == 303, page_text(answer)
    return see(browser, url(made))


def refused(browser: FlaskClient, made: PersonIds, path: str, **fields: str) -> str:
    """Post a form that must be refused; the page that says so."""
    answer = post(browser, url(made, path), **fields)
    assert answer.status_code == 422, page_text(answer)
    return answer.text.replace("&#39;", "'")


def acts(demo: Demo) -> list[tuple[str, str]]:
    """The audited acts, without views."""
    with demo.db() as db:
        rows = db.scalars(select(Audit).where(Audit.act != "read_follow_up").order_by(Audit.id))
        return [(row.act, row.detail or "") for row in rows]


# -- the lists --


def test_it_says_what_to_do_where_nothing_is_due(browser: FlaskClient) -> None:
    assert "Nothing is due" in see(browser)
    assert "Nothing of yours is due" in see(browser, "/console/follow-up?who=mine")
    assert "No check-in is late" in see(browser, "/console/follow-up?list=overdue")
    assert "Nothing is due" in see(browser, "/console/follow-up?list=x&page=99999999999999999999")


def test_it_sorts_what_is_due_into_lists_and_counts_them(
    demo: Demo, browser: FlaskClient, rosa: int, now: datetime, ada: PersonIds
) -> None:
    plan(demo, ada, now - HOUR, now)
    plan(demo, ada, now + 3 * DAY, now)
    plan(demo, ada, now + 30 * DAY, now)
    asked = plan(demo, ada, now - 2 * DAY, now)
    with demo.db() as db:
        check_ins.mark_asked(db, db.get_one(CheckIn, asked), now + HOUR, now - 23 * HOUR)
        services = list(db.scalars(select(Service.id).order_by(Service.id).limit(2)))
        referrals.add_offered(db, ada.conversation, "rent", None, services, now - 5 * DAY)
    call(demo, ada, now, staff_id=rosa)
    page = see(browser)
    for heading in ("To do 1", "Overdue check-ins 1", "Waiting for an answer 1", "Next 7 days 1", "without an outcome 1"):
        assert heading in page
    assert "Ada Person" in page and "Brown" not in page
    counts = browser.get("/console/follow-up/news").get_json()
    assert counts == {"tasks": 1, "overdue": 1, "asked": 1, "today": 0, "week": 1, "referrals": 1}
    assert [row.detail for row in looks(demo)] == ["all page 1"]


def looks(demo: Demo) -> list[Audit]:
    with demo.db() as db:
        return list(db.scalars(select(Audit).where(Audit.act == "read_follow_up").order_by(Audit.id)))


def test_it_shows_no_person_of_another_team(demo: Demo, browser: FlaskClient, now: datetime) -> None:
    theirs = someone(demo, now, team="crisis", name="Theo")
    plan(demo, theirs, now - HOUR, now)
    call(demo, theirs, now)
    assert "Nothing is due" in see(browser)


def test_it_shows_unalerted_work_to_all_without_words(demo: Demo, browser: FlaskClient, now: datetime) -> None:
    alone = someone(demo, now, team=None, name="Theo Lane")
    call(demo, alone, now, sealed_what=demo.runtime.context.sealer.seal("Ask about the fire"))
    for path in ("/console/follow-up", url(alone)):
        page = see(browser, path)
        assert "Call them" in page and f"Person {alone.conversation}" in page
        assert "Theo" not in page and "fire" not in page


def test_it_lists_ones_own(demo: Demo, browser: FlaskClient, rosa: int, now: datetime) -> None:
    other = make_staff(demo.runtime, "sam@example.org", teams=["housing"])
    mine, theirs = (someone(demo, now, f"+1314555017{n}", owner=who) for n, who in enumerate((rosa, other)))
    for made, who in ((mine, None), (theirs, None), (mine, other), (theirs, rosa)):
        call(demo, made, now, staff_id=who)
    page = see(browser, "/console/follow-up?who=mine&list=tasks")
    assert "To do 2" in page
    assert page.index(f"Person {theirs.conversation}") < page.index(f"Person {mine.conversation}")
    assert "To do 4" in see(browser, "/console/follow-up?list=tasks")


def test_it_turns_the_pages_of_a_long_list(demo: Demo, browser: FlaskClient, now: datetime, ada: PersonIds) -> None:
    for minute in range(28):
        call(demo, ada, now + timedelta(minutes=minute))
    assert "Show all 28" in see(browser)
    assert "Page 1 of 2" in see(browser, "/console/follow-up?list=tasks")
    last = browser.get("/console/follow-up?list=tasks&page=9").text
    assert "Page 2 of 2" in last and last.count("due-one") == 3


def test_it_is_for_those_who_follow_up(demo: Demo, ada: PersonIds) -> None:
    admin = signed_in(demo.app, make_staff(demo.runtime, "admin@example.org", ["admin"]))
    for path in ("/console/follow-up", "/console/follow-up/news", url(ada)):
        assert demo.browser().get(path).status_code in (303, 401)
        assert admin.get(path).status_code == 403


# -- who may look at one person --

FORMS = {
    "/cadence": {"cadence": "household", "agreed": "1"},
    "/check-ins": {"flow": FLOW, "number": "3", "unit": "days", "agreed": "1"},
    "/check-ins/1/move": {"at": "2027-03-12T10:00"}, "/check-ins/1/skip": {}, "/stop": {"withdrawn": "1"},
    "/zone": {"zone": "Pacific/Honolulu"}, "/tasks/1/done": {}, "/number": {}, "/referrals/1/outcome": {"outcome": "helped"},
    "/referrals/1/link": {}, "/services": {"need": "rent"}, "/referrals": {"service": "1", "need": "rent"},
}  # fmt: skip


def test_it_hides_and_protects_another_teams_people(demo: Demo, browser: FlaskClient, now: datetime) -> None:
    theirs = someone(demo, now, team="crisis")
    plan(demo, theirs, now + DAY, now)
    call(demo, theirs, now)
    with demo.db() as db:
        referrals.add_offered(db, theirs.conversation, "rent", None, [1], now)
    pages = [browser.get(f"/console/people/{number}/follow-up") for number in (theirs.conversation, 9999)]
    assert [page.status_code for page in pages] == [404, 404]
    assert page_text(pages[0]) == page_text(pages[1])
    for path, fields in FORMS.items():
        assert post(browser, url(theirs, path), **fields).status_code == 404, path
    assert demo.count(CheckIn) == demo.count(CheckIn, CheckIn.state == "planned") == 1
    assert demo.count(Person, Person.zone.is_not(None)) == demo.count(CaseTask, CaseTask.done_at.is_not(None)) == 0
    assert demo.count(Referral) == demo.count(Referral, Referral.state == "requested") == 1
    assert demo.count(Consent) == 0
    assert {act for act, _ in acts(demo)} == {"refused"}


def test_it_refuses_forged_forms(browser: FlaskClient, ada: PersonIds) -> None:
    for path, fields in FORMS.items():
        assert browser.post(url(ada, path), data=fields).status_code == 400, path


def test_it_changes_nothing_of_another_person(demo: Demo, browser: FlaskClient, now: datetime, ada: PersonIds) -> None:
    other = someone(demo, now, "+13145550177")
    number, task = plan(demo, other, now + DAY, now), call(demo, other, now)
    with demo.db() as db:
        referrals.add_offered(db, other.conversation, "rent", None, [1], now)
    assert "no such check-in" in refused(browser, ada, f"/check-ins/{number}/skip")
    assert "no such check-in" in refused(browser, ada, f"/check-ins/{number}/move", at="2027-01-12T10:00")
    assert "no such task" in refused(browser, ada, f"/tasks/{task}/done")
    assert "no such referral" in refused(browser, ada, "/referrals/1/outcome", outcome="helped")
    assert "no such referral" in refused(browser, ada, "/referrals/1/link")
    assert demo.count(CheckIn, CheckIn.state == "planned") == demo.count(Referral, Referral.closed_at.is_(None)) == 1


def test_it_shows_nothing_of_a_deleted_person(demo: Demo, browser: FlaskClient, now: datetime, ada: PersonIds) -> None:
    plan(demo, ada, now + HOUR, now)
    with demo.db() as db:
        db.execute(update(Person).values(erased_at=now))
    assert browser.get(url(ada)).status_code == 404
    assert "Nothing is due" in see(browser)


# -- the person's page --


def test_it_says_what_to_do_where_nothing_was_planned(demo: Demo, browser: FlaskClient, rosa: int, ada: PersonIds) -> None:
    page = see(browser, url(ada))
    assert "No check-ins yet" in page and "Plan a cadence" in page
    assert [(row.staff_id, row.conversation_id) for row in looks(demo)] == [(rosa, ada.conversation)]
    assert f'href="{url(ada)}"' in browser.get(f"/console/people/{ada.conversation}").text


def test_it_draws_the_check_ins_and_lists_their_events(
    demo: Demo, browser: FlaskClient, now: datetime, ada: PersonIds
) -> None:
    first, second = plan(demo, ada, now - 20 * DAY, now), plan(demo, ada, now - 5 * DAY, now)
    plan(demo, ada, now + 9 * DAY, now)
    with demo.db() as db:
        row = db.get_one(CheckIn, first)
        check_ins.postpone(db, row, now - 19 * DAY, "open_danger", now - 20 * DAY)
        check_ins.mark_asked(db, row, now - 18 * DAY, now - 19 * DAY)
        check_ins.end(db, row, "answer", now - 19 * DAY + HOUR)
        check_ins.end(db, db.get_one(CheckIn, second), "drop", now - 5 * DAY, reason="opted_out")
    page = browser.get(url(ada)).text
    for state, count in {"answered": 1, "dropped": 1, "planned": 1, "silent": 0}.items():
        assert page.count(f'height="1" overflow="visible" class="point point-{state}"') == count
    story = see(browser, url(ada))
    for line in ("There is an open danger", "They answered", "They asked us not to text them.", "(in 9 days)"):
        assert line in story


def test_it_says_times_in_the_persons_zone_and_in_the_citys(
    demo: Demo, browser: FlaskClient, now: datetime, ada: PersonIds
) -> None:
    kept(browser, ada, "/zone", zone="Pacific/Honolulu")
    plan(demo, ada, now + 2 * DAY, now)
    page = see(browser, url(ada))
    assert "Hawaii" in page and "in the city" in page
    assert acts(demo) == [("zone_set", "Pacific/Honolulu")]
    assert "Choose one of the time zones" in refused(browser, ada, "/zone", zone="Mars/Olympus")


def test_it_plans_moves_skips_and_stops(demo: Demo, browser: FlaskClient, now: datetime, ada: PersonIds) -> None:
    assert "4 check-ins are planned" in kept(browser, ada, "/cadence", cadence="household")
    assert "The check-in is planned" in kept(browser, ada, "/check-ins", flow=FLOW, number="3", unit="days")
    to = (now + 12 * DAY).replace(hour=18, minute=30)
    assert "is moved to" in kept(browser, ada, "/check-ins/5/move", at=to.replace(tzinfo=None).isoformat(timespec="minutes"))
    kept(browser, ada, "/check-ins/1/skip")
    assert "Stopped: 4 check-ins" in kept(browser, ada, "/stop", withdrawn="1")
    assert demo.count(CheckIn, CheckIn.state == "dropped") == 5
    assert acts(demo) == [
        ("check_in_added", "household: check-in 1 2 3 4"), ("check_in_added", f"{FLOW}: check-in 5"),
        ("check_in_moved", "check-in 5"), ("check_in_skipped", "check-in 1"), ("check_ins_stopped", "4 check-ins"),
        ("consent_recorded", "followup: withdrawn"),
    ]  # fmt: skip


def test_it_says_where_it_was_put_off_to_the_morning(
    demo: Demo, browser: FlaskClient, now: datetime, ada: PersonIds
) -> None:
    night = (now + 3 * DAY).astimezone(demo.runtime.settings.timezone).replace(hour=23, minute=15, tzinfo=None)
    page = kept(browser, ada, "/check-ins", flow=FLOW, at=night.isoformat(timespec="minutes"))
    assert "8:00 AM" in page and "That is later than you said" in page


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"flow": ""}, "Choose what to ask"),
        ({"number": ""}, "Say when"),
        ({"number": "soon"}, "Write a number of days"),
        ({"number": "9" * 40}, "Write a number of days"),
        ({"unit": "years"}, "Write a number of days"),
        ({"at": "tomorrow"}, "Say when"),
        ({"at": "2020-01-01T10:00"}, "That time is over"),
        ({"at": "2020-01-01T10:00Z"}, "Say when"),
    ],
)
def test_it_loses_nothing_of_a_form_that_is_refused(
    demo: Demo, browser: FlaskClient, ada: PersonIds, fields: dict[str, str], why: str
) -> None:
    page = refused(browser, ada, "/check-ins", **{"flow": FLOW, "number": "3", "unit": "days", **fields})
    assert why in page
    assert 'value="3"' in page or fields.get("number", "3") in page
    assert demo.count(CheckIn) == 0


def test_it_asks_for_their_consent_first(demo: Demo, browser: FlaskClient, now: datetime) -> None:
    made = someone(demo, now)
    assert "have not agreed" in refused(browser, made, "/cadence", cadence="crisis")
    kept(browser, made, "/cadence", cadence="crisis", agreed="1")
    assert demo.count(Consent, Consent.scope == "followup", Consent.method == "staff") == 1
    assert [act for act, _ in acts(demo)] == ["refused", "check_in_added", "consent_recorded"]


def test_it_offers_no_form_where_the_person_cannot_be_asked(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    with demo.db() as db:
        db.execute(update(Conversation).values(opted_out=True))
    page = see(browser, url(ada))
    assert "They asked us not to text them" in page and "Plan a cadence" not in page
    assert "asked us not to text" in refused(browser, ada, "/cadence", cadence="household")


def test_it_finishes_a_task_and_shows_the_number_to_the_worker_who_must_call(
    demo: Demo, browser: FlaskClient, now: datetime
) -> None:
    alone = someone(demo, now, team=None)
    assert post(browser, url(alone, "/number")).status_code == 404
    task = call(demo, alone, now)
    answer = post(browser, url(alone, "/number"))
    assert "+13145550142" in answer.text and "Leave no voice message" in answer.text
    kept(browser, alone, f"/tasks/{task}/done")
    assert demo.count(CaseTask, CaseTask.done_at.is_not(None)) == 1
    assert post(browser, url(alone, "/number")).status_code == 404
    assert [act for act, _ in acts(demo)] == ["refused", "number_shown", "task_done", "refused"]


# -- referrals --


def test_it_refers_by_hand_and_records_what_became_of_it(demo: Demo, browser: FlaskClient, ada: PersonIds) -> None:
    found = post(browser, url(ada, "/services"), need="rent")
    assert found.status_code == 200
    with demo.db() as db:
        service = db.scalars(select(Service).where(Service.needs.contains(["rent"])).order_by(Service.id)).first()
        assert service
    assert f'name="service" value="{service.id}"' in found.text
    kept(browser, ada, "/referrals", service=str(service.id), need="rent")
    assert "Helped" in kept(browser, ada, "/referrals/1/outcome", outcome="helped")
    assert "is over" in refused(browser, ada, "/referrals/1/outcome", outcome="waitlist")
    assert "taken back" in kept(browser, ada, "/referrals/1/outcome", outcome="retract")
    assert [act for act, _ in acts(demo)] == ["referral_made", "referral_told", "refused", "referral_told"]
    for bad in ({"service": "x", "need": "rent"}, {"service": str(service.id), "need": "her brother drinks"}):
        refused(browser, ada, "/referrals", **bad)


def test_it_says_so_where_no_service_was_found(browser: FlaskClient, ada: PersonIds) -> None:
    answer = post(browser, url(ada, "/services"), need="rent", sought="100%_\\no such", near="99999")
    assert "No checked service was found" in answer.text


def test_it_accepts_characters_that_the_database_cannot_store(browser: FlaskClient, ada: PersonIds) -> None:
    assert post(browser, url(ada, "/services"), need="ren\0t", sought="\0", near="\0").status_code == 200
    assert "Choose what the person needs" in refused(browser, ada, "/referrals", service="1", need="\0")
    refused(browser, ada, "/zone", zone="\0")


def test_it_makes_a_link_for_the_agency_once_they_agreed(
    demo: Demo, browser: FlaskClient, rosa: int, now: datetime, ada: PersonIds
) -> None:
    with demo.db() as db:
        service = db.scalars(select(Service).order_by(Service.id)).first()
        assert service
        referrals.add_offered(db, ada.conversation, "rent", None, [service.id], now)
    assert "has not agreed" in refused(browser, ada, "/referrals/1/link")
    with demo.db() as db:
        db.add(Consent(conversation_id=ada.conversation, scope=f"share:{service.slug}", choice="agreed", method="staff",
                       source="staff", language="en", at=now, staff_id=rosa, until=now + 30 * DAY))  # fmt: skip
    link = f"{demo.runtime.settings.public_url}/referrals/"
    assert link in post(browser, url(ada, "/referrals/1/link")).text
    assert link not in browser.get(url(ada)).text
    assert acts(demo) == [("refused", "referral_shared: not_agreed"), ("referral_shared", "referral 1")]


# -- words and the timeline --


@pytest.mark.parametrize(
    ("hours", "words_"),
    [(2, "in 2 h"), (24, "tomorrow"), (48, "in 2 days"), (-1, "1 h ago"), (-24, "yesterday"), (-72, "3 days ago")],
)
def test_it_says_how_far_off_something_is(hours: int, words_: str) -> None:
    at = MONDAY_MORNING + hours * HOUR
    assert words.relative_time(at, MONDAY_MORNING, ZoneInfo("America/Chicago")) == words_


def test_it_keeps_marks_apart_and_in_order() -> None:
    for wanted in ([5.0, 5.0, 5.1, 95.0], [95.0] * 5, [50.0], [5.0 + n / 100 for n in range(30)]):
        found = drawing._spread(wanted)
        assert found == sorted(found) and found[0] >= drawing.LEFT - 0.1 and found[-1] <= drawing.RIGHT
        assert len(set(found)) == len(found)
