"""The pace of an open page: it asks for news every second or two, and at once when its window gets the focus again."""

from __future__ import annotations

from playwright.sync_api import Page


def look_again(page: Page) -> None:
    """Focus the window again, so that the page asks now and the test need not wait until it asks by itself.

    That it asks by itself, and how soon, is shown by tests that wait: of the inbox, of the chat, of the simulated phones of
    residents and staff, of the board and of a conversation.
    """
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
