"""A whole night in three windows: a resident's telephone, the workers' telephones, and the console.

With PICTURES set to a folder, screenshots of each window are kept there.
"""

from __future__ import annotations

import os
from datetime import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from bot.domain.messages.message import Address, Channel
from bot.domain.staff.permissions import Role
from bot.storage.staff import staff
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import Audit, Shift
from tests.browser.conftest import SECONDS, OpenAs, OpenPage
from tests.browser.pace import look_again
from tests.browser.test_phone_page import text
from tests.browser.test_staff_phone import phone, work
from tests.support.demo import Demo

pytestmark = pytest.mark.browser
DESK = {"width": 1280, "height": 900}


def hire(demo: Demo, name: str, role: Role, *, on: bool) -> int:
    with demo.db() as db:
        team = staff.get_or_add_team(db, "crisis", "Crisis")
        email = f"{name.split()[0].lower()}@example.org"
        row = staff.add(db, email, name, demo.runtime.clock.now(), roles=[role], teams=["crisis"])
        staff.set_phone(db, demo.runtime.context.sealer, row, Address(Channel.SIMULATOR, f"phone-of-{name.split()[0]}"))
        if on:
            db.add_all(
                Shift(team_id=team.id, staff_id=row.id, weekday=day, starts=time(0), ends=time(0), place=1)
                for day in range(7)
            )
        return row.id


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def push(page: Page, demo: Demo, times: int = 1) -> None:
    """Move the line's clock by two minutes, and let the worker do what is due by then."""
    for _ in range(times):
        with page.expect_response("**/phone/clock"):
            page.get_by_role("button", name="Push the clock 2 minutes forward").click()
        work(demo)
        look_again(page)


def send(page: Page, name: str, words: str) -> None:
    """Text from a telephone, and wait until the line has it."""
    phone(page, name).get_by_role("textbox").fill(words)
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        phone(page, name).get_by_role("button", name="Send", exact=True).click()


def test_it_brings_a_human_when_the_first_ones_do_not_answer(demo: Demo, open_page: OpenPage, open_as: OpenAs) -> None:
    hire(demo, "Dana Reed", Role.SOCIAL_WORKER, on=True)
    sue = hire(demo, "Sue Cole", Role.SUPERVISOR, on=False)
    console = open_as(sue, "/console", viewport=DESK)
    expect(console.get_by_text("Nobody waits")).to_be_visible()
    resident = open_page("/phone", viewport=DESK)
    phones = open_page("/phone/staff", viewport=DESK)

    # A crisis text: answered at once, alerted, and on the console within two seconds without a reload.
    text(resident, "Ada", "i want to kill myself tonight")
    expect(phone(resident, "Ada")).to_contain_text("988")
    expect(console.get_by_role("link", name="Person 1")).to_be_visible(timeout=2000)
    work(demo)
    look_again(phones)
    expect(phone(phones, "Dana Reed")).to_contain_text("Reply 1 to take it, 2 to pass")
    keep(console, "night-1-alerted")
    keep(phones, "night-1-phones")

    # No one answers: the alert escalates to the supervisor, and the person gets an honest text.
    push(resident, demo, 1)
    expect(phone(resident, "Ada")).to_contain_text("No one has picked up yet")
    push(resident, demo, 2)
    look_again(phones)
    expect(phone(phones, "Sue Cole")).to_contain_text("nobody has handoff 1 yet")
    keep(resident, "night-2-waiting")

    # The supervisor claims it by replying, and both talk, each hidden from the other.
    send(phones, "Sue Cole", "1")
    work(demo)
    look_again(resident)
    look_again(phones)
    expect(phone(resident, "Ada")).to_contain_text("Sue from our team has your texts now")
    expect(phone(phones, "Sue Cole")).to_contain_text("You have handoff 1. Text here to write to them")
    phone(phones, "Sue Cole").get_by_role("radio", name="staff-2").check()
    expect(phone(phones, "Sue Cole").locator(".thread:not([hidden])")).to_contain_text("leads to a person")
    send(phones, "Sue Cole", "Hi, this is Sue. I am glad you wrote. Are you safe right now?")
    expect(phone(phones, "Sue Cole").locator(".mine").last).to_contain_text("Are you safe")
    work(demo)
    look_again(resident)
    expect(phone(resident, "Ada")).to_contain_text("Are you safe right now?")
    send(resident, "Ada", "i am with my sister now")
    work(demo)
    look_again(phones)
    expect(phone(phones, "Sue Cole")).to_contain_text("From handoff 1: i am with my sister now")
    keep(phones, "night-3-relay")

    # The same conversation on the console, with what must be known above the words.
    console.get_by_role("link", name="Person 1").first.click()
    expect(console.locator(".by-person .bubble").last).to_have_text("i am with my sister now")
    expect(console.locator(".by-me .bubble").last).to_contain_text("Are you safe right now?")
    console.get_by_role("textbox", name="Your reply").fill("That is good. Can she stay with you tonight?")
    console.get_by_role("button", name="Send", exact=True).click()
    expect(console.locator(".by-me .bubble").last).to_contain_text("Can she stay")
    work(demo)
    look_again(resident)
    expect(phone(resident, "Ada")).to_contain_text("Can she stay with you tonight?")
    keep(console, "night-4-console")

    # Handed back, and said; the bot answers again; closed with how it ended.
    console.get_by_text("Hand it back to the line").first.click()
    console.get_by_role("button", name="Hand it back to the line").click()
    work(demo)
    # Soon, and without focus: this window is in the background meanwhile.
    expect(phone(resident, "Ada")).to_contain_text("You are back with the automatic helper", timeout=5 * SECONDS)
    text(resident, "Ada", "menu")
    send(phones, "Sue Cole", "one more thing")
    look_again(phones)
    expect(phone(phones, "Sue Cole")).to_contain_text("Not sent: this conversation is closed for you")
    console.get_by_text("Close it", exact=True).first.click()
    console.get_by_label("How did it end?").select_option("safety_plan")
    console.get_by_role("button", name="Close it").click()
    expect(console.get_by_text("This handoff is closed.")).to_be_visible()
    keep(console, "night-5-closed")
    expect(phone(resident, "Ada")).not_to_contain_text("one more thing")
    with demo.db() as db:
        row = db.scalars(select(Handoff)).one()
        assert (row.state, row.disposition, row.owner_id) == ("closed", "safety_plan", sue)
        assert db.scalars(select(Audit).where(Audit.act == "read_transcript", Audit.staff_id == sue)).first()
