"""The page of one's own account."""

from __future__ import annotations

from bot.operations.settings.settings import Settings
from tests.support.clock import FrozenClock
from tests.support.console import PASSWORD, make_staff, page_text, password_hash, post, signed_in
from tests.support.entry_points import ROSA, WRONG, Site, is_signed_in
from tests.support.help_line import open_line


def test_it_signs_out_everywhere(site: Site) -> None:
    here, there = signed_in(site.app, site.rosa), signed_in(site.app, site.rosa)
    post(here, "/console/account/everywhere")
    assert not is_signed_in(here) and not is_signed_in(there)


def test_it_ends_other_sessions_when_the_password_changes(site: Site) -> None:
    here, there = signed_in(site.app, site.rosa), signed_in(site.app, site.rosa)
    refused = post(here, "/console/account/password", proof=WRONG, password="yellow kettle singing")
    assert refused.status_code == 422 and is_signed_in(there)
    assert post(here, "/console/account/password", proof=PASSWORD, password="yellow kettle singing").status_code == 303
    assert is_signed_in(here) and not is_signed_in(there)


def test_it_changes_the_telephone_after_the_password_was_asked_again(settings: Settings, clock: FrozenClock) -> None:
    with open_line(settings, clock) as line:
        number = make_staff(line.runtime, ROSA, password=password_hash(line.app))
        client = signed_in(line.app, number)
        fields = {"phone": "(314) 555-0199", "proof": WRONG}
        assert post(client, "/console/account/phone", **fields).status_code == 422
        done = post(client, "/console/account/phone", **fields | {"proof": PASSWORD})
        assert done.status_code == 303, page_text(done)
        assert "ends in 0199" in page_text(client.get("/console/account"))
        wrong = post(client, "/console/account/phone", phone="12", proof=PASSWORD)
        assert wrong.status_code == 422 and "ends in 0199" in page_text(wrong)


def test_it_changes_how_one_is_alerted_but_leaves_one_way(site: Site) -> None:
    client = signed_in(site.app, site.rosa)
    assert post(client, "/console/account/alerts", text="yes").status_code == 303
    assert (site.row().alerts_by_text, site.row().alerts_by_email, site.row().alerts_by_voice) == (True, False, False)
    assert post(client, "/console/account/alerts").status_code == 422
    assert site.acts()[-1][0] == "account_changed"


def test_it_changes_how_one_is_named_to_people(site: Site) -> None:
    client = signed_in(site.app, site.rosa)
    done = post(client, "/console/account/self", called="Rosie", language=["es", "en", "tlh"])
    assert done.status_code == 303
    row = site.row()
    assert (row.called, row.tells_name, row.languages) == ("Rosie", False, ["en", "es"])
    assert post(client, "/console/account/self", called=" ", language="en").status_code == 422
    assert post(client, "/console/account/self", called="Rosie").status_code == 422
