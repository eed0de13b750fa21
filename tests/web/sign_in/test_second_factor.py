"""The second factor: one-time codes, recovery codes, and where they are asked for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest

from bot.operations.settings.settings import Settings
from tests.support.clock import FrozenClock
from tests.support.console import PASSWORD, post, sign_in, signed_in
from tests.support.entry_points import ROSA, Site, is_signed_in, open_site


@pytest.fixture
def strict(settings: Settings, clock: FrozenClock) -> Iterator[Site]:
    """A Warmline in which all staff need a second factor."""
    with open_site(dataclasses.replace(settings, needs_second_factor=True), clock) as opened:
        yield opened


def test_it_asks_for_a_code_once_there_is_an_authenticator(site: Site) -> None:
    site.turn_on_second_factor()
    client, answer = sign_in(site.app, ROSA, next="/console/roster")
    assert answer.location == "/sign-in/code" and not is_signed_in(client)
    assert post(client, "/sign-in/code", code="000000").status_code == 422
    done = post(client, "/sign-in/code", code=site.code())
    assert done.location == "/console/roster" and is_signed_in(client)


def test_it_takes_no_code_twice(site: Site) -> None:
    site.turn_on_second_factor()
    code = site.code()
    for taken in (303, 422):
        client, _ = sign_in(site.app, ROSA)
        assert post(client, "/sign-in/code", code=code).status_code == taken


def test_it_takes_no_code_of_another_time(site: Site) -> None:
    site.turn_on_second_factor()
    code = site.code()
    site.advance(minutes=3)
    client, _ = sign_in(site.app, ROSA)
    assert post(client, "/sign-in/code", code=code).status_code == 422


def test_it_takes_each_recovery_code_once(site: Site) -> None:
    codes = site.turn_on_second_factor()
    assert len(codes) == 10
    for typed, taken in ((codes[0].upper(), 303), (codes[0], 422), (codes[1].replace("-", " "), 303)):
        client, _ = sign_in(site.app, ROSA)
        assert post(client, "/sign-in/code", code=typed).status_code == taken
    assert len(site.row().mf_recovery_codes or []) == 8


def test_it_counts_wrong_codes_like_wrong_passwords(site: Site) -> None:
    site.turn_on_second_factor()
    client, _ = sign_in(site.app, ROSA)
    for _ in range(5):
        post(client, "/sign-in/code", code="abcd-abcd-abcd")
    assert post(client, "/sign-in/code", code=site.code()).status_code == 429
    assert ("locked", "15 minutes") in site.acts()


def test_it_does_not_count_from_nought_again_because_the_password_was_right(site: Site) -> None:
    site.turn_on_second_factor()
    for _ in range(3):
        client, _ = sign_in(site.app, ROSA)
        post(client, "/sign-in/code", code="000000")
        post(client, "/sign-in/code", code="111111")
    assert site.row().locked_until is not None


def test_it_forgets_a_half_done_sign_in(site: Site) -> None:
    site.turn_on_second_factor()
    client, _ = sign_in(site.app, ROSA)
    site.advance(minutes=11)
    assert post(client, "/sign-in/code", code=site.code()).location == "/sign-in?notice=late"


def test_it_stores_neither_secret_nor_codes_in_plain_text(site: Site) -> None:
    codes = site.turn_on_second_factor()
    row = site.row()
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", row.tf_totp_secret or "")
    stored = str(row.mf_recovery_codes)
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_it_asks_all_staff_to_set_up_a_second_factor_where_it_is_required(strict: Site) -> None:
    client, answer = sign_in(strict.app, ROSA, next="/console/roster")
    assert answer.location == "/sign-in/set-up" and not is_signed_in(client)
    page = client.get("/sign-in/set-up")
    assert "data:image/svg+xml" in page.text
    assert post(client, "/sign-in/set-up", code="000000").status_code == 422
    done = post(client, "/sign-in/set-up", code=strict.key_code(page.text))
    assert "/console/roster" in done.text and len(re.findall(r"<li>[0-9a-f-]{14}</li>", done.text)) == 10
    assert is_signed_in(client)
    assert post(client, "/console/account/second-factor/off", proof=PASSWORD).status_code == 422


def test_it_does_not_set_up_a_second_factor_over_one_that_is_there(strict: Site) -> None:
    strict.turn_on_second_factor()
    client, answer = sign_in(strict.app, ROSA)
    assert answer.location == "/sign-in/code"
    assert client.get("/sign-in/set-up").location == "/sign-in?notice=late"


def test_it_turns_the_second_factor_off_where_it_is_optional(site: Site) -> None:
    codes = site.turn_on_second_factor()
    client = signed_in(site.app, site.rosa)
    assert post(client, "/console/account/second-factor/off", proof="wrong").status_code == 422
    assert post(client, "/console/account/second-factor/off", proof=codes[0]).status_code == 303
    assert (site.row().tf_totp_secret, site.row().mf_recovery_codes) == (None, None)


def test_it_replaces_recovery_codes(site: Site) -> None:
    codes = site.turn_on_second_factor()
    client = signed_in(site.app, site.rosa)
    page = post(client, "/console/account/codes", proof=site.code())
    fresh = re.findall(r"<li>([0-9a-f-]{14})</li>", page.text)
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    other, _ = sign_in(site.app, ROSA)
    assert post(other, "/sign-in/code", code=codes[1]).status_code == 422
    assert post(other, "/sign-in/code", code=fresh[1]).status_code == 303
