from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.flows.language.reader import (
    FlowError,
    FlowProblem,
    build_po,
    json_schema,
    lines_of,
    read_flow,
    read_translations,
    translatable_texts,
)
from bot.domain.flows.language.script import Ask, Handoff
from tests.paths import ROOT

FLOWS = ROOT / "flows"
HEAD = "flow: a\ntitle: A\nstart: need\nsteps:\n"


def flow(*rows: str) -> str:
    return HEAD + "\n".join(f"  {row}" for row in rows) + "\n"


def problems(text: str | bytes) -> tuple[FlowProblem, ...]:
    with pytest.raises(FlowError) as refused:
        read_flow(text, "flows/a.yaml")
    return refused.value.problems


def only_problem(text: str | bytes) -> FlowProblem:
    found = problems(text)
    assert len(found) == 1, str(found)
    return found[0]


GOOD = flow(
    "need:",
    "  ask: What is it?",
    "  choices:",
    "    yes: {label: Rent, words: [no, 911, on], go: bye}",
    "    food: {label: Food, go: bye}",
    "  wait: {after: 3d, go: bye}",
    "bye: {handoff: {team: housing}, say: We told our team.}",
)


def test_it_reads_plain_words_as_words() -> None:
    step = read_flow(GOOD, "a.yaml").steps["need"]
    assert isinstance(step, Ask)
    assert list(step.choices) == ["yes", "food"]
    assert step.choices["yes"].words == ("no", "911", "on")


def test_it_reads_a_handoff_that_says_something() -> None:
    step = read_flow(GOOD, "a.yaml").steps["bye"]
    assert isinstance(step, Handoff)
    assert step.say == "We told our team."


def test_it_keeps_a_number_with_a_leading_zero() -> None:
    script = read_flow(flow("need: {say: x, end: 063118}"), "a.yaml")
    assert script.model_dump()["steps"]["need"]["end"] == "063118"


@pytest.mark.parametrize("path", sorted(FLOWS.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_reads_every_shipped_flow(path: Path) -> None:
    assert read_flow(path.read_bytes(), path.name).flow == path.stem


def test_it_reports_all_problems_at_once_with_their_lines() -> None:
    found = problems(
        "flow: My Flow\ntitle: ''\nstrat: need\nstart: need\nsegments: 99\nsteps:\n"
        "  need:\n    ask: Hi\n    chioces: {}\n    answer: zap\n"
        "  a: {say: x, next: ened}\n  end: {end: done}\n"
    )
    assert [problem.line for problem in found] == [1, 2, 3, 5, 9, 10, 11]
    assert "Did you mean `choices`?" in str(found[4])
    assert "Did you mean `zip`?" in str(found[5])
    assert "Did you mean `end`?" in str(found[6])


def test_it_says_where_what_and_what_to_do() -> None:
    text = flow("need: {say: hi, next: bey}", "bye: {end: done}")
    assert str(only_problem(text)) == "flows/a.yaml:5: There is no step `bey`. Did you mean `bye`?"


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        (["need: {foo: 1}"], 5, "does nothing"),
        (["need: {sya: hi}"], 5, "Did you mean `say`"),
        (["need: {say: hi, refer: {need: x}}"], 5, "does two things"),
        (["need: hello"], 5, "is not a step"),
        (["need: {end: x}", "Bad Name: {end: x}"], 6, "can't be a name"),
        (["need: {wait: 3x, next: need}"], 5, "a length of time is"),
        (["need: {wait: 99999999999999d, next: need}"], 5, "is too long"),
        (["need: {refer: {need: x, limit: 9}, none: need}"], 5, "at most 5"),
        (["need: {refer: {need: x}}"], 5, "`none` is missing"),
        (["need: {check_in: {flow: x, after: 7d}, next: need}"], 5, "should be a list"),
        (["need:", "  say:", "  end: done"], 6, "`say` is empty"),
        (["need: {say: [a, b], end: x}"], 5, "should be a text"),
        (["need:", "  ask: q", "  choices: [a, b]"], 7, "should be a block"),
        (["need: {say: hi, end: x}", "need: {end: y}"], 6, "the first is in line 5"),
        (["need: {say: 'Hi {{ name', end: x}"], 5, "can't be filled in"),
        (["need: {say: '{{ name|upcase }}', end: x}"], 5, "upcase is not a known filter"),
        (["need: {say: '{% for a in b %}{% endfor %}', end: x}"], 5, "only {{ }} and {% if %}"),
        (["need: {decide: true, next: [{when: need = 'x', go: need}]}"], 5, "two signs, =="),
        (["need: {decide: true, next: [{when: '{{ need }}', go: need}]}"], 5, "without {{ }}"),
        (["need: {decide: true, next: [{when: 'open(need)', go: need}]}"], 5, "can be called"),
        (["need: {ask: q, not_understood: {go: nowhere}}"], 5, "no step `nowhere`"),
        (["need: {ask: q, choices: {a: {label: Stop, go: need}}}"], 5, "can't be an answer"),
        (["need: {ask: q, choices: {a: {label: A, words: [Quit], go: need}}}"], 5, "can't be an answer"),
    ],
)
def test_it_explains_what_is_wrong_with_a_step(rows: list[str], line: int, words: str) -> None:
    problem = only_problem(flow(*rows))
    assert problem.line == line
    assert words in str(problem)
    assert problem.remedy


