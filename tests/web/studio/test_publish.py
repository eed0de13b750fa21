"""The pages on which flows are published, wait for a second person, and are rolled back."""

from __future__ import annotations

from dataclasses import replace

from flask.testing import FlaskClient
from sqlalchemy import select

from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.jobs.sweep import sweep
from bot.storage.flows import drafts, flows, publish_requests
from bot.storage.flows.drafts import DraftAuthor
from bot.storage.tables.residents import Conversation
from bot.storage.tables.staff import Team
from bot.usecases.conversation.receive_message import receive_message
from bot.usecases.studio import edit_draft
from bot.usecases.studio.check_draft import warning_key
from bot.usecases.studio.publish_drafts import problems_of
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo

PATH = "/console/flows/privacy"


def enter(demo: Demo, email: str, *roles: str) -> FlaskClient:
    return signed_in(demo.app, make_staff(demo.runtime, email, roles))


def change(demo: Demo, flow: str = "privacy", old: str = "start:", new: str = "# changed\nstart:") -> int:
    """Change a draft; its number."""
    with demo.db() as db:
        now, by = demo.runtime.clock.now(), DraftAuthor("Ana")
        draft = edit_draft.open_draft(db, flow, by, now)
        content = replace(draft.revision.content, source=draft.revision.content.source.replace(old, new, 1))
        return edit_draft.change(db, flow, draft.revision.number, "Changed it", lambda _: content, by, now).number


def reasons(demo: Demo, flow: str) -> dict[str, str]:
    """The fields that explain every warning of the draft."""
    with demo.db() as db:
        draft = drafts.find(db, flow)
        assert draft is not None
        return {
            f"reason:{warning_key(each)}": "it is meant"
            for each in problems_of(db, demo.runtime.context, {flow: draft.revision.content})
        }


def live(demo: Demo, flow: str = "privacy") -> int:
    with demo.db() as db:
        found = flows.current_publication(db, flow)
        assert found is not None
        return found.number


def require_review(demo: Demo) -> None:
    with demo.db() as db:
        if not db.scalar(select(Team).where(Team.slug == "crisis")):
            db.add(Team(slug="crisis", name="Crisis"))
            db.flush()
        for team in db.scalars(select(Team)):
            team.second_look = True


def test_it_shows_what_changes_and_publishes_it(demo: Demo) -> None:
    browser, number = enter(demo, "ana@example.org", "admin"), change(demo)
    page = browser.get(f"{PATH}/publish")
    assert page.status_code == 200 and "What changes" in page_text(page)
    done = post(browser, f"{PATH}/publish", seen=number, why="clearer", when="now", **reasons(demo, "privacy"))
    assert done.status_code == 303, page_text(done)
    history = page_text(browser.get(f"{PATH}/history"))
    assert "clearer" in history and "It holds now" in history
    assert live(demo) == 2


def test_it_names_errors_with_remedies_and_a_way_to_the_step(demo: Demo) -> None:
    browser = enter(demo, "ana@example.org", "admin")
    number = change(demo, old="next: ", new="next: nowhere_at_all # ")
    page = browser.get(f"{PATH}/publish")
    assert "nowhere_at_all" in page_text(page) and "Go to the step" in page_text(page)
    refused = post(browser, f"{PATH}/publish", seen=number, why="clearer", when="now")
    assert refused.status_code == 422 and live(demo) == 1


def test_it_keeps_what_was_typed_where_something_is_left_to_do(demo: Demo) -> None:
    browser, number = enter(demo, "ana@example.org", "admin"), change(demo)
    page = post(browser, f"{PATH}/publish", seen=number, why="a long story", when="later", at="")
    assert page.status_code == 422
    assert "a long story" in page.text and "which day and time" in page_text(page)


def test_it_says_where_a_colleague_changed_the_draft_meanwhile(demo: Demo) -> None:
    browser, number = enter(demo, "ana@example.org", "admin"), change(demo)
    fields = reasons(demo, "privacy")
    change(demo, new="# other\nstart:")
    page = post(browser, f"{PATH}/publish", seen=number, why="clearer", when="now", **fields)
    assert page.status_code == 409 and live(demo) == 1


def test_it_offers_to_publish_the_other_drafts_as_well(demo: Demo) -> None:
    browser, number, other = enter(demo, "ana@example.org", "admin"), change(demo), change(demo, "counseling")
    assert f"counseling:{other}" in browser.get(f"{PATH}/publish").text
    looked = post(browser, f"{PATH}/publish/look", seen=number, along=f"counseling:{other}")
    assert looked.status_code == 200 and "In counseling" in page_text(looked)
    fields = reasons(demo, "privacy") | reasons(demo, "counseling")
    post(browser, f"{PATH}/publish", seen=number, why="both", when="now", along=f"counseling:{other}", **fields)
    assert (live(demo), live(demo, "counseling")) == (2, 2)


