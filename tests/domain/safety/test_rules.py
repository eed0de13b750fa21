from __future__ import annotations

import pytest

from bot.domain.safety import Danger, Level, SafetyRuleError, assess, read_rules
from bot.domain.safety.rules import RaiseRule, SafetyRule, ScoreRule
from tests.domain.safety.example_files import rule_files, rules

ENTRIES: list[SafetyRule | RaiseRule | ScoreRule] = [*rules().rules, *rules().raises, *rules().scores]
EXAMPLES = [
    pytest.param(entry.id, text, wanted, id=f"{entry.id}-{'yes' if wanted else 'no'}-{number}")
    for entry in ENTRIES
    for wanted, texts in ((True, entry.must_match), (False, entry.must_not_match))
    for number, text in enumerate(texts)
]
SMALL = """
language: xx
review: {clinician: not yet, counsel: not yet}
spelling: {wanna: want to}
negation: [not]
families: {who: [he, she]}
answers: {"no": [nope], "yes": [yep]}
rules:
  - id: xx.one
    danger: self_harm
    level: active
    say: [want to die, "<who> [really] hit ... me"]
    match: [i wanna die]
    no_match: [hello]
"""


@pytest.mark.parametrize(("rule", "text", "wanted"), EXAMPLES)
def test_it_reads_each_rules_own_examples_as_the_rule_says(rule: str, text: str, wanted: bool) -> None:
    assert (rule in assess(rules(), text).rules) is wanted


def test_it_knows_who_has_signed_off_each_file() -> None:
    assert rules().languages == ("en", "es")
    assert rules().reviews.keys() == rule_files().keys()
    assert all({"clinician", "counsel"} <= review.keys() for review in rules().reviews.values())


def test_it_takes_a_new_language_as_one_more_file() -> None:
    grown = read_rules({**rule_files(), "rules.xx.yaml": SMALL.replace("want to die", "zelim umrijeti")})
    assert assess(grown, "Želim umrijeti").level is Level.ACTIVE
    assert assess(rules(), "Želim umrijeti").level is Level.NONE


def test_it_understands_families_optional_words_and_gaps() -> None:
    small = read_rules({"rules.xx.yaml": SMALL})
    for text in ("she hit me", "he really hit all of me", "He REALLY hit me."):
        assert assess(small, text).dangers == (Danger.SELF_HARM,), text
    for text in ("they hit me", "he hit one two three four me", "he hit. me", "he hit not me"):
        assert assess(small, text).level is Level.NONE, text


@pytest.mark.parametrize(
    ("was", "becomes", "line", "said"),
    [
        ("danger: self_harm", "danger: sorrow", 10, "sorrow"),
        ("level: active", "level: red", 11, "red"),
        ("level: active", "levle: active", 11, "levle"),
        ("want to die", "(want to die", 12, "')' is missing"),
        ("<who>", "<whom>", 12, "whom"),
        ("want to die", "[maybe]", 12, "A word or a sentence"),
        ("    match: [i wanna die]\n", "", 9, "'match' is missing"),
        ("match: [i wanna die]", "match: []", 13, "Examples are missing"),
        ("level: active", "level: imminent\n    doubtful: yes", 11, "In doubt"),
        ("danger: self_harm\n    level: active", "danger: distress\n    level: active", 11, "Distress"),
        ("review: {clinician: not yet, counsel: not yet}", "", 2, "'review' is missing"),
        (", counsel: not yet}", "}", 3, "'counsel' is missing"),
        ('"yes": [yep]', '"yes": [nope]', 7, "already means"),
        ("rules:", "rules: [", 10, "not YAML"),
    ],
)
def test_it_refuses_a_mistake_with_its_file_and_line(was: str, becomes: str, line: int, said: str) -> None:
    broken = SMALL.replace(was, becomes, 1)
    assert broken != SMALL
    with pytest.raises(SafetyRuleError, match=r"rules\.xx\.yaml") as refused:
        read_rules({"rules.xx.yaml": broken})
    assert said in str(refused.value)
    assert abs(refused.value.line - line) <= 1
    assert refused.value.remedy


def test_it_refuses_one_id_for_two_rules_across_files() -> None:
    with pytest.raises(SafetyRuleError, match="used twice"):
        read_rules({"rules.xx.yaml": SMALL, "rules.yy.yaml": SMALL.replace("language: xx", "language: yy")})


def test_it_refuses_to_run_without_rules() -> None:
    with pytest.raises(SafetyRuleError, match="no rules"):
        read_rules({})