def test_it_allows_nine_choices_and_no_more() -> None:
    def asking(count: int) -> str:
        choices = ", ".join(f"c{at}: {{label: L{at}, go: need}}" for at in range(count))
        return flow(f"need: {{ask: q, choices: {{{choices}}}}}")

    read_flow(asking(9), "a.yaml")
    assert "10 choices" in str(only_problem(asking(10)))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "empty"),
        ("- a\n- b\n", 1, "`name: value`"),
        (b"flow: a\ntitle: \xff\n", 2, "UTF-8"),
        ("flow: a\n\ttitle: x\n", 2, "tab"),
        ("flow: a\ntitle: Note: this\n", 2, "colon"),
        (HEAD + "  need:\n      say: x\n    end: y\n", 7, "neighbours"),
        ("flow: a\ntitle: 'never closed\n", 3, "never closed"),
        ("flow: a\n---\nflow: b\n", 2, "second document"),
        ("flow: !!python/object:os.system x\n", 1, "not known"),
        ("flow: *nothing\n", 1, "no such original"),
        ("a: &a [*a]\n", 1, "too much"),
        ("[" * 900_000, 1, "too deeply"),
        ("- " * 400_000, 1, "too deeply"),
        ("flow: " + "x" * 1_000_001, 1, "bytes"),
    ],
)
def test_it_explains_what_is_no_yaml(text: str | bytes, line: int, words: str) -> None:
    problem = only_problem(text)
    assert problem.line == line
    assert words in str(problem)


def test_it_refuses_an_alias_bomb_quickly() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 10)]
    assert "too much" in str(only_problem("\n".join(rows)))


def test_it_knows_the_line_of_every_value() -> None:
    lines = lines_of(GOOD)
    assert lines.of(("steps", "need", "choices", "food", "label")) == 9
    assert lines.of(("steps", "bye", "handoff", "because")) == 11


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("flow:stepakn \n\t-{}[]&*!|>'\"#%@`0é\ud800\x00"), max_size=120))
def test_it_never_fails_otherwise_than_by_its_own_error(text: str) -> None:
    with pytest.raises(FlowError):
        read_flow(text, "a.yaml")


# Translations.

PO = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"

msgctxt "need.ask"
msgid "What is it?"
msgstr "¿Qué necesita?"

#, fuzzy
msgctxt "bye.say"
msgid "We told our team."
msgstr "Viejo."

msgctxt "need.choices.food.label"
msgid "Food"
msgstr ""
"""


def test_it_reads_only_translations_that_are_ready() -> None:
    assert read_translations(PO, "es.po") == {("need.ask", "What is it?"): "¿Qué necesita?"}


def test_it_lists_everything_that_is_translated() -> None:
    script = read_flow(GOOD, "a.yaml")
    assert translatable_texts(script) == [
        ("title", "A", ""),
        ("need.ask", "What is it?", "need"),
        ("need.choices.yes.label", "Rent", "need"),
        ("need.choices.yes.words", "no, 911, on", "need"),
        ("need.choices.food.label", "Food", "need"),
        ("bye.say", "We told our team.", "bye"),
    ]


def test_it_keeps_translations_and_marks_those_of_changed_texts() -> None:
    changed = read_flow(GOOD.replace("What is it?", "What do you need?"), "a.yaml")
    written = build_po(changed, PO, "es")
    assert read_translations(written, "es.po") == {}
    assert '#| msgid "What is it?"' in written
    assert "¿Qué necesita?" in written


def test_it_writes_a_template_that_keeps_what_is_unchanged() -> None:
    written = build_po(read_flow(GOOD, "a.yaml"), PO, "es")
    assert read_translations(written, "es.po") == read_translations(PO, "es.po")
    assert build_po(read_flow(GOOD, "a.yaml"), written, "es").count("msgctxt") == 6


@pytest.mark.parametrize(
    ("po", "line", "words"),
    [
        ('msgctxt "a.ask"\nmsgid "x"\nmsgstr oops\n', 3, "not a PO entry"),
        ('msgid "x"\nmsgstr "y"\n', 1, "no msgctxt"),
        ('msgctxt "a.ask"\nmsgid "x"\nmsgid_plural "xs"\nmsgstr[0] "y"\nmsgstr[1] "z"\n', 2, "plural"),
    ],
)
def test_it_explains_a_broken_translation(po: str, line: int, words: str) -> None:
    with pytest.raises(FlowError) as refused:
        read_translations(po, "es.po")
    (problem,) = refused.value.problems
    assert (problem.line, words in str(problem)) == (line, True)


# The schema.


def test_it_publishes_the_schema_of_the_models_as_they_are() -> None:
    published = json.loads((FLOWS / "flow.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema(), (
        "the models have changed: write json_schema() of bot/domain/flows/language/reader.py to flows/flow.schema.json"
    )


def test_it_lets_an_editor_accept_the_short_forms() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["Patience"]["properties"]["after"]["pattern"] == "^[0-9]+[smhdw]$"
    assert {"type": "string"}.items() <= definitions["Say"]["properties"]["next"]["anyOf"][0].items()
