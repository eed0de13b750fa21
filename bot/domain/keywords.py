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
    MORE = "more"
    ERASE = "erase"
    THANKS = "thanks"


LONGEST_WISH = 14
"""Words in a message that can still be nothing but a wish; a longer one is a story, and the flow's to read."""


class KeywordsError(ValueError):
    """`words/keywords.yaml` cannot be used; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Wishes in free words: the whole message but for small words before and after it.

    Never a part of a longer message: "please dont leave me alone" and "he told me dont contact me" hold such words too.
    """

    phrases: frozenset[str]
    before: frozenset[str]
    after: frozenset[str]

    def is_all_of(self, text: str) -> bool:
        words = words_of(text[:200])
        if len(words) > LONGEST_WISH:
            return False
        first = next((place for place, word in enumerate(words) if word not in self.before), len(words))
        last = len(words) - next((n for n, word in enumerate(reversed(words)) if word not in self.after), len(words))
        starts, ends = range(first + 1), range(max(last, 1), len(words) + 1)
        return any(" ".join(words[start:end]) in self.phrases for start in starts for end in ends)


@dataclass(frozen=True, slots=True)
class Keywords:
    words: Mapping[str, Keyword]
    languages: Mapping[str, str]
    alone: Phrases
    person: Phrases
    telling: Mapping[str, str]
    """Words that tell the language by themselves, and which."""

    def read(self, text: str) -> Keyword | None:
        """The keyword that this message is, as a whole; a wish for a person may be said in a sentence."""
        keyword = self.words.get(_folded(text))
        return Keyword.PERSON if keyword is None and self.person.is_all_of(text) else keyword

    def language(self, text: str) -> str | None:
        """The language that this message names, as a whole."""
        return self.languages.get(_folded(text))

    def wants_no_texts(self, text: str) -> bool:
        """Whether a short message asks in free words to be left alone (FCC: any reasonable means revokes)."""
        return self.alone.is_all_of(text)


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
    small = data["small_words"]
    telling = {_folded(word): code for code, some in data["telling"].items() for word in some}
    alone, person = (_phrases(data[wish], small) for wish in ("leave_me_alone", "for_a_person"))
    return Keywords(words, languages, alone, person, telling)


def _phrases(table: Mapping[str, Any], small: Mapping[str, Any]) -> Phrases:
    phrases = frozenset(_folded(phrase) for some in table.values() for phrase in some)
    before, after = (
        frozenset(_folded(word) for some in small[side].values() for word in some) for side in ("before", "after")
    )
    return Phrases(phrases, before, after)


def _spoken(table: Mapping[str, Any], key: str) -> list[str]:
    if not table.get(key):
        raise KeywordsError(f"words/keywords.yaml: give words for {key!r}; without them nobody can say it")
    return [_folded(word) for some in table[key].values() for word in some]
