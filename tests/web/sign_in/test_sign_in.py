"""Signing in and staying signed in: passwords, links, lockouts, and when a session ends."""

from __future__ import annotations

import dataclasses
import re
import time

import pytest
import time_machine
from sqlalchemy import select

from bot.operations.settings.settings import Settings
from bot.storage.database import Database
from bot.storage.tables.residents import Message
from bot.usecases.staff import invite
from bot.web.sign_in.attempts import MAX_FAILURES, Throttle
from tests.support.clock import FrozenClock
from tests.support.console import PASSWORD, make_staff, page_text, password_hash, post, sign_in, signed_in
from tests.support.demo import UNREACHABLE_DATABASE
from tests.support.entry_points import ROSA, WRONG, Site, is_signed_in, open_site
from tests.support.help_line import open_line


def test_it_lets_in_by_password_and_goes_where_they_wanted(site: Site) -> None:
    client, answer = sign_in(site.app, " Rosa@Example.org", next="/console/board?team=housing")
    assert (answer.status_code, answer.location) == (303, "/console/board?team=housing")
    assert is_signed_in(client)
    assert site.acts() == [("signed_in", "password")]
    assert site.row().login_count == 1 and site.row().current_login_at == site.clock.now()


ELSEWHERE = ("//evil.example", "https://evil.example/console", "/console/\\evil", "/phone", "/console.evil")


@pytest.mark.parametrize("onward", ELSEWHERE)
def test_it_leads_nowhere_else(site: Site, onward: str) -> None:
    _, answer = sign_in(site.app, ROSA, next=onward)
    assert answer.location == "/console/start"


