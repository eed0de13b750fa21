from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.importing.rapidpro import kinds, read_rapidpro
from bot.domain.flows.importing.rapidpro.expressions import ExpressionPath as Looked
from bot.domain.flows.importing.rapidpro.expressions import convert_text
from bot.domain.flows.importing.report import ImportedDraft, ImportStatus
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.reader import names_in, read_flow, read_translations, template_problems
from bot.domain.flows.language.script import Ask, Decide, Handoff, Run, Say, Script
from bot.domain.flows.language.yaml_source import Severity
from tests.domain.flows.importing.rapidpro_flows import (
    export,
    files,
    flow,
    imported,
    load,
    need,
    node,
    read,
    say,
    split,
    uid,
)
from tests.paths import ROOT

EXPORTS = files("rapidpro")
DOCS = ROOT / "docs" / "admins" / "importing-flows.md"


def script(draft: ImportedDraft) -> Script:
    return read_flow(draft.content.source, draft.name)


def fates(draft: ImportedDraft, kind: str) -> list[ImportStatus]:
    return [item.status for item in draft.items if item.kind == kind]


def remarks_on(draft: ImportedDraft, kind: str) -> str:
    return " ".join(item.remark for item in draft.items if item.kind == kind)


# The real exports.


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem[-60:])
def test_it_gives_drafts_that_check_clean_or_say_what_is_missing(path: Path) -> None:
    drafts = imported(path)
    scripts = {draft.name: script(draft) for draft in drafts}
    assert len(scripts) == len(drafts)
    for draft in drafts:
        words = {code: read_translations(text, "po") for code, text in draft.content.translations.items()}
        found = check_flow(scripts[draft.name], words, scripts)
        errors = [problem.what for problem in found if problem.severity is Severity.ERROR]
        assert not errors or draft.missing, errors


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem[-60:])
def test_it_reports_every_node_and_action(path: Path) -> None:
    for theirs_, draft in zip(load(path).get("flows") or [load(path)], imported(path), strict=False):
        items = {(item.node, item.kind) for item in draft.items}
        body = theirs_.get("definition", theirs_)
        for theirs in body.get("nodes", []):
            assert {name for name, _ in items} >= {theirs["uuid"]}
            assert items >= {(theirs["uuid"], action["type"]) for action in theirs.get("actions") or []}
        for theirs in body.get("action_sets", []):
            assert items >= {(theirs["uuid"], action["type"]) for action in theirs.get("actions") or []}
        assert {name for name, _ in items} >= {theirs["uuid"] for theirs in body.get("rule_sets", [])}


def test_it_reads_every_flow_of_the_exports() -> None:
    need(EXPORTS)
    drafts = [draft for path in EXPORTS for draft in imported(path)]
    assert len(drafts) == 522  # 521 flows, and the text of a campaign that stands in a file without one
    assert sum(not draft.missing for draft in drafts) >= 430


def test_its_table_holds_every_kind_that_the_exports_have() -> None:
    need(EXPORTS)
    known = {
        part
        for rows in (kinds.ACTIONS, kinds.ROUTERS, kinds.TESTS, kinds.OTHER_PARTS)
        for key in rows
        for part in key.split(", ")
    }
    known |= {part for old in (*kinds.OLDER_ACTIONS, *kinds.OLDER_ROUTERS, *kinds.OLDER_TESTS) for part in old.split(", ")}
    odd = {"has_only_te", "flow", "language", "start", "response_type"}
    found = {item.kind for path in EXPORTS for draft in imported(path) for item in draft.items}
    assert found - known - odd == set()


def test_its_table_is_in_the_manual() -> None:
    text = DOCS.read_text(encoding="utf-8").partition("<!-- rapidpro -->")[2]
    assert kinds.markdown_table() in text, "write kinds.table() behind the mark <!-- rapidpro -->"


# Questions.


