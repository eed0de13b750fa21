from __future__ import annotations

import csv
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.listening.understanding import ChoiceMatcher, Option, PickedOption, UnclearChoice, choose, words_of
from tests.paths import SHARED_DATA

NEEDS = SHARED_DATA / "understanding" / "needs_eval.csv"

OPTIONS = (
    Option("rent", "Rent or eviction", ("rent", "evict", "landlord", "court", "renta", "desalojo", "desalojar")),
    Option("utilities", "Lights, heat or water", ("electric", "shutoff", "gas bill", "luz")),
    Option("food", "Food"),
    Option("shelter", "A place to sleep tonight", ("homeless", "outside", "car")),
)
MATCHER = ChoiceMatcher(OPTIONS)


@pytest.mark.parametrize(
    "text",
    ["2", "2.", "(2)", "#2", "two", "dos", "option 2", "the second one", "2️⃣", "②", "２", "number two please", "2nd"],
)
def test_it_picks_by_number(text: str) -> None:
    assert MATCHER.read(text) == PickedOption("utilities")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Rent or eviction", "rent"), ("RENT!!!", "rent"), ("1. Rent or eviction", "rent"), ("foods", "food"),
        ("my landlord is evicting me", "rent"), ("got an eviction notice", "rent"), ("me van a desalojar", "rent"),
        ("nos desalojaron ayer", "rent"), ("they shut off my power", "utilities"), ("no tengo luz", "utilities"),
        ("the gas bill came", "utilities"), ("sleeping in my car", "shelter"), ("I need food tonight", "food"),
        ("2 kids and no food", "food"),
    ],
)  # fmt: skip
def test_it_understands_free_words(text: str, name: str) -> None:
    assert MATCHER.read(text) == PickedOption(name)


@pytest.mark.parametrize(("text", "name"), [("landlrod", "rent"), ("an evcition", "rent"), ("homless", "shelter")])
def test_it_forgives_one_typing_mistake_in_a_long_word(text: str, name: str) -> None:
    assert MATCHER.read(text) == PickedOption(name)


@pytest.mark.parametrize("text", ["fod", "cat", "right now", "what does that mean", "5", "12/3", "", "👍", "the care"])
def test_it_does_not_guess(text: str) -> None:
    assert MATCHER.read(text) == UnclearChoice()


def test_it_takes_no_everyday_word_for_a_mistyped_one() -> None:
    meals = ChoiceMatcher([Option("meals", "Meals"), Option("court", "Court")])
    assert meals.read("that means a lot, count on me") == UnclearChoice()


@pytest.mark.parametrize(
    ("text", "names"),
    [("rent and food", ("rent", "food")), ("2 or 3", ("utilities", "food")), ("2 rent", ("rent", "utilities"))],
)
def test_it_names_the_candidates_where_two_are_as_likely(text: str, names: tuple[str, ...]) -> None:
    assert MATCHER.read(text) == UnclearChoice(names)


@pytest.mark.parametrize(
    ("text", "name"),
    [("not food, rent", "rent"), ("I don't need food but rent", "rent"), ("no es la renta, es la luz", "utilities"),
     ("not rent or food but a place to sleep", "shelter")],
)  # fmt: skip
def test_it_understands_what_is_ruled_out(text: str, name: str) -> None:
    assert MATCHER.read(text) == PickedOption(name)


@pytest.mark.parametrize(
    ("text", "name"), [("no heat", "utilities"), ("I have no food", "food"), ("can't pay rent", "rent")]
)
def test_it_knows_that_what_is_lacking_is_needed(text: str, name: str) -> None:
    assert MATCHER.read(text) == PickedOption(name)


SAFE = ChoiceMatcher(
    [Option("safe", "I am safe for now", ("safe", "i am safe")), Option("unsafe", "I am not", ("no", "not safe", "cold"))]
)


@pytest.mark.parametrize(
    "text",
    ["I don't feel safe", "not really all that safe", "I don't think I'm safe", "never safe", "nowhere safe",
     "not feeling safe",
     "I don't know if I am safe", "no longer safe", "no safe place", "this isn't safe", "can't feel safe here"],
)  # fmt: skip
def test_it_never_counts_a_person_as_safe_who_is_not(text: str) -> None:
    assert SAFE.read(text) != PickedOption("safe")


