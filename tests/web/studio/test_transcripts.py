"""Transcripts in the console: recorded from the phone, checked, read side by side, changed, and put on the phone again."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from bot.domain.flows.language.content import FlowContent
from bot.storage.flows import drafts
from bot.storage.flows.drafts import DraftAuthor
from bot.storage.tables.staff import Audit
from bot.usecases.studio import edit_draft
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo, hidden_field

FLOW = "/console/flows/emergency_assistance"
LIST = f"{FLOW}/transcripts"
ONE = f"{LIST}/one"
BEGINNING = {"start": "flow", "moment": "2026-11-23T10:00", "language": "en", "channel": "sms"}


@pytest.fixture
def ada(demo: Demo) -> FlaskClient:
    """A browser in which an admin is signed in."""
    return signed_in(demo.app, make_staff(demo.runtime, "ada@example.org", ["admin"]))


@pytest.fixture
def recorded(ada: FlaskClient) -> FlaskClient:
    """The same, with a conversation about rent kept as en/rent."""
    post(ada, f"{FLOW}/try", do="restart", **BEGINNING)
    post(ada, f"{FLOW}/try", do="say", body="rent")
    kept = post(ada, f"{LIST}/record", title="Rent is late", name="en/rent")
    assert (kept.status_code, kept.location) == (303, f"{ONE}?name=en/rent")
    return ada


def content(demo: Demo, flow: str = "emergency_assistance") -> FlowContent:
    with demo.db() as db:
        draft = drafts.find(db, flow)
    assert draft is not None
    return draft.revision.content


def worded(demo: Demo, old: str, new: str) -> None:
    """Change the flow's source in its draft."""
    with demo.db() as db:
        now = demo.runtime.clock.now()
        opened = edit_draft.open_draft(db, "emergency_assistance", DraftAuthor("Ben"), now)
        assert old in opened.revision.content.source
        edit_draft.change(
            db, "emergency_assistance", opened.revision.number, "Changed",
            lambda content: replace(content, source=content.source.replace(old, new)), DraftAuthor("Ben"), now,
        )  # fmt: skip


def act(client: FlaskClient, name: str = "en/rent", seen: str | None = None, **fields: str) -> str:
    """Post one of the forms of a transcript's page; gives the page to which it leads."""
    page = client.get(f"{ONE}?name={name}")
    answered = post(client, ONE, name=name, seen=seen or hidden_field(page, "seen"), **fields)
    if answered.status_code == 303:
        return client.get(answered.location).text
    assert answered.status_code in (409, 422), answered.status
    return answered.text


def test_it_shows_what_would_be_kept_and_keeps_it_in_the_draft(demo: Demo, recorded: FlaskClient) -> None:
    text = content(demo).transcripts["en/rent"]
    assert text.startswith("title: Rent is late\nflow: emergency_assistance\nlanguage: en\nnow: 2026-11-23 10:00\n")
    assert "person: rent\nline: We are sorry, that is hard.\n" in text
    with demo.db() as db:
        acts = db.execute(select(Audit.act, Audit.detail)).all()
    assert ("flow_changed", "emergency_assistance, revision 2") in [tuple(row) for row in acts]
    page = recorded.get(LIST)
    assert "Rent is late" in page.text and "All passed" in page.text


def test_it_keeps_a_conversation_from_the_menu_with_the_menus_flow(demo: Demo, ada: FlaskClient) -> None:
    post(ada, f"{FLOW}/try", do="restart", **{**BEGINNING, "start": "menu"})
    post(ada, f"{FLOW}/try", do="say", body="my landlord is evicting me")
    kept = post(ada, f"{LIST}/record", title="Evicted, from the menu")
    assert kept.location == "/console/flows/welcome/transcripts/one?name=en/evicted_from_the_menu"
    assert "kept with the flow welcome" in ada.get(kept.location).text
    assert "en/evicted_from_the_menu" in content(demo, "welcome").transcripts


def test_it_says_why_nothing_can_be_recorded(ada: FlaskClient) -> None:
    assert "Nothing was tried yet" in ada.get(f"{LIST}/record").text
    refused = post(ada, f"{LIST}/record", title="")
    assert refused.status_code == 422 and "Give it a title" in refused.text


