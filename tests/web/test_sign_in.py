"""Coming in and staying in: passwords, second factors, links, locks, and when a session ends."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select

from bot.runtime import Runtime
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.staff_tables import Audit, Staff
from bot.storage.tables import Message
from bot.usecases import invite
from bot.web.app import create_app
from bot.web.sign_in.attempts import MOST, Throttle
from tests.console import PASSWORD, make_staff, password_hash, post, said, sign_in, signed_in
from tests.demo import NOBODY_HOME
from tests.doubles import FrozenClock
from tests.helpline import open_line

ROSA = "rosa@example.org"
WRONG = "a different river"


@dataclasses.dataclass
class House:
    """A line with one member of staff, on a clock that stands still."""

    runtime: Runtime
    clock: FrozenClock

    def __post_init__(self) -> None:
        self.app = create_app(self.runtime)
        self.rosa = make_staff(self.runtime, ROSA, password=password_hash(self.app))

    def row(self) -> Staff:
        with self.runtime.database.transaction() as db:
            return db.scalars(select(Staff).where(Staff.id == self.rosa)).one()

    def change(self, **values: object) -> None:
        with self.runtime.database.transaction() as db:
            member = db.get_one(Staff, self.rosa)
            for name, value in values.items():
                setattr(member, name, value)

    def acts(self) -> list[tuple[str, str]]:
        with self.runtime.database.transaction() as db:
            return [(row.act, row.detail) for row in db.scalars(select(Audit).order_by(Audit.id))]

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span))

    def code(self) -> str:
        """What Rosa's authenticator shows now."""
        totp = self.app.extensions["security"].totp_factory
        return str(totp.code(self.row().tf_totp_secret))

    def turn_on(self) -> list[str]:
        """Rosa sets up her second factor on her page; gives the recovery codes that she is shown."""
        client = signed_in(self.app, self.rosa)
        page = client.get("/console/account/second-factor")
        done = post(client, "/console/account/second-factor", code=self.key_code(page.text), proof=PASSWORD)
        assert done.status_code == 200, done.text
        self.later(seconds=60)
        return re.findall(r"<li>([0-9a-f-]{14})</li>", done.text)

    def key_code(self, page: str) -> str:
        """The code for the key that a set-up page shows."""
        key = re.search(r'class="door-key">([^<]+)<', page)
        assert key
        totp = self.app.extensions["security"].totp_factory
        return str(totp._totp(key=key[1], format="base32").generate(self.clock.now()).token)

    def link(self, purpose: invite.Purpose = invite.Purpose.INVITATION) -> str:
        return invite.make_link("", self.runtime.settings.secret_key, self.row(), purpose)


def open_house(settings: Settings, clock: FrozenClock) -> Iterator[House]:
    runtime = Runtime.start(settings, clock)
    try:
        yield House(runtime, clock)
    finally:
        runtime.close()


@pytest.fixture
def house(settings: Settings, clock: FrozenClock) -> Iterator[House]:
    yield from open_house(settings, clock)


@pytest.fixture
def strict(settings: Settings, clock: FrozenClock) -> Iterator[House]:
    """A house in which everybody needs a second factor."""
    yield from open_house(dataclasses.replace(settings, needs_second_factor=True), clock)


def is_in(client: FlaskClient) -> bool:
    return client.get("/console/account").status_code == 200


def test_it_lets_in_by_password_and_goes_where_they_wanted(house: House) -> None:
    client, answer = sign_in(house.app, " Rosa@Example.org", next="/console/board?team=housing")
    assert (answer.status_code, answer.location) == (303, "/console/board?team=housing")
    assert is_in(client)
    assert house.acts() == [("signed_in", "password")]
    assert house.row().login_count == 1 and house.row().current_login_at == house.clock.now()


ELSEWHERE = ("//evil.example", "https://evil.example/console", "/console/\\evil", "/phone", "/console.evil")


