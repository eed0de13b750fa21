"""Lower limits for what was measured on texts that the rules were not tuned on; docs/safety.md has the figures."""

from __future__ import annotations

import csv
from collections import Counter
from functools import cache

import pytest

from bot.domain.safety import assess, must_alert_staff
from bot.usecases.measure_safety import format_report, labelled_samples
from tests.domain.safety.example_files import rules
from tests.paths import ROOT

DATA = ROOT.parent / "shared" / "data" / "understanding"


@cache
def reached(split: str) -> dict[str, float]:
    """The share of texts, by group, that raise an alert or are answered with the direct question."""
    if not DATA.exists():
        pytest.skip("the shared labelled texts are not here")
    seen: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for of, sample in labelled_samples(DATA):
        if of == split:
            seen[sample.group] += 1
            assessment = assess(rules(), sample.text[:1600])
            found[sample.group] += must_alert_staff(assessment) or assessment.ask is not None
    return {group: found[group] / seen[group] for group in seen}


@pytest.mark.parametrize(
    ("group", "floor"),
    [
        ("short texts: explicit (A)", 0.82),
        ("short texts: passive (P)", 0.68),
        ("posts: C-SSRS severity 2 and over", 0.88),
        ("implicit, machine-written: CRITICAL", 0.50),
        ("Spanish tweets: suicidal (noisy)", 0.80),
        ("posts: domestic violence (noisy)", 0.68),
    ],
)
def test_it_still_finds_on_unseen_texts_what_it_found_when_measured(group: str, floor: float) -> None:
    assert reached("held out")[group] >= floor


@pytest.mark.parametrize(
    ("group", "ceiling"),
    [
        ("short texts: none (N)", 0.08),
        ("help requests by SMS, disasters", 0.02),
        ("everyday stress (SAD)", 0.02),
        ("implicit, machine-written: LOW", 0.06),
    ],
)
def test_it_raises_few_false_alarms_on_unseen_texts(group: str, ceiling: float) -> None:
    assert reached("held out")[group] <= ceiling


def test_it_is_not_alarmed_by_words_of_other_languages() -> None:
    if not (DATA / "language_short.csv").exists():
        pytest.skip("the shared labelled texts are not here")
    alarmed: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    with (DATA / "language_short.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            seen[row["lang"]] += 1
            assessment = assess(rules(), row["text"])
            alarmed[row["lang"]] += must_alert_staff(assessment) or assessment.ask is not None
    assert {language for language in seen if alarmed[language] > 0.01 * seen[language]} == set()


def test_it_reports_counts_and_never_a_text() -> None:
    assert "No labelled texts" in format_report(rules(), ROOT / "flows")
