"""Reads the files of short words (`words/*.yaml`) that a page or a card is put together from, in every language."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.safety.lined_yaml import SafetyRuleError, check_review, read_yaml
from bot.domain.safety.texts import check_braces


@dataclass(frozen=True, slots=True)
class WordTables:
    """The words of one file: language -> key -> words. Every language has every key."""

    by_language: Mapping[str, Mapping[str, str]]

    def in_language(self, language: str) -> Mapping[str, str]:
        """The words in this language, in English where the file lacks it."""
        return self.by_language.get(language) or self.by_language[SOURCE_LANGUAGE]


def read_word_tables(
    yaml_text: str,
    file: str,
    needed: Collection[str],
    fillable: Mapping[str, Collection[str]] | None = None,
    *,
    is_reviewed: bool = True,
) -> WordTables:
    """The words in one YAML text. Each key must stand there in every language that the file lists.

    `needed` are the keys that must exist; `fillable` says which `{fields}` the words of a key have, and each of them must
    have all of these. `is_reviewed`: the file is for people in danger, and must say who has signed it off. Raises
    SafetyRuleError naming `file`, the line, the key, what is wrong and the remedy.
    """
    top = read_yaml(yaml_text, file)
    fields = top.fields(("review", "languages", "texts"))
    if is_reviewed:
        check_review(top, fields)
    languages = tuple(language for _, language in top.required(fields, "languages").texts())
    if SOURCE_LANGUAGE not in languages:
        raise fields["languages"].error("English is missing.", "Add `en`: it is what any other language falls back to.")
    tables: dict[str, dict[str, str]] = {language: {} for language in languages}
    for key, place in top.required(fields, "texts").fields().items():
        known = frozenset((fillable or {}).get(key, ()))
        entry = place.fields((*languages, "note"))
        for language in languages:
            if language not in entry:
                raise place.error(f"'{key}' lacks `{language}`.", f"Add a line `{language}: ...`.")
            words = entry[language]
            if check_braces(words, words.text(), known) != known:
                what = f"'{key}' must hold {', '.join(f'{{{field}}}' for field in sorted(known))}."
                raise words.error(what, "Put it where it belongs in the sentence.")
            tables[language][key] = words.text()
    missing = sorted(set(needed) - tables[SOURCE_LANGUAGE].keys())
    if missing:
        raise SafetyRuleError(file, fields["texts"].line, f"Missing: {', '.join(missing)}.", "Add them in each language.")
    return WordTables(tables)
