"""The step's form on its page: what is posted unchanged changes nothing, and nothing that was typed is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from bot.domain.flow_content import FlowContent
from bot.domain.flow_outline import outline
from bot.settings import Settings
from bot.storage import drafts
from bot.storage.drafts import Author
from bot.usecases.studio import edit_draft
from tests.console import make_staff, post, said, signed_in
from tests.demo import Demo, open_demo
from tests.helpline import ROOT
from tests.web.studio.posted_form import fields_of


@pytest.fixture
def demo(settings: Settings) -> Iterator[Demo]:
    with open_demo(settings) as opened:
        yield opened


def enter(demo: Demo, email: str = "ana@example.org") -> FlaskClient:
    return signed_in(demo.app, make_staff(demo.runtime, email, ["admin"]))


def content_of(demo: Demo, flow: str) -> FlowContent:
    with demo.db() as db:
        draft = drafts.find(db, flow)
        assert draft is not None
        return draft.revision.content


def begin(demo: Demo, flow: str, source: str = "", **texts: str) -> FlowContent:
    """A draft with this content, or of what is published."""
    with demo.db() as db:
        now = demo.runtime.clock.now()
        if source:
            return edit_draft.new_flow(db, flow, FlowContent(source, texts), "Began", Author("Ana"), now).revision.content
        return edit_draft.open_draft(db, flow, Author("Ana"), now).revision.content


def fields(browser: FlaskClient, flow: str, step: str) -> dict[str, str]:
    page = browser.get(f"/console/flows/{flow}?step={step}")
    assert page.status_code == 200
    return fields_of(page.text, f"/console/flows/{flow}/step")


def save(browser: FlaskClient, flow: str, given: dict[str, str], status: int = 303) -> str:
    done = browser.post(f"/console/flows/{flow}/step", data=given)
    assert done.status_code == status, said(done)
    return done.text


FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("*.yaml"))


@pytest.mark.parametrize("flow", FLOWS)
def test_it_changes_nothing_where_nothing_was_typed(demo: Demo, flow: str) -> None:
    browser, before = enter(demo), begin(demo, flow)
    for step in outline(before.source, flow).steps:
        save(browser, flow, fields(browser, flow, step))
        assert content_of(demo, flow) == before, step
