from __future__ import annotations

import time
from typing import Any

import pytest

from bot.domain.flows.editing import document
from bot.domain.flows.language.reader import read_flow
from bot.domain.flows.language.yaml_source import FlowError, load_yaml
from bot.domain.refused import Refused
from tests.paths import ROOT

FLOWS = sorted((ROOT / "flows").glob("*.yaml"))
SOURCES = {path.stem: path.read_text("utf-8") for path in FLOWS}
EACH_STEP = [(flow, step) for flow, source in SOURCES.items() for step in document.steps_data(source)]

SMALL = """\
# A flow of our own.
flow: small
title: 'Small'   # shown to staff
start: need
steps:
  # Where it begins.
  need:
    ask: "What is it?"
    choices:
      rent: {label: Rent, words: ["yes", evict], go: zip}   # most of them
      # The food bank is near.
      food: {label: Food, go: bye}
    wait: &quiet {after: 3d, go: bye}
    next: zip

  zip: {ask: "Your ZIP?", answer: zip, save: zip, wait: *quiet, next: bye}
  # The end.
  bye: {say: "Thank you, {{ need }}", end: done}
"""


def changed(source: str, step: str, **fields: object) -> str:
    return document.set_step(source, step, {**document.step_data(source, step), **fields})


def rows_changed(before: str, after: str) -> tuple[set[str], set[str]]:
    """The lines that were removed, and those that were added."""
    one, other = before.split("\n"), after.split("\n")
    return {row for row in one if row not in other}, {row for row in other if row not in one}


@pytest.mark.parametrize(("flow", "step"), EACH_STEP)
def test_it_leaves_a_file_alone_when_a_step_is_set_to_what_it_is(flow: str, step: str) -> None:
    assert document.set_step(SOURCES[flow], step, document.step_data(SOURCES[flow], step)) == SOURCES[flow]


@pytest.mark.parametrize("flow", SOURCES)
def test_it_gives_the_same_letters_when_a_step_is_renamed_and_renamed_back(flow: str) -> None:
    for step in document.steps_data(SOURCES[flow]):
        there = document.rename_step(SOURCES[flow], step, "quite_new")
        assert there != SOURCES[flow]
        assert document.rename_step(there, "quite_new", step) == SOURCES[flow]


@pytest.mark.parametrize("flow", SOURCES)
def test_it_still_reads_as_a_flow_after_any_rename(flow: str) -> None:
    for step in document.steps_data(SOURCES[flow]):
        script = read_flow(document.rename_step(SOURCES[flow], step, "quite_new"), "a.yaml")
        assert "quite_new" in script.steps and step not in script.steps


@pytest.mark.parametrize("flow", SOURCES)
def test_it_touches_only_lines_of_the_step_that_it_adds_a_note_to(flow: str) -> None:
    for step in (name for name, data in document.steps_data(SOURCES[flow]).items() if "note" not in data):
        made = changed(SOURCES[flow], step, note="Said: so, #1")
        assert document.step_data(made, step)["note"] == "Said: so, #1"
        gone, _ = rows_changed(SOURCES[flow], made)
        assert all(row.startswith(f"  {step}: ") for row in gone)


@pytest.mark.parametrize("flow", SOURCES)
def test_it_keeps_the_meaning_of_all_others_when_a_step_goes(flow: str) -> None:
    steps = document.steps_data(SOURCES[flow])
    for step in steps:
        rest = document.steps_data(document.delete_step(SOURCES[flow], step))
        assert rest == {name: data for name, data in steps.items() if name != step}


@pytest.mark.parametrize("flow", SOURCES)
def test_it_moves_a_step_to_the_end_and_to_the_top(flow: str) -> None:
    steps = document.steps_data(SOURCES[flow])
    for step in steps:
        down = document.steps_data(document.move_step(SOURCES[flow], step, None))
        up = document.steps_data(document.move_step(SOURCES[flow], step, next(iter(steps))))
        assert (list(down)[-1], down) == (step, steps)
        assert (next(iter(up)), up) == (step, steps)


