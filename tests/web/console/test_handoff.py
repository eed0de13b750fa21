"""The conversation page: what it shows, to whom, what can be done on it, and that nothing typed is ever lost."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from bot.domain.conversation.safe_contact import SafeContact, TimeWindow
from bot.domain.staff.permissions import Role
from bot.storage.tables.residents import Handoff, Message
from bot.storage.tables.staff import Audit, CallOut, Note, Team
from bot.usecases.handoff import ready_replies
from bot.usecases.handoff.claiming import claim
from bot.usecases.handoff.read_handoff import may_read_conversation
from bot.web.access import CurrentUser
from bot.web.console import news
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo, hidden_field
from tests.support.people import PersonIds, make_person, make_text

PARTS = {"Accept": "application/json"}


class Night:
    """Rosa at her console, and a person for whom a human was called."""

    def __init__(self, demo: Demo, *, owned: bool = True, **fields: Any) -> None:
        self.demo, self.now = demo, demo.runtime.clock.now()
        self.rosa = make_staff(demo.runtime, teams=["housing"], languages=["en", "es"])
        self.sam = make_staff(demo.runtime, "sam@example.org", teams=["housing"])
        self.browser = signed_in(demo.app, self.rosa)
        with demo.db() as db:
            at = self.now - timedelta(minutes=20)
            self.made: PersonIds = make_person(db, demo.runtime.context.sealer, at=at, **fields)
            if owned:
                claim(db, demo.runtime.context, self.made.handoff, self.rosa, self.now)
        self.path = f"/console/handoffs/{self.made.handoff}"

    def as_(self, staff_id: int) -> FlaskClient:
        return signed_in(self.demo.app, staff_id)

    def supervisor(self) -> int:
        return make_staff(self.demo.runtime, "joy@example.org", ["supervisor"], ["housing"])

    def hear(self, body: str, minutes: int = 5, **fields: Any) -> int:
        with self.demo.db() as db:
            at = self.now - timedelta(minutes=minutes)
            return make_text(db, self.demo.runtime.context.sealer, self.made.conversation, body, at, **fields)

    def page(self) -> str:
        return self.browser.get(self.path).text

    def do(self, act: str, who: FlaskClient | None = None, **fields: str) -> TestResponse:
        return post(who or self.browser, f"{self.path}/{act}", **fields)

    def row(self) -> Handoff:
        with self.demo.db() as db:
            return db.get_one(Handoff, self.made.handoff)

    def written(self) -> list[str]:
        """What Rosa has written to the person."""
        sealer = self.demo.runtime.context.sealer
        with self.demo.db() as db:
            rows = db.scalars(select(Message).where(Message.staff_id == self.rosa).order_by(Message.id)).all()
            return [sealer.open(row.sealed_body) for row in rows if row.sealed_body]

    def acts(self) -> list[str]:
        """The audited acts on this handoff, without views."""
        with self.demo.db() as db:
            rows = db.scalars(select(Audit.act).where(Audit.handoff_id == self.made.handoff).order_by(Audit.id))
            return [act for act in rows if act != "read_transcript"]


def notice(answer: TestResponse) -> str:
    found = re.search(r'id="notice" role="alert">([^<]*)<', answer.text)
    return found[1] if found else ""


def typed(answer: TestResponse) -> str:
    found = re.search(r'<textarea id="body"[^>]*>([^<]*)<', answer.text)
    return found[1] if found else ""


# -- what is shown --


def test_it_sums_up_before_it_shows_the_texts(demo: Demo) -> None:
    night = Night(demo, name="Ana Lopez", answers={"need": "rent", "court_date": "2026-03-05"})
    night.hear("my husband is hitting me", rules=["en.dv.now"])
    with demo.db() as db:
        row = db.get_one(Handoff, night.made.handoff)
        row.sealed_because = demo.runtime.context.sealer.seal("eviction, court date March 5")
        row.dangers = ["domestic_violence"]
    words = page_text(night.browser.get(night.path))
    for sentence in (
        "Eviction, court date March 5", "Violence at home", "Need Rent or eviction", "Court date Thursday, March 5, 2026",
        "Being hurt at this moment.", "Ana", "Somebody else may read this phone",
    ):  # fmt: skip
        assert sentence in words
    assert words.index("Eviction, court date") < words.index("my husband is hitting me")


def test_it_names_who_wrote_each_text_and_says_what_became_of_it(demo: Demo) -> None:
    night = Night(demo)
    night.hear("is anybody there", 9)
    night.hear("A person will answer.", 8, outbound=True)
    night.hear("This is Sam.", 7, outbound=True, staff_id=night.sam)
    night.hear("This is Rosa.", 6, outbound=True, staff_id=night.rosa, state="failed", error_code=30003)
    rows = re.findall(r'class="line \w+ by-(\w+)( is-failed)?".*?<p class="by">([^<]*)<', night.page(), re.DOTALL)
    person = f"Person {night.made.conversation}"
    assert rows[:4] == [
        ("person", "", person),
        ("line", "", "The line"),
        ("colleague", "", "Sam Ortiz"),
        ("me", " is-failed", "You"),
    ]
    assert "Failed: the telephone is off or out of reach" in page_text(night.browser.get(night.path))


def test_it_opens_pictures_only_when_they_are_pressed(demo: Demo) -> None:
    night = Night(demo)
    sealed = demo.runtime.context.sealer.seal_json([["https://carrier.invalid/1", "image/jpeg"]])
    row = night.hear("look", sealed_media=sealed)
    page = night.page()
    assert f'href="/console/media/{row}/1"' in page and "<img" not in page.partition('id="part-lines"')[2]
    assert "carrier.invalid" not in page


def test_it_escapes_what_a_person_writes(demo: Demo) -> None:
    night = Night(demo, name="<b>Ana</b> Lopez")
    night.hear("<script>alert(1)</script>")
    assert "<script>alert" not in night.page() and "<b>Ana" not in night.page()


def test_it_pages_through_a_long_conversation(demo: Demo) -> None:
    night = Night(demo)
    for number in range(130):
        night.hear(f"text number {number}.", 200 - number)
    page = night.page()
    assert "text number 129." in page and "text number 29." not in page
    before = re.search(r'href="([^"]+)">Earlier texts', page)
    assert before
    earlier = night.browser.get(before[1].replace("&amp;", "&")).text
    assert "text number 0." in earlier and "text number 29." in earlier and "text number 31." not in earlier
    assert "To the newest texts" in earlier


def test_it_says_when_it_is_not_safe_to_write(demo: Demo) -> None:
    never = TimeWindow(frozenset({(demo.runtime.clock.now().weekday() + 3) % 7}), time(9), time(10))
    safe = SafeContact(times=(never,), word="sunflower", neutral=True, note="her mother holds the phone at night")
    words = page_text(Night(demo, safe=safe).browser.get("/console/handoffs/1"))
    for sentence in ("Now is not a safe time", "Somebody else may hold the phone", "Write neutrally", "her mother holds"):
        assert sentence in words
    assert "sunflower" not in words


def test_it_audits_that_the_transcript_was_read(demo: Demo) -> None:
    night = Night(demo)
    night.page()
    night.browser.get(f"{night.path}/news", headers=PARTS)
    read = Audit.act == "read_transcript"
    assert demo.count(Audit, read, Audit.staff_id == night.rosa, Audit.conversation_id == night.made.conversation) == 2


def test_it_hides_other_teams_and_what_does_not_exist_alike(demo: Demo) -> None:
    night = Night(demo)
    stranger = night.as_(make_staff(demo.runtime, "eve@example.org", teams=["crisis"]))
    paths = (night.path, f"{night.path}/news", "/console/handoffs/999", f"/console/handoffs/{2**70}")
    assert [stranger.get(path).status_code for path in paths] == [404] * 4
    forms: dict[str, dict[str, str]] = {
        "claim": {},
        "write": {"body": "hi"},
        "note": {"note": "hi"},
        "close": {"disposition": "other"},
    }
    assert [night.do(act, stranger, **fields).status_code for act, fields in forms.items()] == [404] * 4
    assert demo.count(Audit, Audit.act == "refused") == 8 and demo.count(Note) == 0
    assert page_text(stranger.get(night.path)) == page_text(stranger.get("/console/handoffs/999"))


def test_it_lets_a_conversation_be_read_by_the_teams_of_its_handoffs(demo: Demo) -> None:
    night = Night(demo, team="housing", state="closed", owned=False)

    def reader(number: int, *teams: str, role: Role = Role.SOCIAL_WORKER) -> CurrentUser:
        return CurrentUser(number, "N", "N", "n@example.org", frozenset({role}), frozenset(teams), ("en",))

    called = make_staff(demo.runtime, "eve@example.org", teams=["crisis"])
    with demo.db() as db:
        db.add(CallOut(handoff_id=night.made.handoff, staff_id=called, tier=1, raised_at=night.now, answer="missed"))
        db.flush()
        alone = make_person(db, demo.runtime.context.sealer, "+13145550199", team=None)
        readers = [reader(99, "housing"), reader(99, "crisis"), reader(called), reader(99, "housing", role=Role.ADMIN)]
        assert [may_read_conversation(db, each, night.made.conversation) for each in readers] == [True, False, True, False]
        assert not may_read_conversation(db, reader(99, "housing"), alone.conversation)


# -- what can be done --


def test_it_is_claimed_with_one_press_and_the_second_worker_sees_by_whom(demo: Demo) -> None:
    night = Night(demo, owned=False)
    assert "Claim: I have it" in night.page()
    assert night.do("claim").status_code == 303
    late = night.do("claim", night.as_(night.sam))
    assert (late.status_code, notice(late)) == (409, "Rosa has this one already.")
    assert night.row().owner_id == night.rosa
    assert night.acts() == ["claim", "claim_lost"]


def test_it_sends_a_reply_once_however_often_the_form_comes(demo: Demo) -> None:
    night = Night(demo)
    once = hidden_field(night.browser.get(night.path), "once")
    answers = [night.do("write", body="I am here.", once=once) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].location == f"{night.path}#newest"
    assert night.written() == ["I am here."]
    assert night.row().state == "with_human"
    assert ">I am here.<" in night.page()


def test_it_keeps_what_was_typed_when_it_is_refused(demo: Demo) -> None:
    night = Night(demo)
    too_long = night.do("write", body="x" * 1601, once="a")
    assert (too_long.status_code, typed(too_long)) == (422, "x" * 1601)
    post(night.browser, f"{night.path}/release", note="my shift is over")
    lost = night.do("write", body="hold on, I am coming", once="b")
    assert lost.status_code == 409 and notice(lost) == "This handoff is not yours now."
    assert re.search(r"readonly>hold on, I am coming<", lost.text)
    assert night.written() == []


def test_it_keeps_what_was_typed_when_the_session_has_ended(demo: Demo) -> None:
    night = Night(demo)
    gone = night.do("write", demo.browser(), body="do not lose me", once="a")
    assert gone.status_code == 401 and "do not lose me" in gone.text


def test_it_puts_a_ready_reply_into_the_box_without_scripts(demo: Demo) -> None:
    night = Night(demo)
    with demo.db() as db:
        ready_replies.seed_if_empty(db, night.now)
    labels = re.findall(r'<optgroup label="(\w+)"', page := night.page())
    option = re.search(r'<option value="(\d+)" data-body="([^"]+)"', page)
    assert labels[:2] == ["English", "Spanish"] and option
    filled = night.do("write", body="Hello.", do="fill", reply=option[1])
    assert filled.status_code == 200 and typed(filled) == f"Hello.\n{option[2]}"
    assert night.written() == []


def test_it_plans_a_text_by_the_citys_clock_and_cancels_it(demo: Demo) -> None:
    night = Night(demo)
    zone = demo.runtime.settings.timezone
    tomorrow = (night.now + timedelta(days=1)).astimezone(zone).replace(hour=9, minute=30)
    night.do("write", body="Good morning.", do="later", at=tomorrow.strftime("%Y-%m-%dT%H:%M"), once="a")
    words = page_text(night.browser.get(night.path))
    assert "Planned texts (1)" in words and "9:30" in words
    with demo.db() as db:
        row = db.scalars(select(Message).where(Message.staff_id == night.rosa)).one()
    assert row.due_at and row.due_at.astimezone(zone).strftime("%d %H:%M") == tomorrow.strftime("%d %H:%M")
    assert night.do(f"cancel/{row.id}").status_code == 303
    assert "Planned texts" not in page_text(night.browser.get(night.path))
    assert night.do(f"cancel/{row.id}").status_code == 409
    assert night.acts() == ["schedule", "cancel_scheduled", "refused"]


def test_it_asks_for_a_time_that_can_be_read_and_is_to_come(demo: Demo) -> None:
    night = Night(demo)
    for at in ("", "soon", "2020-01-01T09:00"):
        answer = night.do("write", body="Good morning.", do="later", at=at, once="a")
        assert (answer.status_code, typed(answer)) == (422, "Good morning.")
    assert night.written() == []


def test_it_passes_on_to_a_colleague_who_accepts(demo: Demo) -> None:
    night = Night(demo)
    assert "Sam Ortiz (English; talks with 0 of 4)" in night.page()
    assert night.do("offer", to=str(night.sam), note="She asked for you.").status_code == 303
    sam = night.as_(night.sam)
    assert "Rosa Ortiz asks you to take it over." in page_text(sam.get(night.path))
    assert night.do("answer-offer", sam, do="accept").status_code == 303
    assert night.row().owner_id == night.sam and "She asked for you." in sam.get(night.path).text
    assert night.acts() == ["offer", "accept_offer"]


def test_it_stays_with_its_owner_when_the_colleague_declines(demo: Demo) -> None:
    night = Night(demo)
    assert night.do("offer", to=str(night.sam)).status_code == 303
    assert night.do("answer-offer", night.as_(night.sam), do="decline").status_code == 303
    assert (night.row().owner_id, night.row().offered_to_id) == (night.rosa, None)
    assert night.do("offer").status_code == 422


def test_it_is_passed_to_another_team_and_disappears(demo: Demo) -> None:
    night = Night(demo)
    with demo.db() as db:
        db.add(Team(slug="crisis", name="Crisis"))
        # Not urgent, so no member of the first team is alerted by name.
        db.get_one(Handoff, night.made.handoff).urgency = "routine"
    answer = night.do("team", team="crisis", note="Needs a clinician.")
    assert answer.status_code == 303 and night.row().team == "crisis"
    assert night.as_(night.sam).get(night.path).status_code == 404


def test_it_is_handed_back_written_to_again_and_closed(demo: Demo) -> None:
    night = Night(demo)
    night.do("write", body="I am here.", once="a")
    assert night.do("hand-back").status_code == 303 and night.row().state == "handed_back"
    assert night.do("write", body="One more thing.", once="b").status_code == 303 and night.row().state == "with_human"
    assert night.do("close", note="what I typed").status_code == 422
    assert night.do("close", disposition="linked", note="Shelter bed found.").status_code == 303
    words = page_text(night.browser.get(night.path))
    assert "Closed. Linked to a service" in words and "Shelter bed found." in words
    assert notice(night.do("write", body="too late", once="c")) == "This handoff is closed."


def test_it_is_taken_over_by_a_supervisor_who_is_sure(demo: Demo) -> None:
    night = Night(demo)
    joy = night.as_(night.supervisor())
    assert "Take it over" in joy.get(night.path).text and "Take it over" not in night.as_(night.sam).get(night.path).text
    assert night.do("take-over", joy).status_code == 422
    assert night.do("take-over", night.as_(night.sam), sure="yes").status_code == 403
    assert night.do("take-over", joy, sure="yes").status_code == 303
    assert night.row().owner_id != night.rosa
    assert "Joy Ortiz has this one." in page_text(night.browser.get(night.path))


def test_it_keeps_notes_for_the_others(demo: Demo) -> None:
    night = Night(demo)
    assert night.do("note", note="Two children.\nPhones after nine.").status_code == 303
    assert "Two children.\nPhones after nine." in night.as_(night.sam).get(night.path).text
    assert night.do("note", note="  ").status_code == 422 and night.written() == []


def test_it_shows_what_happened_between_the_texts(demo: Demo) -> None:
    night = Night(demo, owned=False)
    night.hear("help me", 30)
    night.do("claim")
    night.hear("thank you", -1)
    words = page_text(night.browser.get(night.path))
    assert words.index("help me") < words.index("Rosa Ortiz took it") < words.index("thank you")


# -- for the page's script --


def test_it_answers_its_script_with_the_parts_of_the_page(demo: Demo) -> None:
    night = Night(demo)
    answer = night.browser.post(
        f"{night.path}/write",
        data={"csrf_token": hidden_field(night.browser.get(night.path), "csrf_token"), "body": "I am here.", "once": "a"},
        headers=PARTS,
    )
    fresh = answer.get_json()
    assert (answer.status_code, fresh["notice"], fresh["box"]) == (200, "", "write")
    assert set(fresh["parts"]) == {"state", "summary", "lines", "reply", "actions"}
    assert ">I am here.<" in fresh["parts"]["lines"]


def test_it_tells_an_open_page_of_new_texts_states_notes_and_acts(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "READ_INTERVAL", 0.0)
    night = Night(demo)

    def status() -> int:
        found = re.search(r'data-seen="([^"]*)" data-pass="([^"]*)"', page)
        assert found
        return night.browser.get(f"/console/news?seen={found[1]}", headers={"X-Pass": found[2]}).status_code

    page = night.page()
    assert status() == 204
    row = night.hear("are you there", outbound=True, state="sent")
    for change in (
        lambda: None,
        lambda: _deliver(demo, row),
        lambda: night.do("note", note="quiet now"),
        lambda: night.do("close", disposition="other"),
    ):
        change()
        assert status() == 200
        page = night.page()
        assert status() == 204


def _deliver(demo: Demo, row: int) -> None:
    with demo.db() as db:
        db.get_one(Message, row).state = "delivered"
