"""Texts and conditions, tried with the answers that people may give."""

from __future__ import annotations

import pytest

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.language.reader import Severity, lines_of, read_flow

HUMAN = "person: {handoff: {team: housing}}"


def flow(*rows: str) -> str:
    return "flow: a\ntitle: A\nstart: need\nsteps:\n" + "\n".join(f"  {row}" for row in [*rows, HUMAN]) + "\n"


def found(*rows: str, spanish: dict[tuple[str, str], str] | None = None) -> list[str]:
    text = flow(*rows)
    translations = {"es": spanish} if spanish is not None else {}
    problems = check_flow(read_flow(text, "a.yaml"), translations, {}, file="a.yaml", lines=lines_of(text))
    return [f"{p.line} {p.severity.value} {p.what} {p.remedy}" for p in problems]


DATE = "need: {ask: When?, answer: date, save: court, next: soon}"


def test_it_names_the_remedy_for_a_date_that_may_be_missing() -> None:
    assert found(DATE, "soon: {decide: true, next: [{when: days_until(court) <= 7, go: person}, {go: person}]}") == [
        "6 error The condition `days_until(court) <= 7` of `soon` fails when `court` is missing: what is compared or"
        " counted is not both numbers. Put `court and` before it."
    ]


@pytest.mark.parametrize(
    "condition",
    ["court and days_until(court) <= 7", "not court", "court and (days_until(court) <= 7 or days_until(court) > 30)"],
)
def test_it_takes_a_condition_that_asks_first_whether_there_is_a_date(condition: str) -> None:
    assert found(DATE, f"soon: {{decide: true, next: [{{when: {condition}, go: person}}, {{go: person}}]}}") == []


PEOPLE = "need: {ask: How many?, answer: number, save: people, next: many}"
MANY = "many: {decide: true, next: [{when: people > 3, go: person}, {go: person}]}"


def test_it_takes_an_answer_for_certain_behind_its_question() -> None:
    assert found(PEOPLE, MANY) == []


@pytest.mark.parametrize(
    "asking",
    [
        PEOPLE.replace("save: people", "save: people, optional: true"),
        PEOPLE.replace("save: people", "save: people, wait: {after: 1d, go: many}"),
        PEOPLE.replace("save: people", "save: people, not_understood: {go: many}"),
    ],
)
def test_it_knows_the_ways_on_which_an_answer_is_missing(asking: str) -> None:
    (problem,) = found(asking, MANY)
    assert "fails when `people` is missing" in problem
    assert problem.endswith("Put `people and` before it.")


@pytest.mark.parametrize(
    "branches",
    ["[{when: people, go: many}, {go: person}]", "[{when: not people, go: person}, {go: many}]",
     "[{when: people == 2, go: many}, {go: person}]"],
)  # fmt: skip
def test_it_takes_an_answer_for_certain_behind_a_condition(branches: str) -> None:
    asking = PEOPLE.replace("save: people", "save: people, optional: true").replace("next: many", f"next: {branches}")
    assert found(asking, MANY) == []


@pytest.mark.parametrize(
    ("asking", "condition", "words"),
    [
        ("answer: zip", "zip > 5", "`zip` is kept as words. Ask for it with `answer: number`"),
        ("answer: zip", "zip == 63118", "`zip` is never 63118: it is kept as words. Put it in quotes: `zip == '63118'`."),
        ("answer: number", "zip == '3'", "it is kept as a number. Leave the quotes away: `zip == 3`."),
        ("answer: number", "zip > '3'", "fails when `zip` is"),
        ("answer: yes_no", "zip == 'yes'", "it is true or false. Write `zip` where it should be yes"),
    ],
)
def test_it_finds_an_answer_that_is_taken_for_another_kind(asking: str, condition: str, words: str) -> None:
    rows = [f"need: {{ask: What?, {asking}, save: zip, next: go}}",
            f'go: {{decide: true, next: [{{when: "{condition}", go: person}}, {{go: person}}]}}']  # fmt: skip
    (problem,) = found(*rows)
    assert problem.startswith("6 error") and words in problem


def test_it_tries_every_choice() -> None:
    rows = ["need: {ask: What?, choices: {rent: {label: Rent}, food: {label: Food}}, next: say}",
            "say: {say: \"Hi {{ need|day if need == 'food' else need }}\", next: person}"]  # fmt: skip
    (problem,) = found(*rows)
    assert "`say.say` in `en` can't be filled in when `need` is 'food': this is not a date." in problem
    assert "answer: date" in problem


