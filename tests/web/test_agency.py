"""The page for an agency: opened by a link that the person agreed to, without revealing who they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.domain.refused import Refused
from bot.operations.settings.settings import Settings
from bot.storage import erasures, referrals
from bot.storage.tables.cases import CaseTask
from bot.storage.tables.directory import Organization, Service
from bot.storage.tables.residents import Consent, Conversation, Erasure, Referral, ReferralEvent
from bot.storage.tables.staff import Audit
from bot.usecases.referrals.record_referral import record_from_person
from bot.usecases.referrals.share_referral import make_link
from bot.web.sign_in.attempts import MAX_FAILURES
from tests.support.clock import FrozenClock
from tests.support.console import make_staff, page_text
from tests.support.help_line import PUBLIC_URL, HelpLine, open_line
from tests.support.people import make_person
from tests.support.refusals import refuses

SLUG = "missouri_energy_assistance"
ANSWERS = {
    "capacity": ("accepted", False),
    "waitlist": ("on_hold", False),
    "additional_assessment": ("on_hold", False),
    "no_capacity": ("rejected", True),
    "could_not_help": ("rejected", True),
    "started": ("in_progress", False),
    "helped": ("completed", True),
    "not_enrolled": ("completed", True),
    "not_reached": ("requested", False),
    "no_longer_needed": ("cancelled", True),
}
"""The buttons of the agency's page -> the state, and whether it closes the loop."""


@dataclass
class Case:
    """A referral of a person who agreed, and the path of the link to it."""

    line: HelpLine
    conversation: int
    referral: int
    staff: int
    path: str = ""

    def row(self) -> Referral:
        with self.line.db() as db:
            return db.get_one(Referral, self.referral)

    def offer_again(self) -> None:
        """Offer the same service once more, as another referral."""
        with self.line.db() as db:
            now = self.line.clock.advance(timedelta(minutes=1))
            referrals.add_offered(db, self.conversation, "utilities", None, [self.row().service_id], now)
            self.referral = referrals.list_last_offer(db, self.conversation)[0].id

    def link(self) -> str:
        settings = self.line.runtime.settings
        with self.line.db() as db:
            now = self.line.clock.now()
            link = make_link(db, settings.public_url, settings.secret_key, self.referral, self.staff, now)
        assert link.startswith(f"{PUBLIC_URL}/referrals/")
        return link.removeprefix(PUBLIC_URL)

    def agree(self, scope: str = f"share:{SLUG}", choice: str = "agreed", until: datetime | None = None) -> None:
        with self.line.db() as db:
            agree(db, self.conversation, self.line.clock.now(), scope, choice, until)


def agree(
    db: Session, conversation_id: int, at: datetime, scope: str, choice: str = "agreed", until: datetime | None = None
) -> None:
    by = {"method": "worker", "source": "worker", "language": "en"}
    db.add(Consent(conversation_id=conversation_id, scope=scope, choice=choice, at=at, until=until, **by))


@pytest.fixture
def unshared(settings: Settings, clock: FrozenClock) -> Iterator[Case]:
    """A referral of a person who has not agreed to anything yet."""
    with open_line(settings, clock) as line, line.db() as db:
        made = make_person(db, line.runtime.context.sealer, name="Ada Brown")
        service = db.scalars(select(Service.id).where(Service.slug == SLUG)).one()
        referrals.add_offered(db, made.conversation, "utilities", "63118", [service], clock.now())
        [row] = referrals.list_last_offer(db, made.conversation)
        case = Case(line, made.conversation, row.id, make_staff(db))
        db.commit()
        yield case


@pytest.fixture
def case(unshared: Case) -> Case:
    unshared.agree(until=unshared.line.clock.now() + timedelta(days=90))
    unshared.path = unshared.link()
    return unshared


def test_it_shows_the_referral_and_not_the_person(case: Case) -> None:
    page = case.line.app.test_client().get(case.path)
    assert page.status_code == 200
    words = page_text(page)
    assert f"Referral {case.referral}" in words and "Missouri energy assistance" in words and "Utilities" in words
    assert "Monday, Mar 2" in words
    for secret in ("Ada", "Brown", "314", "555", "63118"):
        assert secret not in words
    assert page.headers["Cache-Control"] == "no-store" and page.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in page.headers["X-Robots-Tag"] and "Set-Cookie" not in page.headers


