"""The page of a case in a real browser: axe finds nothing with every form open, and nothing overflows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from bot.domain.cases import MeasureAnswer
from bot.storage import referrals
from bot.storage.cases import cases
from bot.storage.tables.directory import Service
from bot.storage.tables.residents import CheckIn
from bot.usecases.cases import manage_case
from bot.usecases.cases.manage_case import EncounterEntry, TaskEntry
from tests.browser.conftest import OpenAs
from tests.browser.looks import ALL, PHONE, STILL, findings, is_too_wide, turn
from tests.support.console import make_staff
from tests.support.demo import Demo
from tests.support.people import make_person

pytestmark = pytest.mark.browser


def full_case(demo: Demo, rosa: int) -> str:
    """A case of forty days with something of every kind; the address of its page."""
    context, now = demo.runtime.context, demo.runtime.clock.now()
    began = now - timedelta(days=40)
    with demo.db() as db:
        here = make_person(db, context.sealer, name="Ada Brown", state="claimed", owner=rosa, at=began).conversation
        manage_case.open_case(db, here, rosa, began)
        for code in ("housing-instability", "utility-insecurity"):
            manage_case.open_need(db, here, code, rosa, began)
        manage_case.record_encounter(
            db, context, here, EncounterEntry("home_visit", now, 40, "The landlord agreed."), rosa, now
        )
        for day, value in ((0, "no"), (30, "unsure")):
            manage_case.record_measure(db, here, MeasureAnswer(day, "housed", value), rosa, now)
        manage_case.add_task(db, context, here, TaskEntry("call", "", now.date()), rosa, now)
        referrals.add_offered(db, here, "rent", None, list(db.scalars(select(Service.id).limit(2))), began)
        for state in ("silent", "dropped", "planned"):
            db.add(CheckIn(conversation_id=here, flow="household_check_in", due_at=now, state=state, made_at=began))
        cases.add_task(db, here, "call", "opted_out", now, now)
    return f"/console/people/{here}/case"


def test_it_is_accessible_as_a_case(demo: Demo, open_as: OpenAs) -> None:
    rosa = make_staff(demo.runtime, "rosa@example.org", teams=["housing"])
    page = open_as(rosa, full_case(demo, rosa), **PHONE.size)
    expect(page.get_by_role("heading", name="Case of Ada Brown")).to_be_visible()
    expect(page.get_by_role("img", name="The case over time")).to_be_visible()
    for fold in page.locator("main details summary").all():
        fold.click()
    for look in ALL:
        turn(page, look)
        assert (look, findings(page), is_too_wide(page)) == (look, [], False)


def test_it_shows_a_refused_form_open_with_what_was_typed(demo: Demo, open_as: OpenAs) -> None:
    rosa = make_staff(demo.runtime, "rosa@example.org", teams=["housing"])
    page = open_as(rosa, full_case(demo, rosa), **STILL)
    page.get_by_text("Write down a meeting").click()
    page.get_by_label("Note", exact=True).fill("She has a court date")
    page.locator("section[aria-labelledby=met] details button").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose how you met")
    expect(page.get_by_label("Note", exact=True)).to_have_value("She has a court date")
