"""The person's page and the search: only for staff who may see the person, each view audited, no number in a URL."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text, update
from werkzeug.test import TestResponse

from bot.domain.conversation.safe_contact import SafeContact
from bot.domain.conversation.state import load
from bot.domain.messages.message import Channel
from bot.storage.database import driver_connection
from bot.storage.people import people as people_rows
from bot.storage.people.people import PeopleFilter, Viewer
from bot.storage.tables.residents import CheckIn, Consent, Conversation, Erasure, Handoff, Outcome, Referral
from bot.storage.tables.staff import Audit, CallOut, HandoffEvent, Note
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo
from tests.support.people import PersonIds, make_handoff, make_person, make_text

NUMBER = "+13145550142"


def known(demo: Demo, number: str = NUMBER, **fields: Any) -> PersonIds:
    with demo.db() as db:
        return make_person(db, demo.runtime.context.sealer, number, **fields)


def see(browser: FlaskClient, made: PersonIds, query: str = "") -> str:
    page = browser.get(f"/console/people/{made.conversation}{query}")
    assert page.status_code == 200, page.text
    return page_text(page)


def audits(demo: Demo, act: str) -> list[Audit]:
    with demo.db() as db:
        return list(db.scalars(select(Audit).where(Audit.act == act).order_by(Audit.id)))


def safe(demo: Demo, made: PersonIds) -> SafeContact:
    with demo.db() as db:
        return load(demo.runtime.context.sealer.open(db.get_one(Conversation, made.conversation).sealed_state)).safe


# -- who may look --


def test_it_sends_visitors_who_are_not_signed_in_to_the_sign_in(demo: Demo) -> None:
    assert demo.browser().get("/console/people").status_code == 303
    assert demo.browser().get("/console/people/1").status_code == 303


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_it_is_closed_to_those_who_read_no_transcripts(demo: Demo, role: str) -> None:
    made = known(demo)
    outsider = signed_in(demo.app, make_staff(demo.runtime, "io@example.org", [role], ["housing"]))
    assert outsider.get("/console/people").status_code == 403
    assert outsider.get(f"/console/people/{made.conversation}").status_code == 403


def test_it_looks_the_same_for_other_teams_people_and_for_unknown_ones(demo: Demo, browser: FlaskClient) -> None:
    theirs = known(demo, team="crisis")
    hidden, unknown = (browser.get(f"/console/people/{number}") for number in (theirs.conversation, 9999))
    assert hidden.status_code == unknown.status_code == 404
    assert page_text(hidden) == page_text(unknown)
    assert [row.detail for row in audits(demo, "refused")] == [f"person {theirs.conversation}", "person 9999"]


def test_it_shows_no_person_for_whom_no_human_was_called(demo: Demo, browser: FlaskClient) -> None:
    assert browser.get(f"/console/people/{known(demo, team=None).conversation}").status_code == 404


@pytest.mark.parametrize("path", ["safe-contact", "name", "reach-out"])
def test_it_changes_nothing_for_those_who_may_not_see_the_person(demo: Demo, browser: FlaskClient, path: str) -> None:
    theirs = known(demo, team="crisis", state="closed")
    assert post(browser, f"/console/people/{theirs.conversation}/{path}", word="bluebird", name="X").status_code == 404
    assert safe(demo, theirs) == SafeContact()
    assert demo.count(Handoff) == 1


def test_it_refuses_a_forged_form(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo)
    assert browser.post(f"/console/people/{made.conversation}/safe-contact", data={"word": "bluebird"}).status_code == 400
    assert safe(demo, made) == SafeContact()


# -- the page --


def test_it_shows_the_person_and_audits_the_view(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    made = known(demo, name="Ada Brown", answers={"wish": "A quiet voice"})
    page = browser.get(f"/console/people/{made.conversation}")
    for words in ("Ada Brown", f"Person {made.conversation}", "••42", "A quiet voice", "English"):
        assert words in page_text(page)
    assert "555" not in page.text
    assert [(row.staff_id, row.conversation_id) for row in audits(demo, "read_person")] == [(rosa, made.conversation)]


def test_it_escapes_what_people_write(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo, name="<script>alert(1)</script>", answers={"wish": "<img src=x>"})
    page = browser.get(f"/console/people/{made.conversation}").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_it_leads_to_the_open_handoff(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo)
    page = browser.get(f"/console/people/{made.conversation}").text
    assert f'href="/console/handoffs/{made.handoff}">Open their handoff' in page
    assert "Start a conversation" not in page


def test_it_shows_other_conversations_of_the_person(demo: Demo, browser: FlaskClient) -> None:
    made, mine, theirs = (known(demo, number, team=team) for number, team in
                          ((NUMBER, "housing"), ("+13145550177", "housing"), ("+13145550188", "crisis")))  # fmt: skip
    with demo.db() as db:
        db.execute(update(Conversation).values(person_id=made.person))
    page = see(browser, made)
    assert f"Person {mine.conversation}" in page
    assert "••77" in page
    assert f"Person {theirs.conversation}" not in page
    assert "1 more, which another team has" in page


def fill(demo: Demo, made: PersonIds, rosa: int) -> None:
    """Something of every kind, on the days before NOW."""
    sealer, here = demo.runtime.context.sealer, made.conversation
    with demo.db() as db:
        for minute in range(3):
            make_text(db, sealer, here, "secret words", NOW + timedelta(minutes=minute))
        make_text(db, sealer, here, "ours", NOW, outbound=True)
        make_text(db, sealer, here, "hers", NOW, outbound=True, staff_id=rosa)
        make_text(db, sealer, here, "lost", NOW, outbound=True, state="failed", error_code=30003)
        make_text(db, sealer, here, "long ago", NOW - timedelta(days=40))
        at = {"conversation_id": here, "at": NOW}
        about = {"handoff_id": made.handoff, "detail": {}, **at}
        db.add_all([
            HandoffEvent(kind="claimed", staff_id=rosa, **about),
            HandoffEvent(kind="something_new", staff_id=None, **about),
            CallOut(handoff_id=made.handoff, staff_id=rosa, tier=1, raised_at=NOW, answer="took", answered_at=NOW),
            Note(staff_id=rosa, sealed_body=sealer.seal("Likes to be called in the evening"), **at),
            Referral(conversation_id=here, service_id=1, need="food", near="63103", state="offered", made_at=NOW),
            CheckIn(conversation_id=here, flow="household_check_in", due_at=NOW - timedelta(days=3), state="sent"),
            Consent(scope="all", choice="opted_out", method="keyword", source="", language="en", **at),
            Outcome(flow="emergency_assistance", outcome="referred", **at),
            Erasure(conversation_id=here, asked_at=NOW),
        ])  # fmt: skip


def test_it_shows_all_that_happened(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    made = known(demo)
    fill(demo, made, rosa)
    page = see(browser, made)
    for words in (
        "3 texts from the person, 1 from social workers, 1 from the line", "1 text did not arrive", "out of reach",
        "A human was called", "Rosa Ortiz took it", "Something new", "1 social worker was called",
        "Likes to be called in the evening", "Offered:", "Check-in: household check in", "Opted out of texts",
        "Ended: referred", "be deleted", "Friday, February 27", "Wednesday, January 21",
    ):  # fmt: skip
        assert words in page, words
    assert "secret words" not in page


def test_it_goes_back_by_whole_days_and_misses_none(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo)
    with demo.db() as db:
        for day in range(40):
            make_text(db, demo.runtime.context.sealer, made.conversation, "x", NOW - timedelta(days=day))
    path, seen = f"/console/people/{made.conversation}", list[str]()
    while path:
        page = browser.get(path)
        seen += re.findall(r'<h3 id="day-(\S+)">', page.text)
        path = next(iter(re.findall(r'href="([^"]*before=[^"#]*)', page.text)), "")
    assert len(seen) == 40
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize("query", ["?before=yesterday", "?before=0001-01-01", "?before=9999-12-31", "?before="])
def test_it_survives_an_invalid_day(demo: Demo, browser: FlaskClient, query: str) -> None:
    see(browser, known(demo), query)


# -- safe contact --

FORM = {
    "days_0": ["0", "1"],
    "starts_0": "18:00",
    "ends_0": "20:00",
    "word": "Paraguas",
    "neutral": "on",
    "note": "by text only",
}


def keep(browser: FlaskClient, made: PersonIds, **fields: Any) -> TestResponse:
    return post(browser, f"/console/people/{made.conversation}/safe-contact", was_paused="0", seen="", **fields)


def test_it_keeps_safe_contact_and_shows_it_first(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    made = known(demo)
    assert keep(browser, made, **FORM).status_code == 303
    kept = safe(demo, made)
    assert (kept.word, kept.neutral, kept.may_name_line, kept.set_by) == ("Paraguas", True, False, rosa)
    page = see(browser, made)
    assert "Mon, Tue, 6:00 PM to 8:00 PM" in page
    assert "Somebody else may hold this phone" in page
    assert page.index("How to reach them safely") < page.index("What happened")


def test_it_writes_no_word_into_the_audit(demo: Demo, browser: FlaskClient) -> None:
    keep(browser, known(demo), **FORM)
    with demo.db() as db:
        assert not any(word in row.detail for row in db.scalars(select(Audit)) for word in ("Paraguas", "by text only"))
    assert audits(demo, "safe_contact_changed")[0].detail == "safe times, safe word, neutral texts, naming the line, note"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("word", "STOP", "This safe word cannot be used"),
        ("exit_word", "si", "This exit word cannot be used"),
        ("ends_0", "late", "say when it begins and ends"),
        ("ends_0", "18:05", "shorter than a quarter of an hour"),
        ("days_0", [], "choose at least one day"),
        ("note", "x" * 501, "longer than 500"),
    ],
)
def test_it_says_what_is_wrong_and_keeps_what_was_typed(
    demo: Demo, browser: FlaskClient, field: str, value: object, words: str
) -> None:
    made = known(demo)
    answer = keep(browser, made, **{**FORM, field: value})
    assert answer.status_code == 422
    assert words in page_text(answer)
    assert 'value="18:00"' in answer.text
    assert safe(demo, made) == SafeContact()


def test_it_takes_a_form_with_nothing_in_it(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo)
    assert keep(browser, made, may_name_line="on").status_code == 303
    assert safe(demo, made) == SafeContact()


def test_it_warns_after_an_exit_word(demo: Demo, browser: FlaskClient) -> None:
    assert "They left with an exit word" in see(browser, known(demo, state="closed", safe=SafeContact(paused=True)))


# -- writing first --


def test_it_starts_a_conversation_of_ones_own(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    made = known(demo, state="closed")
    answer = post(browser, f"/console/people/{made.conversation}/reach-out")
    with demo.db() as db:
        opened = db.scalars(select(Handoff).where(Handoff.state != "closed")).one()
    assert opened.owner_id == rosa
    assert answer.location == f"/console/handoffs/{opened.id}"


def test_it_does_not_start_one_at_an_unsafe_time(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo, state="closed", safe=SafeContact(paused=True))
    page = browser.get(f"/console/people/{made.conversation}").text
    assert "Start a conversation" not in page
    answer = post(browser, f"/console/people/{made.conversation}/reach-out")
    assert "left with an exit word" in page_text(browser.get(answer.location))
    assert demo.count(Handoff, Handoff.state != "closed") == 0


# -- finding --


def look_for(browser: FlaskClient, by: str, sought: str) -> TestResponse:
    return post(browser, "/console/people", by=by, sought=sought)


@pytest.mark.parametrize("typed", [NUMBER, "314-555-0142", "(314) 555 0142", "+1 314 555 0142"])
def test_it_finds_a_telephone_however_it_is_written(demo: Demo, browser: FlaskClient, typed: str) -> None:
    made = known(demo)
    answer = look_for(browser, "telephone", typed)
    assert (answer.status_code, answer.location) == (303, f"/console/people/{made.conversation}")


def test_it_finds_a_telephone_on_another_channel(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo, channel=Channel.WHATSAPP)
    assert look_for(browser, "telephone", NUMBER).location == f"/console/people/{made.conversation}"


def test_it_does_not_tell_whether_a_number_is_known_to_others(demo: Demo, browser: FlaskClient) -> None:
    known(demo, team="crisis")
    theirs, nobodys = look_for(browser, "telephone", NUMBER), look_for(browser, "telephone", "+13145550199")
    assert theirs.status_code == nobodys.status_code == 404
    assert page_text(theirs) == page_text(nobodys)


@pytest.mark.parametrize(("by", "typed"), [("telephone", "12"), ("number", "abc"), ("number", "9" * 30), ("number", "")])
def test_it_says_what_is_wrong_with_a_number(browser: FlaskClient, by: str, typed: str) -> None:
    assert look_for(browser, by, typed).status_code == 422


def test_it_finds_a_person_number(demo: Demo, browser: FlaskClient) -> None:
    made, theirs = known(demo), known(demo, "+13145550177", team="crisis")
    assert look_for(browser, "number", f"#{made.conversation}").location == f"/console/people/{made.conversation}"
    assert look_for(browser, "number", str(theirs.conversation)).status_code == 404


def test_it_audits_each_search_without_its_words(
    demo: Demo, browser: FlaskClient, capfd: pytest.CaptureFixture[str]
) -> None:
    known(demo, name="Ada Brown")
    for by, sought in (("telephone", NUMBER), ("name", "Brown"), ("number", "1"), ("name", "Zoe")):
        look_for(browser, by, sought)
    browser.get("/console/people?list=1&team=housing&since=2026-01-01")
    assert [row.detail for row in audits(demo, "search_people")] == [
        "by telephone", "by name", "by person number", "by name", "by list: team, since",
    ]  # fmt: skip
    assert "5550142" not in "".join(capfd.readouterr())


def test_it_finds_names_among_open_handoffs_and_ones_own(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    recent = demo.runtime.clock.now() - timedelta(days=10)
    named: dict[str, dict[str, Any]] = {
        "Ana Open": {}, "Ana Closed": {"state": "closed"}, "Ana Elsewhere": {"team": "crisis"},
        "Ana Mine": {"state": "closed", "owner": rosa}, "Ana Long Ago": {"state": "closed", "owner": rosa},
    }  # fmt: skip
    for place, (name, fields) in enumerate(named.items()):
        made = known(demo, f"+1314555010{place}", name=name, **fields)
        with demo.db() as db:
            spoke = recent if name == "Ana Mine" else recent - timedelta(days=100)
            db.execute(update(Handoff).where(Handoff.id == made.handoff).values(spoke_at=spoke))
    page = page_text(look_for(browser, "name", "aná"))
    assert [name for name in named if name in page] == ["Ana Open", "Ana Mine"]
    assert "Ana Mine" in page_text(look_for(browser, "name", "mi ANA"))
    assert look_for(browser, "name", "na").status_code == 404
    assert look_for(browser, "name", "!!").status_code == 404


def test_it_lists_by_what_is_known_of_the_handoff(demo: Demo, browser: FlaskClient) -> None:
    one, two = known(demo, state="closed"), known(demo, "+13145550177", at=NOW - timedelta(days=9))
    theirs = known(demo, "+13145550188", team="crisis")
    every = {one.conversation, two.conversation}
    for query, expected in (
        ("", every), ("state=open", {two.conversation}), ("state=closed", {one.conversation}), ("team=crisis", set()),
        ("language=es", set()), ("since=2026-03-01", {one.conversation}), ("until=2026-02-22", {two.conversation}),
        ("until=2026-02-20", set()), ("since=nonsense&below=x&state=any", every),
    ):  # fmt: skip
        page = browser.get(f"/console/people?list=1&{query}").text
        assert {int(found) for found in re.findall(r"/console/people/(\d+)", page)} == expected, query
    assert theirs.conversation not in every


def test_it_shows_who_was_called_for_another_team(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    made = known(demo, team="crisis")
    with demo.db() as db:
        db.add(CallOut(handoff_id=made.handoff, staff_id=rosa, tier=1, raised_at=NOW))
    assert f"/console/people/{made.conversation}" in browser.get("/console/people?list=1").text
    see(browser, made)


def test_it_turns_pages_without_missing_or_doubling(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo, state="closed")
    with demo.db() as db:
        for _ in range(59):
            make_handoff(db, made.conversation, state="closed")
    path, sizes = "/console/people?list=1&team=housing", list[int]()
    while path:
        page = browser.get(path).text
        sizes.append(page.count('<p class="found-name">'))
        path = next(iter(re.findall(r'href="([^"]*below=[^"]*)"', page)), "").replace("&amp;", "&")
    assert sizes == [25, 25, 10]


def test_it_shows_the_people_whom_one_has(demo: Demo, browser: FlaskClient, rosa: int) -> None:
    mine, other = known(demo, state="claimed", owner=rosa), known(demo, "+13145550177")
    page = browser.get("/console/people").text
    assert f"/console/people/{mine.conversation}" in page
    assert f"/console/people/{other.conversation}" not in page


MANY = """
with who as (insert into person (created_at) select now() from generate_series(1, 4000) returning id),
shown as (
  insert into conversation (person_id, channel, lookup, sealed_address, line, sealed_state, holder, in_danger, created_at,
                            updated_at)
  select id, 'sms', decode(md5(id::text), 'hex'), '', '', '', 'bot', false, now(), now() from who returning id
)
insert into handoff (conversation_id, reason, team, urgency, dangers, reachable, state, opened_at, updated_at)
select id, 'asked', case when id % 3 = 0 then 'housing' else 'crisis' end, 'routine', '[]', true, 'closed', now(), now()
  from shown