def test_it_notes_the_answer_and_thanks(case: Case) -> None:
    browser = case.line.app.test_client()
    page = browser.post(case.path, data={"answer": "capacity"}, follow_redirects=True)
    assert page.status_code == 200 and "Your answer is noted: Yes, we have room for them." in page_text(page)
    assert case.row().state == "accepted"
    with case.line.db() as db:
        last = referrals.find_last_event(db, case.referral)
        assert last is not None and (last.kind, last.by) == ("capacity", "agency")
    assert "You told us: Yes, we have room" in page_text(browser.get(case.path))
    assert 'value="capacity"' not in browser.get(case.path).text


def test_it_takes_every_answer_that_it_offers(case: Case) -> None:
    browser = case.line.app.test_client()
    for answer, (state, closed) in ANSWERS.items():
        case.offer_again()
        path = case.link()
        assert f'value="{answer}"' in browser.get(path).text
        assert browser.post(path, data={"answer": answer}).status_code == 303
        row = case.row()
        assert (row.state, row.closed_at is not None) == (state, closed), answer
        after = page_text(browser.get(path))
        assert ("This referral has ended" in after) == closed and ("Utilities" in after) != closed
    assert set(re.findall(r'name="answer" value="(\w+)"', browser.get(case.path).text)) == set(ANSWERS)


def test_it_gives_a_worker_the_task_when_the_agency_has_no_room(case: Case) -> None:
    browser = case.line.app.test_client()
    for _ in range(2):
        assert browser.post(case.path, data={"answer": "no_capacity"}).status_code == 303
    with case.line.db() as db:
        assert db.scalars(select(CaseTask)).one().reason == "agency_refused"


def test_it_takes_nothing_else(case: Case) -> None:
    for answer in ("", "retract", "accepted", "x" * 5000):
        page = case.line.app.test_client().post(case.path, data={"answer": answer})
        assert page.status_code == 422 and "Choose one of the answers" in page_text(page)
    assert case.row().state == "requested"


def test_it_changes_nothing_of_what_is_over(case: Case) -> None:
    with case.line.db() as db:
        record_from_person(db, case.conversation, "helped", None, case.line.clock.now())
    browser = case.line.app.test_client()
    page = browser.post(case.path, data={"answer": "could_not_help"})
    assert page.status_code == 422 and "has ended meanwhile" in page_text(page)
    assert (case.row().state, case.row().reported_by) == ("completed", "person")


def test_it_never_shows_the_agency_what_the_person_answered(case: Case) -> None:
    with case.line.db() as db:
        record_from_person(db, case.conversation, "waitlist", None, case.line.clock.now())
    assert "You told us" not in page_text(case.line.app.test_client().get(case.path))


def test_it_refuses_a_form_of_another_site(case: Case) -> None:
    browser = case.line.app.test_client()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        assert browser.post(case.path, data={"answer": "helped"}, headers=headers).status_code == 403
    assert case.row().state == "requested"


def test_it_says_the_same_of_every_link_that_opens_nothing(case: Case) -> None:
    browser = case.line.app.test_client()
    unknown = browser.get("/referrals/made-up")
    forged = browser.get(case.path[:-1] + ("a" if case.path[-1] != "a" else "b"))
    case.line.clock.advance(timedelta(days=30, seconds=1))
    late = browser.get(case.path)
    sent = browser.post(case.path, data={"answer": "helped"})
    assert {page.status_code for page in (unknown, forged, late, sent)} == {404}
    assert {page.text for page in (unknown, forged, late, sent)} == {unknown.text}
    assert "Nothing is wrong on your side" in page_text(unknown) and "Utilities" not in late.text
    assert case.row().state == "requested"


def test_it_opens_until_the_thirtieth_day(case: Case) -> None:
    case.line.clock.advance(timedelta(days=30))
    assert case.line.app.test_client().get(case.path).status_code == 200


def test_it_closes_as_soon_as_the_consent_is_withdrawn(case: Case) -> None:
    case.agree(choice="revoked")
    assert case.line.app.test_client().get(case.path).status_code == 404
    with refuses("not_agreed"):
        case.link()


