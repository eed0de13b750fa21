from __future__ import annotations

import itertools
import re

import pytest

from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.domain.safety import (
    Assessment,
    Danger,
    Level,
    SafetyRuleError,
    Urgency,
    must_alert_staff,
    read_texts,
    reply_key,
    urgency_of,
)
from tests.domain.safety.example_files import rules, texts
from tests.paths import ROOT

EVERY = [
    Assessment(level, (danger,), (), ask, other)
    for level, danger, other in itertools.product(Level, Danger, (False, True))
    for ask in (None, danger)
    if not (ask and level > Level.ACTIVE)
]
NEEDED = """in_progress_self_harm in_progress_overdose in_progress_violence in_progress_medical imminent_self_harm
active_self_harm active_domestic_violence active_violence active_child active_medical active_overdose
about_other_self_harm distress_offer ask_self_harm ask_violence ask_child after_no waiting waiting_calm person_asked
stop_ack start_ack help help_in_conversation outage outage_crisis apology media_only not_understood_person
opted_out_confirm_free_text too_many_messages closed_hello"""
# The only numbers that a person may be sent to: 911, 988, 211 and the lines whose published number was verified.
NUMBERS = {"911", "988", "211", "800-799-7233", "800-392-3738"}
ALERTING = re.compile(r"alerting our team|avisando a nuestro equipo")


@pytest.mark.parametrize("key", NEEDED.split())
@pytest.mark.parametrize("language", ["en", "es"])
def test_it_has_a_text_for_each_key_in_each_language(key: str, language: str) -> None:
    assert texts().words[key][language]


def test_it_has_a_text_for_every_assessment_in_every_language() -> None:
    for assessment, language in itertools.product(EVERY, texts().languages):
        key = reply_key(assessment)
        assert (key is None) is (assessment.level < Level.DISTRESS), assessment
        assert key is None or (key in texts().words and texts().get(key, language)), assessment


def test_it_says_that_the_team_is_alerted_only_where_it_is() -> None:
    for assessment, language in itertools.product(EVERY, texts().languages):
        key = reply_key(assessment)
        if key and not must_alert_staff(assessment):
            assert not ALERTING.search(texts().get(key, language)), assessment


def test_it_sends_to_911_at_once_and_asks_nothing_in_the_worst_danger() -> None:
    for danger, other, language in itertools.product(Danger, (False, True), texts().languages):
        if danger is Danger.DISTRESS:
            continue
        said = texts().get(reply_key(Assessment(Level.IN_PROGRESS, (danger,), (), None, other)) or "", language)
        assert "911" in said.split(".")[0]
        assert "?" not in said


def test_it_asks_the_question_that_fits_the_danger() -> None:
    asked = {danger: reply_key(Assessment(Level.ACTIVE, (danger,), (), danger)) for danger in Danger}
    assert asked[Danger.SELF_HARM] == "ask_self_harm"
    assert asked[Danger.DOMESTIC_VIOLENCE] == asked[Danger.VIOLENCE] == "ask_violence"
    assert asked[Danger.CHILD] == "ask_child"
    assert asked[Danger.MEDICAL] == asked[Danger.OVERDOSE] == "ask_medical"


def test_it_does_not_ask_a_worried_friend_about_their_own_suicide() -> None:
    friend = Assessment(Level.ACTIVE, (Danger.SELF_HARM,), (), Danger.SELF_HARM, about_other=True)
    assert reply_key(friend) == "about_other_self_harm"


@pytest.mark.parametrize("key", sorted(texts().words))
def test_it_keeps_each_text_in_its_budget_and_english_in_plain_characters(key: str) -> None:
    english = measure_segments(texts().get(key, "en"))
    assert (english.encoding, english.segments <= texts().segments[key]) == ("GSM-7", True)
    spanish = measure_segments(fold_for_sms(texts().get(key, "es")))
    assert (spanish.encoding, spanish.segments <= texts().segments[key]) == ("GSM-7", True)


