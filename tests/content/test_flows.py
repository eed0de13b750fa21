"""The shipped flows, their Spanish and their transcripts: what a person reads, and where their words lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bot.domain.conversation.transcript import LineKind, Transcript, read_transcript
from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.machine import next_steps
from bot.domain.flows.language.reader import lines_of, read_flow, read_translations, translatable_texts
from bot.domain.flows.language.script import Ask, Consent, Handoff, Script, Step
from bot.domain.flows.language.yaml_source import Severity
from bot.domain.listening.understanding import PickedOption
from bot.domain.messages import readability
from bot.domain.messages.segments import fold_for_sms, join_replies, measure_segments
from bot.domain.safety.levels import Urgency
from bot.operations.settings.settings import Settings
from tests.paths import ROOT

CHECK_INS = ["crisis_check_in", "household_check_in", "referral_check_in"]
NAMES = sorted(["counseling", "crisis", "emergency_assistance", "privacy", "welcome", *CHECK_INS])
LANGUAGES = ["en", "es"]
FIRST_TURN = 4
"""Segments that the introduction and the first question may take together."""


@cache
def script(name: str) -> Script:
    return read_flow((ROOT / f"flows/{name}.yaml").read_text("utf-8"), f"{name}.yaml")


@cache
def spanish(name: str) -> dict[tuple[str, str], str]:
    return read_translations((ROOT / f"flows/translations/es/{name}.po").read_text("utf-8"), f"{name}.po")


@cache
def flow(name: str) -> Flow:
    return Flow(script(name), {"es": spanish(name)}, line_name="STL Help")


def sent_text(name: str, context: str, source: str, language: str) -> str:
    text = flow(name).translated(context, source, language)
    return text.replace("{{ line_name }}", "STL Help")


def question(name: str, step: str, language: str) -> str:
    """A question with its numbered choices, as it is sent."""
    ask = script(name).steps[step]
    assert isinstance(ask, Ask)
    rows = [sent_text(name, f"{step}.ask", ask.ask, language)]
    for number, (key, choice) in enumerate(ask.choices.items(), 1):
        rows.append(f"{number} {sent_text(name, f'{step}.choices.{key}.label', choice.label, language)}")
    return "\n".join(rows)


def spoken(name: str, language: str) -> Iterator[tuple[str, str]]:
    """(context, text) of everything that the flow says, without labels, words and title."""
    for context, source, _ in translatable_texts(script(name)):
        if context.endswith((".ask", ".say")):
            yield context, sent_text(name, context, source, language)


def picked(name: str, step: str, text: str, language: str) -> str | None:
    reading = flow(name).matcher(step, language).read(text)
    return reading.name if isinstance(reading, PickedOption) else None


# All flows.


def test_it_holds_the_flows_that_are_tested_here() -> None:
    assert sorted(path.stem for path in (ROOT / "flows").glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_every_check_of_publishing_without_a_warning(name: str) -> None:
    text = (ROOT / f"flows/{name}.yaml").read_text("utf-8")
    others = {other: script(other) for other in NAMES}
    assert check_flow(script(name), {"es": spanish(name)}, others, file=name, lines=lines_of(text)) == []


def test_it_would_report_a_problem() -> None:
    others = {other: script(other) for other in NAMES if other != "crisis"}
    problems = check_flow(script("welcome"), {"es": spanish("welcome")}, others)
    assert [problem.severity for problem in problems] == [Severity.ERROR]


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_spanish_text_for_every_english_one_and_none_left_over(name: str) -> None:
    assert set(spanish(name)) == {(context, source) for context, source, _ in translatable_texts(script(name))}


@pytest.mark.parametrize("name", NAMES)
def test_it_writes_english_without_any_character_that_must_be_folded(name: str) -> None:
    texts = [source for context, source, _ in translatable_texts(script(name)) if not context.endswith(".words")]
    assert [text for text in texts if measure_segments(text).encoding != "GSM-7"] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_folds_all_its_spanish_into_plain_sms_characters(name: str) -> None:
    folded = {context: fold_for_sms(text) for context, text in spoken(name, "es")}
    assert [context for context, text in folded.items() if measure_segments(text).encoding != "GSM-7"] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_it_sends_nothing_but_the_menu_and_the_introduction_in_two_segments(name: str, language: str) -> None:
    steps = script(name).steps
    texts = {at: question(name, at, language) for at, step in steps.items() if isinstance(step, Ask)}
    texts |= {context: text for context, text in spoken(name, language) if context.endswith(".say")}
    long = {at for at, text in texts.items() if measure_segments(fold_for_sms(text)).segments > 1}
    assert long <= {"hello.say", "notice.say", "topic", "kept.say"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("first", [("welcome", "topic"), ("emergency_assistance", "court_date"), ("privacy", "sure")])
def test_it_keeps_the_first_answer_short(first: tuple[str, str], language: str) -> None:
    said = dict(spoken("welcome", language))
    whole = join_replies([said["hello.say"], said["notice.say"], question(*first, language)])
    assert len(whole) == 1
    assert measure_segments(fold_for_sms(whole[0])).segments <= FIRST_TURN


@pytest.mark.parametrize("name", NAMES)
def test_it_speaks_in_short_sentences_of_grade_six(name: str) -> None:
    texts = [text for _, text in spoken(name, "en")]
    grade = readability.school_grade(texts)
    assert grade is not None and grade <= 6
    assert max(len(readability.words(one)) for text in texts for one in readability.sentences(text)) <= 14


ACCENTLESS = frozenset(
    re.findall(
        r"\w+",
        "aqui numero telefono codigo tambien despues todavia dias dia ningun mas linea mama papa oxigeno limite asi "
        "ahi facil dificil perdon consejeria cuidese numeros atras aun",
    )
)


@pytest.mark.parametrize("name", NAMES)
def test_it_writes_spanish_with_accents_and_says_usted(name: str) -> None:
    for context, text in spoken(name, "es"):
        words = set(re.findall(r"[^\W\d_]+", text.lower()))
        assert not words & ACCENTLESS, context
        assert not words & {"tú", "tu", "tus", "te", "ti", "contigo", "eres", "quieres", "necesitas"}, context


PROMISES = re.compile(
    r"will (text|call|write|answer|reply|contact|be with|get back)|someone will|a person will|check in on|right back"
    r"|le (llamaremos|escribiremos|contestaremos|contactaremos)|alguien (le )?(llamará|escribirá|contestará)"
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_it_promises_nothing_that_is_not_certain(name: str, language: str) -> None:
    negated = re.compile(r"will not|can't say|no le|no sabemos|aún no", re.IGNORECASE)
    for context, text in spoken(name, language):
        for sentence in re.split(r"(?<=[.?!])\s+", text):
            assert negated.search(sentence) or not PROMISES.search(sentence.lower()), context


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_it_never_asks_for_a_word_that_the_telephone_company_acts_on(name: str, language: str) -> None:
    # "Text STOP to stop" and "text START to 88788" are allowed; asked for as an answer, the word would opt people out.
    words = "YES|S[IÍ]|END|CANCEL|QUIT|STOP|START|INFO|HOME"
    taken = re.compile(rf"(?:[Rr]eply|[Rr]esponda|[Tt]ext|[Mm]ande)\s+(?:{words})\b(?! to )")
    assert [context for context, text in spoken(name, language) if taken.search(text)] == []


# Words.


def words_in(language: str, name: str) -> Iterator[tuple[str, str, str]]:
    """(step, choice, word) for every word that a choice of the flow claims in this language."""
    for at, step in script(name).steps.items():
        for key, choice in step.choices.items() if isinstance(step, Ask) else ():
            listed = flow(name).translated(f"{at}.choices.{key}.words", ", ".join(choice.words), language)
            for word in filter(None, (part.strip() for part in listed.split(","))):
                yield at, key, word


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_it_reads_each_word_of_a_choice_as_that_choice(name: str, language: str) -> None:
    wrong = [(at, key, word) for at, key, word in words_in(language, name) if picked(name, at, word, language) != key]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_understands_at_the_menu_what_emergency_assistance_understands(language: str) -> None:
    words = [(key, word) for at, key, word in words_in(language, "emergency_assistance") if at == "need"]
    wanted = [word for key, word in words if key != "other"]
    assert [word for word in wanted if picked("welcome", "topic", word, language) != "emergency_help"] == []


FIRST_WORDS = [
    ("en", "my landlord is evicting me", "emergency_help", "rent"),
    ("en", "got an eviction notice today", "emergency_help", "rent"),
    ("en", "im 2 months behind on rent and scared", "emergency_help", "rent"),
    ("en", "i lost my job and cant pay rent", "emergency_help", "rent"),
    ("en", "evicton", "emergency_help", "rent"),
    ("en", "they cut my lights", "emergency_help", "utilities"),
    ("en", "they shut off my electric", "emergency_help", "utilities"),
    ("en", "no heat in my house", "emergency_help", "utilities"),
    ("en", "my gas is off and its cold", "emergency_help", "utilities"),
    ("en", "i have a shut-off notice from Ameren", "emergency_help", "utilities"),
    ("en", "we have no food", "emergency_help", "food"),
    ("en", "my kids are hungry", "emergency_help", "food"),
    ("en", "need formula for my baby", "emergency_help", "food"),
    ("en", "im homeless", "emergency_help", "shelter"),
    ("en", "nowhere to sleep tonight", "emergency_help", "shelter"),
    ("en", "sleeping in my car with my kids", "emergency_help", "shelter"),
    ("en", "my landlord changed the locks on us", "emergency_help", "shelter"),
    ("en", "i feel so sad lately", "counseling", "stress"),
    ("en", "my mom passed away", "counseling", "grief"),
    ("en", "need help with my drinking", "counseling", "substances"),
    ("en", "i have no one to talk to", "counseling", None),
    ("en", "need work", "jobs", None),
    ("en", "want to get my GED", "jobs", None),
    ("en", "i am in danger", "crisis", None),
    ("en", "who reads this", "privacy", "readers"),
    ("en", "delete my texts", "privacy", "delete"),
    ("en", "stop asking how i am", "privacy", "no_check_ins"),
    ("en", "i need a lawyer", "other", None),
    ("en", "hi is anyone there", None, None),
    ("es", "me van a desalojar", "emergency_help", "rent"),
    ("es", "el dueño me quiere sacar", "emergency_help", "rent"),
    ("es", "no puedo pagar la renta", "emergency_help", "rent"),
    ("es", "me cortaron la luz", "emergency_help", "utilities"),
    ("es", "no hay calefaccion", "emergency_help", "utilities"),
    ("es", "no tengo comida", "emergency_help", "food"),
    ("es", "mis hijos tienen hambre", "emergency_help", "food"),
    ("es", "no tenemos donde dormir", "emergency_help", "shelter"),
    ("es", "me corrieron de la casa", "emergency_help", "shelter"),
    ("es", "me siento muy triste", "counseling", "stress"),
    ("es", "murió mi mamá", "counseling", "grief"),
    ("es", "quiero hablar con alguien", "counseling", None),
    ("es", "necesito trabajo", "jobs", None),
    ("es", "estoy en peligro", "crisis", None),
    ("es", "quien lee esto", "privacy", "readers"),
    ("es", "ya no me pregunten", "privacy", "no_check_ins"),
    ("es", "necesito un abogado de inmigracion", "other", None),
    ("es", "buenos dias", None, None),
]
FINER = {
    "emergency_help": ("emergency_assistance", "need"),
    "counseling": ("counseling", "about"),
    "privacy": ("privacy", "question"),
}


@pytest.mark.parametrize(("language", "text", "topic", "detail"), FIRST_WORDS)
def test_it_brings_first_words_to_the_right_place(language: str, text: str, topic: str | None, detail: str | None) -> None:
    assert picked("welcome", "topic", text, language) == topic
    if topic in FINER:
        assert picked(*FINER[topic], text, language) == detail


@pytest.mark.parametrize(
    ("name", "step", "text", "choice"),
    [
        ("counseling", "safe_here", "it is not safe", "unsafe"),
        ("counseling", "safe_here", "no he is here", "unsafe"),
        ("counseling", "safe_here", "unsafe", None),
        ("counseling", "safe_here", "maybe", None),
        ("crisis", "safe_now", "im not safe", "unsafe"),
        ("crisis", "safe_now", "no estoy a salvo", "unsafe"),
        ("crisis", "safe_now", "i dont know", "unsure"),
        ("emergency_assistance", "safe_tonight", "not safe", "unsafe"),
        ("emergency_assistance", "safe_tonight", "im safe but freezing", None),
        ("emergency_assistance", "machine", "my mom is on oxygen", "in_use"),
        ("emergency_assistance", "machine", "no oxygen", None),
        ("counseling", "agree", "i dont agree", None),
        ("privacy", "sure", "no dont delete it", "keep"),
        ("privacy", "sure", "please do not delete my things", "keep"),
        ("privacy", "sure", "no lo borre por favor", "keep"),
        ("privacy", "sure", "im not sure", "keep"),
        ("privacy", "sure", "what happens then", None),
    ],
)
def test_it_never_takes_doubt_for_safety_or_consent(name: str, step: str, text: str, choice: str | None) -> None:
    reassuring = {"safe_here": "safe", "safe_now": "safe", "safe_tonight": "safe", "machine": "none", "agree": "agreed",
                  "sure": "erase_all"}[step]  # fmt: skip
    for language in LANGUAGES:
        found = picked(name, step, text, language)
        assert found == choice or (choice is None and found != reassuring)


# What each flow must do for the person.


def reachable_without(name: str, removed: str) -> set[str]:
    """The steps that can still be reached when one of them is removed."""
    steps: dict[str, Step] = dict(script(name).steps)
    found, waiting = {script(name).start}, [script(name).start]
    while waiting:
        for way in next_steps(steps[waiting.pop()]):
            if way not in found and way != removed:
                found.add(way)
                waiting.append(way)
    return found


def test_it_keeps_nothing_for_follow_up_before_the_person_has_agreed() -> None:
    steps = script("counseling").steps
    agreement = [name for name, step in steps.items() if isinstance(step, Consent)]
    assert agreement == ["agreement"]
    assert not reachable_without("counseling", "agreement") & {"reach", "safe_times", "counselor"}


def test_it_explains_the_duty_to_report_before_it_asks_anything() -> None:
    assert script("counseling").start == "limits"
    assert "report" in dict(spoken("counseling", "en"))["limits.say"]
    assert "reportar" in dict(spoken("counseling", "es"))["limits.say"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_gives_nothing_away_while_it_may_not_be_safe_to_text(language: str) -> None:
    said = dict(spoken("counseling", language))
    telling = "hurt|abus|violen|counsel|partner|danger|lastim|peligro|consej|pareja|800|911"
    assert not re.search(telling, said["safe_here.ask"] + said["neutral_bye.say"], re.IGNORECASE)
    # A handoff would text the person again while it is unclaimed.
    assert not isinstance(script("counseling").steps["neutral_bye"], Handoff)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_names_911_and_988_first_and_calls_a_human_before_it_asks_in_a_crisis(language: str) -> None:
    start = script("crisis").steps[script("crisis").start]
    assert isinstance(start, Handoff)
    assert (start.handoff.team, start.handoff.urgency) == ("crisis", Urgency.NOW)
    first = dict(spoken("crisis", language))["crisis_person.say"]
    assert first.index("911") < first.index("988") < 100


def test_it_asks_one_question_at_most_in_a_crisis_and_always_ends_with_the_team() -> None:
    steps = script("crisis").steps
    assert [name for name, step in steps.items() if isinstance(step, Ask)] == ["safe_now"]
    resting = [step for step in steps.values() if not next_steps(step)]
    assert resting and all(isinstance(step, Handoff) for step in resting)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_who_answers_who_reads_and_where_help_is_at_once(language: str) -> None:
    said = dict(spoken("welcome", language))
    assert all(word in said["hello.say"] for word in ("STL Help", "911", "988"))
    assert all(word in said["notice.say"] for word in ("STOP", "HELP"))


def test_it_calls_for_a_human_now_when_the_court_date_is_near() -> None:
    steps = script("emergency_assistance").steps
    near = steps["court_date"].next[0]
    assert near.when == "court_date and days_until(court_date) <= 7"
    person = steps[near.go]
    assert isinstance(person, Handoff)
    assert (person.handoff.team, person.handoff.urgency) == ("housing", Urgency.NOW)


def test_it_says_how_long_data_is_really_kept() -> None:
    settings = Settings.from_env({})
    for language, years in (("en", "{} years"), ("es", "{} años")):
        kept = dict(spoken("privacy", language))["kept.say"]
        assert f"{settings.retention_days} d" in kept
        assert years.format(settings.answers_retention_days // 365) in kept


# Transcripts.


@cache
def transcripts() -> dict[str, Transcript]:
    folder = ROOT / "flows/transcripts"
    files = sorted(folder.rglob("*.txt"))
    return {str(file.relative_to(folder)): read_transcript(file.read_text("utf-8"), file.name) for file in files}


def test_it_has_conversations_to_replay_in_both_languages() -> None:
    folders = [Path(name).parent.name for name in transcripts()]
    assert folders.count("en") >= 14
    assert folders.count("es") >= 8


def test_it_replays_every_kind_of_ending() -> None:
    effects = {line.text for one in transcripts().values() for line in one.lines if line.kind is LineKind.EFFECT}
    for wanted in ("handoff housing now", "handoff housing minutes", "handoff crisis now", "handoff counseling routine",
                   "handoff mobility routine", "handoff anyone this_shift", "consent followup agreed", "erase",
                   "opted_out keyword", "opted_in keyword", "outcome referred", "outcome no_reply",
                   "consent followup withdrawn", "check_in household_check_in 7d 30d 60d 90d", "measure safe no",
                   "referral helped", "referral waitlist", "referral could_not_help", "referral not_reached",
                   "referral no_longer_needed", "handoff crisis quarter_hour"):  # fmt: skip
        assert wanted in effects
