"""One's own page."""

from __future__ import annotations

from bot.operations.settings.settings import Settings
from tests.support.clock import FrozenClock
from tests.support.console import PASSWORD, make_staff, password_hash, post, said, signed_in
from tests.support.entry_points import ROSA, WRONG, House, is_in
from tests.support.help_line import open_line


def test_it_signs_out_everywhere(house: House) -> None:
    here, there = signed_in(house.app, house.rosa), signed_in(house.app, house.rosa)
    post(here, "/console/account/everywhere")
    assert not is_in(here) and not is_in(there)


def test_it_ends_other_sessions_when_the_password_changes(house: House) -> None:
    here, there = signed_in(house.app, house.rosa), signed_in(house.app, house.rosa)
    refused = post(here, "/console/account/password", proof=WRONG, password="yellow kettle singing")
    assert refused.status_code == 422 and is_in(there)
    assert post(here, "/console/account/password", proof=PASSWORD, password="yellow kettle singing").status_code == 303
    assert is_in(here) and not is_in(there)


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
