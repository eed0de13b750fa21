"""Staff and teams as pages, and what follows from a change."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from bot.storage.staff import staff
from bot.storage.tables.residents import Handoff, Message
from bot.storage.tables.staff import Audit, CallOut, Staff, Team
from bot.usecases.staff.invite import verify_link
from tests.support.console import make_staff, page_text, post
from tests.support.supervisors import Office, call_for_human, record_call_out, record_claim

ROSA: dict[str, Any] = {
    "name": "Rosa Ortiz",
    "email": "rosa@example.org",
    "languages": "English, Spanish",
    "capacity": "3",
    "phone": "314-555-0123",
    "roles": ["social_worker"],
    "teams": ["housing"],
    "tells_name": "1",
}


def send(office: Office, path: str, **fields: Any) -> TestResponse:
    return post(office.browser(office.admin), f"/console{path}", **fields)


def one(office: Office, email: str) -> Staff:
    with office.demo.db() as db:
        return db.scalars(select(Staff).where(Staff.email == email)).one()


def as_stored(**changed: Any) -> dict[str, Any]:
    worker = {
        "name": "Wanda Ortiz",
        "called": "Wanda",
        "email": "wanda@example.org",
        "languages": "English",
        "capacity": "4",
    }
    return {**worker, "tells_name": "1", "roles": ["social_worker"], "teams": ["housing"], **changed}


def test_it_adds_a_member_with_a_sealed_phone(office: Office) -> None:
    answer = send(office, "/staff/new", **ROSA)
    assert answer.status_code == 303
    rosa = one(office, "rosa@example.org")
    assert (rosa.called, rosa.languages, rosa.capacity, rosa.password) == ("Rosa", ["en", "es"], 3, None)
    page = office.browser(office.supervisor).get("/console/staff").text
    assert "Yes, ends in 23" in page
    assert "5550123" not in page.replace("-", "")
    assert "Has not signed in yet" in page


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "Write their name"),
        ("email", "wanda@example.org", "Wanda Ortiz has this e-mail address"),
        ("email", "rosa", "Write their work e-mail address"),
        ("capacity", "many", "Write a number from 1 to 50"),
        ("languages", "Elvish", "Not known as a language: Elvish"),
        ("phone", "12", "This is no telephone number"),
        ("roles", [], "Choose at least one role"),
        ("teams", ["gone"], "There is no team gone"),
    ],
)
def test_it_says_what_is_wrong_and_loses_nothing(office: Office, field: str, value: Any, sentence: str) -> None:
    answer = send(office, "/staff/new", **{**ROSA, field: value})
    assert answer.status_code == 422
    assert sentence in page_text(answer)
    kept = {"name": "Rosa Ortiz", "email": "rosa@example.org", "phone": "314-555-0123"}
    assert all(f'value="{typed}"' in answer.text for name, typed in kept.items() if name != field)
    assert office.demo.count(Staff) == 4


def test_it_refuses_a_phone_that_is_a_colleagues(office: Office) -> None:
    send(office, "/staff/new", **ROSA)
    answer = send(office, "/staff/new", **{**ROSA, "email": "second@example.org"})
    assert "Somebody else on the staff has this telephone number" in page_text(answer)
    assert office.demo.count(Staff) == 5


def test_it_audits_the_names_of_changed_fields_and_never_their_values(office: Office) -> None:
    send(office, f"/staff/{office.worker}", **as_stored(languages="English, Bosnian", phone="314-555-0177", teams=[]))
    with office.demo.db() as db:
        (row,) = db.scalars(select(Audit).where(Audit.act == "staff_changed"))
    assert (row.staff_id, row.detail) == (office.admin, f"staff {office.worker}: languages, phone, teams")


def test_it_keeps_the_stored_phone_until_asked_to_forget_it(office: Office) -> None:
    send(office, f"/staff/{office.worker}", **as_stored(phone="314-555-0177"))
    send(office, f"/staff/{office.worker}", **as_stored(phone=""))
    assert one(office, "wanda@example.org").sealed_phone
    send(office, f"/staff/{office.worker}", **as_stored(forget_phone="1"))
    assert one(office, "wanda@example.org").sealed_phone is None


@pytest.mark.parametrize("role", ["worker", "supervisor", "auditor"])
def test_it_lets_only_admins_change_staff(office: Office, role: str) -> None:
    browser = office.browser(getattr(office, role))
    for path in ("/staff/new", f"/staff/{office.worker}", f"/staff/{office.worker}/deactivate", "/teams"):
        assert post(browser, f"/console{path}", **ROSA).status_code == 403
    assert office.demo.count(Staff) == 4


def test_it_never_takes_the_last_admin_away(office: Office) -> None:
    plain = {"name": "Ada Ortiz", "email": "ada@example.org", "languages": "English", "capacity": "4"}
    answer = send(office, f"/staff/{office.admin}", **plain, roles=["auditor"])
    assert answer.status_code == 422
    assert "Nobody else is an admin" in page_text(answer)
    with office.demo.db() as db:
        second = make_staff(db, "second@example.org", ("admin",))
    assert send(office, f"/staff/{second}/deactivate").status_code == 303
    assert send(office, f"/staff/{office.admin}/deactivate").status_code == 422


def test_it_hands_back_what_a_leaver_has_and_ends_their_session(office: Office) -> None:
    browser = office.browser(office.worker)
    with office.demo.db() as db:
        number = call_for_human(db, office.runtime.context.sealer, "+13145550142", office.minutes_ago(30))
        record_claim(db, number, office.worker, office.minutes_ago(29))
    assert send(office, f"/staff/{office.worker}/deactivate").status_code == 303
    with office.demo.db() as db:
        handoff = db.get_one(Handoff, number)
        assert (handoff.owner_id, handoff.state in ("waiting", "alerted", "escalated")) == (None, True)
        gone = db.get_one(Staff, office.worker)
        assert (gone.active, gone.sealed_phone, gone.left_at) == (False, None, office.now)
    assert browser.get("/console/replies").status_code == 303


def test_it_passes_on_the_calls_that_a_leaver_has_not_answered(office: Office) -> None:
    with office.demo.db() as db:
        number = call_for_human(db, office.runtime.context.sealer, "+13145550142", office.minutes_ago(3))
        record_call_out(db, number, office.worker, office.minutes_ago(3))
        record_call_out(db, number, office.worker, office.minutes_ago(1), tier=2)
    assert send(office, f"/staff/{office.worker}/deactivate").status_code == 303
    with office.demo.db() as db:
        assert set(db.scalars(select(CallOut.answer).where(CallOut.staff_id == office.worker))) == {"passed"}
        assert db.get_one(Handoff, number).due_at == office.now


def test_it_hands_back_what_a_member_has_who_may_no_longer_answer(office: Office) -> None:
    with office.demo.db() as db:
        number = call_for_human(db, office.runtime.context.sealer, "+13145550142", office.minutes_ago(30))
        record_claim(db, number, office.worker, office.minutes_ago(29))
    send(office, f"/staff/{office.worker}", **as_stored(roles=["auditor"]))
    with office.demo.db() as db:
        assert db.get_one(Handoff, number).owner_id is None


def test_it_reactivates_a_member(office: Office) -> None:
    send(office, f"/staff/{office.worker}/deactivate")
    assert send(office, f"/staff/{office.worker}", **as_stored()).status_code == 303
    assert one(office, "wanda@example.org").active is False
    send(office, f"/staff/{office.worker}/return")
    assert one(office, "wanda@example.org").active is True


def test_it_shows_the_link_once(office: Office) -> None:
    answer = send(office, f"/staff/{office.worker}/invite", how="show")
    link = re.search(r'readonly value="([^"]+)"', answer.text)
    assert link
    with office.demo.db() as db:
        invited = verify_link(db, office.runtime.settings.secret_key, link[1].rpartition("/")[2])
    assert invited is not None
    assert invited.staff_id == office.worker
    assert link[1] not in office.browser(office.admin).get(f"/console/staff/{office.worker}").text
    assert office.demo.count(Message) == 0


def test_it_sends_the_link_by_mail_without_showing_it(office: Office) -> None:
    answer = send(office, f"/staff/{office.worker}/invite", how="mail")
    assert answer.status_code == 303
    with office.demo.db() as db:
        (mail,) = db.scalars(select(Message).where(Message.key == "invitation"))
        body = office.runtime.context.sealer.open(mail.sealed_body or "")
    assert "/sign-in/link/" in body
    assert office.demo.count(Audit, Audit.act == "staff_invited") == 1


@pytest.mark.parametrize("path", ["/staff/999", "/staff/999/invite", "/staff/999/deactivate", "/staff/999/return"])
def test_it_says_calmly_that_a_member_is_unknown(office: Office, path: str) -> None:
    browser = office.browser(office.admin)
    assert post(browser, f"/console{path}", **ROSA).status_code == 303
    assert "There is nobody of that number" in page_text(browser.get("/console/staff"))


def test_it_warns_of_a_team_without_members_that_flows_call(office: Office) -> None:
    with office.demo.db() as db:
        staff.get_or_add_team(db, "crisis", "Crisis")
    words = page_text(office.browser(office.supervisor).get("/console/teams"))
    assert "Nobody is in this team, and flows call it." in words
    assert "Flows call a team that does not exist: counseling" in words
    assert words.count("Nobody is in this team") == 1


def test_it_adds_a_team_and_renames_it_but_never_its_slug(office: Office) -> None:
    assert send(office, "/teams", name="Night shift").status_code == 303
    assert send(office, "/teams/night_shift", name="Nights").status_code == 303
    with office.demo.db() as db:
        team = db.scalars(select(Team).where(Team.slug == "night_shift")).one()
    assert team.name == "Nights"
    for name in ("", "Anyone", "Night, shift!", "x" * 81):
        answer = send(office, "/teams", name=name)
        assert answer.status_code == 422
    assert send(office, "/teams/night_shift", name="").status_code == 422
    assert send(office, "/teams/unknown", name="Any").status_code == 404


def test_it_forgets_a_lost_second_factor_and_ends_their_sessions(office: Office) -> None:
    worker = one(office, "wanda@example.org")
    with office.demo.db() as db:
        row = db.get_one(Staff, worker.id)
        row.tf_primary_method, row.tf_totp_secret, row.mf_recovery_codes = "authenticator", "sealed", ["hash"]
    theirs = office.browser(worker.id)
    assert theirs.get("/console").status_code == 200
    assert send(office, f"/staff/{worker.id}/second-factor").status_code == 303
    after = one(office, "wanda@example.org")
    assert (after.tf_primary_method, after.tf_totp_secret, after.mf_recovery_codes) == (None, None, None)
    assert theirs.get("/console").status_code == 303
    assert office.demo.count(Audit, Audit.act == "second_factor_reset") == 1