def test_it_does_not_reveal_who_has_an_account(site: Site) -> None:
    make_staff(site.runtime, "gone@example.org", password=password_hash(site.app), active=False)
    make_staff(site.runtime, "new@example.org")
    answers = [
        sign_in(site.app, email, password)[1]
        for email, password in [
            (ROSA, WRONG), ("nobody@example.org", PASSWORD), ("gone@example.org", PASSWORD), ("new@example.org", ""),
            (ROSA, "\x00"), (ROSA, "x" * 5000),
        ]
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {422}
    assert len({re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}) == 1


def test_it_keeps_only_an_argon2_hash(site: Site) -> None:
    assert (site.row().password or "").startswith("$argon2id$")


def test_it_locks_an_account_after_five_wrong_passwords_and_for_longer_each_time(site: Site) -> None:
    for _ in range(5):
        sign_in(site.app, ROSA, WRONG)
    assert ("locked", "15 minutes") in site.acts()
    assert sign_in(site.app, ROSA)[1].status_code == 422
    site.advance(minutes=14)
    assert sign_in(site.app, ROSA)[1].status_code == 422
    site.advance(minutes=2)
    for _ in range(5):
        sign_in(site.app, ROSA, WRONG)
    assert ("locked", "30 minutes") in site.acts()
    site.advance(minutes=31)
    assert sign_in(site.app, ROSA)[1].status_code == 303
    assert (site.row().failed_sign_ins, site.row().locked_until) == (0, None)


def test_it_slows_down_an_address(site: Site) -> None:
    for number in range(MAX_FAILURES):
        sign_in(site.app, f"guess{number}@example.org", WRONG)
    _, answer = sign_in(site.app, ROSA)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0


def test_it_forgets_a_slowed_address_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    throttle, moment = Throttle(), 1000.0
    monkeypatch.setattr("bot.web.sign_in.attempts.time.monotonic", lambda: moment)
    for _ in range(MAX_FAILURES):
        throttle.add_failure("192.0.2.1")
    assert throttle.seconds_to_wait("192.0.2.1") > 500 and throttle.seconds_to_wait("192.0.2.2") == 0
    moment += 601
    assert throttle.seconds_to_wait("192.0.2.1") == 0


def test_it_ends_a_quiet_session_and_looking_for_news_is_quiet(site: Site) -> None:
    client = signed_in(site.app, site.rosa)
    for _ in range(4):
        site.advance(minutes=9)
        client.get("/console/inbox/news")
    assert client.get("/console/inbox/news").status_code == 401 and not is_signed_in(client)
    busy = signed_in(site.app, site.rosa)
    for _ in range(4):
        site.advance(minutes=25)
        assert is_signed_in(busy)


def test_it_ends_every_session_after_twelve_hours(site: Site) -> None:
    client = signed_in(site.app, site.rosa)
    for _ in range(29):
        site.advance(minutes=25)
        client.get("/console/account")
    assert not is_signed_in(client)


def test_it_signs_out_a_deactivated_member_at_once(site: Site) -> None:
    client = signed_in(site.app, site.rosa)
    assert is_signed_in(client)
    site.change(active=False)
    assert not is_signed_in(client)


def test_it_shows_a_reply_again_that_was_written_when_the_session_had_ended(site: Site) -> None:
    client = signed_in(site.app, site.rosa)
    client.get("/console/account")
    site.advance(minutes=31)
    answer = post(client, "/console/account/self", body="I am here with you.")
    assert answer.status_code == 401 and "I am here with you." in answer.text


def test_it_signs_out(site: Site) -> None:
    client, _ = sign_in(site.app, ROSA)
    answer = post(client, "/sign-out")
    assert answer.status_code == 303 and not is_signed_in(client)
    assert site.acts()[-1] == ("signed_out", "")


def test_it_refuses_a_forged_form(site: Site) -> None:
    client = site.app.test_client()
    assert client.post("/sign-in", data={"email": ROSA, "password": PASSWORD}).status_code == 400
    answer = client.post("/sign-in", data={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_its_cookie_is_for_this_host_and_https_alone(settings: Settings, clock: FrozenClock) -> None:
    with open_site(dataclasses.replace(settings, public_url="https://help.example.org"), clock) as site:
        _, answer = sign_in(site.app, ROSA)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-warmline=")
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_it_invites_once(site: Site) -> None:
    site.change(password=None)
    link = site.link()
    client = site.app.test_client()
    assert "Welcome, Rosa" in page_text(client.get(link))
    assert "at least 12" in page_text(post(client, link, password="too short"))
    assert post(client, link, password="rosa rosa ortiz").status_code == 422
    assert post(client, link, password="yellow kettle singing").status_code == 303
    assert is_signed_in(client)
    assert client.get(link).location == "/sign-in?notice=spent"
    assert sign_in(site.app, ROSA, "yellow kettle singing")[1].status_code == 303


def test_it_refuses_a_link_that_is_forged_or_of_a_member_who_left(site: Site) -> None:
    link = site.link()
    client = site.app.test_client()
    for other in (link[:-2] + "xx", link.replace("/link/i", "/link/f"), "/sign-in/link/x", "/sign-in/link/i"):
        assert client.get(other).location == "/sign-in?notice=spent"
    site.change(active=False)
    assert client.get(link).location == "/sign-in?notice=spent"


@pytest.mark.parametrize(("purpose", "hours"), [(invite.LinkPurpose.INVITATION, 72), (invite.LinkPurpose.FORGOTTEN, 1)])
def test_it_refuses_a_link_that_is_too_old(site: Site, purpose: invite.LinkPurpose, hours: int) -> None:
    link, client, now = site.link(purpose), site.app.test_client(), time.time()
    with time_machine.travel(now + hours * 3600 - 60):
        assert client.get(link).status_code == 200
    with time_machine.travel(now + hours * 3600 + 60):
        assert client.get(link).location == "/sign-in?notice=spent"


def test_it_asks_for_the_second_factor_after_a_forgotten_password_too(site: Site) -> None:
    site.turn_on_second_factor()
    client = site.app.test_client()
    answer = post(client, site.link(invite.LinkPurpose.FORGOTTEN), password="yellow kettle singing")
    assert answer.location == "/sign-in/code" and not is_signed_in(client)


def test_it_mails_a_link_for_a_forgotten_password_and_says_the_same_to_all(settings: Settings, clock: FrozenClock) -> None:
    mailing = dataclasses.replace(settings, smtp_url="smtp://127.0.0.1:9", mail_from="line@example.org")
    with open_site(mailing, clock) as site:
        client = site.app.test_client()
        assert "I forgot my password" in page_text(client.get("/sign-in"))
        answers = {post(client, "/sign-in/forgotten", email=email).text for email in (ROSA, ROSA, "nobody@example.org")}
        assert len(answers) == 1
        assert site.acts() == [("password_link", "forgotten")]
        with site.runtime.database.transaction() as db:
            (mail,) = db.scalars(select(Message).where(Message.outbound))
            body = site.runtime.context.sealer.open(mail.sealed_body or "")
        subject, _, rest = body.partition("\n")
        assert subject == "A link to choose a new password" and ROSA not in body
        (link,) = re.findall(re.escape(mailing.public_url) + r"(/sign-in/link/\S+)", rest)
        assert "Choose a new password" in page_text(client.get(link))


def test_it_has_no_forgotten_page_without_mail(site: Site) -> None:
    assert site.app.test_client().get("/sign-in/forgotten").status_code == 404
    assert "forgot" not in site.app.test_client().get("/sign-in").text


def test_it_signs_in_with_one_press_in_a_demo(site: Site) -> None:
    client = site.app.test_client()
    assert "Rosa Ortiz" in page_text(client.get("/sign-in"))
    assert post(client, "/sign-in/demo", staff=str(site.rosa)).status_code == 303
    assert is_signed_in(client)


def test_it_has_no_demo_sign_in_with_a_carrier(settings: Settings, clock: FrozenClock) -> None:
    with open_line(settings, clock) as line:
        number = make_staff(line.runtime, ROSA)
        client = line.app.test_client()
        assert "Rosa" not in client.get("/sign-in").text
        assert post(client, "/sign-in/demo", staff=str(number)).status_code == 404


def test_it_says_so_when_the_database_is_away(site: Site) -> None:
    client = signed_in(site.app, site.rosa)
    away = dataclasses.replace(site.runtime, database=Database(UNREACHABLE_DATABASE))
    site.app.extensions["warmline"] = away
    answer = client.get("/console/account")
    assert answer.status_code == 503 and "cannot reach our records" in page_text(answer)
