"""The web chat in a real browser: it helps, it can be left, and it leaves nothing behind."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.web.chat.pages import QUICK_EXIT_URL
from bot.web.chat.words import read_chat_words
from tests.browser.conftest import SECONDS, OpenPage
from tests.support.demo import Demo

WORDS = read_chat_words().by_language
pytestmark = pytest.mark.browser

TRACES = """async () => [
  document.cookie, localStorage.length, sessionStorage.length,
  (await indexedDB.databases()).length, (await caches.keys()).length,
]"""


def write(page: Page, body: str) -> None:
    """Write with the keyboard alone and wait for the answer."""
    theirs = page.locator(".theirs")
    before = theirs.count()
    page.get_by_role("textbox").fill(body)
    page.keyboard.press("Enter")
    expect(theirs).not_to_have_count(before)


def test_it_answers_and_the_box_stays_in_focus(open_page: OpenPage) -> None:
    page = open_page("/chat")
    write(page, "my landlord is evicting me")
    expect(page.get_by_role("log")).to_contain_text("court date")
    expect(page.get_by_role("textbox")).to_be_focused()
    expect(page.get_by_role("textbox")).to_have_value("")


def test_it_leaves_no_trace_in_the_browser(open_page: OpenPage) -> None:
    page = open_page("/chat")
    entries = page.evaluate("history.length")
    write(page, "talk to a person")
    page.get_by_role("button", name="Ver esta página en español").click()
    expect(page.get_by_role("link", name="Salir rápido")).to_be_visible()
    assert page.context.cookies() == []
    assert page.evaluate(TRACES) == ["", 0, 0, 0, 0]
    assert page.url.endswith("/chat")
    assert page.evaluate("history.length") == entries
    assert page.title() == "Información"


def test_it_is_left_by_one_press_of_escape_with_no_way_back(open_page: OpenPage) -> None:
    page = open_page("/chat")
    write(page, "I need food")
    page.keyboard.press("Escape")
    page.wait_for_url(QUICK_EXIT_URL)
    page.go_back()
    assert "/chat" not in page.url


def test_it_is_left_by_the_button_also_without_scripts(open_page: OpenPage) -> None:
    for options in ({}, {"java_script_enabled": False}):
        page = open_page("/chat", **options)
        page.get_by_role("link", name="Leave quickly").click()
        page.wait_for_url(QUICK_EXIT_URL)


def test_it_clears_the_screen_before_the_next_page_has_come(open_page: OpenPage) -> None:
    page = open_page("/chat")
    write(page, "I need food")
    page.evaluate("window.open = () => console.log('left', document.body.childElementCount, document.title)")
    with page.expect_console_message(lambda said: said.text.startswith("left")) as said:
        page.keyboard.press("Escape")
    assert said.value.text.split() == ["left", "0"]


def test_it_stays_while_escape_ends_a_composition(open_page: OpenPage) -> None:
    page = open_page("/chat")
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true, isComposing: true}))"
    page.evaluate(press)
    page.get_by_role("textbox").fill("still here")
    expect(page.get_by_role("textbox")).to_have_value("still here")


def test_it_shows_a_social_workers_words_without_a_reload(demo: Demo, open_page: OpenPage) -> None:
    page = open_page("/chat")
    write(page, "talk to a person")
    assert demo.count(Handoff) == 1
    with demo.db() as db:
        talk = db.query(Conversation).one()
        words = demo.runtime.context.sealer.seal("This is Joy. I am here now.")
        now = demo.runtime.clock.now()
        db.add(Message(conversation_id=talk.id, outbound=True, sealed_body=words, at=now, state="delivered"))
    expect(page.get_by_role("log")).to_contain_text("This is Joy. I am here now.", timeout=5 * SECONDS)


def test_it_gives_a_message_back_that_did_not_go_out_and_sends_it_once(demo: Demo, open_page: OpenPage) -> None:
    page = open_page("/chat")
    lost = {"answers": 1}

    def lose_first_answer(route: object) -> None:
        # The message arrives, and the answer to it is lost on the way.
        if lost["answers"]:
            lost["answers"] -= 1
            route.fetch()  # type: ignore[attr-defined]
            route.abort()  # type: ignore[attr-defined]
        else:
            route.continue_()  # type: ignore[attr-defined]

    page.get_by_role("textbox").fill("is anybody there")
    page.route("**/chat", lose_first_answer)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(WORDS["en"]["not_sent"])
    expect(page.get_by_role("textbox")).to_have_value("is anybody there")
    page.keyboard.press("Enter")
    expect(page.locator(".theirs")).to_have_count(1)
    expect(page.locator(".mine")).to_have_count(1)
    assert demo.count(Message, ~Message.outbound) == 1


def test_it_keeps_the_order_of_messages_sent_in_a_hurry(demo: Demo, open_page: OpenPage) -> None:
    page = open_page("/chat")
    for body in ("one", "two", "three"):
        page.get_by_role("textbox").fill(body)
        page.keyboard.press("Enter")
    expect(page.locator(".mine time")).to_have_count(3)
    assert [line.strip() for line in page.locator(".mine .bubble").all_inner_texts()] == ["one", "two", "three"]
    assert demo.count(Message, ~Message.outbound) == 3


def test_it_says_how_much_too_long_a_message_is_and_keeps_it(demo: Demo, open_page: OpenPage) -> None:
    page = open_page("/chat")
    page.get_by_role("textbox").fill("a" * 2003)
    expect(page.locator("#count")).to_have_text(f"3 {WORDS['en']['over']}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(WORDS["en"]["too_long"])
    assert page.get_by_role("textbox").input_value() == "a" * 2003
    assert demo.count(Message) == 0


def test_it_works_without_scripts(open_page: OpenPage) -> None:
    page = open_page("/chat", java_script_enabled=False, locale="es-US")
    page.get_by_role("textbox").fill("me van a desalojar")
    page.get_by_role("button", name="Enviar").click()
    expect(page.get_by_role("log")).to_contain_text("desalojo")
    page.get_by_role("button", name="Ver si hay mensajes nuevos").click()
    expect(page.get_by_role("log")).to_contain_text("me van a desalojar")


@pytest.mark.parametrize(("width", "height"), [(640, 450), (320, 568), (390, 844)])
def test_it_fits_when_zoomed_and_keeps_the_way_out_in_sight(open_page: OpenPage, width: int, height: int) -> None:
    page = open_page("/chat", viewport={"width": width, "height": height})
    write(page, "my landlord is evicting me")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("link", name="Leave quickly")).to_be_in_viewport(ratio=1)
    for name in ("call 911", "call 988", "text 988"):
        expect(page.locator(".emergency").get_by_role("link", name=name)).to_be_in_viewport(ratio=1)
