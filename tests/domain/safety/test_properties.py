from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.safety import Level, assess, reply_key
from tests.domain.safety.example_files import rules, texts

DANGEROUS = [
    "I have a gun to my head",
    "I took all my pills",
    "he is hitting me",
    "my dad is having a heart attack",
    "I am killing myself tonight",
    "me corté las venas",
    "me está pegando",
    "I want to die. I have the pills",
]
HARMLESS = [
    "hello",
    "I live on Grand",
    "my name is Ana",
    "we need food for three",
    "the rent is due Friday",
    "please call my cousin",
    "gracias por todo",
    "I work at the school",
    "it is cold here",
    "63118",
    "the bus was late",
]
ANY_TEXT = st.text(max_size=400) | st.text(alphabet="iwantodkelmysf .'*!123?\n", max_size=400)


@settings(max_examples=150, deadline=None)
@given(text=ANY_TEXT, earlier=st.lists(ANY_TEXT, max_size=3))
def test_it_never_raises_and_always_has_a_text_to_answer_with(text: str, earlier: list[str]) -> None:
    found = assess(rules(), text, earlier)
    assert found == assess(rules(), text, earlier)
    key = reply_key(found)
    assert key is None or texts().get(key, "es")


@settings(max_examples=150, deadline=None)
@given(
    danger=st.sampled_from(DANGEROUS),
    before=st.lists(st.sampled_from(HARMLESS), max_size=12),
    after=st.lists(st.sampled_from(HARMLESS), max_size=12),
    joint=st.sampled_from([" ", ". ", "\n", ", ", "  "]),
)
def test_it_recognises_danger_among_any_harmless_words(danger: str, before: list[str], after: list[str], joint: str) -> None:
    assert assess(rules(), danger).level >= Level.IMMINENT
    assert assess(rules(), joint.join([*before, danger, *after])).level >= Level.ACTIVE


@settings(max_examples=150, deadline=None)
@given(text=st.sampled_from([*DANGEROUS, *HARMLESS, "I can't go on", "ya no aguanto más"]), data=st.data())
def test_it_reads_the_same_whatever_the_case_accents_and_blanks(text: str, data: st.DataObject) -> None:
    flips = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    changed = "".join(c.swapcase() if flip else c for c, flip in zip(text, flips, strict=True))
    changed = changed.replace(" ", data.draw(st.sampled_from([" ", "  ", "\n", "\u00a0", "\t"])))
    changed = "".join(c for c in unicodedata.normalize("NFD", changed) if unicodedata.category(c) != "Mn")
    assert assess(rules(), changed).level is assess(rules(), text).level


@pytest.mark.parametrize(
    "seed",
    [
        "kill ",
        "i ",
        "a",
        "not ",
        "want to ",
        "he has a ",
        "my son is not ",
        "took all of the my ",
        ".",
        "a'''",
        "k*ll ",
        "k!",
        "\u200b",
        "k\u0301\u0302",
        "\U0001f52b",
        "k i l l m y s e l f ",
        "i want to just really die not if my he she they took pills gun ",
        "he a b c d ",
        "s u i x ",
        "want to die unless ",
        "1",
        "\ufdfa",
        "((((",
        "\x00",
        "my my my son son ... ",
        "if i when i could i should i ",
    ],
)
def test_it_reads_sixteen_hundred_hostile_characters_quickly(seed: str) -> None:
    text = (seed * 1600)[:1600]
    start = time.process_time()
    assess(rules(), text)
    # It takes a few milliseconds; the margin is for a busy machine. A runaway pattern would take minutes.
    assert time.process_time() - start < 0.25


def test_it_takes_time_in_proportion_to_the_text() -> None:
    seed = "he said not to took all of my i want to if when they are going to kill pills "
    spent = []
    for size in (1600, 6400):
        text = (seed * 200)[:size]
        start = time.process_time()
        for _ in range(5):
            assess(rules(), text)
        spent.append(time.process_time() - start)
    assert spent[1] < 16 * max(spent[0], 0.002)


def test_it_reads_the_end_of_a_text_too_long_to_read_whole() -> None:
    assert assess(rules(), "hello there " * 5000 + " I took all my pills").level is Level.IN_PROGRESS
