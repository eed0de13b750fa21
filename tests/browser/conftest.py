"""A real Chromium, the system's own, on a demo that is really served."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bot.settings import Settings
from tests.demo import Demo, open_demo, serve

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 1000


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed; `make browser` installs one")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def demo(settings: Settings) -> Iterator[Demo]:
    with open_demo(settings) as opened:
        yield opened


@pytest.fixture
def address(demo: Demo) -> Iterator[str]:
    """Where the demo is served."""
    with serve(demo.app) as served:
        yield served


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, address: str) -> Iterator[OpenPage]:
    """Opens a path in a browser of its own; nothing but the demo is reachable, and the weather page is a stand-in.

    An error in a script, or something that the Content-Security-Policy stopped, fails the test.
    """
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_(path: str, **options: Any) -> Page:
        context = chromium.new_context(base_url=address, **options)
        contexts.append(context)
        context.route("**/*", lambda route: route.continue_() if route.request.url.startswith(address) else route.fulfill(
            content_type="text/html", body="<title>Weather</title><h1>Sunny</h1>"
        ))  # fmt: skip
        context.set_default_timeout(15 * SECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: troubles.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert troubles == []