def test_it_shows_expected_and_actual_texts_side_by_side(demo: Demo, recorded: FlaskClient) -> None:
    worded(demo, "We are sorry, that is hard.", "That is hard.")
    page = recorded.get(LIST)
    assert "1 failed" in page.text and "Failed at line" in page.text
    shown = page_text(recorded.get(f"{ONE}?name=en/rent"))
    assert "Expected Line: We are sorry, that is hard." in shown
    assert "What came Line: That is hard." in shown


def test_it_records_again_only_what_was_looked_at(demo: Demo, recorded: FlaskClient) -> None:
    worded(demo, "We are sorry, that is hard.", "That is hard.")
    looked = recorded.get(f"{ONE}?name=en/rent&anew=1")
    digest = hidden_field(looked, "fresh")
    worded(demo, "That is hard.", "That is very hard.")
    assert "Look again at what would be kept" in act(recorded, do="anew", fresh=digest)
    digest = hidden_field(recorded.get(f"{ONE}?name=en/rent&anew=1"), "fresh")
    assert "Passed" in act(recorded, do="anew", fresh=digest)
    assert "line: That is very hard.\n" in content(demo).transcripts["en/rent"]


def test_it_names_the_line_of_what_cannot_be_read_and_keeps_what_was_typed(demo: Demo, recorded: FlaskClient) -> None:
    page = html.unescape(act(recorded, do="save", text="title: Rent\nflow: emergency_assistance\npersn: hi\n"))
    assert "Did you mean <code>person</code>?" in page and "Line 3" in page
    assert "persn: hi" in page
    assert "persn" not in content(demo).transcripts["en/rent"]


def test_it_loses_neither_text_where_two_change_it_at_once(demo: Demo, recorded: FlaskClient) -> None:
    text = content(demo).transcripts["en/rent"]
    act(recorded, do="save", text=text.replace("Rent is late", "Rent is very late"))
    page = act(recorded, seen="2", do="save", text=text.replace("Rent is late", "Rent is due"))
    assert "changed this transcript meanwhile" in page and "Rent is due" in page
    assert "Rent is very late" in content(demo).transcripts["en/rent"]


def test_it_renames_and_deletes(demo: Demo, recorded: FlaskClient) -> None:
    assert "en/late" in act(recorded, do="rename", new="en/late")
    assert "small letters" in act(recorded, "en/late", do="rename", new="Late Rent")
    assert "en/rent" not in content(demo).transcripts
    assert "Deleted the transcript en/late" in act(recorded, "en/late", do="delete")
    assert "en/late" not in content(demo).transcripts


def test_it_puts_a_transcript_on_the_phone(recorded: FlaskClient) -> None:
    post(recorded, f"{FLOW}/try", do="again")
    opened = post(recorded, f"{LIST}/phone", name="en/rent")
    assert opened.location == f"{FLOW}/try#phone"
    assert "We are sorry, that is hard." in recorded.get(f"{FLOW}/try").text


def test_it_counts_what_is_covered_and_leads_to_what_is_not(ada: FlaskClient) -> None:
    page = ada.get(LIST)
    assert re.search(r"\d+ of \d+ steps, \d+ of \d+ choices", page.text)
    missed = re.search(r'name="step" value="([a-z_]+)"', page.text)
    assert missed is not None, "every step is covered, so this proves nothing"
    jumped = post(ada, f"{FLOW}/try", do="jump", at=":try", step=missed[1])
    assert jumped.location == f"{FLOW}/try#phone"


def test_it_says_calmly_that_a_draft_cannot_be_played(demo: Demo, recorded: FlaskClient) -> None:
    worded(demo, "steps:\n", "steps: [\n")
    page = recorded.get(LIST)
    assert page.status_code == 200 and "cannot be played just now" in page.text
    assert "cannot be played just now" in recorded.get(f"{ONE}?name=en/rent&anew=1").text
    assert "Mend it in the YAML first" in recorded.get(f"{LIST}/record").text