ZIP = "need: {ask: ZIP?, answer: zip, save: zip, optional: true, next: say}"


def test_it_warns_of_a_text_that_says_nothing_when_an_answer_is_missing() -> None:
    assert found(ZIP, "say: {say: '{{ zip }}', next: person}") == [
        "6 warning `say.say` in `en` is empty when `zip` is missing, and nothing is said."
        " Give it other words then, like `{{ zip or 'your area' }}`."
    ]


def test_it_takes_a_text_that_has_other_words_then() -> None:
    assert found(ZIP, "say: {say: \"Near {{ zip or 'you' }}\", next: person}") == []


def test_it_tries_translations_too_and_names_the_language() -> None:
    rows = ["need: {ask: ZIP?, answer: zip, save: zip, next: say}", "say: {say: 'Near {{ zip }}', next: person}"]
    spanish = {("title", "A"): "A", ("need.ask", "ZIP?"): "¿ZIP?", ("say.say", "Near {{ zip }}"): "Cerca {{ zip|day }}"}
    (problem,) = found(*rows, spanish=spanish)
    assert problem.startswith("6 error `say.say` in `es` can't be filled in when `zip` is '63118': this is not a date.")


def test_it_says_only_once_that_an_answer_is_never_kept() -> None:
    (problem,) = found("need: {say: Hi, next: [{when: nobody > 3, go: person}, {go: person}]}")
    assert "No answer is kept as `nobody`." in problem


# Safety texts.

CRISIS = "need: {say: 'Call 988.', next: now}"
NOW = "now: {handoff: {team: crisis, urgency: now}, say: We tell our team.}"
PLAIN = "plain: {say: Bye., end: x}"


def translation_problems(
    text: str, languages: tuple[str, ...], **translations: dict[tuple[str, str], str]
) -> list[tuple[Severity, str]]:
    problems = check_flow(read_flow(text, "a.yaml"), translations, {}, lines=lines_of(text), languages=languages)
    return [(p.severity, p.what) for p in problems if "trans" in p.what]


def test_it_lets_no_safety_text_be_half_translated() -> None:
    text = flow(CRISIS, "now: {ask: Ok?, choices: {a: {label: Yes please, go: call}}}", NOW.replace("now:", "call:", 1))
    severities = translation_problems(
        text, ("en", "es"), es={("need.say", "Call 911."): "Llame al 911.", ("title", "A"): "A"}
    )
    assert (
        Severity.ERROR,
        "The Spanish translation of `need.say` was made from an older text, and it is a safety text.",
    ) in severities
    assert (
        Severity.ERROR,
        "The Spanish translation of `call.say` is missing, or stale (fuzzy), and it is a safety text.",
    ) in severities
    assert (Severity.WARNING, "The Spanish translation of `now.ask` is missing, or stale (fuzzy).") in severities


def test_it_asks_for_every_language_of_the_line() -> None:
    ((severity, what),) = translation_problems(flow(CRISIS, NOW), ("en", "es", "bs"), es={
        ("title", "A"): "A", ("need.say", "Call 988."): "Llame al 988.", ("now.say", "We tell our team."): "Avisamos.",
    })  # fmt: skip
    assert severity is Severity.ERROR
    assert what == "Nothing of this flow is translated into Bosnian, and 2 of its texts are about safety."


def test_it_counts_every_text_of_a_safety_flow() -> None:
    text = flow("need: {ask: Ok?, choices: {a: {label: Fine, words: [good], go: person}}}").replace(
        "title", "safety: true\ntitle"
    )
    ((severity, what),) = translation_problems(text, ("en", "es"))
    assert (severity, "3 of its texts are about safety" in what) == (Severity.ERROR, True)


def test_it_only_warns_where_the_line_does_not_speak_that_language() -> None:
    assert all(
        severity is Severity.WARNING
        for severity, _ in translation_problems(flow(CRISIS, NOW), ("en",), es={("title", "A"): "A"})
    )


# Teams.


@pytest.mark.parametrize(("teams", "count"), [(None, 0), (["housing"], 0), (["housing_help"], 1)])
def test_it_warns_of_a_team_that_does_not_exist(teams: list[str] | None, count: int) -> None:
    text = flow("need: {ask: What?, choices: {a: {label: A, go: person}}}")
    problems = check_flow(read_flow(text, "a.yaml"), {}, {}, lines=lines_of(text), teams=teams)
    assert [p.severity for p in problems] == [Severity.WARNING] * count
    assert not count or problems[0].remedy == "Did you mean `housing_help`?"
