"""The city's own sign-in: who may sign in by it, and every false claim that must be refused."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from sqlalchemy import select
from werkzeug.test import TestResponse

from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.storage.tables.staff import Audit, Staff
from bot.web.app import create_app
from tests.stand_ins.oidc import CLIENT, SECRET, StandInCity, open_city
from tests.support.clock import FrozenClock
from tests.support.console import make_staff, page_text, password_hash, post

REFUSED = "/sign-in?notice=city"


@dataclasses.dataclass
class CitySite:
    """The application with the stand-in as its identity provider, and Rosa on its staff."""

    app: Flask
    runtime: Runtime
    city: StandInCity
    rosa: int

    def row(self) -> Staff:
        with self.runtime.database.transaction() as db:
            return db.scalars(select(Staff).where(Staff.id == self.rosa)).one()

    def last_act(self) -> tuple[int | None, str, str]:
        with self.runtime.database.transaction() as db:
            row = db.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).one()
            return row.staff_id, row.act, row.detail

    def leave(self) -> tuple[FlaskClient, str]:
        """A browser that has gone to the city and is sent back; and the address that it is sent back to."""
        client = self.app.test_client()
        away = client.get("/sign-in/city?next=/console/roster")
        assert away.location.startswith(f"{self.city.issuer}/authorize?"), away.location
        back = requests.get(away.location, allow_redirects=False, timeout=5).headers["Location"]
        return client, back.removeprefix(self.runtime.settings.public_url)

    def come(self) -> tuple[FlaskClient, TestResponse]:
        client, back = self.leave()
        return client, client.get(back)


def is_in(client: FlaskClient) -> bool:
    return client.get("/console/account").status_code == 200


@pytest.fixture
def city() -> Iterator[StandInCity]:
    with open_city() as opened:
        yield opened


@pytest.fixture
def site(settings: Settings, clock: FrozenClock, city: StandInCity) -> Iterator[CitySite]:
    trusting = dataclasses.replace(
        settings, oidc_issuer=city.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET, needs_second_factor=True
    )
    runtime = Runtime.start(trusting, clock)
    try:
        app = create_app(runtime)
        yield CitySite(app, runtime, city, make_staff(runtime, "rosa@example.org", password=password_hash(app)))
    finally:
        runtime.close()


def test_it_lets_in_by_a_verified_address_and_binds_the_identity(site: CitySite) -> None:
    client, answer = site.come()
    assert answer.location == "/console/roster" and is_in(client)
    assert site.row().oidc_subject == f"{site.city.issuer} city-17"
    assert site.last_act() == (site.rosa, "signed_in", "city")
    asked = site.city.asked[0]
    assert asked["code_challenge_method"] == "S256" and asked["nonce"] and "openid" in asked["scope"]


def test_it_knows_a_bound_identity_under_another_address(site: CitySite) -> None:
    site.come()
    site.city.claims |= {"email": "rosa.ortiz@example.org", "email_verified": False}
    client, _ = site.come()
    assert is_in(client)


def test_it_does_not_give_a_bound_account_to_another_identity(site: CitySite) -> None:
    site.come()
    site.city.claims["sub"] = "city-18"
    client, answer = site.come()
    assert answer.location == REFUSED and not is_in(client)
    assert site.last_act() == (None, "sign_in_failed", "city: another identity is bound")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"email": "stranger@example.org"}, "unknown"),
        ({"email_verified": False}, "e-mail not verified"),
        ({"email_verified": "true"}, "e-mail not verified"),
        ({"email_verified": None}, "e-mail not verified"),
    ],
)
def test_it_politely_refuses_an_identity_that_is_not_certain(site: CitySite, claims: dict[str, Any], why: str) -> None:
    site.city.claims |= claims
    client, answer = site.come()
    assert answer.location == REFUSED and not is_in(client)
    assert "did not let you in here" in page_text(client.get(answer.location))
    assert site.last_act() == (None, "sign_in_failed", f"city: {why}")
    assert site.row().oidc_subject is None


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of-another-time"},
        {"iss": "https://elsewhere.example.org"},
        {"aud": "another-client"},
        {"aud": "another-client", "azp": CLIENT},
        {"exp": int(time.time()) - 600},
        {"sub": ""},
    ],
    ids=["nonce", "issuer", "audience", "audience with azp", "expired", "no subject"],
)
def test_it_refuses_a_token_that_is_not_for_this_sign_in(site: CitySite, claims: dict[str, Any]) -> None:
    site.city.claims |= claims
    client, answer = site.come()
    assert answer.location == REFUSED and not is_in(client)
    assert site.last_act()[1] == "sign_in_failed"


@pytest.mark.parametrize("claim", ["nonce", "iss", "aud", "exp", "sub"])
def test_it_refuses_a_token_that_leaves_something_out(site: CitySite, claim: str) -> None:
    site.city.forgets = {claim}
    client, answer = site.come()
    assert answer.location == REFUSED and not is_in(client)


def test_it_refuses_a_token_that_is_signed_by_another_key(site: CitySite) -> None:
    site.city.signs_with = RSAKey.generate_key(2048)
    client, answer = site.come()
    assert answer.location == REFUSED and not is_in(client)


def test_it_refuses_an_issuer_that_calls_itself_otherwise(site: CitySite) -> None:
    site.city.calls_itself = "https://elsewhere.example.org"
    client, answer = site.come()
    assert answer.location == REFUSED and not is_in(client)


def test_it_takes_an_answer_once(site: CitySite) -> None:
    client, back = site.leave()
    assert client.get(back).location == "/console/roster"
    post(client, "/sign-out")
    assert client.get(back).location == REFUSED and not is_in(client)


def test_it_accepts_no_answer_that_another_browser_asked_for(site: CitySite) -> None:
    _, back = site.leave()
    other = site.app.test_client()
    assert other.get(back).location == REFUSED and not is_in(other)


def test_it_does_not_take_a_refusal_as_an_answer(site: CitySite) -> None:
    client, _ = site.leave()
    assert client.get("/sign-in/city/back?error=access_denied").location == REFUSED


def test_it_believes_userinfo_only_about_the_same_person(site: CitySite) -> None:
    site.city.forgets = {"email", "email_verified"}
    site.city.says_in_userinfo = {"sub": "city-99", "email": "rosa@example.org", "email_verified": True}
    assert site.come()[1].location == REFUSED
    site.city.says_in_userinfo["sub"] = "city-17"
    assert is_in(site.come()[0])


def test_it_refuses_a_deactivated_member_and_binds_nothing(site: CitySite) -> None:
    with site.runtime.database.transaction() as db:
        db.get_one(Staff, site.rosa).active = False
    client, answer = site.come()
    assert answer.location == REFUSED and not is_in(client)
    assert site.last_act() == (site.rosa, "sign_in_failed", "city: account closed")
    assert site.row().oidc_subject is None


def test_it_says_so_when_the_city_does_not_answer(site: CitySite, settings: Settings) -> None:
    away = dataclasses.replace(site.runtime.settings, oidc_issuer="http://127.0.0.1:1")
    app = create_app(dataclasses.replace(site.runtime, settings=away))
    assert app.test_client().get("/sign-in/city").location == "/sign-in?notice=city_away"


def test_it_can_be_the_only_way_in(site: CitySite) -> None:
    assert "Password" in page_text(site.app.test_client().get("/sign-in"))
    only = dataclasses.replace(site.runtime.settings, staff_passwords=False)
    app = create_app(dataclasses.replace(site.runtime, settings=only))
    page = app.test_client().get("/sign-in")
    assert "Sign in with the city" in page.text and 'type="password"' not in page.text
    assert post(app.test_client(), "/sign-in", email="rosa@example.org", password="x").status_code == 404


def test_it_does_not_exist_without_an_issuer(settings: Settings, clock: FrozenClock) -> None:
    runtime = Runtime.start(settings, clock)
    try:
        client = create_app(runtime).test_client()
        assert client.get("/sign-in/city").status_code == 404
        assert "city" not in client.get("/sign-in").text
    finally:
        runtime.close()
