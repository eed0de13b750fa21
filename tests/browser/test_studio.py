"""An admin's afternoon in the flow studio, in a real browser: from a new step to a live conversation and back.

With PICTURES set to a folder, screenshots of the pages are kept there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bot.domain.staff.permissions import Role
from bot.storage.flows import flows
from bot.storage.tables.residents import Conversation
from tests.browser.conftest import OpenAs, OpenPage
from tests.browser.test_phone_page import phone, text
from tests.support.console import make_staff
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
FLOW = "/console/flows/emergency_assistance"
DESK = {"width": 1440, "height": 950}
ASKED = "What do you need? A few words are enough."
ASKED_SPANISH = "¿Qué necesita? Unas palabras bastan."
OLD_ANSWER = "We have told our team."


@pytest.fixture
def admin(demo: Demo) -> int:
    return make_staff(demo.runtime, "amy@x.example", [Role.ADMIN.value], name="Amy Olsen")


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("PICTURES")
    if folder:
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def asks_what_is_urgent(page: Page, name: str) -> None:
    """A person who has come as far as the question with the five choices."""
    text(page, name, "behind on rent")
    text(page, name, "BACK")
    expect(phone(page, name)).to_contain_text("5 Something else")


def last_words(page: Page, name: str) -> str:
    return phone(page, name).locator(".theirs").last.inner_text()


def versions(demo: Demo) -> list[int]:
    """The versions of the flow that the live conversations are on."""
    numbers = []
    for row in demo.all(Conversation):
        with demo.db() as db:
            stored = flows.load_version(db, row.flow_version or 0)  # type: ignore[attr-defined]
        if stored and stored.name == "emergency_assistance":
            numbers.append(stored.number)
    return numbers


def add_step(page: Page) -> None:
    page.get_by_label("Kind").select_option("ask")
    page.get_by_role("button", name="Add", exact=False).click()
    expect(page.get_by_role("heading", name="New step: Ask")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("other_need")
    page.get_by_label("The question English").fill(ASKED)
    page.get_by_role("button", name="Add the step").click()
    expect(page.get_by_text("Saved in the draft.")).to_be_visible()


def test_it_takes_a_step_from_the_first_word_to_the_people_and_back(
    demo: Demo, admin: int, open_page: OpenPage, open_as: OpenAs
) -> None:
    residents = open_page("/phone", viewport=DESK)
    asks_what_is_urgent(residents, "Ada")
    page = open_as(admin, "/console/flows", viewport=DESK)

    # A new step behind the open one, at first in English only and leading nowhere.
    page.get_by_role("link", name="Emergency assistance").click()
    expect(page.get_by_role("figure").first).to_be_visible()
    keep(page, "studio-editor")
    steps = page.get_by_role("navigation", name="Steps in reading order")
    steps.get_by_role("link", name=re.compile(r"\bshelter_soon\b")).click()
    add_step(page)

    # The check fails, and says so at the step and where one would publish.
    form = page.locator("#step")
    expect(form.get_by_text("After other_need nothing follows")).to_be_visible()
    expect(form.get_by_text("No way leads to other_need.")).to_be_visible()
    page.get_by_role("link", name="Publish", exact=True).click()
    expect(page.get_by_role("button", name="Publish", exact=True)).to_be_disabled()
    page.get_by_role("link", name="Go to the step other_need").first.click()

    # Fixed: the second language, where it goes on, and what leads here.
    page.get_by_label("The question Spanish").fill(ASKED_SPANISH)
    expect(page.locator("#preview")).to_contain_text(ASKED_SPANISH)
    keep(page, "studio-step")
    page.get_by_label("Go on to").first.select_option("other_person")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved in the draft.")).to_be_visible()
    page.goto(f"{FLOW}?step=need")
    page.locator("fieldset.choice", has_text="Choice other").get_by_label("Leads to").select_option("other_need")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved in the draft.")).to_be_visible()

    # Tried on the telephone beside the editor, which sends nothing.
    page.get_by_role("link", name="Try it", exact=True).click()
    page.get_by_label("Where", exact=True).select_option("step:need")
    page.get_by_role("button", name="Start over so").click()
    page.get_by_role("button", name="5 Something else").click()
    talk = page.get_by_role("log")
    expect(talk).to_contain_text(ASKED)
    page.get_by_label("Text of the pretend person").fill("a winter coat")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(talk).to_contain_text(OLD_ANSWER)
    expect(talk).to_contain_text("housing")
    keep(page, "studio-try")

    # Kept as a test.
    page.get_by_role("link", name="Keep as a transcript").click()
    page.get_by_label("What it shows").fill("Something that no choice names")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Something that no choice names").first).to_be_visible()

    # Published.
    page.get_by_role("link", name="Publish", exact=True).click()
    keep(page, "studio-publish")
    for reason in page.get_by_label(re.compile("^Warning")).all():
        reason.fill("It is meant so.")
    page.get_by_label("Why", exact=True).fill("Ask what they need before a worker is called")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("ublished")
    expect(page.get_by_text("Live: version 2")).to_be_visible()

    # A person who was in it stays on their version; a new person gets the new one.
    assert versions(demo) == [1]
    text(residents, "Ada", "5")
    assert OLD_ANSWER in last_words(residents, "Ada")
    asks_what_is_urgent(residents, "Lucía")
    text(residents, "Lucía", "5")
    assert ASKED in last_words(residents, "Lucía") or ASKED_SPANISH in last_words(residents, "Lucía")

    # Rolled back in one click.
    page.get_by_role("link", name="History", exact=True).click()
    keep(page, "studio-history")
    page.get_by_role("button", name="Roll back to version 1").click()
    expect(page.get_by_text("Live: version 1")).to_be_visible()
    text(residents, "Lucía", "MENU")
    asks_what_is_urgent(residents, "Lucía")
    text(residents, "Lucía", "5")
    assert ASKED not in last_words(residents, "Lucía")
