"""Every draft from an importer becomes a flow that can be read and has no errors, or says what it lacks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.importing.drafting.draft import (
    DraftBuilder,
    NameAllocator,
    format_seconds,
    language_code,
    make_identifier,
)
from bot.domain.flows.importing.drafting.finish import finish_drafts
from bot.domain.flows.importing.report import ImportedDraft
from bot.domain.flows.language.reader import read_flow, read_translations
from bot.domain.flows.language.script import STEP_NAME, Say, Script, read_duration
from bot.domain.flows.language.yaml_source import Severity


def made_of(*steps: tuple[str, dict[str, Any]], start: str = "") -> tuple[ImportedDraft, Script]:
    draft = DraftBuilder("demo", "Demo", start=start)
    for name, data in steps:
        draft.add(draft.names.name_for(name), data, node=name, kind="kind")
    (made,) = finish_drafts([draft])
    return made, read_flow(made.content.source, "demo.yaml")


def errors(script: Script) -> list[str]:
    return [problem.what for problem in check_flow(script, {}, {}) if problem.severity is Severity.ERROR]


def ask(count: int, **more: Any) -> dict[str, Any]:
    return {"ask": "Which?", "choices": {f"c{at}": {"label": f"Thing {at}", "words": []} for at in range(count)}, **more}


@given(st.text())
def test_it_makes_a_valid_name_of_anything(wish: str) -> None:
    assert re.fullmatch(STEP_NAME, make_identifier(wish))


def test_it_gives_each_thing_a_name_of_its_own() -> None:
    names = NameAllocator()
    assert [names.name_for("a", "Send menu"), names.name_for("b", "send_menu"), names.name_for("a")] == [
        "send_menu",
        "send_menu_2",
        "send_menu",
    ]


@given(st.floats())
def test_it_writes_every_length_of_time_so_that_it_reads(seconds: float) -> None:
    assert read_duration(format_seconds(seconds))


@pytest.mark.parametrize(("theirs", "ours"), [("spa", "es"), ("es-MX", "es"), ("eng", "en"), ("xxq", None), ("", None)])
def test_it_knows_languages_by_their_codes(theirs: str, ours: str | None) -> None:
    assert language_code(theirs) == ours


def test_it_says_a_long_text_in_several_steps() -> None:
    made, script = made_of(("a", {"say": "one two three. " * 200}))
    assert len(script.steps) > 1 and errors(script) == [] and script.start != "a"
    assert any("too long" in item.remark for item in made.items)
    assert sum(step.say.count("three") for step in script.steps.values() if isinstance(step, Say)) == 200


def test_it_splits_a_translation_with_its_text() -> None:
    draft = DraftBuilder("demo", "Demo")
    draft.add("a", {"say": "one two three. " * 200})
    draft.set_translation("es", "a.say", "uno dos tres. " * 200)
    (made,) = finish_drafts([draft])
    translated = read_translations(made.content.translations["es"], "es.po")
    assert len(translated) == len(read_flow(made.content.source, "demo.yaml").steps)


def test_it_asks_more_than_nine_choices_on_pages() -> None:
    made, script = made_of(("a", ask(20)))
    assert [len(step.choices) for step in script.steps.values() if hasattr(step, "choices")] == [9, 9, 4]
    assert errors(script) == [] and any("more than 9" in item.remark for item in made.items)


def test_it_changes_labels_and_words_that_telephone_companies_act_on() -> None:
    choices = {"h": {"label": "Help", "words": ["stop", "menu", "aid"]}, "b": {"label": "x" * 90, "words": ["aid"]}}
    made, script = made_of(("a", {"ask": "Which?", "choices": choices}))
    step: Any = script.steps["a"]
    assert step.choices["h"].label == "Choose help" and step.choices["h"].words == ("aid",)
    assert len(step.choices["b"].label) <= 60 and step.choices["b"].words == ()
    assert len([item for item in made.items if item.node == "a"]) >= 4


def test_it_puts_choices_in_the_order_of_their_digits() -> None:
    choices = {"rent": {"label": "Rent", "words": ["2"]}, "food": {"label": "Food", "words": ["1"]}}
    _, script = made_of(("a", {"ask": "Which?", "choices": choices}))
    step: Any = script.steps["a"]
    assert list(step.choices) == ["food", "rent"]


def test_it_calls_a_human_where_a_way_leads_to_nothing() -> None:
    made, script = made_of(("a", {"say": "Hi", "next": "nowhere"}))
    assert "handoff" in made.content.source and errors(script) == []
    assert any("`nowhere`" in item.remark for item in made.items)


def test_it_breaks_a_circle_that_never_waits() -> None:
    made, script = made_of(("a", {"say": "Hi", "next": "b"}), ("b", {"decide": True, "next": "a"}))
    assert errors(script) == [] and any("without waiting" in item.remark for item in made.items)


def test_it_always_has_a_start() -> None:
    _, script = made_of(("a", {"say": "Hi"}), start="gone")
    assert script.start == "a"


def test_it_ends_where_nothing_follows() -> None:
    _, script = made_of(("a", {"ask": "Name?", "answer": "name"}))
    assert script.steps["a"].next[0].go == "ended"


def test_it_leaves_out_what_nothing_leads_to_and_says_so() -> None:
    made, script = made_of(("a", {"say": "Hi"}), ("b", {"say": "", "end": "x"}))
    assert list(script.steps) == ["a"]
    assert [item.status for item in made.items if item.node == "b"] == ["left_out"]


def test_it_drops_a_condition_that_can_never_hold() -> None:
    rows = [{"when": "color == 'red'", "go": "b"}, {"when": "a == 'nothing'", "go": "b"}, {"when": "a ===", "go": "b"}]
    made, script = made_of(("a", ask(2, next="d")), ("d", {"decide": True, "next": rows}), ("b", {"say": "Hi"}))
    assert errors(script) == [] and sum("is left out" in item.remark for item in made.items) == 3


def test_it_ends_flows_that_run_each_other_without_end() -> None:
    drafts = [DraftBuilder("one", "One"), DraftBuilder("two", "Two")]
    drafts[0].add("a", {"run": "two"}, node="a", kind="run")
    drafts[1].add("a", {"run": "one"}, node="a", kind="run")
    made = finish_drafts(drafts)
    scripts = {flow.name: read_flow(flow.content.source, "x") for flow in made}
    assert [errors_with(script, scripts) for script in scripts.values()] == [[], []]


def errors_with(script: Script, others: dict[str, Script]) -> list[str]:
    return [problem.what for problem in check_flow(script, {}, others) if problem.severity is Severity.ERROR]


TEXTS = st.text(alphabet=st.sampled_from("ab {}%#\n'\"\\:-é\u2028\ud800\x00😀@"), max_size=40)
NAMES = st.sampled_from(["a", "b", "c", "gone"])
STEPS = st.one_of(
    st.builds(lambda text, way: {"say": text, "next": way}, TEXTS, NAMES),
    st.builds(lambda text, label, words, way: {
        "ask": text, "choices": {"X 1": {"label": label, "words": words, "go": way}, "y": {"label": label}}},
        TEXTS, TEXTS, st.lists(TEXTS, max_size=3), NAMES),
    st.builds(lambda text, way: {"decide": True, "next": [{"when": text, "go": way}]}, TEXTS, NAMES),
    st.builds(lambda text: {"handoff": {"team": "anyone", "because": text}}, TEXTS),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=3), TEXTS)
def test_it_makes_a_clean_flow_of_any_steps(steps: list[dict[str, Any]], title: str) -> None:
    draft = DraftBuilder("demo", title)
    for name, data in zip("abc", steps, strict=False):
        draft.add(draft.names.name_for(name), data, node=name, kind="kind")
    (made,) = finish_drafts([draft])
    assert errors(read_flow(made.content.source, "demo.yaml")) == [] and made.missing == ()
