"""A language is data: its words stand in files, and no code knows of Spanish."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from bot.domain.languages import SOURCE_LANGUAGE, english_name, locale_of, own_name
from bot.domain.safety.lined_yaml import SafetyRuleError
from bot.domain.words import WordTables, read_word_tables
from bot.operations.settings.settings import Settings
from bot.usecases.directory.edit_services import read_need_codes
from bot.usecases.directory.words import read_directory_words
from bot.usecases.offered_languages import read_offered_languages
from bot.usecases.studio.trial.try_flow import read_trial_words
from bot.usecases.system_texts import read_system_texts
from bot.web.chat.words import read_chat_words
from tests.paths import ROOT

LANGUAGES = frozenset(Settings.from_env({}).languages)

RULES_OF_SPANISH = {
    "bot/domain/conversation/answers.py": "how people call languages, and the words for yes, no and names",
    "bot/domain/conversation/dates.py": "which languages dates are read in by our own rules",
    "bot/domain/flows/importing/drafting/draft.py": "an example in a docstring",
    "bot/domain/flows/language/sandbox.py": "how a date is written out in a flow's text",
    "bot/domain/listening/understanding.py": "what is not a denial after `no`",
    "bot/domain/messages/readability.py": "the ending of an English word",
}
"""The modules that hold the text "es", and what it is there."""


def test_no_code_knows_of_spanish_but_where_a_rule_of_the_language_stands() -> None:
    holding = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bot").rglob("*.py")
        if re.search(r"""["']es(_[A-Z]{2})?["']""", path.read_text("utf-8"))
    }
    assert holding == RULES_OF_SPANISH.keys()


@pytest.mark.parametrize("path", sorted((ROOT / "words").glob("*.yaml")), ids=lambda path: path.name)
def test_every_file_of_words_lists_every_language_of_the_line(path: Path) -> None:
    held = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # keeps every scalar a text
    if "languages" not in held:
        assert path.name in ("staff.yaml", "languages.yaml"), "staff work in English; anything else has languages"
    elif path.name == "keywords.yaml":
        small, wishes = held["small_words"].values(), (held["for_a_person"], held["leave_me_alone"])
        for table in (*held["words"].values(), *small, *wishes, held["languages"], held["telling"]):
            assert set(table) >= LANGUAGES
    else:
        assert set(held["languages"]) >= LANGUAGES
        for key, entry in held.get("texts", held.get("replies")).items():
            assert set(entry) >= LANGUAGES, key


def test_every_language_of_the_words_has_the_same_keys() -> None:
    here = read_system_texts(tuple(sorted(LANGUAGES)))
    for texts in (here.safety_texts, here.standing_texts, here.handoff_texts):
        assert set(texts.languages) >= LANGUAGES
        assert all(words.keys() == set(texts.languages) for words in texts.words.values())
    for tables in (read_chat_words(), read_trial_words()):
        assert tables.by_language.keys() >= LANGUAGES
        assert len({frozenset(words) for words in tables.by_language.values()}) == 1
    cards = read_directory_words().by_language
    assert cards.keys() >= LANGUAGES
    assert len({frozenset(words.needs) for words in cards.values()}) == 1
    assert cards[SOURCE_LANGUAGE].needs.keys() <= set(read_need_codes())


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("words/chat.yaml", read_chat_words),
        ("words/directory.yaml", read_directory_words),
        ("words/trial.yaml", read_trial_words),
    ],
)
def test_a_new_language_is_only_words_in_the_files(tmp_path: Path, file: str, read: Callable[[Path], WordTables]) -> None:
    (tmp_path / "words").mkdir()
    shutil.copy(ROOT / file, tmp_path / file)
    text = (tmp_path / file).read_text("utf-8").replace("languages: [en, es]", "languages: [en, es, vi]")
    whole = re.sub(r"^    es: (.*)$", r"    es: \1\n    vi: \1", text, flags=re.MULTILINE)
    (tmp_path / file).write_text(whole, "utf-8")
    assert "vi" in read(tmp_path).by_language


TEXTS = """\
languages: [en, es]
texts:
  near: {en: close, es: cerca}
  miles: {en: "{miles} miles", es: "{miles} millas"}
"""


def parse(text: str, needed: tuple[str, ...] = ("near", "miles")) -> Mapping[str, Mapping[str, str]]:
    fields = {"miles": frozenset({"miles"})}
    return read_word_tables(text, "words/x.yaml", needed, fields, is_reviewed=False).by_language


def test_it_reads_words_by_language() -> None:
    assert parse(TEXTS)["es"] == {"near": "cerca", "miles": "{miles} millas"}


@pytest.mark.parametrize(
    ("was", "becomes", "complaint"),
    [
        (", es: cerca", "", "words/x.yaml, line 3: 'near' lacks `es`."),
        ("  near: {en: close, es: cerca}\n", "", "words/x.yaml, line 3: Missing: near."),
        ("[en, es]", "[es]", "English is missing."),
        ("{miles} millas", "millas", "words/x.yaml, line 4: 'miles' must hold {miles}."),
        ("cerca", "cerca {de}", "'{de}' cannot be filled in here."),
        ("es: cerca", "es: cerca, fr: ici", "'fr' is not known here."),
    ],
)
def test_it_refuses_words_that_are_missing_with_the_file_and_the_key(was: str, becomes: str, complaint: str) -> None:
    assert was in TEXTS
    becomes = f'"{becomes}"' if "{de}" in becomes else becomes
    with pytest.raises(SafetyRuleError, match=re.escape(complaint)):
        parse(TEXTS.replace(was, becomes))


def test_it_asks_for_the_sign_off_where_people_in_danger_read_the_words() -> None:
    with pytest.raises(SafetyRuleError, match="'review' is missing"):
        read_word_tables(TEXTS, "words/x.yaml", ())


def test_it_names_languages() -> None:
    assert [english_name(code) for code in ("es", "vi", "pt-BR", "no such")] == [
        "Spanish", "Vietnamese", "Portuguese (Brazil)", "no such",
    ]  # fmt: skip
    assert [own_name(code) for code in ("en", "es", "vi", "zz")] == ["English", "Español", "Tiếng Việt", "zz"]
    offered = read_offered_languages()
    assert all(english_name(code) != code for code in (*offered.staff, *offered.services, *offered.translations))


def test_it_writes_dates_as_the_language_is_used_here() -> None:
    assert [locale_of(language) for language in ("en", "es", "vi", "zz")] == ["en_US", "es_US", "vi", "en_US"]
