from __future__ import annotations

import pytest

from bot.domain.safety import Danger, DirectAnswer, Level, assess, must_alert_staff, read_direct_answer
from tests.domain.safety.example_files import rules

SELF, HOME = Danger.SELF_HARM, Danger.DOMESTIC_VIOLENCE


@pytest.mark.parametrize(
    ("text", "level", "danger"),
    [
        ("took all my pills", Level.IN_PROGRESS, Danger.OVERDOSE),
        ("me tomé todas mis pastillas", Level.IN_PROGRESS, Danger.OVERDOSE),
        ("I have a gun to my head", Level.IN_PROGRESS, SELF),
        ("stop him he is hitting me", Level.IN_PROGRESS, HOME),
        ("me está pegando", Level.IN_PROGRESS, HOME),
        ("someone is breaking into my house", Level.IN_PROGRESS, Danger.VIOLENCE),
        ("my baby is not breathing", Level.IN_PROGRESS, Danger.MEDICAL),
        ("I'm going to kill myself tonight", Level.IMMINENT, SELF),
        ("quiero morirme, tengo las pastillas", Level.IMMINENT, SELF),
        ("I want to die", Level.ACTIVE, SELF),
        ("no quiero vivir", Level.ACTIVE, SELF),
        ("kms", Level.ACTIVE, SELF),
        ("i wanna un-alive myself", Level.ACTIVE, SELF),
        ("thinking about su1c1de", Level.ACTIVE, SELF),
        ("my husband choked me last week", Level.ACTIVE, HOME),
        ("her boyfriend is hitting the kids", Level.ACTIVE, Danger.CHILD),
        ("I'm going to kill him", Level.ACTIVE, Danger.VIOLENCE),
        ("I am getting evicted today with 3 kids", Level.DISTRESS, Danger.DISTRESS),
        ("help me", Level.DISTRESS, Danger.DISTRESS),
        ("HELP!!", Level.DISTRESS, Danger.DISTRESS),
    ],
)
def test_it_reads_danger_at_its_level(text: str, level: Level, danger: Danger) -> None:
    found = assess(rules(), text)
    assert (found.level, found.dangers[0], found.ask) == (level, danger, None)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("I don't want to die but I can't stop thinking about it", SELF),
        ("I am not going to kill myself", SELF),
        ("not be here anymore", SELF),
        ("I want it all to end", SELF),
        ("make it stop", SELF),
        ("ya no aguanto", SELF),
        ("HOME", SELF),
        ("AYUDA", SELF),
        ("kms lol", SELF),
        ("no quiero morir", SELF),
        ("he checks my phone every night", HOME),
        ("the kids are not safe", Danger.CHILD),
        ("I ran out of insulin", Danger.MEDICAL),
    ],
)
def test_it_asks_where_the_words_leave_a_doubt(text: str, asks: Danger) -> None:
    found = assess(rules(), text)
    assert found.ask is asks
    assert Level.DISTRESS <= found.level <= Level.ACTIVE


@pytest.mark.parametrize(
    "text",
    [
        "HELP", "help", "STOP", "Stop.", "START", "YES", "1", "63118", "", "ok thanks",
        "This traffic is killing me", "dead battery", "my phone is about to die", "dying to see you", "I bombed my test",
        "I need help with rent", "we are homeless and need shelter", "my dog died", "my food stamps got cut",
        "I can't pay my bills", "I have court Friday for eviction", "my landlord is harassing me",
        "I need my pills refilled", "necesito ayuda con la renta", "me van a cortar la luz", "me muero de hambre",
        "I shot you an email", "killing time at the library", "kill the lights", "my boss is stressing me out",
    ],
)  # fmt: skip
def test_it_lets_ordinary_words_pass(text: str) -> None:
    found = assess(rules(), text)
    assert found.ask is None
    assert not must_alert_staff(found)
    assert found.level <= Level.NEED


def test_it_offers_a_human_but_calls_no_one_out_for_an_eviction_today() -> None:
    for text in ("evicted today", "the sheriff is coming tomorrow to put us out", "me desalojan hoy"):
        assert assess(rules(), text).level in (Level.NEED, Level.DISTRESS), text


@pytest.mark.parametrize(
    "text",
    ["my friend wants to kill himself", "mi hija se quiere morir", "my sister sent me a goodbye text", "my son overdosed"],
)
def test_it_distinguishes_another_persons_danger_from_the_writers_own(text: str) -> None:
    found = assess(rules(), text)
    assert found.about_other
    assert must_alert_staff(found)


def test_it_counts_the_writers_own_danger_before_another_persons() -> None:
    found = assess(rules(), "my brother killed himself and now I want to die too")
    assert not found.about_other
    assert found.dangers[0] is SELF


@pytest.mark.parametrize(
    ("first", "second"),
    [("i want to", "die"), ("I'm going to kill", "myself"), ("took all", "my pills"), ("me quiero", "morir")],
)
def test_it_joins_a_sentence_that_came_in_two_messages(first: str, second: str) -> None:
    assert not must_alert_staff(assess(rules(), second))
    assert must_alert_staff(assess(rules(), second, [first]))


def test_it_raises_the_level_when_the_time_comes_in_the_next_message() -> None:
    assert assess(rules(), "tonight", ["I want to kill myself"]).level is Level.IMMINENT


def test_it_does_not_count_earlier_danger_again() -> None:
    assert assess(rules(), "thank you", ["I want to kill myself"]).level is Level.NONE


@pytest.mark.parametrize(
    "text",
    [
        "I WANT TO KILL MYSELF", "i want 2 kill myself", "i   want\nto kill\tmyself", "i wanna killlll myselfff",
        "i want to k i l l myself", "I want to kill mysefl", "i want to k!ll myself", "i want to k*ll myself",
        "I want to ｋｉｌｌ myself", "I want to ki\u200bll myself", "I want to kíll mysélf", "i want to.... kill myself",
    ],
)  # fmt: skip
def test_it_reads_through_the_ways_people_type(text: str) -> None:
    assert assess(rules(), text).level is Level.ACTIVE


@pytest.mark.parametrize(
    "text", ["I don’t wanna be alive anymore", "i dont want 2 be alive anymore", "i don t want to be alive"]
)
def test_it_reads_a_lost_or_a_smart_apostrophe(text: str) -> None:
    assert assess(rules(), text).dangers[0] is SELF


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1", DirectAnswer.NO), ("No", DirectAnswer.NO), ("nah", DirectAnswer.NO), ("I'm safe", DirectAnswer.NO),
        ("estoy a salvo", DirectAnswer.NO), ("2", DirectAnswer.YES), ("Yes.", DirectAnswer.YES), ("Sí", DirectAnswer.YES),
        ("yeah", DirectAnswer.YES), ("3", DirectAnswer.UNSURE), ("not sure", DirectAnswer.UNSURE),
        ("idk", DirectAnswer.UNSURE), ("a veces", DirectAnswer.UNSURE), ("no sé", DirectAnswer.UNSURE),
        ("", DirectAnswer.UNCLEAR), ("4", DirectAnswer.UNCLEAR), ("no but my sister is", DirectAnswer.UNCLEAR),
        ("what time do you open", DirectAnswer.UNCLEAR),
    ],
)  # fmt: skip
def test_it_reads_the_answer_to_the_direct_question(text: str, answer: DirectAnswer) -> None:
    assert read_direct_answer(rules(), text) is answer
