"""Paths through large and entangled flows, and damaged files: they are checked quickly, with a message in words."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.checks.reachability import can_reach_human, find_loops
from bot.domain.flows.language.machine import FlowMachine, next_steps
from bot.domain.flows.language.reader import FlowError, lines_of, read_flow
from bot.domain.flows.language.script import Ask, Script

HEAD = "flow: a\ntitle: A\nstart: s0\nsteps:\n"


def chain(count: int, last: str) -> str:
    rows = [f"  s{at}: {{say: Thing {at}., next: s{at + 1}}}" for at in range(count)]
    return HEAD + "\n".join([*rows, f"  s{count}: {last}"]) + "\n"


def test_it_checks_two_thousand_steps_while_one_waits() -> None:
    text = chain(2000, "{handoff: {team: housing}}")
    started = process_time()
    script = read_flow(text, "a.yaml")
    FlowMachine(script)
    (problem,) = check_flow(script, {}, {}, lines=lines_of(text))
    assert problem.line == 5 and problem.what.startswith("From `s0` on 2001 steps may follow one another")
    assert process_time() - started < 20, "it takes a second on an idle machine; this is for a busy one"


def test_it_reads_two_thousand_questions_with_all_their_choices() -> None:
    choices = ", ".join(f"c{at}: {{label: Label {at}, words: [one, two, three], go: s0}}" for at in range(4))
    rows = "".join(f"  s{at}: {{ask: What?, choices: {{{choices}}}, wait: {{after: 3d, go: s0}}}}\n" for at in range(2000))
    assert len(read_flow(HEAD + rows, "a.yaml").steps) == 2000


def test_it_names_a_circle_of_two_thousand_steps_in_a_few_words() -> None:
    text = chain(2000, "{decide: true, next: s0}")
    (problem,) = [p for p in check_flow(read_flow(text, "a.yaml"), {}, {}, lines=lines_of(text)) if "circle" in p.what]
    assert problem.line == 5
    assert "s0 > s1 > s2" in problem.what and "... > s0 is a circle" in problem.what
    assert len(problem.what) < 200


def test_it_finds_a_circle_in_a_knot_where_every_step_leads_to_every_other() -> None:
    every = ", ".join(f"{{when: today, go: s{at}}}" for at in range(60))
    text = HEAD + "".join(f"  s{at}: {{decide: true, next: [{every}]}}\n" for at in range(60))
    assert find_loops(read_flow(text, "a.yaml"), {}) == [["s0"]]


def test_it_finds_each_knot_once() -> None:
    text = HEAD + (
        "  s0: {decide: true, next: [{when: today, go: s1}, {when: today, go: s3}, {go: s5}]}\n"
        "  s1: {decide: true, next: s2}\n  s2: {decide: true, next: s1}\n"
        "  s3: {decide: true, next: [{when: today, go: s3}, {go: s5}]}\n  s5: {end: x}\n"
    )
    assert find_loops(read_flow(text, "a.yaml"), {}) == [["s1", "s2"], ["s3"]]


def test_it_walks_many_flows_that_run_each_other_without_end() -> None:
    flows = {}
    for at in range(60):
        rows = "".join(f"  s{n}: {{run: f{(at + n + 1) % 60}, next: s{n + 1}}}\n" for n in range(6))
        text = HEAD.replace("flow: a", f"flow: f{at}") + rows + "  s6: {end: x}\n"
        flows[f"f{at}"] = read_flow(text, "f.yaml")
    started = process_time()
    assert not can_reach_human("f0", flows)
    assert process_time() - started < 5


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    count = draw(st.integers(1, 8))
    names = st.sampled_from([f"s{at}" for at in range(count)])
    rows = []
    for at in range(count):
        ways = draw(st.lists(names, min_size=1, max_size=3))
        branches = ", ".join([f"{{when: today, go: {way}}}" for way in ways[:-1]] + [f"{{go: {ways[-1]}}}"])
        does = draw(st.sampled_from(["decide: true", "say: Hi", "ask: What?", "run: b", "handoff: {team: t}"]))
        rows.append(f"  s{at}: {{{does}, next: [{branches}]}}\n")
    return read_flow(HEAD + "".join(rows), "a.yaml")


@settings(max_examples=150, deadline=None)
@given(scripts())
def test_it_finds_a_circle_exactly_where_one_can_be_walked(script: Script) -> None:
    found = find_loops(script, {})
    for circle in found:
        assert all(
            there in next_steps(script.steps[here]) for here, there in zip(circle, [*circle[1:], circle[0]], strict=True)
        )
    # Remove steps that lead nowhere until there are none: those that remain are on a circle or lead to one.
    ways = {n: set() if isinstance(s, Ask) or hasattr(s, "run") else set(next_steps(s)) for n, s in script.steps.items()}
    left = dict(ways)
    while gone := [name for name, ways_on in left.items() if not ways_on & left.keys()]:
        left = {name: ways_on for name, ways_on in left.items() if name not in gone}
    assert bool(found) == bool(left)


@settings(max_examples=100, deadline=None)
@given(scripts())
def test_it_checks_whatever_can_be_read(script: Script) -> None:
    assert all(
        problem.what and problem.remedy
        for problem in check_flow(script, {}, {"b": script}, languages=("en", "es"), teams=())
    )


WHOLE = (
    "flow: food_help\ntitle: Help\nstart: zip\nsteps:\n"
    "  zip: {ask: 'Which {{ line_name }}?', answer: zip, save: zip, next: places}\n"
    "  places: {refer: {need: food, near: \"{{ zip or '' }}\"}, none: person, next: enough}\n"
    "  enough:\n    ask: Is this enough?\n    choices:\n      more: {label: More, words: [a, b], go: person}\n"
    "    wait: {after: 24h, go: person}\n"
    "  person: {handoff: {team: food, because: \"Food, {{ zip }}\"}}\n"
)  # fmt: skip


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_it_says_where_something_is_missing_in_a_truncated_file(length: int) -> None:
    try:
        script = read_flow(WHOLE[:length], "a.yaml")
    except FlowError as error:
        assert all(p.line >= 1 and p.what and p.remedy for p in error.problems)
    else:
        check_flow(script, {}, {})


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.text(max_size=6)), max_size=4))
def test_it_never_fails_otherwise_than_by_its_own_error_on_a_damaged_file(cuts: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for at, length, put in cuts:
        text = text[:at] + put + text[at + length :]
    try:
        script = read_flow(text, "a.yaml")
    except FlowError as error:
        assert all(p.what and p.remedy for p in error.problems)
    else:
        check_flow(script, {"es": {}}, {}, languages=("en", "es"))


def test_it_refuses_fifty_megabytes_at_once() -> None:
    started = process_time()
    with pytest.raises(FlowError, match="52,428,800 bytes"):
        read_flow(b"flow: a\n" * (50 * 1024 * 1024 // 8), "a.yaml")
    assert process_time() - started < 5


def test_it_names_both_lines_of_a_name_that_is_used_twice() -> None:
    with pytest.raises(FlowError) as refused:
        read_flow(WHOLE + "  zip: {end: x}\n", "a.yaml")
    (problem,) = refused.value.problems
    assert str(problem).startswith("a.yaml:13: `zip` stands here a second time; the first is in line 5.")
