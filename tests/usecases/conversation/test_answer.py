"""What must hold for any text in any state: safety first, never silent, the place in the flow kept, the state storable."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.conversation.effects import (
    HandoffReason,
    NotifyStaff,
    OpenHandoff,
    RaiseAlarm,
    RecordConsent,
    Reply,
    StaySilent,
)
from bot.domain.conversation.state import Conversation, Frame, Holder, load
from bot.domain.conversation.turn import Turn
from bot.usecases.conversation.answer import answer
from bot.usecases.conversation.turn_in_progress import IncomingText
from bot.usecases.flows.library import DraftLibrary
from bot.usecases.system_texts import SystemTexts

NOW = datetime(2026, 11, 23, 16, tzinfo=UTC)
DANGER = "i am going to kill myself tonight, i have the pills in my hand"
WORDS = [
    "hi", "1", "2", "3", "4", "5", "6", "yes", "no", "si", "BACK", "MENU", "PERSON", "STOP", "START", "HELP", "español",
    "english", "my landlord is evicting me", "me van a desalojar", "63118", "friday", "i need food", "no tengo comida",
    "they shut off my lights", "nowhere to sleep", DANGER, "i feel hopeless", "leave me alone", "delete my data", "AGREE",
    "thanks", "i want it all to end", "quiero morirme", "???", "", " ", "😀", "\u200b", "x" * 1600, "he is hitting me",
]  # fmt: skip
texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=300))


def turn_of(line: SystemTexts, library: DraftLibrary, conversation: Conversation, text: str, **said: object) -> Turn:
    return answer(line, library, conversation, IncomingText(text, **said), NOW).turn  # type: ignore[arg-type]


def replies(turn: Turn) -> list[str]:
    return [effect.text for effect in turn.effects if isinstance(effect, Reply)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, st.booleans(), st.integers(0, 4000)), min_size=1, max_size=12))
def test_it_never_falls_silent_by_accident(
    line: SystemTexts, library: DraftLibrary, said: list[tuple[str, bool, int]]
) -> None:
    conversation, now, opted_out = Conversation(), NOW, False
    for text, picture, seconds in said:
        now += timedelta(seconds=seconds)
        turn = answer(line, library, conversation, IncomingText(text, int(picture), None, opted_out), now).turn
        kinds = {type(effect) for effect in turn.effects}
        assert kinds & {Reply, StaySilent, NotifyStaff, OpenHandoff}
        assert RaiseAlarm not in kinds, f"a shipped flow failed: {turn.effects}"
        assert not (opted_out and Reply in kinds and RecordConsent not in kinds)
        for effect in turn.effects:
            if isinstance(effect, RecordConsent) and effect.choice != "agreed":
                opted_out = effect.choice == "opted_out"
        assert load(turn.conversation.dump()) == turn.conversation
        conversation = load(turn.conversation.dump())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts, max_size=8))
def test_it_hears_danger_in_every_state(line: SystemTexts, library: DraftLibrary, before: list[str]) -> None:
    conversation, opted_out = Conversation(), False
    for text in before:
        turn = answer(line, library, conversation, IncomingText(text, 0, None, opted_out), NOW).turn
        conversation = turn.conversation
        for effect in turn.effects:
            if isinstance(effect, RecordConsent) and effect.choice != "agreed":
                opted_out = effect.choice == "opted_out"
    turn = answer(line, library, conversation, IncomingText(DANGER, 0, None, opted_out), NOW + timedelta(minutes=5)).turn
    handoffs = [effect for effect in turn.effects if isinstance(effect, OpenHandoff)]
    assert handoffs and handoffs[0].reason is HandoffReason.DANGER and handoffs[0].reachable is not opted_out
    if not opted_out:
        assert "988" in replies(turn)[0] or "911" in replies(turn)[0]
        assert turn.conversation.frames == conversation.frames


def test_it_gives_the_text_to_the_human_who_holds_the_conversation(line: SystemTexts, library: DraftLibrary) -> None:
    held = replace(turn_of(line, library, Conversation(), "hi").conversation, holder=Holder.HUMAN)
    turn = turn_of(line, library, held, "i need food")
    assert [type(effect) for effect in turn.effects] == [NotifyStaff, StaySilent]
    turn = turn_of(line, library, held, DANGER)
    assert NotifyStaff(urgent=True) in turn.effects and not replies(turn)


@pytest.mark.parametrize(
    ("text", "needle"), [("BACK", "urgent"), ("menu", "how can we help"), ("Person", "team"), ("help!", "zip")]
)
def test_it_knows_the_universal_words(line: SystemTexts, library: DraftLibrary, text: str, needle: str) -> None:
    asked = turn_of(line, library, Conversation(), "food").conversation
    assert needle in " ".join(replies(turn_of(line, library, asked, text))).lower()


def test_it_goes_back_to_the_question_before(line: SystemTexts, library: DraftLibrary) -> None:
    asked = turn_of(line, library, Conversation(), "i need food").conversation
    turn = turn_of(line, library, asked, "BACK")
    assert "most urgent" in replies(turn)[0]


def test_it_changes_the_language_in_the_middle_and_keeps_the_place(line: SystemTexts, library: DraftLibrary) -> None:
    asked = turn_of(line, library, Conversation(), "i need food").conversation
    turn = turn_of(line, library, asked, "Español")
    assert turn.conversation.language == "es" and turn.conversation.frames == asked.frames
    assert "código postal" in " ".join(replies(turn)).lower()


def test_it_reads_a_sentence_that_came_in_two_texts(line: SystemTexts, library: DraftLibrary) -> None:
    first = turn_of(line, library, Conversation(), "i want to kill")
    second = answer(line, library, first.conversation, IncomingText("myself"), NOW + timedelta(seconds=20)).turn
    assert any(isinstance(effect, OpenHandoff) for effect in (*first.effects, *second.effects))


def test_it_calls_a_human_when_the_direct_question_is_answered_with_anything_but_no(
    line: SystemTexts, library: DraftLibrary
) -> None:
    asked = turn_of(line, library, Conversation(), "i feel hopeless").conversation
    assert asked.asked_danger == "self_harm"
    for said in ("2", "3", "not sure", "yes", "banana"):
        turn = turn_of(line, library, asked, said)
        assert any(isinstance(effect, OpenHandoff) for effect in turn.effects), said
    calm = turn_of(line, library, asked, "1")
    assert calm.conversation.asked_danger is None and not any(isinstance(effect, OpenHandoff) for effect in calm.effects)


def test_it_apologises_and_calls_a_human_where_a_flow_is_gone(line: SystemTexts, library: DraftLibrary) -> None:
    lost = Conversation(frames=(Frame("retired", 999, "somewhere"),))
    turn = turn_of(line, library, lost, "hello")
    assert "911" in replies(turn)[0]
    kinds = [type(effect) for effect in turn.effects]
    assert OpenHandoff in kinds and RaiseAlarm in kinds
    assert turn.conversation.holder is Holder.WAITING


def test_it_says_sometimes_that_no_one_has_answered_yet(line: SystemTexts, library: DraftLibrary) -> None:
    called = turn_of(line, library, Conversation(), "PERSON").conversation
    first = turn_of(line, library, called, "hola?")
    assert replies(first), "the first words after the call are answered"
    waiting = first.conversation
    soon = answer(line, library, waiting, IncomingText("hello?"), NOW + timedelta(minutes=1)).turn
    assert any(isinstance(effect, StaySilent) for effect in soon.effects)
    later = answer(line, library, soon.conversation, IncomingText("anyone there?"), NOW + timedelta(minutes=9)).turn
    assert replies(later)


@pytest.mark.parametrize("text", ["I want it all to end", "stop him he is hitting me", "make it stop", "help me please"])
def test_it_does_not_take_a_cry_for_help_as_a_keyword(line: SystemTexts, library: DraftLibrary, text: str) -> None:
    turn = turn_of(line, library, Conversation(), text)
    assert not any(isinstance(effect, RecordConsent) for effect in turn.effects)
    assert replies(turn)


@pytest.mark.parametrize("machine", ["We are out of office, thank you for your message", "1", "food", "i need food please"])
def test_it_ends_a_conversation_with_another_bot(line: SystemTexts, library: DraftLibrary, machine: str) -> None:
    conversation, now, said = Conversation(), NOW, []
    for _ in range(200):
        now += timedelta(seconds=2)
        turn = answer(line, library, conversation, IncomingText(machine), now).turn
        conversation = turn.conversation
        said.append(bool(replies(turn)))
    assert sum(said) <= 46 and sum(said[60:]) <= 2


def test_it_answers_several_quick_texts_once_and_a_worse_one_at_once(line: SystemTexts, library: DraftLibrary) -> None:
    first = turn_of(line, library, Conversation(), "i want to kill myself")
    second = answer(
        line, library, first.conversation, IncomingText("i want to kill myself"), NOW + timedelta(seconds=5)
    ).turn
    assert replies(first) and not replies(second)
    assert any(isinstance(effect, OpenHandoff) for effect in second.effects)
    worse = answer(line, library, second.conversation, IncomingText("i took all my pills"), NOW + timedelta(seconds=9)).turn
    assert "911" in replies(worse)[0]


@pytest.mark.parametrize("text", ["AYUDA", "HOME"])
def test_it_alerts_a_human_while_it_asks_about_active_signs(line: SystemTexts, library: DraftLibrary, text: str) -> None:
    turn = turn_of(line, library, Conversation(), text)
    assert turn.conversation.asked_danger == "self_harm" and "988" in replies(turn)[0]
    assert [effect.urgency for effect in turn.effects if isinstance(effect, OpenHandoff)] == ["quarter_hour"]


@pytest.mark.parametrize("text", ["I want to talk to a person", "can I speak with a person please", "is this a bot?"])
def test_it_calls_a_human_for_a_person_who_asks_in_a_sentence(line: SystemTexts, library: DraftLibrary, text: str) -> None:
    turn = turn_of(line, library, Conversation(), text)
    assert any(isinstance(effect, OpenHandoff) and effect.reason is HandoffReason.ASKED for effect in turn.effects)


def test_it_tells_the_web_nothing_of_message_rates(line: SystemTexts, library: DraftLibrary) -> None:
    web = " ".join(replies(turn_of(line, library, Conversation(channel="web"), "hi")))
    sms = " ".join(replies(turn_of(line, library, Conversation(), "hi")))
    assert "rates" in sms and "rates" not in web and "screen" in web


@pytest.mark.parametrize("text", [
    "please dont leave me alone", "he wont leave me alone", "my landlord is trying to remove me",
    "they will take me off snap",
    "they want to take me off section 8", "debt collectors wont stop texting", "he told me dont contact me",
    "he told me dont text me no more or else", "make it stop stop stop", "NO STOP STOP PLEASE", "please stop stop stop",
    "alto voltaje en mi casa",
    "can you remove me from this abusive house", "my ex wont stop texting me", "i dont want to leave me kids alone",
    "they want to remove my kids", "no me deje en paz mi vecino", "mi ex no deja de escribirme",
])  # fmt: skip
def test_it_does_not_take_a_plea_as_a_wish_to_be_left_alone(line: SystemTexts, library: DraftLibrary, text: str) -> None:
    turn = turn_of(line, library, Conversation(), text)
    assert not any(isinstance(effect, RecordConsent) for effect in turn.effects)
    assert replies(turn)


@pytest.mark.parametrize("text", [
    "dont text me no more", "stop textin me", "STOP STOP STOP", "stop all messages", "unsubscribe me from this",
    "get me off this list", "deja de escribirme", "no me mandes mensajes", "Alto, por favor",
    "please stop texting me", "Stop texting this number!", "leave me alone", "dont text me again please", "no more texts ok",
    "ya no me manden mas mensajes", "Por favor no me escriban", "take me off your list", "I don't want any more texts",
])  # fmt: skip
def test_it_understands_a_wish_to_be_left_alone_in_free_words(line: SystemTexts, library: DraftLibrary, text: str) -> None:
    turn = turn_of(line, library, Conversation(), text)
    assert [effect.choice for effect in turn.effects if isinstance(effect, RecordConsent)] == ["opted_out"]


def test_it_understands_that_wish_while_a_direct_question_is_open_too(line: SystemTexts, library: DraftLibrary) -> None:
    asked = turn_of(line, library, Conversation(), "i feel hopeless").conversation
    turn = turn_of(line, library, asked, "stop texting me")
    assert any(isinstance(effect, RecordConsent) for effect in turn.effects)
    assert any(isinstance(effect, OpenHandoff) and not effect.reachable for effect in turn.effects)


def test_it_reads_a_state_that_an_earlier_version_wrote() -> None:
    assert load('{"language":"es","frames":[["welcome",3,"topic",0,[]]]}').frame == Frame("welcome", 3, "topic")
    assert load("{}") == Conversation()


def test_it_answers_danger_on_an_open_page_even_after_stop(line: SystemTexts, library: DraftLibrary) -> None:
    stopped = turn_of(line, library, Conversation(channel="web"), "stop").conversation
    assert replies(turn_of(line, library, stopped, DANGER, opted_out=True))


def test_it_leaves_a_late_text_to_the_human_who_holds_the_conversation(line: SystemTexts, library: DraftLibrary) -> None:
    turn = turn_of(line, library, Conversation(holder=Holder.HUMAN), "hello", late=True)
    assert not replies(turn) and NotifyStaff() in turn.effects