def test_it_makes_a_question_with_choices_of_a_message_and_a_wait() -> None:
    draft = read(
        node("hi", say("What do you need?", quick_replies=["Food", "Rent"]), to="wait"),
        split("wait", {"Food": "bye", "Rent": None, "Other": "hi"},
              [("has_any_word", ["food hungry"], "Food"), ("has_phrase", ["pay rent"], "Rent")], result="Need"),
        node("bye", say("Food is near.")),
    )  # fmt: skip
    ask = script(draft).steps["need"]
    assert isinstance(ask, Ask) and ask.ask == "What do you need?"
    assert {key: (choice.label, choice.words) for key, choice in ask.choices.items()} == {
        "food": ("Food", ("hungry",)), "rent": ("Rent", ("pay rent",))}  # fmt: skip
    assert fates(draft, "quick_replies") == [ImportStatus.CARRIED] and not draft.missing


def test_it_says_their_apology_before_it_asks_again() -> None:
    draft = read(
        node("hi", say("What do you need?"), to="wait"),
        split("wait", {"Food": None, "Other": "sorry"}, [("has_any_word", ["food"], "Food")], result="Need"),
        node("sorry", say("Sorry, FOOD is all we have."), to="wait"),
    )
    ask = script(draft).steps["need"]
    assert isinstance(ask, Ask)
    assert (ask.not_understood.tries, ask.not_understood.say) == (5, "Sorry, FOOD is all we have.")


def test_it_leads_on_at_once_where_theirs_did() -> None:
    draft = read(
        node("hi", say("What do you need?"), to="wait"),
        split("wait", {"Food": None, "Other": "human"}, [("has_any_word", ["food"], "Food")], result="Need"),
        node("human", {"type": "open_ticket", "uuid": uid("t"), "topic": {"name": "Rent"}, "body": "Needs {{ help }}"}),
    )
    ask, human = script(draft).steps["need"], script(draft).steps["person"]
    assert isinstance(ask, Ask) and (ask.not_understood.tries, ask.not_understood.go) == (1, "person")
    assert isinstance(human, Handoff) and human.handoff.because == "Rent: Needs { { help }}"


def test_it_reads_numbers_with_conditions() -> None:
    draft = read(
        node("hi", say("How many are you?"), to="wait"),
        split("wait", {"Few": "few", "Other": "many"}, [("has_number_between", ["1", "4"], "Few")], result="People"),
        node("few", say("A small box.")),
        node("many", say("A large box for @results.people.")),
    )
    ask = script(draft).steps["people"]
    assert isinstance(ask, Ask) and ask.answer == "number"
    assert ask.next[0].when == "people >= 1 and people <= 4"
    assert "A large box for {{ people }}." in draft.content.source


@pytest.mark.parametrize(
    ("kind", "answer"), [("has_date", "date"), ("has_phone", "phone"), ("has_text", "text"), ("has_pattern", "text")]
)
def test_it_reads_free_answers_by_their_test(kind: str, answer: str) -> None:
    draft = read(
        node("hi", say("Tell us."), to="wait"),
        split("wait", {"Valid": None, "Other": "hi"}, [(kind, ["x"], "Valid")], result="Told"),
    )
    ask = script(draft).steps["told"]
    assert isinstance(ask, Ask) and ask.answer == answer
    assert (ImportStatus.APPROXIMATED in fates(draft, kind)) == (kind == "has_pattern")


def test_it_waits_as_long_as_theirs() -> None:
    draft = read(
        node("hi", say("Tell us."), to="wait"),
        split("wait", {"All": None, "Silent": "bye"}, [], default="All", timeout=(5400, "Silent"), result="Told"),
        node("bye", say("Text us any time.")),
    )
    assert "after: 90m" in draft.content.source and "go: text_us_any_time" in draft.content.source


def test_it_says_that_a_question_is_missing() -> None:
    draft = read(split("wait", {"All": None}, [], default="All", result="Told"))
    assert draft.missing == ("The step `told` waits for an answer, but no question stands before it; write one.",)


