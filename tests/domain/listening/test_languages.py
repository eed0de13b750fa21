"""Guessing the language of a text: on invented words, and on real short texts where the shared data has them."""

from __future__ import annotations

import csv

import pytest

from bot.domain.listening.languages import LanguageGuesser
from bot.domain.listening.understanding import fold
from tests.paths import SHARED_DATA

TELLING = {"hola": "es", "gracias": "es", "hello": "en"}


@pytest.fixture(scope="module")
def guess() -> LanguageGuesser:
    return LanguageGuesser(("en", "es"), TELLING)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("my landlord is evicting me", "en"),
        ("me van a desalojar", "es"),
        ("no tengo luz y hace frio", "es"),
        ("hola", "es"),
        ("rent", None),
        ("63118", None),
        ("", None),
        ("😀", None),
    ],
)
def test_it_guesses_from_a_few_words_or_not_at_all(guess: LanguageGuesser, text: str, language: str | None) -> None:
    assert guess.guess(text) == language


def test_it_changes_a_settled_language_only_for_a_whole_sentence(guess: LanguageGuesser) -> None:
    assert guess.guess("necesito comida", settled=True) is None
    assert guess.guess("no tengo comida para mis hijos esta semana", settled=True) == "es"


@pytest.mark.parametrize("strip", [False, True])
def test_it_is_seldom_wrong_on_real_short_texts(guess: LanguageGuesser, strip: bool) -> None:
    file = SHARED_DATA / "understanding" / "language_short.csv"
    if not file.exists():
        pytest.skip("the folder of real texts is not here")
    wrong = read = 0
    with file.open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["lang"] in ("en", "es"):
                said = guess.guess(fold(row["text"])[:25] if strip else row["text"])
                wrong += said not in (None, row["lang"])
                read += said is not None
    assert read > 1000 and wrong / read < 0.04
