from __future__ import annotations

import pytest

from bot.domain.flows.editing import content, document
from bot.domain.flows.editing.compare import FlowChange, list_changes, step_changes, unified_diff
from bot.domain.flows.language.content import FlowContent
from tests.domain.flows.editing.test_content import FLOW, PO, SHIPPED, set_ask
from tests.domain.flows.editing.test_document import SMALL


def written(step: str, **fields: object) -> FlowContent:
    return content.write_step(FLOW, step, {**document.step_data(SMALL, step), **fields})


def said(after: FlowContent, before: FlowContent | None = FLOW) -> list[tuple[str, str, str]]:
    return [(change.kind, change.step, change.what) for change in list_changes(before, after)]


@pytest.mark.parametrize("name", SHIPPED)
def test_it_finds_nothing_where_nothing_differs(name: str) -> None:
    assert list_changes(SHIPPED[name], SHIPPED[name]) == []
    assert step_changes(SHIPPED[name], SHIPPED[name]) == {}


@pytest.mark.parametrize("name", SHIPPED)
def test_it_reports_a_rename_as_a_rename_and_nothing_else(name: str) -> None:
    for step in document.steps_data(SHIPPED[name].source):
        after = content.rename_step(SHIPPED[name], step, "quite_new")
        assert said(after, SHIPPED[name]) == [("renamed", "quite_new", f"`{step}` is called `quite_new`")]
        assert step_changes(SHIPPED[name], after) == {"quite_new": "renamed"}


def test_it_reports_a_new_text_and_the_translation_that_it_makes_stale() -> None:
    assert list_changes(FLOW, set_ask(FLOW, "What now?")) == [
        FlowChange("changed", "need", "Question changed", "What is it?", "What now?"),
        FlowChange("words", "need", "Spanish of `need.ask` stale: its source changed", "¿Qué es?", "¿Qué es?"),
    ]


def test_it_reports_where_a_step_leads_now() -> None:
    assert said(written("need", next="bye")) == [("changed", "need", "Leads to `bye` in place of `zip`")]
    assert said(written("zip", next=[{"when": "zip", "go": "need"}, {"go": "bye"}]))[0][2] == "Leads on by other conditions"
    assert said(written("need", wait={"after": "3d", "go": "zip"}))[0][2] == (
        "When nobody answers, leads to `zip` in place of `bye`"
    )


def test_it_reports_choices_that_were_added_removed_moved_and_changed() -> None:
    rent, food = {"label": "Rent", "words": ["yes", "lease"]}, {"label": "Food", "go": "zip"}
    made = written("need", choices={"food": food, "rent": rent, "shelter": {"label": "A bed", "go": "bye"}})
    assert [what for kind, _, what in said(made) if kind == "changed"] == [
        "Choice `food` leads to `zip` in place of `bye`",
        "Words of choice `rent`: added lease; removed evict",
        "Choice `rent` leads no longer to `zip`",
        "Choice `shelter` added",
        "Choices stand in another order, so their numbers change",
    ]


def test_it_reports_steps_that_were_added_removed_and_moved() -> None:
    made = content.add_step(content.delete_step(FLOW, "zip"), "clothes", {"say": "No clothes here", "end": "none"})
    assert [one[:2] for one in said(made) if one[0] != "words"] == [("removed", "zip"), ("added", "clothes")]
    assert step_changes(FLOW, made) == {"zip": "removed", "clothes": "added"}
    assert [one[:2] for one in said(content.move_step(FLOW, "bye", "need"))] == [("moved", "bye")]


def test_it_reports_a_choice_that_has_another_name() -> None:
    assert said(content.rename_choice(FLOW, "need", "rent", "home")) == [
        ("changed", "need", "Choice `rent` is called `home`")
    ]


def test_it_reports_a_renamed_answer_as_a_rename_of_its_step() -> None:
    assert said(content.rename_step(FLOW, "need", "topic")) == [("renamed", "topic", "`need` is called `topic`")]


def test_it_reports_changes_of_the_head() -> None:
    made = content.write_head(FLOW, {"title": "Big", "menu": True, "start": "zip"})
    assert said(made) == [
        ("head", "", "Title changed"),
        ("head", "", "Begins with `zip` in place of `need`"),
        ("head", "", "Is what new conversations and MENU begin with"),
    ]


def test_it_reports_that_only_a_comment_changed() -> None:
    assert "Remarks" in said(FlowContent(SMALL + "# Said.\n", FLOW.translations, FLOW.transcripts))[0][2]


def test_it_reports_a_new_flow() -> None:
    found = said(FLOW, None)
    assert found[0] == ("head", "", "The flow is new.")
    assert [one[1] for one in found if one[0] == "added"] == ["need", "zip", "bye"]
    assert ("words", "", "Spanish added") in found and ("transcript", "", "Transcript `en/a` added") in found


def test_it_reports_transcripts_and_translations() -> None:
    po = PO.replace('"Renta"', '"Alquiler"')
    assert said(FlowContent(SMALL, {"es": po}, {"en/a": "title: B\n"})) == [
        ("words", "need", "Spanish of `need.choices.rent.label` changed"),
        ("transcript", "", "Transcript `en/a` changed"),
    ]


@pytest.mark.parametrize("source", ["flow: {", "", "- a", "steps: 3", "steps: {a: 1, b: [x]}", "a: &a [*a]", "\x00"])
def test_it_never_fails_on_a_file_that_can_not_be_read(source: str) -> None:
    other = FlowContent(source, {"es": "msgid nothing"}, {})
    for before, after in ((FLOW, other), (other, FLOW), (other, other), (None, other)):
        assert isinstance(list_changes(before, after), list)
        assert isinstance(step_changes(before, after), dict)
    if source == "flow: {":
        assert "can't be read" in list_changes(FLOW, other)[0].what


def test_it_shows_removed_and_added_lines() -> None:
    assert unified_diff("a\nb\n", "a\n--- c\n") == [
        ("place", "@@ -1,2 +1,2 @@"), ("same", "a"), ("removed", "b"), ("added", "--- c"),
    ]  # fmt: skip
