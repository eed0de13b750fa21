from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.language.reader import FlowProblem, Severity, lines_of, read_flow, read_translations
from bot.domain.flows.language.script import Script
from bot.domain.messages import readability
from tests.paths import ROOT

FLOWS = ROOT / "flows"


def flow(*rows: str, name: str = "a", segments: int = 2) -> str:
    head = f"flow: {name}\ntitle: A\nstart: need\nsegments: {segments}\nsteps:\n"
    return head + "\n".join(f"  {row}" for row in rows) + "\n"


def found(
    text: str, translations: dict[str, dict[tuple[str, str], str]] | None = None, others: tuple[str, ...] = ()
) -> list[FlowProblem]:
    flows = {script.flow: script for script in (read_flow(other, "o.yaml") for other in others)}
    return check_flow(read_flow(text, "a.yaml"), translations or {}, flows, file="a.yaml", lines=lines_of(text))


def reported(text: str, **more: dict[str, dict[tuple[str, str], str]]) -> list[str]:
    return [f"{problem.line} {problem.severity.value} {problem.what}" for problem in found(text, **more)]  # type: ignore[arg-type]


HUMAN = "person: {handoff: {team: housing}}"
CLEAN = ("need:", "  ask: What is it?", "  choices:", "    rent: {label: Rent, go: person}", HUMAN)


def test_it_finds_nothing_wrong_with_a_clean_flow() -> None:
    assert found(flow(*CLEAN)) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [*CLEAN, "lost: {handoff: {team: housing}}"],
            "11 error No way leads to `lost`.",
        ),
        (
            ["need: {ask: Which?, not_understood: {tries: 1}}"],
            "6 error After `need` nothing follows, and the person gets no answer.",
        ),
        (
            ["need: {ask: Which?, choices: {a: {label: A}, b: {label: B, go: person}}}", HUMAN],
            "6 error The choice `a` of `need` leads nowhere.",
        ),
        (
            ["need: {say: Hi, next: [{when: today, go: person}]}", HUMAN],
            "6 error `need` has no way on where none of its conditions holds.",
        ),
        (
            ["need: {say: Hi, next: [{go: person}, {when: today, go: person}, {go: person}]}", HUMAN],
            "6 error `need` always takes this way, so those below it are never taken.",
        ),
        (
            ["need: {say: Hi, next: [{when: today, go: two}, {go: person}]}", "two: {decide: true, next: need}", HUMAN],
            "6 error need > two > need is a circle that never waits for the person.",
        ),
        (
            ["need: {run: nowhere, next: person}", HUMAN],
            "6 error There is no flow `nowhere`.",
        ),
        (
            ["need: {check_in: {flow: later, after: [7d]}, next: person}", HUMAN],
            "6 error There is no flow `later`.",
        ),
        (
            ["need: {say: Bye, end: done}"],
            "1 warning No way of this flow leads to a human.",
        ),
        (
            ["need: {ask: ZIP?, answer: zip, save: zip, next: person}", HUMAN],
            "6 warning Nothing uses the answer `zip`.",
        ),
        (
            ["need: {say: 'Hi {{ nam }}', next: person}", HUMAN],
            "6 error No answer is kept as `nam`.",
        ),
        (
            ["need: {say: Hi, next: [{when: nobody > 3, go: person}, {go: person}]}", HUMAN],
            "6 error No answer is kept as `nobody`.",
        ),
        (
            ["need: {ask: What?, choices: {rent: {label: Rent}}, next: [{when: need == 'rnet', go: person},"
             " {go: person}]}", HUMAN],
            "6 error `need` is never `rnet`.",
        ),
        (
            ["need: {ask: What?, choices: {a: {label: A, words: [menu], go: person}}}", HUMAN],
            "6 warning `menu` means the same at every step, so this choice never hears it alone.",
        ),
        (
            ["need: {ask: What?, choices: {a: {label: 'Yes', go: person}}}", HUMAN],
            "6 warning Telephone companies take YES for an opt-in, and may not pass it on.",
        ),
        (
            ["need: {ask: Ok? Reply YES or a number., answer: yes_no, next: person}", HUMAN],
            "6 warning Telephone companies take YES for an opt-in, and may not pass it on.",
        ),
        (
            ["need: {say: Hi \u2014 there, next: person}", HUMAN],
            "6 warning `need.say` holds \u2014, which is not in the alphabet of SMS.",
        ),
        (
            [f"need: {{say: {'word ' * 21}, next: person}}", HUMAN],
            "6 warning `need.say` has a sentence of 21 words.",
        ),
        (
            [f"need: {{say: {'Take care. ' * 29}, next: person}}", HUMAN],
            "6 error `need.say` takes 3 segments in `en`, and this flow allows 2.",
        ),
    ],
)  # fmt: skip
def test_it_finds_what_is_doubtful_and_its_line(rows: list[str], expected: str) -> None:
    assert reported(flow(*rows)) == [expected]