# Ways.


def test_it_decides_by_an_answer_that_is_kept() -> None:
    draft = read(
        node("hi", say("Food or rent?"), to="wait"),
        split("wait", {"Food": "way", "Rent": "way", "Other": "hi"},
              [("has_any_word", ["food"], "Food"), ("has_any_word", ["rent landlord"], "Rent")], result="Need"),
        split("way", {"Home": "home", "Other": None}, [("has_any_word", ["landlord"], "Home")], operand="@results.need",
              wait=False),
        node("home", say("About your home.")),
    )  # fmt: skip
    step = script(draft).steps["by_need"]
    assert isinstance(step, Decide) and step.next[0].when == "need == 'rent'"
    assert not draft.missing


def test_it_keeps_a_way_that_can_not_be_known_behind_a_condition_that_never_holds() -> None:
    draft = read(
        split("way", {"Members": "a", "Other": "b"}, [("has_group", [uid("g"), "Members'"], "Members")],
              operand="@contact.groups", wait=False),
        node("a", say("Hello, member.")),
        node("b", say("Hello.")),
    )  # fmt: skip
    step = next(iter(script(draft).steps.values()))
    assert [branch.when for branch in step.next] == ["'in the group Members' in line_name", None]
    assert [branch.go for branch in step.next] == ["hello_member", "hello"] and not draft.missing
    ours = Flow(script(draft), {})
    assert not ours.holds("way", str(step.next[0].when), "en", {}, datetime(2026, 11, 23, tzinfo=UTC))


def test_it_runs_flows_of_the_file_and_names_those_that_are_missing() -> None:
    inner = flow(node("in", say("Inside.")), name="Inner flow")
    calls = [
        {"type": "enter_flow", "uuid": uid(name), "flow": {"uuid": uid(name), "name": name}}
        for name in ("Inner flow", "Gone")
    ]
    outer, other = read_rapidpro(export(flow(node("a", *calls)), inner), "export.json")
    runs = [step.run for step in script(outer).steps.values() if isinstance(step, Run)]
    assert runs == ["inner_flow", "gone"] and other.name == "inner_flow"
    assert len(outer.missing) == 1 and "`gone`" in outer.missing[0]


def test_it_gives_the_flows_of_one_file_different_names() -> None:
    drafts = read_rapidpro(export(flow(node("a", say("A"))), flow(node("b", say("B")))), "export.json")
    assert [draft.name for draft in drafts] == ["food", "food_2"]


def test_it_ends_behind_a_flow_that_does_not_come_back() -> None:
    call = {"type": "enter_flow", "uuid": uid("c"), "flow": {"uuid": uid("Food"), "name": "Rent"}, "terminal": True}
    drafts = read_rapidpro(
        export(flow(node("a", call, say("Never said."))), flow(node("b", say("B")), name="Rent")), "x.json"
    )
    assert "Never said." not in drafts[0].content.source
    assert "Never said." in remarks_on(drafts[0], "send_msg")


# Texts.


def test_it_marks_what_can_not_be_filled_in() -> None:
    draft = read(node("a", say("Hi @contact.name, it is @(format_date(now())). Mail a@b.org or me@@home")))
    step = next(iter(script(draft).steps.values()))
    assert isinstance(step, Say)
    assert step.say == "Hi [contact.name], it is [format_date(now())]. Mail a@b.org or me@home"
    assert fates(draft, "expressions") == [ImportStatus.LEFT_OUT, ImportStatus.LEFT_OUT]


@given(st.text(alphabet='{}%#@()[]. abresults"\n|\\', max_size=60))
def test_it_never_lets_a_template_of_theirs_run(text: str) -> None:
    made = convert_text(text, lambda path: "a" if path == Looked("results", "a") else None).text
    assert not template_problems(made)
    assert names_in(made) <= {"a"}
    assert "{%" not in made and "{#" not in made and made.count("{{") == len(re.findall(r"\{\{ a(?:\|\w+)? \}\}", made))