def test_it_rewrites_one_text_and_no_other_line() -> None:
    gone, come = rows_changed(SMALL, changed(SMALL, "need", ask="Which one?"))
    assert (gone, come) == ({'    ask: "What is it?"'}, {'    ask: "Which one?"'})


@pytest.mark.parametrize(
    "text",
    ["Note: so", "a #b", "yes", "true", "null", "~", "0631", "", " led", "trailed ", "- x", "{x", "*x", "&x", "@x", "%x",
     "`x`", "{{ need }}", "a\nb", "a\n\n  b\n", "tab\there", "say 'hi' \"you\"", "# x", "? x", "x:",
     "word " * 60 + "end", "é ñ 🙂",
     "a,b [c]", "back\\slash", "|", ">", "!x", "1.0", "=", "\x07bell"],
)  # fmt: skip
@pytest.mark.parametrize("step", ["need", "zip"])
def test_it_writes_any_text_so_that_it_reads_the_same(text: str, step: str) -> None:
    assert document.step_data(changed(SMALL, step, ask=text, note=text), step)["ask"] == text


def test_it_keeps_a_short_step_on_its_line_while_it_fits() -> None:
    assert '  bye: {say: "Bye, {{ need }}", end: done}\n' in changed(SMALL, "bye", say="Bye, {{ need }}")
    assert "  bye:\n    say: >-\n" in changed(SMALL, "bye", say="word " * 40 + "end")


def test_it_keeps_remarks_beside_and_within_what_changes() -> None:
    step: dict[str, Any] = document.step_data(SMALL, "need")
    step["choices"]["rent"]["label"] = "Rent, or eviction"
    step["choices"]["food"] = {"label": "Food", "words": ["eat", "no"], "go": "bye"}
    made = document.set_step(SMALL, "need", step)
    assert '      rent: {label: "Rent, or eviction", words: ["yes", evict], go: zip}   # most of them\n' in made
    assert '      # The food bank is near.\n      food: {label: Food, words: [eat, "no"], go: bye}\n' in made


def test_it_writes_choices_in_the_order_that_was_meant() -> None:
    step: dict[str, Any] = document.step_data(SMALL, "need")
    step["choices"] = dict(reversed(step["choices"].items()))
    made = document.set_step(SMALL, "need", step)
    assert list(document.step_data(made, "need")["choices"]) == ["food", "rent"]  # type: ignore[call-overload]
    assert sorted(SMALL.split("\n")) == sorted(made.split("\n"))


def test_it_hands_a_shared_part_on_when_the_step_that_holds_it_changes() -> None:
    made = changed(SMALL, "need", wait={"after": "1d", "go": "bye"})
    assert "wait: {after: 1d, go: bye}\n" in made
    assert "wait: &quiet {after: 3d, go: bye}, next: bye}" in made


def test_it_keeps_a_copy_that_did_not_change() -> None:
    assert "wait: *quiet" in changed(SMALL, "zip", ask="ZIP, please?")


def test_it_moves_remarks_with_their_step() -> None:
    made = document.move_step(SMALL, "bye", "zip")
    assert made.index("# The end.\n  bye:") < made.index("  zip: {ask")


def test_it_renames_an_answer_that_has_the_name_of_its_step() -> None:
    made = document.rename_step(SMALL, "need", "topic")
    assert "start: topic\n" in made and '{say: "Thank you, {{ topic }}", end: done}' in made


def test_it_keeps_the_answers_name_where_the_new_one_is_taken() -> None:
    made = document.rename_step(SMALL, "need", "language")
    assert document.step_data(made, "language")["save"] == "need"
    assert "{{ need }}" in made


def test_it_leaves_answers_alone_that_are_saved_by_a_name() -> None:
    source = SMALL.replace("{{ need }}", "{{ zip }}")
    assert "{{ zip }}" in document.rename_step(source, "zip", "place")