@pytest.mark.parametrize("onward", ELSEWHERE)
def test_it_leads_nowhere_else(house: House, onward: str) -> None:
    _, answer = sign_in(house.app, ROSA, next=onward)
    assert answer.location == "/console/start"


def test_it_tells_nobody_who_has_an_account(house: House) -> None:
    make_staff(house.runtime, "gone@example.org", password=password_hash(house.app), active=False)
    make_staff(house.runtime, "new@example.org")
    answers = [
        sign_in(house.app, email, password)[1]
        for email, password in [
            (ROSA, WRONG), ("nobody@example.org", PASSWORD), ("gone@example.org", PASSWORD), ("new@example.org", ""),
            (ROSA, "\x00"), (ROSA, "x" * 5000),
        ]
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {422}
    assert len({re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}) == 1


def test_it_keeps_only_an_argon2_hash(house: House) -> None:
    assert (house.row().password or "").startswith("$argon2id$")


def test_it_shuts_an_account_after_five_wrong_passwords_and_for_longer_each_time(house: House) -> None:
    for _ in range(5):
        sign_in(house.app, ROSA, WRONG)
    assert ("locked", "15 minutes") in house.acts()
    assert sign_in(house.app, ROSA)[1].status_code == 422
    house.later(minutes=14)
    assert sign_in(house.app, ROSA)[1].status_code == 422
    house.later(minutes=2)
    for _ in range(5):
        sign_in(house.app, ROSA, WRONG)
    assert ("locked", "30 minutes") in house.acts()
    house.later(minutes=31)
    assert sign_in(house.app, ROSA)[1].status_code == 303
    assert (house.row().failed_sign_ins, house.row().locked_until) == (0, None)


def test_it_slows_down_an_address(house: House) -> None:
    for number in range(MOST):
        sign_in(house.app, f"guess{number}@example.org", WRONG)
    _, answer = sign_in(house.app, ROSA)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0


def test_it_forgets_a_slowed_address_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    throttle, moment = Throttle(), 1000.0
    monkeypatch.setattr("bot.web.sign_in.attempts.time.monotonic", lambda: moment)
    for _ in range(MOST):
        throttle.count("192.0.2.1")
    assert throttle.wait("192.0.2.1") > 500 and throttle.wait("192.0.2.2") == 0
    moment += 601
    assert throttle.wait("192.0.2.1") == 0


def test_it_ends_a_quiet_session_and_looking_for_news_is_quiet(house: House) -> None:
    client = signed_in(house.app, house.rosa)
    for _ in range(4):
        house.later(minutes=9)
        client.get("/console/news")
    assert not is_in(client)
    busy = signed_in(house.app, house.rosa)
    for _ in range(4):
        house.later(minutes=25)
        assert is_in(busy)


def test_it_ends_every_session_after_twelve_hours(house: House) -> None:
    client = signed_in(house.app, house.rosa)
    for _ in range(29):
        house.later(minutes=25)
        client.get("/console/account")
    assert not is_in(client)


def test_it_puts_out_who_was_deactivated_at_once(house: House) -> None:
    client = signed_in(house.app, house.rosa)
    assert is_in(client)
    house.change(active=False)
    assert not is_in(client)


def test_it_shows_a_reply_again_that_was_written_when_the_session_had_ended(house: House) -> None:
    client = signed_in(house.app, house.rosa)
    client.get("/console/account")
    house.later(minutes=31)
    answer = post(client, "/console/account/self", body="I am here with you.")
    assert answer.status_code == 401 and "I am here with you." in answer.text


def test_it_signs_out(house: House) -> None:
    client, _ = sign_in(house.app, ROSA)
    answer = post(client, "/sign-out")
    assert answer.status_code == 303 and not is_in(client)
    assert house.acts()[-1] == ("signed_out", "")


def test_it_signs_out_everywhere(house: House) -> None:
    here, there = signed_in(house.app, house.rosa), signed_in(house.app, house.rosa)
    post(here, "/console/account/everywhere")
    assert not is_in(here) and not is_in(there)


def test_it_refuses_a_form_that_is_not_ours(house: House) -> None:
    client = house.app.test_client()
    assert client.post("/sign-in", data={"email": ROSA, "password": PASSWORD}).status_code == 400
    answer = client.post("/sign-in", data={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_its_cookie_is_for_this_host_and_https_alone(settings: Settings, clock: FrozenClock) -> None:
    for house in open_house(dataclasses.replace(settings, public_url="https://help.example.org"), clock):
        _, answer = sign_in(house.app, ROSA)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-warmline=")
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_it_asks_for_a_code_once_there_is_an_authenticator(house: House) -> None:
    house.turn_on()
    client, answer = sign_in(house.app, ROSA, next="/console/roster")
    assert answer.location == "/sign-in/code" and not is_in(client)
    assert post(client, "/sign-in/code", code="000000").status_code == 422
    done = post(client, "/sign-in/code", code=house.code())
    assert done.location == "/console/roster" and is_in(client)


def test_it_takes_no_code_twice(house: House) -> None:
    house.turn_on()
    code = house.code()
    for taken in (303, 422):
        client, _ = sign_in(house.app, ROSA)
        assert post(client, "/sign-in/code", code=code).status_code == taken


def test_it_takes_no_code_of_another_time(house: House) -> None:
    house.turn_on()
    code = house.code()
    house.later(minutes=3)
    client, _ = sign_in(house.app, ROSA)
    assert post(client, "/sign-in/code", code=code).status_code == 422


def test_it_takes_each_recovery_code_once(house: House) -> None:
    codes = house.turn_on()
    assert len(codes) == 10
    for typed, taken in ((codes[0].upper(), 303), (codes[0], 422), (codes[1].replace("-", " "), 303)):
        client, _ = sign_in(house.app, ROSA)
        assert post(client, "/sign-in/code", code=typed).status_code == taken
    assert len(house.row().mf_recovery_codes or []) == 8


def test_it_counts_wrong_codes_like_wrong_passwords(house: House) -> None:
    house.turn_on()
    client, _ = sign_in(house.app, ROSA)
    for _ in range(5):
        post(client, "/sign-in/code", code="abcd-abcd-abcd")
    assert post(client, "/sign-in/code", code=house.code()).status_code == 429
    assert ("locked", "15 minutes") in house.acts()


def test_it_does_not_count_from_nought_again_because_the_password_was_right(house: House) -> None:
    house.turn_on()
    for _ in range(3):
        client, _ = sign_in(house.app, ROSA)
        post(client, "/sign-in/code", code="000000")
        post(client, "/sign-in/code", code="111111")
    assert house.row().locked_until is not None


def test_it_forgets_a_half_done_sign_in(house: House) -> None:
    house.turn_on()
    client, _ = sign_in(house.app, ROSA)
    house.later(minutes=11)
    assert post(client, "/sign-in/code", code=house.code()).location == "/sign-in?notice=late"


def test_it_stores_neither_secret_nor_codes_to_be_read(house: House) -> None:
    codes = house.turn_on()
    row = house.row()
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", row.tf_totp_secret or "")
    stored = str(row.mf_recovery_codes)
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_it_asks_everybody_to_set_up_a_second_factor_where_it_is_required(strict: House) -> None:
    client, answer = sign_in(strict.app, ROSA, next="/console/roster")
    assert answer.location == "/sign-in/set-up" and not is_in(client)
    page = client.get("/sign-in/set-up")
    assert "data:image/svg+xml" in page.text
    assert post(client, "/sign-in/set-up", code="000000").status_code == 422
    done = post(client, "/sign-in/set-up", code=strict.key_code(page.text))
    assert "/console/roster" in done.text and len(re.findall(r"<li>[0-9a-f-]{14}</li>", done.text)) == 10
    assert is_in(client)
    assert post(client, "/console/account/second-factor/off", proof=PASSWORD).status_code == 422


def test_it_does_not_set_up_a_second_factor_over_one_that_is_there(strict: House) -> None:
    strict.turn_on()
    client, answer = sign_in(strict.app, ROSA)
    assert answer.location == "/sign-in/code"
    assert client.get("/sign-in/set-up").location == "/sign-in?notice=late"


def test_it_invites_once(house: House) -> None:
    house.change(password=None)
    link = house.link()
    client = house.app.test_client()
    assert "Welcome, Rosa" in said(client.get(link))
    assert "at least 12" in said(post(client, link, password="too short"))
    assert post(client, link, password="rosa rosa ortiz").status_code == 422
    assert post(client, link, password="yellow kettle singing").status_code == 303
    assert is_in(client)
    assert client.get(link).location == "/sign-in?notice=spent"
    assert sign_in(house.app, ROSA, "yellow kettle singing")[1].status_code == 303


def test_it_refuses_a_link_that_is_forged_or_of_somebody_who_left(house: House) -> None:
    link = house.link()
    client = house.app.test_client()
    for other in (link[:-2] + "xx", link.replace("/link/i", "/link/f"), "/sign-in/link/x", "/sign-in/link/i"):
        assert client.get(other).location == "/sign-in?notice=spent"
    house.change(active=False)
    assert client.get(link).location == "/sign-in?notice=spent"


@pytest.mark.parametrize(("purpose", "hours"), [(invite.Purpose.INVITATION, 72), (invite.Purpose.FORGOTTEN, 1)])
def test_it_refuses_a_link_that_is_too_old(house: House, purpose: invite.Purpose, hours: int) -> None:
    link, client, now = house.link(purpose), house.app.test_client(), time.time()
    with time_machine.travel(now + hours * 3600 - 60):
        assert client.get(link).status_code == 200
    with time_machine.travel(now + hours * 3600 + 60):
        assert client.get(link).location == "/sign-in?notice=spent"


def test_it_asks_for_the_second_factor_after_a_forgotten_password_too(house: House) -> None:
    house.turn_on()
    client = house.app.test_client()
    answer = post(client, house.link(invite.Purpose.FORGOTTEN), password="yellow kettle singing")
    assert answer.location == "/sign-in/code" and not is_in(client)


def test_it_ends_other_sessions_when_the_password_changes(house: House) -> None:
    here, there = signed_in(house.app, house.rosa), signed_in(house.app, house.rosa)
    refused = post(here, "/console/account/password", proof=WRONG, password="yellow kettle singing")
    assert refused.status_code == 422 and is_in(there)
    assert post(here, "/console/account/password", proof=PASSWORD, password="yellow kettle singing").status_code == 303
    assert is_in(here) and not is_in(there)


def test_it_mails_a_link_to_who_forgot_and_says_the_same_to_everybody(settings: Settings, clock: FrozenClock) -> None:
    mailing = dataclasses.replace(settings, smtp_url="smtp://127.0.0.1:9", mail_from="line@example.org")
    for house in open_house(mailing, clock):
        client = house.app.test_client()
        assert "I forgot my password" in said(client.get("/sign-in"))
        answers = {post(client, "/sign-in/forgotten", email=email).text for email in (ROSA, ROSA, "nobody@example.org")}
        assert len(answers) == 1
        assert house.acts() == [("password_link", "forgotten")]
        with house.runtime.database.transaction() as db:
            (mail,) = db.scalars(select(Message).where(Message.outbound))
            body = house.runtime.desk.sealer.open(mail.sealed_body or "")
        subject, _, rest = body.partition("\n")
        assert subject == "A link to choose a new password" and ROSA not in body
        (link,) = re.findall(re.escape(mailing.public_url) + r"(/sign-in/link/\S+)", rest)
        assert "Choose a new password" in said(client.get(link))


def test_it_has_no_forgotten_page_without_mail(house: House) -> None:
    assert house.app.test_client().get("/sign-in/forgotten").status_code == 404
    assert "forgot" not in house.app.test_client().get("/sign-in").text


def test_it_signs_in_with_one_press_in_a_demo(house: House) -> None:
    client = house.app.test_client()
    assert "Rosa Ortiz" in said(client.get("/sign-in"))
    assert post(client, "/sign-in/demo", staff=str(house.rosa)).status_code == 303
    assert is_in(client)


def test_it_has_no_such_door_with_a_carrier(settings: Settings, clock: FrozenClock) -> None:
    with open_line(settings, clock) as line:
        number = make_staff(line.runtime, ROSA)
        client = line.app.test_client()
        assert "Rosa" not in client.get("/sign-in").text
        assert post(client, "/sign-in/demo", staff=str(number)).status_code == 404


def test_it_changes_the_telephone_of_who_shows_again_that_it_is_them(settings: Settings, clock: FrozenClock) -> None:
    with open_line(settings, clock) as line:
        number = make_staff(line.runtime, ROSA, password=password_hash(line.app))
        client = signed_in(line.app, number)
        fields = {"phone": "(314) 555-0199", "proof": WRONG}
        assert post(client, "/console/account/phone", **fields).status_code == 422
        done = post(client, "/console/account/phone", **fields | {"proof": PASSWORD})
        assert done.status_code == 303, said(done)
        assert "ends in 0199" in said(client.get("/console/account"))
        wrong = post(client, "/console/account/phone", phone="12", proof=PASSWORD)
        assert wrong.status_code == 422 and "ends in 0199" in said(wrong)


def test_it_changes_how_i_am_called_out_but_leaves_one_way(house: House) -> None:
    client = signed_in(house.app, house.rosa)
    assert post(client, "/console/account/alerts", text="yes").status_code == 303
    assert (house.row().alerts_by_text, house.row().alerts_by_email, house.row().alerts_by_voice) == (True, False, False)
    assert post(client, "/console/account/alerts").status_code == 422
    assert house.acts()[-1][0] == "account_changed"


def test_it_changes_what_people_are_told_of_me(house: House) -> None:
    client = signed_in(house.app, house.rosa)
    done = post(client, "/console/account/self", called="Rosie", language=["es", "en", "tlh"])
    assert done.status_code == 303
    row = house.row()
    assert (row.called, row.tells_name, row.languages) == ("Rosie", False, ["en", "es"])
    assert post(client, "/console/account/self", called=" ", language="en").status_code == 422
    assert post(client, "/console/account/self", called="Rosie").status_code == 422


def test_it_turns_the_second_factor_off_where_it_is_optional(house: House) -> None:
    codes = house.turn_on()
    client = signed_in(house.app, house.rosa)
    assert post(client, "/console/account/second-factor/off", proof="wrong").status_code == 422
    assert post(client, "/console/account/second-factor/off", proof=codes[0]).status_code == 303
    assert (house.row().tf_totp_secret, house.row().mf_recovery_codes) == (None, None)


def test_it_replaces_recovery_codes(house: House) -> None:
    codes = house.turn_on()
    client = signed_in(house.app, house.rosa)
    page = post(client, "/console/account/codes", proof=house.code())
    fresh = re.findall(r"<li>([0-9a-f-]{14})</li>", page.text)
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    other, _ = sign_in(house.app, ROSA)
    assert post(other, "/sign-in/code", code=codes[1]).status_code == 422
    assert post(other, "/sign-in/code", code=fresh[1]).status_code == 303


def test_it_says_so_when_the_database_is_away(house: House) -> None:
    client = signed_in(house.app, house.rosa)
    away = dataclasses.replace(house.runtime, database=Database(NOBODY_HOME))
    house.app.extensions["warmline"] = away
    answer = client.get("/console/account")
    assert answer.status_code == 503 and "cannot reach our records" in said(answer)
