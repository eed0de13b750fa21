"""The compiled safety rules. `reading.py` builds them from files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.safety.levels import Danger, DirectAnswer, Level
from bot.domain.safety.phrases import Phrase
from bot.domain.safety.spelling import Spelling


@dataclass(frozen=True, slots=True)
class SafetyRule:
    """One rule. Phrases are indexes into `SafetyRules.phrases`.

    It fires where one of `say` is found, or where the whole message is one of `whole`. An `unless` that overlaps the match
    cancels it, an `unless_said` anywhere in the text cancels it, and a `doubt_if` anywhere makes it doubtful.
    """

    id: str
    why: str
    language: str
    danger: Danger
    level: Level
    doubtful: bool
    about_other: bool
    negatable: bool
    say: tuple[int, ...]
    unless: tuple[int, ...]
    unless_said: tuple[int, ...]
    doubt_if: tuple[int, ...]
    whole: tuple[str, ...]
    must_match: tuple[str, ...]
    must_not_match: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RaiseRule:
    """Raises the level of a danger: one of `said` anywhere in a text that has a match of `danger` without doubt."""

    id: str
    why: str
    danger: Danger
    level: Level
    said: tuple[int, ...]
    must_match: tuple[str, ...]
    must_not_match: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """Signs that mean little alone and something together: from `at` points on (`points` is phrase number to points) the
    person is asked.

    A long text contains more signs of every kind, so each further 25 words raise the threshold by one point.
    """

    id: str
    why: str
    danger: Danger
    at: int
    points: Mapping[int, int]
    must_match: tuple[str, ...]
    must_not_match: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SafetyRules:
    """The compiled rules of all languages. Build with `read_rules`; immutable, shared by threads.

    `by_word` and `by_prefix` say which phrases are worth trying when a word (or a word with that beginning) occurs;
    `rules_by_phrase` says which rules a phrase fires, `raises_by_phrase` which raises. `reviews` says who has signed off
    each file.
    """

    languages: tuple[str, ...]
    spelling: Spelling
    rules: tuple[SafetyRule, ...]
    raises: tuple[RaiseRule, ...]
    scores: tuple[ScoreRule, ...]
    phrases: tuple[Phrase, ...]
    by_word: Mapping[str, tuple[int, ...]]
    by_prefix: Mapping[str, tuple[int, ...]]
    prefixes: re.Pattern[str] | None
    rules_by_phrase: Mapping[int, tuple[int, ...]]
    raises_by_phrase: Mapping[int, tuple[int, ...]]
    whole: Mapping[str, tuple[int, ...]]
    negation_patterns: Mapping[str, re.Pattern[str]]
    joking: re.Pattern[str] | None
    answers: Mapping[str, DirectAnswer]
    reviews: Mapping[str, Mapping[str, str]]