def test_it_carries_translations() -> None:
    words = {uid("Take care."): {"text": ["Cuídese, @contact.name."]}, uid("wait.Food"): {"name": ["Comida"]}}
    draft = read(
        node("hi", say("Need?"), to="wait"),
        split("wait", {"Food": "bye", "Other": "hi"}, [("has_any_word", ["food"], "Food")], result="Need"),
        node("bye", say("Take care.")), localization={"spa": words},
    )  # fmt: skip
    found = read_translations(draft.content.translations["es"], "po")
    assert found["take_care.say", "Take care."] == "Cuídese, [contact.name]."
    assert found["need.choices.food.label", "Food"] == "Comida"


def test_it_says_so_where_a_flow_is_not_written_in_english() -> None:
    assert fates(read(node("a", say("Hola")), language="spa"), "language") == [ImportStatus.APPROXIMATED]


# What surrounds flows: campaigns and triggers.


def test_it_reports_campaigns_and_triggers_on_the_flow_they_name() -> None:
    target = {"uuid": uid("Food"), "name": "Food"}
    event: dict[str, Any] = {"event_type": "F", "offset": 3, "unit": "D", "flow": target, "relative_to": {"label": "Joined"}}
    given_ = export(
        flow(node("a", say("A")), name="Other"), flow(node("b", say("B"))),
        campaigns=[{"name": "After", "events": [event]}], triggers=[{"trigger_type": "K", "keyword": "eat", "flow": target}],
    )  # fmt: skip
    other, food = read_rapidpro(given_, "export.json")
    assert "check_in: {flow: food, after: [3d]}" in remarks_on(food, "campaign event")
    assert "`eat`" in remarks_on(food, "trigger") and not fates(other, "trigger")


# The older format.


def legacy() -> dict[str, Any]:
    question = {"type": "reply", "msg": {"eng": "Food or rent?", "spa": "Comida o renta?"}, "uuid": uid("q")}
    rules = [
        {
            "uuid": uid("r1"),
            "category": {"eng": "Food"},
            "destination": uid("bye"),
            "test": {"type": "contains_any", "test": "food"},
        },
        {"uuid": uid("r2"), "category": {"eng": "Other"}, "destination": None, "test": {"type": "true"}},
    ]
    first = {"uuid": uid("hi"), "destination": uid("wait"), "y": 0, "actions": [question]}
    bye = {
        "uuid": uid("bye"),
        "destination": None,
        "y": 9,
        "actions": [{"type": "reply", "msg": "Bye, you like @flow.need."}],
    }
    asked = {"uuid": uid("wait"), "ruleset_type": "wait_message", "label": "Need", "operand": "@step.value", "rules": rules}
    return {
        "version": 11, "base_language": "eng", "flow_type": "F", "entry": uid("hi"),
        "metadata": {"name": "Old", "uuid": uid("o")}, "action_sets": [first, bye], "rule_sets": [asked],
    }  # fmt: skip


def test_it_reads_the_older_shape() -> None:
    draft = read_rapidpro(legacy(), "old.json")[0]
    ask = script(draft).steps["need"]
    assert isinstance(ask, Ask) and ask.choices["food"].go == "bye_you_like_flow_need"
    assert "Bye, you like {{ need }}." in draft.content.source
    assert read_translations(draft.content.translations["es"], "po")["need.ask", "Food or rent?"] == "Comida o renta?"


def test_it_reads_flows_that_are_wrapped() -> None:
    wrapped = {"version": 4, "flows": [{"name": "Old", "flow_type": "F", "definition": legacy()}]}
    assets = {"assets": {"flows": [flow(node("a", say("A")))]}, "trigger": {}}
    assert [draft.name for draft in read_rapidpro(wrapped, "x.json")] == ["old"]
    assert [draft.name for draft in read_rapidpro(assets, "x.json")] == ["food"]
