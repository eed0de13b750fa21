"""A real Chromium, the one installed on the system, on a demo that is really served."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from bot.domain.directory.places import find_zip
from tests.support.console import signed_in
from tests.support.demo import Demo, serve

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 1000


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed; `make browser` installs one")
    # The first ZIP code of a process reads a large table: do it before a test waits for an answer.
    assert find_zip("63118")
    # As long as an action may take on a busy machine. A test that proves a limit names its own.
    expect.set_options(timeout=15 * SECONDS)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


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
    # A pattern, not a function: the browser's driver decides by it, and what is ours does not come by this process.
    elsewhere = re.compile(f"^(?!{re.escape(address)}/)")

    def open_(path: str, **options: Any) -> Page:
        context = chromium.new_context(base_url=address, **options)
        contexts.append(context)
        context.route(elsewhere, lambda route: route.fulfill(
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


OpenAs = Callable[..., Page]


@pytest.fixture
def open_as(demo: Demo, open_page: OpenPage) -> OpenAs:
    """Opens a path in a browser in which a member of staff is signed in."""

    def open_(staff_id: int, path: str, **options: Any) -> Page:
        name = demo.app.config["SESSION_COOKIE_NAME"]
        cookie = signed_in(demo.app, staff_id).get_cookie(name)
        assert cookie
        kept = {"name": name, "value": cookie.value, "domain": "127.0.0.1", "path": "/"}
        return open_page(path, storage_state={"cookies": [kept], "origins": []}, **options)

    return open_
