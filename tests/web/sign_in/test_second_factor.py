"""The second factor: one-time codes, recovery codes, and where they are asked for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest

from bot.operations.settings.settings import Settings
from tests.support.clock import FrozenClock
from tests.support.console import PASSWORD, post, sign_in, signed_in
from tests.support.entry_points import ROSA, House, is_in, open_house


@pytest.fixture
def strict(settings: Settings, clock: FrozenClock) -> Iterator[House]:
    """A house in which everybody needs a second factor."""
    with open_house(dataclasses.replace(settings, needs_second_factor=True), clock) as opened:
        yield opened


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
