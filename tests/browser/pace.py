"""The pace of an open page: it asks for news every second or two, and at once when somebody comes back to its window."""

from __future__ import annotations

from playwright.sync_api import Page


def look_again(page: Page) -> None:
    """Come back to the window, so that the page asks now: nobody waits here until it would have asked anyhow.

    That it asks by itself, and how soon, is shown by tests that do wait: of the inbox, of the chat, of the pretend phones of
    residents and staff, of the board and of a conversation.
    """
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
