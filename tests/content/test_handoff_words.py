"""The texts of a handoff: those to the person, in words/handoff.yaml, and those to staff, in words/staff.yaml."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from bot.domain.handoff.states import DISPOSITIONS
from bot.domain.messages.readability import long_sentences, school_grade
from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.domain.safety import SafetyRuleError, Urgency
from bot.usecases.handoff.sla_times import CALL_SUPERVISOR_AFTER, RELEASE_AFTER, REMIND_AFTER
from bot.usecases.staff_words import (
    ALL_FIELDS,
    EMAIL_FIELDS,
    SMS_FIELDS,
    VOICE_FIELDS,
    StaffTexts,
    parse_staff_texts,
    read_staff_texts,
)
from bot.usecases.system_texts import HANDOFF_FIELDS, read_system_texts
from tests.paths import ROOT

LINE = read_system_texts(("en", "es"))
WORDS = read_staff_texts()
LONGEST = {"name": "Maximilianna", "when": "Wed Nov 25, 8:30 AM"}
PROMISES = re.compile(
    r"\bsoon\b|shortly|right away|will (?:come|call|help|be there)|on (?:the|their) way|promise|guarantee|\bsure\b"
    r"|in a minute|pronto|enseguida|en camino|vendr[áa]|llegar[áa]|promet|garanti|en un minuto"
)
NEUTRAL = sorted(key for key in HANDOFF_FIELDS if key.startswith("neutral_") or key == "exit_ack")
BETRAYING = re.compile(
    r"\d|stl|city|ciudad|team|equipo|social|worker|trabajador|help|ayuda|crisis|emergenc|safe|segur|person|line\b|l[ií]nea"
    r"|computer|computadora|abus|violen|danger|peligro|counsel|agenc|[{}]"
)
# Texts to people when a life may be in danger, or when a human may not be reading: each names both numbers.
WITH_NUMBERS = sorted(key for key in HANDOFF_FIELDS if key not in NEUTRAL and not key.startswith("reached_out"))
STAFF_LONGEST: dict[str, str | int] = {
    "handoff": 123456,
    "urgency": max(WORDS.urgency.values(), key=len),
    "team": "economic mobility",
    "language": "Vietnamese",
    "wait": "125 min",
    "name": LONGEST["name"],
    "codes": "123456, 123457, 123458, 123459",
    "line": "+13145550100",
    "minutes": 120,
    "link": "https://warmline.stlouis-mo.gov/console/handoffs/123456",
    "reason": "x" * 100,
}
SOURCE = (ROOT / "words/staff.yaml").read_text("utf-8")

each_text = pytest.mark.parametrize("key", sorted(HANDOFF_FIELDS))
each_language = pytest.mark.parametrize("language", ["en", "es"])


def text_to_person(key: str, language: str) -> str:
    return LINE.text(key, language, **LONGEST)


@each_text
@each_language
def test_it_fits_its_budget_with_a_long_name(key: str, language: str) -> None:
    measured = measure_segments(
        text_to_person(key, language) if language == "en" else fold_for_sms(text_to_person(key, language))
    )
    assert (measured.encoding, measured.segments <= LINE.handoff_texts.segments[key]) == ("GSM-7", True)


@each_text
def test_it_has_its_own_words_in_each_language(key: str) -> None:
    assert text_to_person(key, "en") != text_to_person(key, "es")


@each_text
@each_language
def test_it_promises_nothing_that_is_not_certain(key: str, language: str) -> None:
    assert not PROMISES.search(text_to_person(key, language).lower())


def test_it_recognises_a_promise() -> None:
    assert PROMISES.search("someone will come soon")
    assert PROMISES.search("alguien le escribirá pronto")


@pytest.mark.parametrize("key", WITH_NUMBERS)
@each_language
def test_it_names_911_and_988_and_no_unreviewed_number(key: str, language: str) -> None:
    numbers = set(re.findall(r"\d{3,}", LINE.handoff_texts.words[key][language]))
    assert {"911", "988"} <= numbers <= {"911", "988", "211"}


@pytest.mark.parametrize("key", ["nobody_on", "still_trying", "texts_by_human_delayed"])
def test_it_says_not_to_wait_where_a_life_may_be_in_danger(key: str) -> None:
    assert "do not wait" in text_to_person(key, "en")
    assert "no nos espere" in text_to_person(key, "es").lower()


@pytest.mark.parametrize("key", WITH_NUMBERS)
def test_it_leads_to_spanish_at_988(key: str) -> None:
    assert re.search(r"988(?:,| y) oprima 2", text_to_person(key, "es"))


@pytest.mark.parametrize("key", NEUTRAL)
@each_language
def test_it_betrays_nothing_on_a_phone_that_others_read(key: str, language: str) -> None:
    assert not BETRAYING.search(LINE.handoff_texts.words[key][language].lower())


def test_it_recognises_words_that_betray() -> None:
    assert all(BETRAYING.search(text_to_person(key, "en").lower()) for key in WITH_NUMBERS)


@each_text
def test_it_speaks_in_short_sentences(key: str) -> None:
    assert not long_sentences(text_to_person(key, "en"))


def test_it_is_plain_enough_for_sixth_grade() -> None:
    assert (school_grade(text_to_person(key, "en") for key in HANDOFF_FIELDS) or 99) <= 6


@each_text
def test_it_says_usted(key: str) -> None:
    assert not re.search(
        r"\b(?:tú|tu|tus|te|ti|tienes|puedes|llama|oprime|manda|responde|escribe aquí)\b", text_to_person(key, "es").lower()
    )


@pytest.mark.parametrize("key", sorted(key for key, fields in HANDOFF_FIELDS.items() if fields))
def test_it_refuses_a_caller_who_leaves_out_what_is_filled_in(key: str) -> None:
    with pytest.raises(KeyError, match=key):
        LINE.text(key, "en")


@pytest.mark.parametrize("key", sorted(key for key, fields in HANDOFF_FIELDS.items() if "name" in fields))
def test_it_has_a_variant_for_workers_who_do_not_give_their_name(key: str) -> None:
    assert "{name}" in LINE.handoff_texts.words[key]["en"]
    assert not HANDOFF_FIELDS[f"{key}_unnamed"]


def test_it_takes_a_name_as_it_is() -> None:
    assert LINE.text("taken", "en", name="{when} D'Arcy").startswith("{when} D'Arcy from")


def test_it_still_finds_the_texts_of_the_other_files() -> None:
    assert "911" in LINE.text("help", "es")
    assert LINE.text("nothing_before", "en") == LINE.standing_texts.get("nothing_before", "en")


def test_it_has_no_key_in_two_files() -> None:
    assert not LINE.handoff_texts.words.keys() & (LINE.safety_texts.words.keys() | LINE.standing_texts.words.keys())


# ---- Texts to staff ----


def text_to_staff(key: str) -> str:
    return WORDS.text(key, **STAFF_LONGEST)


@pytest.mark.parametrize("key", sorted(SMS_FIELDS))
def test_it_costs_staff_no_more_than_its_budget(key: str) -> None:
    measured = measure_segments(text_to_staff(key) if key != "stranger" else fold_for_sms(text_to_staff(key)))
    assert (measured.encoding, measured.segments <= WORDS.segments[key]) == ("GSM-7", True)


def test_it_costs_one_segment_but_for_help_and_two_languages() -> None:
    assert {key for key, budget in WORDS.segments.items() if budget > 1} == {"staff_help", "stranger"}


@pytest.mark.parametrize("key", sorted(ALL_FIELDS))
def test_it_fills_in_everything(key: str) -> None:
    assert not re.search(r"[{}]", text_to_staff(key))
    assert text_to_staff(key).strip()


@pytest.mark.parametrize("key", sorted(key for key, fields in ALL_FIELDS.items() if fields))
def test_it_refuses_a_text_to_staff_with_a_field_left_out(key: str) -> None:
    given = {field: value for field, value in STAFF_LONGEST.items() if field not in ALL_FIELDS[key]}
    with pytest.raises(KeyError, match=f"{key} needs {min(ALL_FIELDS[key])}"):
        WORDS.text(key, **given)


@pytest.mark.parametrize("key", ["alert", "alert_again", "alert_phone_person", "alert_offer"])
def test_it_says_in_each_alert_how_to_answer(key: str) -> None:
    assert re.search(r"Reply 1 to take it, 2 to", text_to_staff(key))
    assert WORDS.urgency[Urgency.QUARTER_HOUR] in text_to_staff(key)


@pytest.mark.parametrize("key", sorted(SMS_FIELDS.keys() - {"from_person_prefix"}))
def test_it_never_looks_like_a_text_of_the_person(key: str) -> None:
    assert not text_to_staff(key).startswith(text_to_staff("from_person_prefix").split()[0])


@pytest.mark.parametrize("key", sorted(EMAIL_FIELDS))
def test_it_gives_each_mail_a_subject(key: str) -> None:
    subject, blank, text = text_to_staff(key).split("\n", 2)
    assert subject.startswith("Warmline: ")
    assert (blank, STAFF_LONGEST["link"] in text.split("\n")) == ("", True)


@pytest.mark.parametrize("key", sorted(VOICE_FIELDS))
def test_it_can_be_read_aloud(key: str) -> None:
    assert not re.search(r"[#/@&<>*]|https?", text_to_staff(key))


def test_it_has_words_for_each_urgency() -> None:
    assert WORDS.urgency.keys() == set(Urgency)


def test_it_fits_every_outcome() -> None:
    assert measure_segments(WORDS.text("close_how", codes=", ".join(DISPOSITIONS))).segments == 1


@pytest.mark.parametrize(
    ("was", "becomes", "complaint"),
    [
        ("  gone:\n", "  gonne:\n", "words/staff.yaml, line"),
        ("  voice_gone:", "  voice_gonne:", "'voice_gonne' is not known here"),
        (
            "{name} took handoff {handoff}. Nothing",
            "{phone} took handoff {handoff}. Nothing",
            "'{phone}' cannot be filled in",
        ),
        ("{name} took handoff {handoff}. Nothing", "{name took handoff {handoff}. Nothing", "A brace stands alone"),
        ("{name} took handoff {handoff}. Nothing", "{name.x} took it. Nothing", "'{name.x}' cannot be filled in"),
        ('routine: "no hurry"', 'routine: "no {hurry}"', "'{hurry}' cannot be filled in"),
        ('  routine: "no hurry"\n', "", "Missing: routine"),
        ("    segments: 1\n", "    segments: one\n", "'one' is not a number of segments"),
        ("Warmline: your account\n\n", "Warmline: your account\n", "'invitation' has no subject"),
    ],
)
def test_it_refuses_incomplete_words_for_staff(was: str, becomes: str, complaint: str) -> None:
    assert was in SOURCE
    with pytest.raises(SafetyRuleError, match=re.escape(complaint)):
        parse_staff_texts(SOURCE.replace(was, becomes, 1))


def test_it_reads_the_file_once() -> None:
    assert read_staff_texts() is read_staff_texts()
    assert isinstance(WORDS, StaffTexts)


# ---- What the social workers' page quotes ----

PAGE = (ROOT / "docs/social-workers/answering.md").read_text("utf-8")
QUOTED = re.findall(r"^> (.+)$", PAGE, re.MULTILINE) + re.findall(r'^\|[^|]*\| "([^"]+)" \|$', PAGE, re.MULTILINE)
EVERYTHING = [*WORDS.texts.values(), *(by_language["en"] for by_language in LINE.handoff_texts.words.values())]


@pytest.mark.parametrize("quoted", QUOTED)
def test_it_quotes_to_social_workers_what_is_really_sent(quoted: str) -> None:
    patterns = (re.sub(r"\\{\w+\\}", ".+?", re.escape(words)) for words in EVERYTHING)
    assert any(re.fullmatch(pattern, quoted) for pattern in patterns)


def test_it_quotes_enough_for_this_to_prove_something() -> None:
    assert len(QUOTED) >= 20


@pytest.mark.parametrize("after", [REMIND_AFTER, CALL_SUPERVISOR_AFTER, RELEASE_AFTER])
def test_it_documents_the_real_times_for_social_workers(after: dict[bool, timedelta]) -> None:
    danger, calm = (after[dangerous] // timedelta(minutes=1) for dangerous in (True, False))
    assert f"after | {danger} minutes | {calm} minutes |" in PAGE


@pytest.mark.parametrize("disposition", DISPOSITIONS)
def test_it_documents_each_outcome_for_social_workers(disposition: str) -> None:
    assert f"| `{disposition}` |" in PAGE
