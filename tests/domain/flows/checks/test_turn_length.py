"""How much one turn of a flow can do is known before it is published: no flow without errors fails for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bot.domain.conversation.effects import Effect, RaiseAlarm, Reply
from bot.domain.flows.checks.checks import MAX_NESTED_FLOWS, check_flow
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.reader import read_flow
from bot.domain.flows.language.sandbox import ENVIRONMENT
from bot.domain.flows.language.script import Script
from bot.usecases.conversation.converse import MAX_FRAMES
from bot.usecases.conversation.rehearsal import Rehearsal
from bot.usecases.flows.library import DraftLibrary
from bot.usecases.system_texts import read_system_texts

HUMAN = "person: {handoff: {team: housing}}"


def script(name: str, *rows: str) -> Script:
    first = rows[0].partition(":")[0]
    body = "".join(f"  {row}\n" for row in rows)
    return read_flow(f"flow: {name}\ntitle: T\nstart: {first}\nmenu: {str(name == 'a').lower()}\nsteps:\n{body}", name)


def reported(*rows: str) -> list[str]:
    return [f"{problem.severity.value} {problem.what}" for problem in check_flow(script("a", *rows), {}, {})]


def said(scripts: list[Script], *texts: str) -> list[tuple[Effect, ...]]:
    """Play these texts from the first flow's start; gives the effects of each turn."""
    flows = {one.flow: Flow(one, {}, number, ZoneInfo("UTC")) for number, one in enumerate(scripts, 1)}
    library = DraftLibrary(flows, lambda *_: ())
    rehearsal = Rehearsal(read_system_texts(("en", "es")), library, datetime(2026, 11, 23, 16, tzinfo=UTC))
    return [rehearsal.say(text) for text in texts]


@pytest.mark.parametrize(
    ("answer", "text", "words"),
    [
        ("text", "{{ v|truncate(2) }}", "expected length >= 3"),
        ("text", "{{ v|truncate(v|int) }}", "what stands in the brackets of `truncate` is an answer"),
        ("number", "{{ 10 / (v - 4) }}", "an answer is divided by"),
        ("number", "{{ 10 % v }}", "an answer is divided by"),
        ("name", "{{ v[4] + '.' }}", "when `v` is 'J'"),
    ],
)
def test_it_finds_what_fails_only_for_some_answers(answer: str, text: str, words: str) -> None:
    asking = f"ask: {{ask: What?, answer: {answer}, save: v, next: tell}}"
    problems = reported(asking, f'tell: {{say: "{text} it is", next: person}}', HUMAN)
    assert problems and all(problem.startswith("error") for problem in problems)
    assert any(words in problem for problem in problems)


@pytest.mark.parametrize("text", ["{{ v / 2 }}", "{{ v // 7 }}", "{{ v % 2 }}", "{{ v|round(1) }}", "{{ v|default(0) }}"])
def test_it_lets_sums_pass_that_no_number_breaks(text: str) -> None:
    asking = "ask: {ask: How many?, answer: number, save: v, next: tell}"
    assert reported(asking, f'tell: {{say: "{text} it is", next: person}}', HUMAN) == []


def test_it_makes_a_number_of_whatever_people_write() -> None:
    for words in ("inf", "-inf", "nan", "1e999", "9" * 5000):
        assert ENVIRONMENT.from_string("{{ v|float|int }}").render(v=words) == "0"


@pytest.mark.parametrize(
    "step",
    ["{wait: 300000w, next: person}", "{check_in: {flow: a, after: [7d, 300000w]}, next: person}",
     "{ask: What?, answer: zip, wait: {after: 300000w, go: person}, next: person}"],
)  # fmt: skip
def test_it_refuses_a_pause_that_no_calendar_holds(step: str) -> None:
    assert "error `late` waits for 2,100,000 days." in reported(f"late: {step}", HUMAN)


def test_it_finds_a_turn_that_is_longer_than_the_engine_lets_it_be() -> None:
    def chain(count: int) -> list[str]:
        return [f"s{at}: {{say: Hello., next: s{at + 1}}}" for at in range(count)] + [f"s{count}: {HUMAN[8:]}"]

    assert not any("may follow one another" in problem for problem in reported(*chain(59)))
    assert "error From `s0` on 61 steps may follow one another before the person is asked anything." in reported(*chain(60))
    assert any(isinstance(effect, RaiseAlarm) for effect in said([script("a", *chain(60))], "hi")[0])
    assert not any(isinstance(effect, RaiseAlarm) for effect in said([script("a", *chain(59))], "hi")[0])


INNER = "need: {ask: What?, choices: {food: {label: Food}, rent: {label: Rent}}, next: bye}"


def test_it_finds_a_circle_through_a_flow_whose_only_question_is_answered_by_the_same_words_each_time() -> None:
    outer, inner = script("a", "go: {run: b, next: go}"), script("b", INNER, "bye: {say: Bye., end: done}")
    assert any(isinstance(effect, RaiseAlarm) for effect in said([outer, inner], "hi", "food")[1])
    problems = check_flow(outer, {}, {"b": inner})
    assert "go > go is a circle that never waits for the person." in [problem.what for problem in problems]


def test_it_finds_no_circle_through_a_flow_that_always_waits() -> None:
    second = "bye: {ask: And?, answer: text, next: end}"
    outer, inner = script("a", "go: {run: b, next: go}"), script("b", INNER, second, "end: {end: done}")
    assert not any("circle" in problem.what for problem in check_flow(outer, {}, {"b": inner}))
    assert not any(isinstance(one, RaiseAlarm) for turn in said([outer, inner], "hi", "food", "x", "rent") for one in turn)


def test_it_warns_where_an_answer_is_followed_by_silence() -> None:
    quiet = script("a", "ask: {ask: What is it?, answer: text, next: over}", "over: {end: done}")
    assert not [effect for effect in said([quiet], "hi", "rain")[1] if isinstance(effect, Reply)]
    warned = "Behind `ask` the flow may end without a word, and whoever wrote hears nothing."
    assert warned in [problem.what for problem in check_flow(quiet, {}, {})]
    around = script("b", "go: {run: a, next: bye}", "bye: {say: Bye., end: done}")
    assert warned not in [problem.what for problem in check_flow(quiet, {}, {"b": around})]


def test_it_lets_as_many_flows_run_within_one_another_as_the_engine_can_hold() -> None:
    assert MAX_NESTED_FLOWS == MAX_FRAMES - 1
    scripts = {f"f{at}": script(f"f{at}", f"go: {{run: f{at + 1}, next: person}}", HUMAN) for at in range(MAX_NESTED_FLOWS)}
    last = {f"f{MAX_NESTED_FLOWS}": script(f"f{MAX_NESTED_FLOWS}", HUMAN)}
    whats = {name: [problem.what for problem in check_flow(one, {}, scripts | last)] for name, one in scripts.items()}
    assert whats["f0"] == [f"More than {MAX_NESTED_FLOWS} flows run within one another here."] and whats["f1"] == []