def test_it_takes_a_circle_that_asks_for_a_conversation() -> None:
    assert found(flow("need: {say: Hi, next: again}", "again: {ask: What?, choices: {a: {label: A, go: need}}}")) == []


def test_it_suggests_the_answer_that_was_meant() -> None:
    (problem,) = found(flow("need: {say: 'Hi {{ lin_name }}', next: person}", HUMAN))
    assert problem.remedy == "Did you mean `line_name`?"


@pytest.mark.parametrize(
    ("row", "what", "remedy"),
    [
        ("need: {ask: Which?, choices: {a: {label: A}, b: {label: B}, c: {label: C, go: person}}}",
         "The choices `a` and `b` of `need` lead nowhere.",
         "Choose where each leads (`go`), or where the step goes on (`next`)."),
        ("need: {ask: Which?, choices: {a: {label: A}, c: {label: C, go: person}}}",
         "The choice `a` of `need` leads nowhere.",
         "Choose where it leads (`go`), or where the step goes on (`next`)."),
        ("need: {ask: Which?, not_understood: {go: person}}",
         "After `need` nothing follows, and the person gets no answer.",
         "Choose where it goes on (`next`), be it a step that ends the flow with an outcome (`end`)."),
        ("need: {say: Hi, note: To the person.}",
         "After `need` nothing follows, and the person gets no answer.",
         "Choose where it goes on (`next`), or end it with an outcome (`end`)."),
        ("need: {run: b, next: person}",
         "There is no flow `b`.", "Write that flow first, and publish it along with this one."),
    ],
)  # fmt: skip
def test_it_says_how_to_lead_on(row: str, what: str, remedy: str) -> None:
    problems = found(flow(row, HUMAN))
    assert [(one.what, one.remedy) for one in problems if "No way" not in one.what] == [(what, remedy)]


@pytest.mark.parametrize(
    ("asks", "remedy"),
    [
        ("{ask: ZIP?, answer: zip, next: say}", "Open the step `zip` and keep its answer as `zip` (`save`)."),
        ("{ask: ZIP?, answer: zip, save: zap, next: say}", "Did you mean `zap`?"),
        ("{say: ZIP., next: say}", "Put a text in quotes, or keep an answer with `save`."),
    ],
)
def test_it_says_where_an_answer_could_be_kept(asks: str, remedy: str) -> None:
    problems = found(flow("need: {say: Hi, next: zip}", f"zip: {asks}", "say: {say: 'Near {{ zip }}', next: person}", HUMAN))
    assert [one.remedy for one in problems if one.what == "No answer is kept as `zip`."] == [remedy]


def test_it_refuses_flows_that_run_each_other() -> None:
    inner = flow("need: {run: a, next: person}", HUMAN, name="b")
    (problem,) = found(flow("need: {run: b, next: person}", HUMAN), others=(inner,))
    assert problem.what == "`b` leads back into this flow, and so on without end."


def test_it_refuses_a_flow_that_runs_itself() -> None:
    (problem,) = found(flow("need: {run: a, next: person}", HUMAN))
    assert "without end" in problem.what


def test_it_knows_the_answers_of_a_flow_that_is_run() -> None:
    inner = flow("need: {ask: ZIP?, answer: zip, save: zip, next: person}", HUMAN, name="b")
    outer = flow("need: {run: b, next: say}", "say: {say: 'Near {{ zip }}', next: person}", HUMAN)
    assert found(outer, others=(inner,)) == []
    assert [problem.what for problem in found(outer)] == [
        "There is no flow `b`.",
        "No answer is kept as `zip`.",
    ]


def test_it_counts_the_choices_into_the_question() -> None:
    choices = ", ".join(f"c{at}: {{label: {'Some long label here ' * 2}, go: person}}" for at in range(9))
    text = flow(f"need: {{ask: What is it?, choices: {{{choices}}}}}", HUMAN)
    assert reported(text) == ["6 error `need.ask` takes 3 segments in `en`, and this flow allows 2."]


# Translations.

SPANISH = {
    ("title", "A"): "A",
    ("need.ask", "What is it?"): "¿Qué es?",
    ("need.choices.rent.label", "Rent"): "Renta",
}


def test_it_accepts_a_complete_translation() -> None:
    assert found(flow(*CLEAN), {"es": SPANISH}) == []


def test_it_names_missing_and_stale_translations() -> None:
    stale = {**SPANISH, ("need.ask", "What was it?"): "¿Qué era?"}
    del stale["need.ask", "What is it?"], stale["need.choices.rent.label", "Rent"]
    assert [problem.what for problem in found(flow(*CLEAN), {"es": stale})] == [
        "The Spanish translation of `need.ask` was made from an older text.",
        "The Spanish translation of `need.choices.rent.label` is missing, or stale (fuzzy).",
    ]