def test_it_stays_closed_when_they_agree_again_later(case: Case) -> None:
    case.agree(choice="withdrawn")
    now = case.line.clock.advance(timedelta(minutes=1))
    case.agree(until=now + timedelta(days=90))
    assert case.line.app.test_client().get(case.path).status_code == 404
    assert case.line.app.test_client().get(case.link()).status_code == 200


@pytest.mark.parametrize(("scope", "choice"), [(f"share:{SLUG}", "withdrawn"), ("texts", "opted_out")])
def test_it_closes_when_the_consent_is_withdrawn_at_another_address(case: Case, scope: str, choice: str) -> None:
    with case.line.db() as db:
        other = make_person(db, case.line.runtime.context.sealer, "+13145550199").conversation
        db.execute(update(Conversation).values(person_id=db.get_one(Conversation, case.conversation).person_id))
        agree(db, other, case.line.clock.now(), scope, choice)
    assert case.line.app.test_client().get(case.path).status_code == 404
    with refuses("not_agreed"):
        case.link()


def test_it_closes_when_the_consent_ends_by_itself(case: Case) -> None:
    case.agree(until=case.line.clock.now() + timedelta(days=3))
    case.line.clock.advance(timedelta(days=3))
    assert case.line.app.test_client().get(case.path).status_code == 404


def test_it_shows_nothing_of_a_person_who_was_deleted(case: Case) -> None:
    with case.line.db() as db:
        erasure = Erasure(conversation_id=case.conversation, asked_at=case.line.clock.now())
        db.add(erasure)
        db.flush()
        erasures.erase(db, case.line.runtime.context.sealer, erasure, case.line.clock.now())
    assert case.line.app.test_client().get(case.path).status_code == 404
    assert case.line.count(ReferralEvent) == 0


def test_it_makes_no_link_without_a_release_that_fits_and_ends(unshared: Case) -> None:
    now = unshared.line.clock.now()
    ends = now + timedelta(days=90)
    with refuses("not_agreed"):
        unshared.link()
    for scope, until in (
        (f"share:{SLUG}", None), (f"share:{SLUG}", now), (f"share:{SLUG}", now - timedelta(days=1)),
        ("share:cold_weather_rule", ends), ("share:agency:/", ends), ("share:", ends), ("all", ends), (SLUG, ends),
    ):  # fmt: skip
        unshared.agree(scope, until=until)
        with pytest.raises(Refused) as refused:
            unshared.link()
        assert "has not agreed" in refused.value.text, scope
    assert unshared.row().shared_at is None


def test_it_accepts_the_release_to_the_whole_agency_until_it_is_withdrawn_for_one_service(unshared: Case) -> None:
    now = unshared.line.clock.now()
    with unshared.line.db() as db:
        agency = Organization(source="hsds", key="o-7", name="The Agency", details={}, updated_at=now)
        db.add(agency)
        db.flush()
        db.execute(update(Service).where(Service.slug == SLUG).values(organization_id=agency.id))
    unshared.agree("share:agency:hsds/o-7", until=now + timedelta(days=9))
    path = unshared.link()
    assert unshared.line.app.test_client().get(path).status_code == 200
    unshared.agree(f"share:{SLUG}", "revoked")
    assert unshared.line.app.test_client().get(path).status_code == 404


def test_it_audits_who_made_the_link(case: Case) -> None:
    assert case.row().shared_at == case.line.clock.now()
    with case.line.db() as db:
        audit = db.scalars(select(Audit).where(Audit.act == "referral_shared")).one()
        assert (audit.staff_id, audit.conversation_id) == (case.staff, case.conversation)
        assert [event.kind for event in referrals.list_events(db, case.referral)] == ["requested", "shared"]


def test_it_makes_no_link_to_what_is_over_or_unknown(case: Case) -> None:
    with case.line.db() as db:
        record_from_person(db, case.conversation, "helped", None, case.line.clock.now())
    with refuses("over"):
        case.link()
    case.referral = 999
    with refuses("unknown"):
        case.link()


def test_it_slows_down_an_address_that_tries_links(case: Case) -> None:
    browser = case.line.app.test_client()
    for number in range(MAX_FAILURES):
        assert browser.get(f"/referrals/try-{number}").status_code == 404
    slowed = browser.get(case.path)
    assert slowed.status_code == 429 and int(slowed.headers["Retry-After"]) > 0 and "wait a few minutes" in page_text(slowed)
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert browser.get(case.path, environ_overrides=elsewhere).status_code == 200
