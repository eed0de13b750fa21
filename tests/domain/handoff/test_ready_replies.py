"""The ready replies of words/replies.yaml, and how many segments a reply takes."""

from __future__ import annotations

import re

import pytest

from bot.domain.handoff.ready_replies import MAX_GRADE, SeedReply, measure_cost, read_seeds, slug_of
from bot.domain.messages.readability import MIN_WORDS, long_sentences, school_grade, sentences, words
from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.domain.safety import SafetyRuleError
from tests.paths import ROOT

FILE = (ROOT / "words/replies.yaml").read_text("utf-8")
SEEDS = read_seeds(FILE, "words/replies.yaml")
NUMBERS = {"911", "988", "211"}
INFORMAL = re.compile(r"\b(tú|ti|contigo|tu|tus|te|puedes|quieres|tienes|estás|eres|necesitas|llama|escribe|dime)\b", re.I)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_it_costs_no_more_than_it_says_in_every_language(seed: SeedReply) -> None:
    for body in seed.bodies.values():
        sent = measure_segments(fold_for_sms(body))
        assert (sent.encoding, sent.segments <= seed.segments) == ("GSM-7", True)
    assert measure_segments(seed.bodies["en"]).encoding == "GSM-7"


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_it_is_there_in_both_languages_and_short(seed: SeedReply) -> None:
    assert set(seed.bodies) == {"en", "es"}
    assert long_sentences(seed.bodies["en"]) == []
    assert not INFORMAL.search(seed.bodies["es"]), seed.slug


def test_it_is_easy_to_read() -> None:
    english = [seed.bodies["en"] for seed in SEEDS]
    assert (school_grade(english) or 99) <= MAX_GRADE
    for body in english:
        if sum(len(words(sentence)) for sentence in sentences(body)) >= MIN_WORDS:
            assert (school_grade([body]) or 99) <= MAX_GRADE, body


def test_it_sends_no_one_to_a_number_that_was_not_checked() -> None:
    for seed in SEEDS:
        for body in seed.bodies.values():
            assert set(re.findall(r"\d{3,}", body)) <= NUMBERS, seed.slug


def test_it_names_suicide_only_beside_a_number_that_helps() -> None:
    for seed in SEEDS:
        if re.search(r"kill|suicid", seed.bodies["en"]):
            assert all("988" in body for body in seed.bodies.values())


def test_it_says_nothing_of_help_in_the_words_that_a_stranger_may_read() -> None:
    neutral = {seed.slug: seed for seed in SEEDS if seed.slug in ("good_time", "check_in")}
    assert len(neutral) == 2
    for seed in neutral.values():
        assert not re.search(
            r"help|line|team|city|safe|ayuda|equipo|l.nea|ciudad|segur", " ".join(seed.bodies.values()), re.I
        )


def test_it_names_the_line_of_what_is_wrong_in_the_file() -> None:
    with pytest.raises(SafetyRuleError, match="line 17: 'es' is missing"):
        read_seeds(re.sub(r'\n    es: "Hola, soy[^\n]*', "", FILE), "words/replies.yaml")


def test_it_measures_spanish_as_it_is_sent() -> None:
    assert measure_cost("Así está", "es").segments.encoding == "GSM-7"
    assert measure_cost("Así está", "es", fold_accents=False).segments.encoding == "UCS-2"
    assert measure_cost("Hello.", "en").grade is None


def test_it_makes_a_stable_name_of_a_title() -> None:
    assert slug_of("  Ask for the ZIP! ") == "ask_for_the_zip"
    assert slug_of("¿Ñandú?") == "nandu"
    assert slug_of("!!") == ""
