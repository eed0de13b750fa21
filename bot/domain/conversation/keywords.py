"""Keywords that work at every step: STOP, START, HELP, BACK, MENU, PERSON, a language's name, and requests to be left alone.

They are data (`words/keywords.yaml`). All but such requests count only as the whole message, because "I want it all to end"
contains END and is the opposite of an opt-out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from bot.domain.listening.understanding import words_of


class Keyword(StrEnum):
    STOP = "stop"
    START = "start"
    HELP = "help"
    BACK = "back"
    MENU = "menu"
    PERSON = "person"
    MORE = "more"
    ERASE = "erase"
    THANKS = "thanks"


MAX_PHRASE_WORDS = 14
"""Words; a longer message says more than such a request, and the flow reads it."""


class KeywordsError(ValueError):
    """`words/keywords.yaml` cannot be used; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class PhraseMatcher:
    """Matches a request in free words: the whole message but for small words before and after it.

    Never part of a longer message: "please dont leave me alone" and "he told me dont contact me" contain such words too.
    """

    phrases: frozenset[str]
    before: frozenset[str]
    after: frozenset[str]

    def matches(self, text: str) -> bool:
        words = words_of(text[:200])
        if len(words) > MAX_PHRASE_WORDS:
            return False
        first = next((place for place, word in enumerate(words) if word not in self.before), len(words))
        last = len(words) - next((n for n, word in enumerate(reversed(words)) if word not in self.after), len(words))
        starts, ends = range(first + 1), range(max(last, 1), len(words) + 1)
        return any(" ".join(words[start:end]) in self.phrases for start in starts for end in ends)


@dataclass(frozen=True, slots=True)
class Keywords:
    words: Mapping[str, Keyword]
    languages: Mapping[str, str]
    leave_me_alone: PhraseMatcher
    ask_for_person: PhraseMatcher
    language_words: Mapping[str, str]
    """Words that identify a language by themselves -> its code."""

    def read(self, text: str) -> Keyword | None:
        """The keyword that the whole message is; a request for a human may be a sentence."""
        keyword = self.words.get(_folded(text))
        return Keyword.PERSON if keyword is None and self.ask_for_person.matches(text) else keyword

    def language(self, text: str) -> str | None:
        """The code of the language that the whole message names."""
        return self.languages.get(_folded(text))

    def wants_no_texts(self, text: str) -> bool:
        """Whether a short message asks in free words to be left alone (FCC: any reasonable means revokes)."""
        return self.leave_me_alone.matches(text)


def _folded(text: str) -> str:
    return " ".join(words_of(text[:80]))


def read_keywords(text: str) -> Keywords:
    """Parse the file. Raises KeywordsError where a keyword has no words, or a word stands for two keywords."""
    data: dict[str, Any] = yaml.safe_load(text)
    words: dict[str, Keyword] = {}
    for keyword in Keyword:
        for spoken in _spoken_words(data["words"], keyword.value):
            if words.setdefault(spoken, keyword) is not keyword:
                raise KeywordsError(f"words/keywords.yaml: {spoken!r} stands for {words[spoken]} and {keyword}")
    languages = {_folded(name): code for code, names in data["languages"].items() for name in names}
    small = data["small_words"]
    telling = {_folded(word): code for code, some in data["telling"].items() for word in some}
    alone, person = (_phrase_matcher(data[wish], small) for wish in ("leave_me_alone", "for_a_person"))
    return Keywords(words, languages, alone, person, telling)


def _phrase_matcher(table: Mapping[str, Any], small: Mapping[str, Any]) -> PhraseMatcher:
    phrases = frozenset(_folded(phrase) for some in table.values() for phrase in some)
    before, after = (
        frozenset(_folded(word) for some in small[side].values() for word in some) for side in ("before", "after")
    )
    return PhraseMatcher(phrases, before, after)


def _spoken_words(table: Mapping[str, Any], key: str) -> list[str]:
    if not table.get(key):
        raise KeywordsError(f"words/keywords.yaml: give words for {key!r}; without them nobody can say it")
    return [_folded(word) for some in table[key].values() for word in some]
