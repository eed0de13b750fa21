"""The page of a flow's translations in a real browser: typed words are never discarded without a question."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import OpenAs
from tests.support.console import make_staff
from tests.support.demo import Demo

pytestmark = pytest.mark.browser


def test_it_asks_before_discarding_words_typed_before_its_script_loaded(demo: Demo, open_as: OpenAs) -> None:
    page = open_as(make_staff(demo.runtime, "ada@example.org", ["admin"]), "/console/flows")
    held: list[Route] = []
    page.route("**/words.js", lambda route: held.append(route))
    page.goto("/console/flows/emergency_assistance/words", wait_until="commit")
    box = page.locator("[data-counted]").first
    box.click()
    page.keyboard.type("Unas palabras")
    with page.expect_event("requestfinished", lambda asked: asked.url.endswith("words.js")):
        held[0].continue_()
    page.wait_for_load_state()
    expect(page.locator(".words-form")).to_contain_text("This text alone")
    with page.expect_event("dialog") as said:
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.evaluate("setTimeout(() => location.assign('/console/flows'))")
    assert said.value.type == "beforeunload"
    assert page.url.endswith("/words")
