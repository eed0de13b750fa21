"""The phone of the studio: forms without a script, the same without a reload, for all who may see flows."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.storage.flows.drafts import DraftAuthor
from bot.storage.tables.studio import FlowTrial
from bot.usecases.studio import edit_draft
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo, hidden_field

ADDRESS = "/console/flows/emergency_assistance/try"
BEGINNING = {"at": ":try", "start": "flow", "moment": "2026-11-23T10:00", "language": "en", "channel": "sms"}


@pytest.fixture
def olga(demo: Demo) -> FlaskClient:
    """A browser in which an auditor is signed in, who may look and try."""
    return signed_in(demo.app, make_staff(demo.runtime, "olga@example.org", ["auditor"]))


def act(client: FlaskClient, address: str = ADDRESS, **fields: str) -> TestResponse:
    """Post a form of the phone, and see the page to which it leads."""
    answered = post(client, address, **{"at": ":try", **fields})
    assert answered.status_code == 303, page_text(answered)
    assert answered.location == f"{address}#phone"
    return client.get(address)


def draft(demo: Demo, old: str, new: str) -> None:
    """Change the flow's source in its draft."""
    with demo.db() as db:
        now = demo.runtime.clock.now()
        opened = edit_draft.open_draft(db, "emergency_assistance", DraftAuthor("Ada"), now)
        assert old in opened.revision.content.source
        edit_draft.change(
            db, "emergency_assistance", opened.revision.number, "Changed",
            lambda content: replace(content, source=content.source.replace(old, new)), DraftAuthor("Ada"), now,
        )  # fmt: skip


def test_it_texts_waits_and_goes_back_by_plain_forms(olga: FlaskClient) -> None:
    act(olga, do="restart", **BEGINNING)
    page = act(olga, do="say", body="my landlord is evicting me")
    assert "Do you have an eviction court date?" in page.text
    assert "1 segment" in page.text
    page = act(olga, wait="2h")
    assert "2 hours later: Mon, Nov 23, 12:00 PM" in page.text
    page = act(olga, do="undo")
    assert "2 hours later" not in page.text
    page = act(olga, do="again")
    assert "court date" not in page_text(page).partition("Where it stands")[0].partition("Texts of")[2]


def test_it_sends_the_answers_that_the_open_question_offers(olga: FlaskClient) -> None:
    act(olga, do="restart", **BEGINNING)
    page = act(olga, quick="3")
    assert "What is your ZIP code" in page.text
    assert "emergency_assistance / zip" in page_text(page)


def test_it_begins_elsewhere_with_what_is_known(olga: FlaskClient) -> None:
    known = {"answer.need": "food", "answer.court_date": "2026-12-03"}
    page = act(olga, do="restart", **{**BEGINNING, "start": "step:zip", "language": "es", "channel": "web"}, **known)
    assert "código postal" in html.unescape(page.text)
    assert "court_date : 2026-12-03" in page_text(page)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"answer.court_date": "soon"}, "court_date: write the day like 2026-12-03"),
        ({"moment": "tomorrow"}, "Write the day and time"),
        ({"start": "step:gone"}, "There is no step"),
        ({"language": "tlh"}, "Choose a language"),
        ({"answer.need": "<b>gold</b>"}, "choose one of the answers"),
    ],
)
def test_it_names_what_is_wrong_and_shows_what_was_typed(olga: FlaskClient, fields: dict[str, str], words: str) -> None:
    refused = post(olga, ADDRESS, do="set", **{**BEGINNING, **fields})
    assert refused.status_code == 422
    assert words in html.unescape(refused.text)
    typed = next(iter(fields.values()))
    assert f'value="{html.escape(typed)}"' in refused.text or "<option" in refused.text


def test_it_keeps_a_text_that_is_too_long_in_the_box(olga: FlaskClient) -> None:
    refused = post(olga, ADDRESS, do="say", at=":try", body="help " * 400)
    assert refused.status_code == 422
    assert "at most 1600 characters" in refused.text and "help help" in refused.text


def test_it_answers_its_script_with_the_pane_alone(olga: FlaskClient) -> None:
    fields = {"at": ":try", "do": "say", "body": "food"}
    page = olga.get(ADDRESS)
    token = hidden_field(page, "csrf_token")
    answered = olga.post(ADDRESS, data={"csrf_token": token, **fields}, headers={"Accept": "application/json"})
    assert answered.is_json and answered.json is not None
    assert answered.json["html"].strip().startswith('<section class="trial"') and answered.json["notice"] == ""
    assert "<html" not in answered.json["html"]
    again = {"csrf_token": token, **fields, "count": "0"}
    stale = olga.post(ADDRESS, data=again, headers={"Accept": "application/json"})
    assert stale.status_code == 422 and stale.json is not None and "gone on" in stale.json["notice"]


def test_it_is_shown_beside_the_steps_and_leads_back_there(demo: Demo, olga: FlaskClient) -> None:
    editor = olga.get("/console/flows/emergency_assistance?step=zip")
    assert "Try from zip" in editor.text
    moved = post(olga, ADDRESS, at="zip", do="jump", step="zip")
    assert moved.location == "/console/flows/emergency_assistance?step=zip#phone"
    elsewhere = post(olga, ADDRESS, at="//evil.example", do="again")
    assert elsewhere.location == f"{ADDRESS}#phone"


def test_it_replays_what_was_tried_on_the_changed_draft(demo: Demo, olga: FlaskClient) -> None:
    act(olga, do="restart", **BEGINNING)
    act(olga, do="say", body="rent")
    draft(demo, "Do you have an eviction court date?", "Is there an eviction court date?")
    page = olga.get(ADDRESS)
    assert "Is there an eviction court date?" in page.text
    assert "goes differently" not in page.text
    draft(demo, "go: rent_sorry", "go: zip")
    assert "From here on it goes differently" in olga.get(ADDRESS).text


def test_it_says_calmly_that_a_draft_cannot_be_played(demo: Demo, olga: FlaskClient) -> None:
    act(olga, do="say", body="rent")
    draft(demo, "steps:\n", "steps: [\n")
    page = olga.get(ADDRESS)
    assert page.status_code == 200
    assert "The draft cannot be played just now" in page.text
    assert "/console/flows/emergency_assistance/source" in page.text
    assert post(olga, ADDRESS, wait="2h", at=":try").status_code == 422


def test_each_member_has_a_trial_of_their_own(demo: Demo, olga: FlaskClient) -> None:
    vera = signed_in(demo.app, make_staff(demo.runtime, "vera@example.org", ["supervisor"]))
    act(olga, do="say", body="an odd word")
    assert "an odd word" not in vera.get(ADDRESS).text
    assert demo.count(FlowTrial) == 1


def test_it_is_closed_to_roles_that_may_not_see_flows_and_to_unknown_flows(demo: Demo, olga: FlaskClient) -> None:
    rosa = signed_in(demo.app, make_staff(demo.runtime, "rosa@example.org"))
    assert rosa.get(ADDRESS).status_code == 403
    assert post(rosa, ADDRESS, do="say", body="hi").status_code == 403
    assert olga.get("/console/flows/nothing/try").status_code == 404
    assert post(olga, "/console/flows/nothing/try", do="say", body="hi").status_code == 404
    assert not re.search("Keep as a transcript", olga.get(ADDRESS).text)


def test_it_shows_words_as_they_were_typed_and_no_markup(olga: FlaskClient) -> None:
    page = act(olga, do="say", body="<script>alert(1)</script>")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
