"""The shape of the rules that read danger in words, once compiled. `reading.py` builds them from files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.safety.levels import Danger, DirectAnswer, Level
from bot.domain.safety.phrases import Phrase
from bot.domain.safety.spelling import Spelling


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Phrases are numbers into `Rules.phrases`.

    It fires where one of `say` is found, or where the whole message is one of `whole`. An `unless` that shares words
    with the match cancels it, an `unless_said` cancels it from anywhere, a `doubt_if` found anywhere makes it doubtful.
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
class Raise:
    """What makes a danger worse: `said` anywhere in words in which a certain match of `danger` is found."""

    id: str
    why: str
    danger: Danger
    level: Level
    said: tuple[int, ...]
    must_match: tuple[str, ...]
    must_not_match: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Signs that mean little alone and something together: `points` (phrase number to points) from `at` up ask.

    A long text holds more words of every kind, so each further 25 words ask one point more.
    """

    id: str
    why: str
    danger: Danger
    at: int
    points: Mapping[int, int]
    must_match: tuple[str, ...]
    must_not_match: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """All languages' rules, compiled. Build with `read_rules`; immutable, shared by threads.

    `by_word` and `by_beginning` say which phrases are worth trying when a word (or a word that begins so) occurs;
    `firing` says which rules a phrase fires, `raising` which raises. `reviews` says for each
    file who has signed it off.
    """

    languages: tuple[str, ...]
    spelling: Spelling
    rules: tuple[Rule, ...]
    raises: tuple[Raise, ...]
    scores: tuple[Score, ...]
    phrases: tuple[Phrase, ...]
    by_word: Mapping[str, tuple[int, ...]]
    by_beginning: Mapping[str, tuple[int, ...]]
    beginnings: re.Pattern[str] | None
    firing: Mapping[int, tuple[int, ...]]
    raising: Mapping[int, tuple[int, ...]]
    whole: Mapping[str, tuple[int, ...]]
    negated: Mapping[str, re.Pattern[str]]
    joking: re.Pattern[str] | None
    answers: Mapping[str, DirectAnswer]
    reviews: Mapping[str, Mapping[str, str]]