def test_it_lets_a_supervisor_approve_and_not_publish(demo: Demo) -> None:
    require_review(demo)
    ana, ben = enter(demo, "ana@example.org", "admin"), enter(demo, "ben@example.org", "supervisor")
    number = change(demo, "crisis")
    asked = post(ana, "/console/flows/crisis/publish", seen=number, why="winter", when="now", **reasons(demo, "crisis"))
    assert asked.headers["Location"].endswith("/console/flows/requests")
    with demo.db() as db:
        (request,) = publish_requests.list_open(db)
    assert post(ana, f"/console/flows/requests/{request.id}/approve").status_code == 422
    assert "winter" in page_text(ben.get("/console/flows/requests"))
    assert post(ben, f"/console/flows/requests/{request.id}/approve").status_code == 303
    assert live(demo, "crisis") == 2
    assert post(ben, f"{PATH}/publish", seen=1, why="x").status_code == 403
    assert ben.get(f"{PATH}/history/roll-back?version=1").status_code == 403


def test_it_shows_a_refusal_to_the_one_who_asked(demo: Demo) -> None:
    require_review(demo)
    ana, ben = enter(demo, "ana@example.org", "admin"), enter(demo, "ben@example.org", "supervisor")
    number = change(demo, "crisis")
    post(ana, "/console/flows/crisis/publish", seen=number, why="winter", when="now", **reasons(demo, "crisis"))
    with demo.db() as db:
        (request,) = publish_requests.list_open(db)
    post(ben, f"/console/flows/requests/{request.id}/refuse", why="not on a Friday")
    assert "not on a Friday" in page_text(ana.get("/console/flows/requests"))


def test_it_compares_any_two_states(demo: Demo) -> None:
    browser, number = enter(demo, "ana@example.org", "auditor"), change(demo)
    page = browser.get(f"{PATH}/history/compare?a=v1&b=r{number}")
    assert page.status_code == 200 and "# changed" in page.text
    assert browser.get(f"{PATH}/history/compare?a=v9&b=nonsense").status_code == 404


def test_it_rolls_back_after_asking(demo: Demo) -> None:
    browser, number = enter(demo, "ana@example.org", "admin"), change(demo)
    post(browser, f"{PATH}/publish", seen=number, why="clearer", when="now", **reasons(demo, "privacy"))
    assert "Roll back to version 1" in page_text(browser.get(f"{PATH}/history"))
    assert browser.get(f"{PATH}/history/roll-back?version=1").status_code == 200
    assert post(browser, f"{PATH}/history/roll-back", version=1).status_code == 422
    assert post(browser, f"{PATH}/history/roll-back", version=1, why="wrong").status_code == 303
    assert live(demo) == 1


def test_it_has_nothing_to_publish_without_a_change(demo: Demo) -> None:
    browser = enter(demo, "ana@example.org", "admin")
    assert "Nothing to publish" in page_text(browser.get(f"{PATH}/publish"))
    assert browser.get("/console/flows/nowhere/publish").status_code == 404
    assert browser.get("/console/flows/nowhere/history").status_code == 404


def test_it_keeps_the_review_option_of_a_team(demo: Demo) -> None:
    browser = enter(demo, "ana@example.org", "admin")
    post(browser, "/console/teams", name="Night watch")
    post(browser, "/console/teams/night_watch/second-look", second_look="1")
    with demo.db() as db:
        assert publish_requests.second_look_teams(db) == {"night_watch"}


def test_it_offers_to_move_those_who_are_in_the_flow(demo: Demo) -> None:
    now = demo.runtime.clock.now()
    sender = Address(Channel.SIMULATOR, "+13145550142")
    with demo.db() as db:
        receive_message(db, demo.runtime.context, InboundMessage("SM1", sender, "+13145550100", "hi", now), now)
    browser, number = enter(demo, "ana@example.org", "admin"), change(demo, "welcome")
    page = page_text(browser.get("/console/flows/welcome/publish"))
    assert "1 live conversation is in another version of this flow; 1 can move" in page
    fields = reasons(demo, "welcome")
    post(browser, "/console/flows/welcome/publish", seen=number, why="clearer", when="now", moves_live="1", **fields)
    sweep(demo.runtime)
    with demo.db() as db:
        row = db.scalars(select(Conversation)).one()
        assert row.flow_version == flows.current_version(db, "welcome")
    assert "1 moved" in page_text(browser.get("/console/flows/welcome/history"))


def test_it_names_the_owner_of_a_transcript_that_fails_and_leads_there(demo: Demo) -> None:
    browser = enter(demo, "ana@example.org", "admin")
    change(demo, "emergency_assistance", "We are sorry, that is hard.", "That is hard.")
    page = browser.get("/console/flows/emergency_assistance/publish")
    assert "The transcript en/stop_and_start, of Welcome, line 8:" in page_text(page)
    assert "transcripts/one?name=en/stop_and_start&amp;with=emergency_assistance" in page.text


def test_it_opens_with_the_other_draft_ticked(demo: Demo) -> None:
    browser, _, other = enter(demo, "ana@example.org", "admin"), change(demo), change(demo, "counseling")
    ticked = f'value="counseling:{other}" checked'
    assert ticked not in browser.get(f"{PATH}/publish").text
    page = browser.get(f"{PATH}/publish?along=counseling&along=nothing")
    assert ticked in page.text and "In counseling" in page_text(page)