def test_it_renames_a_choice_in_the_conditions_that_compare_with_it() -> None:
    ways = (
        "[{when: need == 'rent' and zip == 'rent', go: bye}, {when: \"need not in ['food', 'rent']\", go: bye}, {go: bye}]"
    )
    source = SMALL.replace("*quiet, next: bye", f"*quiet, next: {ways}")
    made = document.rename_choice(source, "need", "rent", "home")
    assert "need == 'home' and zip == 'rent'" in made and "need not in ['food', 'home']" in made
    assert '      home: {label: Rent, words: ["yes", evict], go: zip}   # most of them\n' in made


def test_it_adds_a_step_behind_another_one() -> None:
    made = document.add_step(SMALL, "more", {"ask": "More?", "optional": True, "next": "bye"}, "need")
    assert list(document.steps_data(made)) == ["need", "more", "zip", "bye"]
    assert made.replace("  more: {ask: More?, optional: true, next: bye}\n", "") == SMALL


def test_it_adds_the_first_step_of_an_empty_flow() -> None:
    made = document.add_step("flow: a\ntitle: A\nstart: hi\nsteps: {}\n", "hi", {"say": "Hi", "end": "done"})
    assert document.steps_data(made) == {"hi": {"say": "Hi", "end": "done"}}


def test_it_changes_the_head() -> None:
    made = document.set_head(SMALL, {"title": "It's small", "menu": True, "segments": 3, "purpose": "To help: people"})
    assert "title: 'It''s small'   # shown to staff\npurpose: \"To help: people\"\n" in made
    data = load_yaml(made, "a")[0]
    assert isinstance(data, dict) and (data["menu"], data["segments"]) == (True, "3")


@pytest.mark.parametrize("breaks", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_it_keeps_the_files_own_line_breaks(breaks: str, mark: str) -> None:
    source = mark + SMALL.replace("\n", breaks).removesuffix(breaks)
    made = changed(source, "need", ask="Which one?")
    assert made == source.replace("What is it?", "Which one?")


def test_it_rewrites_a_file_in_braces() -> None:
    source = '{flow: a, title: A, start: hi, steps: {hi: {say: Hi, end: "0631"}}}'
    made = document.add_step(source, "more", {"say": "yes", "end": "007"}, "hi")
    assert document.steps_data(made) == {"hi": {"say": "Hi", "end": "0631"}, "more": {"say": "yes", "end": "007"}}


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: document.step_data(SMALL, "nope"), "no step `nope`"),
        (lambda: document.rename_step(SMALL, "need", "zip"), "already"),
        (lambda: document.rename_step(SMALL, "need", "Not so"), "can't be a name"),
        (lambda: document.rename_step(SMALL, "need", "null"), "word of YAML"),
        (lambda: document.add_step(SMALL, "zip", {"end": "x"}), "already"),
        (lambda: document.set_step(SMALL, "zip", {}), "empty"),
        (lambda: document.rename_choice(SMALL, "need", "rent", "food"), "already"),
        (lambda: document.set_head(SMALL, {"colour": "red"}), "no field"),
        (lambda: document.set_step("- a\n", "zip", {"end": "x"}), "no flow"),
        (lambda: document.delete_step("flow: a\nsteps:\n  a: {end: x}\n", "a"), "at least one"),
    ],
)
def test_it_says_why_something_can_not_be_done(act: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        act()


def test_it_names_the_line_of_a_draft_that_is_broken() -> None:
    with pytest.raises(FlowError) as refused:
        changed("flow: a\nsteps:\n  x: {say: hi\n", "x", say="ho")
    assert refused.value.problems[0].line >= 3


def test_it_changes_one_step_of_two_thousand_quickly() -> None:
    steps = "".join(f"  s{n}:\n    say: Step number {n}\n    next: s{(n + 1) % 2000}\n" for n in range(2000))
    source = f"flow: big\ntitle: Big\nstart: s0\nsteps:\n{steps}"
    began = time.process_time()
    made = changed(source, "s1000", say="Another text")
    assert time.process_time() - began < 1.0
    assert made == source.replace("Step number 1000", "Another text")
