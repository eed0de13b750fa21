"""The shipped check-ins: who writes, what they never name, how people opt out, and which place an answer is about."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

import pytest

from bot.domain.conversation.effects import Reply
from bot.domain.conversation.state import Conversation
from bot.domain.conversation.transcript import describe
from bot.domain.conversation.turn import TextReceived, Turn
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.machine import next_steps
from bot.domain.flows.language.script import Ask, CheckIn, Consent, End, Handoff
from bot.usecases.conversation.converse import enter_flow, run_flows
from bot.usecases.conversation.rehearsal import Rehearsal, effects_as_lines
from bot.usecases.flows.library import DraftLibrary
from bot.usecases.system_texts import SystemTexts, read_system_texts
from tests.content.test_flows import (
    CHECK_INS,
    LANGUAGES,
    NAMES,
    picked,
    question,
    reachable_without,
    script,
    spanish,
    spoken,
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CHECK_INS)
def test_it_says_who_writes_in_each_text_that_we_start_and_names_no_topic(name: str, language: str) -> None:
    first = question(name, script(name).start, language)
    assert "STL Help" in first
    telling = r"rent|bill|evict|food|shelter|counsel|crisis|suicid|safe|988|911|211|city|renta|desaloj|comida|salvo|ciudad"
    assert not re.search(telling, first, re.IGNORECASE)


@pytest.mark.parametrize("name", CHECK_INS)
def test_it_lets_people_out_of_every_check_in_and_does_not_answer_silence(name: str) -> None:
    steps = script(name).steps
    first = steps[script(name).start]
    assert isinstance(first, Ask) and first.choices["enough"].go == "no_more"
    out = steps["no_more"]
    assert isinstance(out, Consent) and (out.consent, out.withdrawn) == ("followup", True)
    waits = [step.wait for step in steps.values() if isinstance(step, Ask)]
    assert all(wait is not None and wait.go == "quiet" for wait in waits) and isinstance(steps["quiet"], End)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_never_ends_after_a_crisis_without_988_and_a_way_to_a_human(language: str) -> None:
    steps, said = script("crisis_check_in").steps, dict(spoken("crisis_check_in", language))
    last = [at for at, step in steps.items() if not next_steps(step) and at != "quiet"]
    assert set(last) == {"glad", "bye", "worse", "person", "no_more_bye"}
    for at in last:
        assert "988" in said[f"{at}.say"], at
        assert isinstance(steps[at], Handoff) or re.search(r"\bPERSONA?\b", said[f"{at}.say"]), at


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_names_no_danger_at_home_before_it_knows_that_it_is_safe_to_text(language: str) -> None:
    said = dict(spoken("household_check_in", language))
    telling = "hurt|abus|violen|counsel|partner|danger|lastim|peligro|consej|pareja|800|911"
    assert not re.search(telling, said["safe_here.ask"] + said["neutral_bye.say"], re.IGNORECASE)
    assert "not_safe" not in reachable_without("household_check_in", "safe_here")
    assert not isinstance(script("household_check_in").steps["neutral_bye"], Handoff)


def test_it_takes_a_yes_back_as_easily_as_it_took_it() -> None:
    steps = script("privacy").steps
    question_, taken = steps["question"], steps["no_check_ins"]
    assert isinstance(question_, Ask) and question_.choices["no_check_ins"].go == "no_check_ins"
    assert isinstance(taken, Consent) and (taken.consent, taken.withdrawn) == ("followup", True)


def test_it_plans_check_ins_only_where_the_person_has_agreed_to_them() -> None:
    planned = {(name, at) for name in NAMES for at, step in script(name).steps.items() if isinstance(step, CheckIn)}
    assert planned == {("emergency_assistance", "ask_places"), ("emergency_assistance", "ask_household")}
    assert not reachable_without("emergency_assistance", "agreement") & {at for _, at in planned}


@pytest.mark.parametrize(
    ("name", "step", "text", "choice"),
    [
        ("emergency_assistance", "may_ask", "ok thanks", "declined"),
        ("emergency_assistance", "may_ask", "im good", "declined"),
        ("emergency_assistance", "may_ask", "not sure", "declined"),
        ("emergency_assistance", "may_ask", "what for", None),
        ("emergency_assistance", "may_ask", "i guess so", None),
        ("emergency_assistance", "may_ask", "así está bien", "declined"),
        ("household_check_in", "safe_at_home", "i dont feel safe", "no"),
        ("household_check_in", "safe_at_home", "sometimes", "unsure"),
        ("household_check_in", "safe_at_home", "no me siento segura aquí", "no"),
        ("household_check_in", "safe_here", "unsafe", None),
        ("household_check_in", "how", "ok so they shut off my lights", "worse"),
        ("crisis_check_in", "how", "not bad", "better"),
        ("crisis_check_in", "how", "could be better", "same"),
        ("crisis_check_in", "how", "ok i guess", "same"),
        ("crisis_check_in", "how", "no better", "same"),
        ("crisis_check_in", "how", "good but lonely", None),
        ("crisis_check_in", "how", "well i tried again", None),
        ("crisis_check_in", "how", "no estoy nada bien", None),
    ],
)
def test_it_never_takes_doubt_for_a_yes_or_for_being_well(name: str, step: str, text: str, choice: str | None) -> None:
    for language in LANGUAGES:
        assert picked(name, step, text, language) == choice, language


PLACES = tuple((number, f"Place {number}: 314-555-010{number}") for number in range(1, 6))
NOON = datetime(2026, 11, 23, 18, tzinfo=UTC)


@cache
def library() -> DraftLibrary:
    """The flows as they are in the repository, with five places for every need."""
    drafts = {name: Flow(script(name), {"es": spanish(name)}, at, line_name="STL Help") for at, name in enumerate(NAMES)}
    return DraftLibrary(drafts, lambda need, near, limit, language, now: PLACES[:limit])


def words() -> SystemTexts:
    return read_system_texts(("en", "es"))


def asked_about_two_places() -> Conversation:
    """The check-in of a person who was texted two places, and who answered about another one months ago."""
    known = {"offered_count": 2, "offered_list": "1 Oak House\n2 Elm House", "which_one": 7, "which_waits": 7}
    return enter_flow(library(), Conversation(answers=known), "referral_check_in", "", NOON, words().text).conversation


def tell(conversation: Conversation, *texts: str) -> list[str]:
    """Play these texts; gives the replies and other effects of the last turn."""
    turn = Turn(conversation, ())
    for text in texts:
        turn = run_flows(library(), turn.conversation, TextReceived(text), NOON, words().text)
    return [effect.text if isinstance(effect, Reply) else describe(effect) for effect in turn.effects]


def test_it_asks_which_of_two_places_helped_and_records_that_one() -> None:
    conversation = asked_about_two_places()
    assert tell(conversation, "yes") == ["Which one helped? Reply with its number.\n1 Oak House\n2 Elm House"]
    assert tell(conversation, "yes", "2")[0] == "referral helped 2"
    assert tell(conversation, "waitlist", "1")[0] == "referral waitlist 1"


def test_it_does_not_count_an_answer_of_months_ago() -> None:
    assert tell(asked_about_two_places(), "yes", "both of them", "hmm")[0] == "referral helped"


def test_it_names_other_places_on_more_and_says_when_there_are_none() -> None:
    rehearsal = Rehearsal(words(), library(), NOON)
    for text in ("we have no food", "63118"):
        said = [line.text for line in effects_as_lines(rehearsal.say(text))]
    assert [text for text in said if text.startswith("Place")] == [card for _, card in PLACES[:3]]
    assert "Reply MORE for other places." in said
    more = [line.text for line in effects_as_lines(rehearsal.say("MORE"))]
    assert more[:2] == [card for _, card in PLACES[3:]] and "Reply MORE for other places." not in more
    assert more[-1].startswith("Would you like a person to help with this too?")