"""


@pytest.mark.parametrize(
    "sought", [PeopleFilter(), PeopleFilter(team="housing", below=3000), PeopleFilter(state="closed", language="en")]
)
def test_it_reads_only_as_many_handoffs_as_a_page_needs(demo: Demo, rosa: int, sought: PeopleFilter) -> None:
    with demo.db() as db:
        db.execute(text(MANY))
        db.execute(text("analyze"))
        assert len(people_rows.search_handoffs(db, Viewer(rosa, {"housing"}), sought)) == people_rows.PAGE_SIZE + 1
        # As a prepared statement, with the plan for any values.
        asked = "select statement from pg_prepared_statements where statement like '%from handoff h%'"
        [[statement]] = driver_connection(db).execute(asked, prepare=False).fetchall()
        plan = "\n".join(
            row[0] for row in driver_connection(db).execute(f"explain (generic_plan) {statement}", prepare=False)
        )
    assert "Index Scan Backward using handoff_pkey" in plan, plan
    assert "Sort" not in plan, plan
    assert "Seq Scan on conversation" not in plan, plan


def test_it_shows_the_whole_number_to_the_worker_who_must_phone_and_audits_that(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo, unreachable="no_texts")
    assert NUMBER not in see(browser, made)
    shown = post(browser, f"/console/people/{made.conversation}/number")
    assert NUMBER in shown.text and NUMBER not in shown.request.path
    assert demo.count(Audit, Audit.act == "number_shown", Audit.conversation_id == made.conversation) == 1


def test_it_shows_no_number_of_another_workers_person(demo: Demo, browser: FlaskClient) -> None:
    made = known(demo, team="crisis")
    assert post(browser, f"/console/people/{made.conversation}/number").status_code == 404
    assert demo.count(Audit, Audit.act == "number_shown") == 0
