"""Every page of the console, after the demo's night: axe-core finds nothing, and at twice the size nothing overflows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.flows.editing.content import add_step, write_step
from bot.domain.flows.language.content import FlowContent
from bot.domain.staff.permissions import Role
from bot.operations.embedded.servers import EmbeddedServers
from bot.storage.flows.drafts import DraftAuthor
from bot.storage.staff import staff
from bot.storage.tables.directory import Service
from bot.storage.tables.residents import CheckIn, Handoff
from bot.usecases.demo.demo_staff import add_demo_staff
from bot.usecases.demo.night import read_night
from bot.usecases.demo.play_night import play_night
from bot.usecases.handoff import ready_replies
from bot.usecases.studio import edit_draft
from tests.browser.conftest import OpenAs
from tests.browser.looks import DESK, PHONE, TWICE, findings, is_too_wide, turn
from tests.conftest import settings_on
from tests.support.databases import PUBLISHED, Databases
from tests.support.demo import Demo, open_demo, serve

# About twenty pages, each checked by axe: this takes longer than other tests, on a busy machine much longer.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

PARTS = 4
"""So many tests share the pages: machines with several cores look at them side by side."""
NIGHT_PHONE = replace(PHONE, scheme="dark")
NEEDS_MORE = {"/console/news", "/console/start"}
"""Responses for scripts, and a route that redirects to another page."""


@pytest.fixture(scope="module")
def demo(databases: Databases, servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo after its night for all tests here: they only read, and playing a night takes seconds."""
    url = databases.make(PUBLISHED)
    with open_demo(settings_on(url, servers.redis_url, tmp_path_factory.mktemp("night"))) as opened:
        runtime = opened.runtime
        now, context = runtime.clock.now(), runtime.context
        with opened.db() as db:
            add_demo_staff(db, context.sealer, runtime.settings.timezone, now)
            ready_replies.seed_if_empty(db, now)
        with opened.db() as db:
            play_night(db, context, read_night(), now)
            draft(db, opened)
            see_all(db)
        yield opened
    databases.drop(url)


@pytest.fixture(scope="module")
def address(demo: Demo) -> Iterator[str]:
    with serve(demo.app) as served:
        yield served


def see_all(db: Session) -> None:
    """A supervisor gets every role and team."""
    boss = staff.list_with_role(db, Role.SUPERVISOR)[0]
    staff.set_roles(db, boss, list(Role))
    staff.set_teams(db, boss.id, [team.slug for team in staff.list_teams(db)])


def everything(demo: Demo) -> tuple[int, list[str]]:
    """A member of staff with every role, and all pages that they can open."""
    with demo.db() as db:
        boss = staff.list_with_role(db, Role.SUPERVISOR)[0]
        held = db.scalars(select(Handoff).where(Handoff.state == "with_human").order_by(Handoff.id)).first()
        assert held is not None
        followed = db.scalars(select(CheckIn.conversation_id).order_by(CheckIn.id)).first()
        service = db.scalars(select(Service.id).order_by(Service.id)).first()
        pages = [f"/console/handoffs/{held.id}", f"/console/people/{held.conversation_id}", f"/console/staff/{boss.id}"]
        pages += [f"/console/people/{followed}/{page}" for page in ("case", "follow-up")]
        pages += [f"/console/directory/{service}"]
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

    edit_draft.change(db, "emergency_assistance", 0, "Changed two steps", act, DraftAuthor("Ana Ruiz"), now)


@pytest.mark.parametrize("part", range(PARTS))
def test_it_is_accessible_and_works_at_twice_the_size(demo: Demo, open_as: OpenAs, part: int) -> None:
    who, paths = everything(demo)
    assert len(paths) > 30
    page = open_as(who, "/console/account", **PHONE.size)
    for path in paths[part::PARTS]:
        page.goto(path)
        expect(page.locator("h1").first).to_be_attached()
        for look in (NIGHT_PHONE, DESK):
            turn(page, look)
            assert (path, look, findings(page)) == (path, look, [])
        turn(page, TWICE)
        assert (path, is_too_wide(page)) == (path, False)