@pytest.mark.parametrize("key", sorted(texts().words))
def test_it_names_only_reviewed_numbers_the_same_in_each_language(key: str) -> None:
    for language in texts().languages:
        assert set(re.findall(r"\d[\d-]{2,}\d|\d{3}", texts().get(key, language))) <= NUMBERS


@pytest.mark.parametrize("key", sorted(texts().words))
def test_it_follows_safe_messaging(key: str) -> None:
    said = " ".join(texts().words[key].values()).lower()
    assert not re.search(r"commit|successful|failed attempt|hotline is confidential|we promise|cometi", said)
    assert "reply home" not in said


def test_it_answers_violence_at_home_in_words_that_betray_nothing() -> None:
    for language in texts().languages:
        said = texts().get("active_domestic_violence", language).lower()
        assert not re.search(r"abus|violen|domestic|partner|husband|shelter|pareja|esposo|refugio|social worker", said)


def test_it_falls_back_to_english_for_a_language_without_texts() -> None:
    assert texts().get("help", "bs") == texts().get("help", "en")


def test_it_says_who_has_not_signed_off_yet() -> None:
    assert texts().review.keys() >= {"clinician", "counsel"}


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("  after_no:\n", "  after_noon:\n", "Missing: after_no"),
        ("    segments: 1\n", "", "'segments' is missing"),
        ("languages: [en, es]", "languages: [es]", "English is missing"),
        ("languages: [en, es]", "languages: [en, es, bs]", "'bs' is missing"),
        ("  counsel: not yet\n", "", "'counsel' is missing"),
    ],
)
def test_it_refuses_incomplete_texts(was: str, becomes: str, said: str) -> None:
    source = (ROOT / "safety" / "texts.yaml").read_text("utf-8")
    with pytest.raises(SafetyRuleError, match=re.escape(said)):
        read_texts(source.replace(was, becomes, 1), "safety/texts.yaml", frozenset({"after_no"}))


SAID = """
review: {clinician: not yet, counsel: not yet}
languages: [en, es]
texts:
  taken:
    segments: 1
    en: "{name} is here."
    es: "{name} ya lee."
"""
NAMED = {"taken": frozenset({"name"})}


def test_it_fills_in_the_fields_that_a_text_may_have() -> None:
    words = read_texts(SAID, "words.yaml", frozenset({"taken"}), NAMED)
    assert words.get("taken", "es", name="Ana") == "Ana ya lee."
    assert words.get("taken", "bs", name="{name}") == "{name} is here."
    with pytest.raises(KeyError, match="name"):
        words.get("taken", "en")


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("{name} is", "{nam} is", "words.yaml, line 7: '{nam}' cannot be filled in here. Known here: {name}."),
        ("{name} is", "{name is", "words.yaml, line 7: A brace stands alone."),
        ("{name} is", "name} is", "words.yaml, line 7: A brace stands alone."),
        ("{name} ya", "Ya se", "words.yaml, line 8: What is filled in here is not what is filled in in English."),
        ("  taken:", "  other:", "words.yaml, line 7: '{name}' cannot be filled in here. Known here: none."),
    ],
)
def test_it_refuses_a_field_that_is_never_filled_in(was: str, becomes: str, said: str) -> None:
    with pytest.raises(SafetyRuleError, match=re.escape(said)):
        read_texts(SAID.replace(was, becomes), "words.yaml", frozenset(), NAMED)


def test_it_says_how_soon_a_human_must_look() -> None:
    soon = [urgency_of(Assessment(level)) for level in sorted(Level, reverse=True)]
    assert soon == [
        Urgency.NOW,
        Urgency.MINUTES,
        Urgency.QUARTER_HOUR,
        Urgency.THIS_SHIFT,
        Urgency.ROUTINE,
        Urgency.ROUTINE,
    ]
    assert len(rules().rules) > 40