def test_it_lets_a_viewer_read_and_change_nothing(demo: Demo, recorded: FlaskClient) -> None:
    olga = signed_in(demo.app, make_staff(demo.runtime, "olga@example.org", ["auditor"]))
    page = olga.get(f"{ONE}?name=en/rent")
    assert page.status_code == 200 and "readonly" in page.text and "Delete" not in page.text
    assert post(olga, ONE, name="en/rent", seen="2", do="delete").status_code == 403
    assert post(olga, f"{LIST}/record", title="x").status_code == 403
    assert "en/rent" in content(demo).transcripts
    assert post(olga, f"{LIST}/phone", name="en/rent").status_code == 303


def test_it_finds_no_transcript_that_does_not_exist(ada: FlaskClient) -> None:
    assert ada.get(f"{ONE}?name=en/nothing").status_code == 303
    assert ada.get("/console/flows/nothing/transcripts").status_code == 404


OWNERS = "/console/flows/welcome/transcripts"
PASSED = '<details class="card apart more-of">'
ALONG = "name=en/stop_and_start&with=emergency_assistance"


def test_it_names_links_and_marks_what_fails_of_other_flows(demo: Demo, ada: FlaskClient) -> None:
    assert "Of other flows, played with this draft" not in page_text(ada.get(LIST))
    worded(demo, "We are sorry, that is hard.", "That is hard.")
    page = ada.get(LIST)
    before, _, after = html.unescape(page.text).partition(PASSED)
    assert f"{OWNERS}/one?{ALONG}" in before and "en/stop_and_start, of Welcome" in before
    assert re.search(r"\d+ of other flows failed", before)
    assert "with=emergency_assistance" in after, "those that passed are linked, too"


def test_it_fails_together_with_another_draft_and_passes_without_it(demo: Demo, ada: FlaskClient) -> None:
    worded(demo, "We are sorry, that is hard.", "That is hard.")
    assert "Passed" in page_text(ada.get(f"{OWNERS}/one?name=en/stop_and_start"))
    shown = html.unescape(page_text(ada.get(f"{OWNERS}?{ALONG}", follow_redirects=True)))
    assert "Played with the draft of Emergency assistance" in shown and "Failed at line 8" in shown
    assert "Expected 'We are sorry, that is hard.', but it says 'That is hard.'" in shown


def test_it_takes_new_answers_into_the_owners_draft_and_leads_to_publishing_both(demo: Demo, ada: FlaskClient) -> None:
    worded(demo, "We are sorry, that is hard.", "That is hard.")
    looked = ada.get(f"{OWNERS}/one?{ALONG}&anew=1")
    marked = re.sub(r'<span class="hidden">[^<]*</span>', "", looked.text)
    assert "<del>line: We are sorry, that is hard.</del></td><td><ins>line: That is hard.</ins>" in marked
    fields = {name: hidden_field(looked, name) for name in ("seen", "name", "with", "fresh")}
    kept = post(ada, f"{OWNERS}/one", do="anew", **fields)
    assert kept.location == f"{OWNERS}/one?{ALONG}"
    assert "line: That is hard.\n" in content(demo, "welcome").transcripts["en/stop_and_start"]
    page = ada.get(kept.location)
    assert "Passed" in page.text and "are to be published along with Emergency assistance" in page_text(page)
    assert f"{FLOW}/publish?along=welcome" in page.text
    before, _, after = ada.get(f"{LIST}?with=welcome").text.partition(PASSED)
    assert "en/stop_and_start, of Welcome" in after and "en/stop_and_start, of Welcome" not in before


def test_it_plays_together_only_with_drafts_that_exist(ada: FlaskClient) -> None:
    page = ada.get(f"{OWNERS}/one?name=en/stop_and_start&with=nothing&with=..&with=welcome&with=emergency_assistance")
    assert page.status_code == 200 and "Played with" not in page.text


def test_it_says_which_draft_keeps_it_from_being_played(demo: Demo, ada: FlaskClient) -> None:
    worded(demo, "steps:\n", "steps: [\n")
    for page in (ada.get(f"{OWNERS}/one?{ALONG}"), ada.get(f"{OWNERS}?with=emergency_assistance")):
        assert "cannot be played just now" in page.text and f'href="{FLOW}/source"' in page.text