def test_it_says_once_that_a_language_is_missing() -> None:
    assert [problem.what for problem in found(flow(*CLEAN), {"bs": {}})] == [
        "Nothing of this flow is translated into Bosnian."
    ]


def test_it_says_the_code_of_a_language_that_has_no_known_name() -> None:
    assert [one.what for one in found(flow(*CLEAN), {"haz": {}})] == ["Nothing of this flow is translated into `haz`."]


def test_it_asks_for_no_translation_of_a_title_because_titles_are_not_sent() -> None:
    for title in ({}, {("title", "An older one"): "A"}):
        words = {key: text for key, text in SPANISH.items() if key[0] != "title"} | title
        assert found(flow(*CLEAN), {"es": words}) == []


@pytest.mark.parametrize(
    ("spanish", "severity", "words"),
    [
        ("Hola {{ lin_name }}", Severity.ERROR, "names `lin_name`"),
        ("Hola {{ line_name", Severity.ERROR, "can't be filled in"),
        ("Hola", None, ""),
        ("Hola {{ zip }}" + " y bienvenidos a nuestra casa" * 12, Severity.ERROR, "segments in `es`"),
    ],
)
def test_it_checks_translations_like_the_source(spanish: str, severity: Severity | None, words: str) -> None:
    rows = ["need: {ask: ZIP?, answer: zip, save: zip, next: hi}", "hi: {say: 'Hi {{ zip }}', next: person}", HUMAN]
    translation = {("title", "A"): "A", ("need.ask", "ZIP?"): "¿ZIP?", ("hi.say", "Hi {{ zip }}"): spanish}
    problems = found(flow(*rows), {"es": translation})
    assert severity is None or any(p.severity is severity and words in p.what for p in problems)
    assert ("{{ zip }}" in spanish) != any("leaves out `zip`" in p.what for p in problems) or "{{ l" in spanish


def test_it_counts_spanish_as_it_is_sent_with_folded_accents() -> None:
    told_in_spanish = "Aquí está. " * 14
    rows = ["need: {say: Here it is., next: person}", HUMAN]
    translation = {("title", "A"): "A", ("need.say", "Here it is."): told_in_spanish}
    assert found(flow(*rows, segments=1), {"es": translation}) == []


# Reading level.


def test_it_grades_plain_words_lower_than_official_ones() -> None:
    plain = readability.school_grade(["We can help you find food. Tell us where you live. We will text you back soon."] * 3)
    official = readability.school_grade(
        ["Eligibility determinations necessitate documentation regarding household composition and expenditures."] * 4
    )
    assert plain is not None and official is not None
    assert plain < 4 < 12 < official


def test_it_gives_no_grade_for_a_few_words() -> None:
    assert readability.school_grade(["Eligibility determination."]) is None


@pytest.mark.parametrize(
    ("word", "count"),
    [("help", 1), ("people", 2), ("text", 1), ("eviction", 3), ("called", 1), ("wanted", 2), ("use", 1)],
)
def test_it_counts_syllables_about_right(word: str, count: int) -> None:
    assert readability.syllables(word) == count


def test_it_warns_of_a_flow_that_is_hard_to_read() -> None:
    hard = "Eligibility determinations necessitate documentation. " * 5
    rows = [f"need: {{say: {hard}, next: two}}", f"two: {{say: {hard}, next: person}}", HUMAN]
    assert any("reads like school grade" in line for line in reported(flow(*rows)))


# The shipped flows.


def shipped_flows() -> dict[str, tuple[Path, Script]]:
    return {path.stem: (path, read_flow(path.read_bytes(), path.name)) for path in FLOWS.glob("*.yaml")}


@pytest.mark.parametrize("name", sorted(path.stem for path in FLOWS.glob("*.yaml")))
def test_it_finds_no_error_in_the_shipped_flows(name: str) -> None:
    flows = shipped_flows()
    path, script = flows[name]
    translations = {
        po.parent.name: read_translations(po.read_text("utf-8"), str(po))
        for po in (FLOWS / "translations").glob(f"*/{name}.po")
    }
    others = {other: script for other, (_, script) in flows.items()}
    problems = check_flow(script, translations, others, file=path.name, lines=lines_of(path.read_bytes()))
    assert [str(problem) for problem in problems if problem.severity is Severity.ERROR] == []


def test_it_finds_nothing_to_say_against_the_flow_in_the_guide() -> None:
    guide = (FLOWS.parent / "docs" / "admins" / "flow-language.md").read_text("utf-8")
    example = guide.split("```yaml\n")[1].split("```")[0]
    assert check_flow(read_flow(example, "guide"), {}, {}, lines=lines_of(example)) == []
