"""Words that work at every step: STOP, START, HELP, BACK, MENU, PERSON, a language's name, and the wish to be left alone.

They are data (`words/keywords.yaml`). All but the last count only as the whole message, because "I want it all to end"
holds END and is the opposite of an opt-out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from bot.domain.understanding import words_of


class Keyword(StrEnum):
    STOP = "stop"
    START = "start"
    HELP = "help"
    BACK = "back"
    MENU = "menu"
    PERSON = "person"
    ERASE = "erase"
    THANKS = "thanks"


class KeywordsError(ValueError):
    """`words/keywords.yaml` cannot be used; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """What is looked for inside messages of at most `longest` words; a longer one is a story, and the flow's to read."""

    phrases: tuple[str, ...]
    longest: int

    def in_short(self, text: str) -> bool:
        words = words_of(text[:200])
        if not 1 < len(words) <= self.longest:
            return False
        padded = f" {' '.join(words)} "
        return any(phrase in padded for phrase in self.phrases)


@dataclass(frozen=True, slots=True)
class Keywords:
    words: Mapping[str, Keyword]
    languages: Mapping[str, str]
    alone: Phrases
    person: Phrases
    telling: Mapping[str, str]
    """Words that tell the language by themselves, and which."""

    def read(self, text: str) -> Keyword | None:
        """The keyword that this message is, as a whole; a wish for a person counts inside a short message too."""
        keyword = self.words.get(_folded(text))
        return Keyword.PERSON if keyword is None and self.person.in_short(text) else keyword

    def language(self, text: str) -> str | None:
        """The language that this message names, as a whole."""
        return self.languages.get(_folded(text))

    def wants_no_texts(self, text: str) -> bool:
        """Whether a short message asks in free words to be left alone (FCC: any reasonable means revokes)."""
        return self.alone.in_short(text)


def _folded(text: str) -> str:
    return " ".join(words_of(text[:80]))


def read_keywords(text: str) -> Keywords:
    """Read the file; raises KeywordsError where a word is missing or stands for two things."""
    data: dict[str, Any] = yaml.safe_load(text)
    words: dict[str, Keyword] = {}
    for keyword in Keyword:
        for spoken in _spoken(data["words"], keyword.value):
            if words.setdefault(spoken, keyword) is not keyword:
                raise KeywordsError(f"words/keywords.yaml: {spoken!r} stands for {words[spoken]} and {keyword}")
    languages = {_folded(name): code for code, names in data["languages"].items() for name in names}
    telling = {_folded(word): code for code, some in data["telling"].items() for word in some}
    return Keywords(words, languages, _phrases(data["leave_me_alone"]), _phrases(data["for_a_person"]), telling)


def _phrases(table: Mapping[str, Any]) -> Phrases:
    some = (phrase for code, phrases in table.items() if code != "longest" for phrase in phrases)
    return Phrases(tuple(f" {_folded(phrase)} " for phrase in some), int(table["longest"]))


def _spoken(table: Mapping[str, Any], key: str) -> list[str]:
    if not table.get(key):
        raise KeywordsError(f"words/keywords.yaml: give words for {key!r}; without them nobody can say it")
    return [_folded(word) for some in table[key].values() for word in some]
