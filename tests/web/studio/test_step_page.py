"""The step's form on its page: what is posted unchanged changes nothing, and nothing that was typed is lost."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.outline import read_outline
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.studio import edit_draft
from tests.paths import ROOT
from tests.support.console import make_staff, page_text, signed_in
from tests.support.demo import Demo
from tests.web.studio.posted_form import fields_of


def enter(demo: Demo, email: str = "ana@example.org") -> FlaskClient:
    return signed_in(demo.app, make_staff(demo.runtime, email, ["admin"]))


def content_of(demo: Demo, flow: str) -> FlowContent:
    with demo.db() as db:
        draft = drafts.find(db, flow)
        assert draft is not None
        return draft.revision.content


def begin(demo: Demo, flow: str, source: str = "", **texts: str) -> FlowContent:
    """Begin a draft with this content, or with the published content."""
    with demo.db() as db:
        now = demo.runtime.clock.now()
        if source:
            return edit_draft.new_flow(
                db, flow, FlowContent(source, texts), "Began", DraftAuthor("Ana"), now
            ).revision.content
        return edit_draft.open_draft(db, flow, DraftAuthor("Ana"), now).revision.content


def fields(browser: FlaskClient, flow: str, step: str) -> dict[str, str]:
    page = browser.get(f"/console/flows/{flow}?step={step}")
    assert page.status_code == 200
    return fields_of(page.text, f"/console/flows/{flow}/step")


def save(browser: FlaskClient, flow: str, given: dict[str, str], status: int = 303) -> str:
    done = browser.post(f"/console/flows/{flow}/step", data=given)
    assert done.status_code == status, page_text(done)
    return done.text


FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("*.yaml"))


@pytest.mark.parametrize("flow", FLOWS)
def test_it_changes_nothing_where_nothing_was_typed(demo: Demo, flow: str) -> None:
    browser, before = enter(demo), begin(demo, flow)
    for step in read_outline(before.source, flow).steps:
        save(browser, flow, fields(browser, flow, step))
        assert content_of(demo, flow) == before, step


TINY = """\
flow: tiny
title: Tiny
start: need
steps:
  need:
    ask: |
      What do you need?
    choices:
      food: {label: Food, words: [bread], go: bye}
      rent: {label: Rent}
    next: [{when: "need == 'rent'", go: bye}, {go: bye}]
  bye: {say: Bye., end: done}
"""


def test_it_keeps_a_choice_that_was_given_the_name_of_another(demo: Demo) -> None:
    browser, _ = enter(demo), begin(demo, "tiny", TINY)
    given = fields(browser, "tiny", "need") | {"choice.3.name": "food", "choice.3.label": "More food"}
    save(browser, "tiny", given)
    choices = read_outline(content_of(demo, "tiny").source, "").steps["need"]["choices"]
    assert [choice["label"] for choice in choices.values()] == ["Food", "Rent", "More food"]


def test_it_remembers_that_a_choice_was_renamed_when_the_form_is_shown_again(demo: Demo) -> None:
    browser, _ = enter(demo), begin(demo, "tiny", TINY)
    given = fields(browser, "tiny", "need") | {"choice.2.name": "housing", "act": "preview"}
    again = fields_of(save(browser, "tiny", given, 200), "/console/flows/tiny/step")
    save(browser, "tiny", again)
    assert "need == 'housing'" in content_of(demo, "tiny").source


def test_it_keeps_a_condition_whose_step_was_not_chosen_yet(demo: Demo) -> None:
    browser, _ = enter(demo), begin(demo, "tiny", TINY)
    save(browser, "tiny", fields(browser, "tiny", "need") | {"next.3.when": "need == 'food'"})
    assert "need == 'food'" in content_of(demo, "tiny").source


PO = """\
msgid ""
msgstr ""
"Language: es\\n"

