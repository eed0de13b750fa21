"""A new flow, from its title to going live: reached from the menu and published together with it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from bot.storage.flows import drafts, flows
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo, hidden_field


@pytest.fixture
def ana(demo: Demo) -> FlaskClient:
    return signed_in(demo.app, make_staff(demo.runtime, "ana@example.org", ["admin"]))


def test_it_is_begun_linked_from_the_menu_and_published_with_it(demo: Demo, ana: FlaskClient) -> None:
    post(ana, "/console/flows/new", title="Jobs help: the first step", purpose="Find work.", name="jobs_help")
    page = ana.get("/console/flows/welcome/new-step?kind=run&after=done")
    assert "jobs_help (not published yet)" in page.text
    fields = {"kind": "run", "is_new": "1", "name": "to_jobs", "plain.run": "jobs_help", "seen": hidden_field(page, "seen")}
    assert post(ana, "/console/flows/welcome/step", **fields, **{"next.1.go": "person"}).status_code == 303
    shown = page_text(ana.get("/console/flows/welcome?step=to_jobs"))
    assert "There is no flow" not in shown and "No way leads to to_jobs" in shown
    alone = page_text(ana.get("/console/flows/welcome/publish"))
    assert "There is no flow jobs_help" in alone
    together = page_text(ana.get("/console/flows/welcome/publish?along=jobs_help"))
    assert "There is no flow jobs_help" not in together


@pytest.mark.parametrize("name", ["new", "import", "requests", "words", "welcome"])
def test_it_refuses_a_name_that_is_taken(ana: FlaskClient, demo: Demo, name: str) -> None:
    page = post(ana, "/console/flows/new", title="A title", name=name)
    assert page.status_code == 422 and "Choose another name" in page_text(page)


@pytest.mark.parametrize(
    "title", ["{{ 7 * 7 }} {% if %}", 'a "quoted": one # here', "no", "yes: [", "\\N{DASH}", "ÑANDÚ ★", "- x"]
)
def test_it_can_be_read_whatever_its_title(ana: FlaskClient, demo: Demo, title: str) -> None:
    assert post(ana, "/console/flows/new", title=title, purpose=title, name="odd").status_code == 303
    page = page_text(ana.get("/console/flows/odd"))
    assert "cannot be read" not in page and "Error" not in page
    with demo.db() as db:
        assert drafts.find(db, "odd") is not None and flows.current_version(db, "odd") is None
