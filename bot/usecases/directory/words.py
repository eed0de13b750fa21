"""The words of cards and opening hours, read once from words/directory.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from bot.domain.directory.cards import CARD_FIELDS, CARD_KEYS, CardWords, card_words
from bot.domain.directory.hours_text import hours_in_words
from bot.domain.directory.schedules import Schedule
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.words import read_word_tables
from bot.paths import ROOT

FILE = "words/directory.yaml"


@dataclass(frozen=True, slots=True)
class DirectoryWords:
    """The words of cards by language; frozen, and shared by all threads."""

    by_language: Mapping[str, CardWords]

    def in_language(self, language: str) -> CardWords:
        """The words in this language, in English where the file lacks it."""
        return self.by_language.get(language) or self.by_language[SOURCE_LANGUAGE]


@cache
def read_directory_words(root: Path = ROOT) -> DirectoryWords:
    """Read words/directory.yaml. Raises SafetyRuleError with file, line, key and problem, which prevents the start."""
    tables = read_word_tables((root / FILE).read_text("utf-8"), FILE, CARD_KEYS, CARD_FIELDS)
    return DirectoryWords({language: card_words(language, words) for language, words in tables.by_language.items()})


def hours_for_staff(schedules: Iterable[Schedule], on: date | None = None) -> str:
    """Opening hours in English, in which staff work; see `hours_in_words`."""
    return hours_in_words(schedules, read_directory_words().in_language(SOURCE_LANGUAGE).hours, on)
