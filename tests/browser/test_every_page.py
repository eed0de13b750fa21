"""Every page of the console, after the demo's night: axe-core finds nothing, and at twice the size nothing sticks out."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.flow_content import FlowContent
from bot.domain.flow_editing.content import add_step, write_step
from bot.domain.permissions import Role
from bot.storage import staff
from bot.storage.directory_tables import Service
from bot.storage.drafts import Author
from bot.storage.tables import CheckIn, Handoff
from bot.usecases import canned_replies
from bot.usecases.demo_night import read_night
from bot.usecases.demo_staff import fill_staff
from bot.usecases.play_night import play
from bot.usecases.studio import edit_draft
from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import STILL, findings
from tests.console import signed_in
from tests.demo import Demo

# A score of pages, each looked at by axe: more than other tests take, on a busy machine much more.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
DESK = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
TWICE = {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2, "color_scheme": "dark"}
"""A desk at 200 % zoom: half as many of the page's own points, each twice the size."""
NEEDS_MORE = {"/console/news", "/console/start"}
"""Answers for scripts, and a door that leads to another page."""


@pytest.fixture
def night(demo: Demo) -> Demo:
    runtime = demo.runtime
    now, desk = runtime.clock.now(), runtime.desk
    with demo.db() as db:
        fill_staff(db, desk.sealer, runtime.settings.timezone, now)
        canned_replies.seed(db, now)
    with demo.db() as db:
        play(db, desk, read_night(), now)
    return demo


def everything(demo: Demo) -> tuple[int, list[str]]:
    """Somebody with every role, and all pages that such a person can open."""
    with demo.db() as db:
        boss = staff.with_role(db, Role.SUPERVISOR)[0]
        staff.set_roles(db, boss, list(Role))
        staff.set_teams(db, boss.id, [team.slug for team in staff.teams(db)])
        held = db.scalars(select(Handoff).where(Handoff.state == "with_human").order_by(Handoff.id)).first()
        assert held is not None
        followed = db.scalars(select(CheckIn.conversation_id).order_by(CheckIn.id)).first()
        service = db.scalars(select(Service.id).order_by(Service.id)).first()
        pages = [f"/console/handoffs/{held.id}", f"/console/people/{held.conversation_id}", f"/console/staff/{boss.id}"]
        pages += [f"/console/people/{followed}/{page}" for page in ("case", "follow-up")]
        pages += [f"/console/directory/{service}"]
        draft(db, demo)
        flow = "/console/flows/emergency_assistance"
        parts = ("try", "transcripts", "words", "source", "publish", "history", "new-step?kind=ask&after=need")
        pages += [flow, f"{flow}?step=need", f"{flow}/delete-step?step=zip", *(f"{flow}/{part}" for part in parts)]
    for rule in demo.app.url_map.iter_rules():
        plain = not rule.arguments and "GET" in (rule.methods or ()) and rule.rule.startswith("/console")
        if plain and rule.rule not in NEEDS_MORE and not rule.rule.endswith(("/news", ".csv", "/export")):
            pages.append(rule.rule)
    return boss.id, sorted(pages)


def draft(db: Session, demo: Demo) -> None:
    """A draft with a change and with mistakes of every kind that the pages show."""
    now = demo.runtime.clock.now()

    def act(content: FlowContent) -> FlowContent:
        changed = add_step(content, "lost", {"ask": "Which’s yours?", "choices": {"a": {"label": "A"}}}, "need")
        return write_step(changed, "call_911", {"say": "If you are in danger or too cold, call 911 now.", "next": "zip"})

    edit_draft.change(db, "emergency_assistance", 0, "Changed two steps", act, Author("Ana Ruiz"), now)


def opened(demo: Demo, open_page: OpenPage, who: int, path: str, look: dict[str, Any]) -> Page:
    cookie = signed_in(demo.app, who).get_cookie(demo.app.config["SESSION_COOKIE_NAME"])
    assert cookie
    kept = {"name": cookie.key, "value": cookie.value, "domain": "127.0.0.1", "path": "/"}
    return open_page(path, storage_state={"cookies": [kept], "origins": []}, **look, **STILL)


@pytest.mark.parametrize("look", [PHONE, DESK], ids=["phone", "desk"])
def test_it_is_accessible(night: Demo, open_page: OpenPage, look: dict[str, Any]) -> None:
    who, paths = everything(night)
    assert len(paths) > 10
    page = opened(night, open_page, who, paths[0], look)
    for path in paths:
        page.goto(path)
        expect(page.locator("h1").first).to_be_attached()
        assert (path, findings(page)) == (path, [])


def test_it_works_at_twice_the_size(night: Demo, open_page: OpenPage) -> None:
    who, paths = everything(night)
    page = opened(night, open_page, who, paths[0], TWICE)
    for path in paths:
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert (path, width) == (path, min(width, 640))
