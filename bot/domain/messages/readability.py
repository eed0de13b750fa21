"""How hard an English text is to read: school grade (Flesch-Kincaid) and sentences that are too long.

Below about thirty words the grade means nothing, so it is computed over a whole flow. It is advice only: tools differ by
several grades on the same page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_GRADE = 8.0
"""The upper limit of US public services."""
MAX_SENTENCE_WORDS = 20
"""Words; longer sentences are hard to follow on a small screen under stress."""
MIN_WORDS = 30

_TEMPLATE = re.compile(r"\{%.*?%\}", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+|[:;]\s+|\n+")
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|\d[\d,./:-]*")
_VOWELS = re.compile(r"[aeiouy]+")


def sentences(text: str) -> list[str]:
    """The sentences of a text; a line end, a colon and a semicolon end one too. A placeholder counts as one word."""
    plain = _PLACEHOLDER.sub("this", _TEMPLATE.sub(" ", text))
    return [part.strip() for part in _SENTENCE_END.split(plain) if _WORD.search(part)]


def words(sentence: str) -> list[str]:
    return _WORD.findall(sentence)


def syllables(word: str) -> int:
    """Estimated syllables of an English word; a number counts as one."""
    letters = re.sub(r"[^a-z]", "", word.lower())
    if not letters:
        return 1
    count = len(_VOWELS.findall(letters))
    silent_e = letters.endswith("e") and not letters.endswith(("le", "ee", "ye"))
    silent_ed = letters.endswith("ed") and not letters.endswith(("ted", "ded"))
    silent_es = letters.endswith("es") and not letters.endswith(("ses", "zes", "ches", "shes", "xes", "ces", "ges", "ies"))
    return max(1, count - (silent_e or silent_ed or silent_es))


def school_grade(texts: Iterable[str]) -> float | None:
    """The US school grade needed to read these texts; None where there are too few words."""
    parts = [words(sentence) for text in texts for sentence in sentences(text)]
    count = sum(map(len, parts))
    if count < MIN_WORDS:
        return None
    spoken = sum(syllables(word) for part in parts for word in part)
    return 0.39 * count / len(parts) + 11.8 * spoken / count - 15.59


def long_sentences(text: str) -> list[str]:
    """The sentences with more than MAX_SENTENCE_WORDS words."""
    return [sentence for sentence in sentences(text) if len(words(sentence)) > MAX_SENTENCE_WORDS]