@pytest.mark.parametrize("text", ["safe", "I feel safe", "we are safe now", "yes, I am safe"])
def test_it_counts_a_person_as_safe_who_says_so(text: str) -> None:
    assert SAFE.read(text) == PickedOption("safe")


def test_it_lists_every_need_of_a_text() -> None:
    assert set(MATCHER.mentions("we need food and rent")) == {"food", "rent"}


def test_it_names_both_choices_that_share_a_word() -> None:
    options = [Option("a", "Job", ("money",)), Option("b", "Cash", ("money",))]
    assert choose("money", options) == UnclearChoice(("a", "b"))


def test_it_folds_words_alike_with_and_without_accents() -> None:
    assert words_of("Día, CAN’T  ěđ") == words_of("dia can't ed")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.lists(st.text(max_size=12), max_size=9))
def test_it_never_fails_and_only_names_its_options(text: str, labels: list[str]) -> None:
    matcher = ChoiceMatcher([Option(f"n{at}", label, (label[::-1],)) for at, label in enumerate(labels)])
    reading = matcher.read(text)
    named = {reading.name} if isinstance(reading, PickedOption) else set(reading.candidates)
    assert named <= {f"n{at}" for at in range(len(labels))}


WORDS = {
    "food": "food, hungry, hunger, eat, rice, meal, starving, groceries, bread, nothing to eat",
    "water": "water, thirsty, drink",
    "shelter": "shelter, tent, tarp, house, home, homeless, sleep, roof, camp, blanket, in the street",
    "medical_help": "doctor, nurse, hospital, injured, wound, sick, medical, ambulance, bleeding, pregnant, disease, "
    "health, ill, fever",
    "medical_products": "medicine, medication, medicaments, pills, drugs, insulin, bandage, prescription, pharmacy",
    "clothing": "clothes, clothing, shoes, coat, shirt, underwear, dress",
    "search_and_rescue": "trapped, rubble, rescue, buried, stuck, under the debris, collapsed, digging",
    "security": "police, security, thief, thieves, gang, violence, robbed, looting, soldiers, guns",
    "missing_people": "missing, find my, looking for, lost my, disappeared, search for, no news",
    "money": "money, cash, transfer, dollars, bank, funds",
}


def needs_texts() -> list[tuple[str, set[str]]]:
    if not NEEDS.exists():
        pytest.skip("the shared test data has no needs_eval.csv here")
    with NEEDS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "munro_sms" and row["labels"]]
    return [(row["text"], set(re.split(r"[;|,]", row["labels"]))) for row in rows]


def needs_matcher() -> ChoiceMatcher:
    words = {name: tuple(text.split(", ")) for name, text in WORDS.items()}
    return ChoiceMatcher([Option(name, name.replace("_", " "), words[name]) for name in words])


def test_it_understands_real_requests_for_help() -> None:
    # A plain list of words, written before these texts were read, reaches a macro-F1 of .55 over ten needs; most misses
    # are needs that are described and not named. The floor keeps it from getting worse unnoticed.
    matcher, right, said, meant = needs_matcher(), Counter[str](), Counter[str](), Counter[str]()
    for text, labels in needs_texts():
        mentions = set(matcher.mentions(text))
        said.update(mentions)
        meant.update(labels)
        right.update(mentions & labels)
    scores = {name: 2 * right[name] / (said[name] + meant[name]) for name in WORDS}
    assert sum(scores.values()) / len(scores) > 0.5
    assert min(scores["food"], scores["water"], scores["shelter"]) > 0.85


def test_it_seldom_picks_a_wrong_need_for_real_requests() -> None:
    matcher = needs_matcher()
    readings = [(matcher.read(text), labels) for text, labels in needs_texts() if len(labels) == 1]
    wrong = sum(isinstance(found, PickedOption) and found.name not in labels for found, labels in readings)
    right = sum(isinstance(found, PickedOption) and found.name in labels for found, labels in readings)
    assert right > 6 * wrong
    assert wrong < 0.08 * len(readings)