msgctxt "need.ask"
msgid "What do you need?\\n"
msgstr "¿Qué necesita?\\n"
"""


def test_it_marks_a_translation_stale_whose_line_ends_with_a_break(demo: Demo) -> None:
    browser, _ = enter(demo), begin(demo, "tiny", TINY, es=PO)
    save(browser, "tiny", fields(browser, "tiny", "need"))
    assert content_of(demo, "tiny").translations["es"] == PO
    save(browser, "tiny", fields(browser, "tiny", "need") | {"text.ask": "What do you need today?"})
    assert "#, fuzzy" in content_of(demo, "tiny").translations["es"]


@pytest.mark.parametrize(
    ("key", "odd"),
    [("choices", "choices: [food, rent]"), ("choices", "choices: {food: Food}"), ("next", "next: [bye]"),
     ("wait", "wait: 2h"), ("next", "next: {go: bye}"), ("next", 'next: [{when: "x and\\n y", go: bye}]'),
     ("next", "next: [{when: x, go: bye, note: y}]")],
)  # fmt: skip
def test_it_keeps_what_it_cannot_show(demo: Demo, key: str, odd: str) -> None:
    source = f"flow: tiny\ntitle: Tiny\nstart: need\nsteps:\n  need:\n    ask: What?\n    {odd}\n  bye: {{end: done}}\n"
    browser, before = enter(demo), begin(demo, "tiny", source)
    was = read_outline(before.source, "").steps["need"][key]
    save(browser, "tiny", fields(browser, "tiny", "need") | {"text.ask": "What now?"})
    step = read_outline(content_of(demo, "tiny").source, "").steps["need"]
    assert (step["ask"], step.get(key)) == ("What now?", was)


def test_it_saves_a_step_of_a_file_with_windows_line_ends(demo: Demo) -> None:
    browser, before = enter(demo), begin(demo, "tiny", TINY.replace("\n", "\r\n"), es=PO.replace("\n", "\r\n"))
    save(browser, "tiny", fields(browser, "tiny", "need"))
    assert content_of(demo, "tiny") == before
    save(browser, "tiny", fields(browser, "tiny", "bye") | {"text.say": "See you.\r\nSoon."})
    assert read_outline(content_of(demo, "tiny").source, "").steps["bye"]["say"] == "See you.\nSoon."


def test_it_deletes_no_step_that_a_colleague_has_just_written(demo: Demo) -> None:
    ana, ben = enter(demo), enter(demo, "ben@example.org")
    begin(demo, "tiny", TINY)
    asked = fields_of(ana.get("/console/flows/tiny/delete-step?step=bye").text, "/console/flows/tiny/delete-step")
    save(ben, "tiny", fields(ben, "tiny", "bye") | {"text.say": "Take care."})
    ana.post("/console/flows/tiny/delete-step", data=asked)
    assert "Take care." in content_of(demo, "tiny").source


def test_it_adds_a_step_once_for_a_double_click(demo: Demo) -> None:
    browser, _ = enter(demo), begin(demo, "tiny", TINY)
    page = browser.get("/console/flows/tiny/new-step?kind=say&after=need&name=more").text
    given = fields_of(page, "/console/flows/tiny/step") | {"text.say": "More."}
    save(browser, "tiny", given)
    assert "More." in save(browser, "tiny", given, 409)
    assert content_of(demo, "tiny").source.count("More.") == 1


def test_it_shows_what_both_wrote_where_two_changed_one_step(demo: Demo) -> None:
    ana, ben = enter(demo), enter(demo, "ben@example.org")
    begin(demo, "tiny", TINY)
    hers, his = fields(ana, "tiny", "bye"), fields(ben, "tiny", "bye")
    save(ana, "tiny", hers | {"text.say": "Hers."})
    page = save(ben, "tiny", his | {"text.say": "His."}, 409)
    assert "Hers." in page and "His." in page
    save(ben, "tiny", fields_of(page, "/console/flows/tiny/step"))
    assert "His." in content_of(demo, "tiny").source


def test_it_joins_changes_of_two_steps_from_pages_of_what_is_live(demo: Demo) -> None:
    ana, ben = enter(demo), enter(demo, "ben@example.org")
    names = [
        row.name for row in read_outline((ROOT / "flows/welcome.yaml").read_text("utf-8"), "").rows if row.kind == "say"
    ]
    hers, his = fields(ana, "welcome", names[0]), fields(ben, "welcome", names[1])
    save(ana, "welcome", hers | {"text.say": "Hers."})
    save(ben, "welcome", his | {"text.say": "His."})
    assert all(words in content_of(demo, "welcome").source for words in ("Hers.", "His."))


def test_it_saves_nothing_over_a_version_that_was_pushed_meanwhile(demo: Demo) -> None:
    browser = enter(demo)
    page = browser.get("/console/flows/welcome/source").text
    given = fields_of(page, "/console/flows/welcome/source")
    with demo.db() as db:
        content = FlowContent(f"{given['source']}# pushed\n".replace("\r\n", "\n"))
        flows.publish(db, "welcome", content, "push", demo.runtime.clock.now())
    done = browser.post("/console/flows/welcome/source", data=given | {"source": f"{given['source']}# typed\r\n"})
    assert done.status_code == 409 and "# typed" in done.text and "# pushed" in done.text
