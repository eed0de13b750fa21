from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
import yaml

from bot.domain.directory.needs import NeedRules, NeedRulesError, load_rules, needs_of
from tests.domain.directory.hsds.example_packages import found_in, our_mapping, services, shared
from tests.paths import ROOT

FLOWS_ASK_FOR = {"rent", "utilities", "food", "shelter", "jobs", "counseling", "safety", "youth"}


@cache
def rules() -> NeedRules:
    return load_rules((ROOT / "directory" / "needs.yaml").read_text("utf-8"))


def needs(name: str, description: str = "", *terms: str) -> tuple[str, ...]:
    return needs_of(name, description, terms, rules())


def test_it_has_a_rule_for_every_need_in_use() -> None:
    listed = yaml.safe_load((ROOT / "directory" / "st_louis.yaml").read_text("utf-8"))["services"]
    assert {need for service in listed for need in service["needs"]} | FLOWS_ASK_FOR <= set(rules().codes)


@pytest.mark.parametrize(
    ("term", "need"),
    [
        ("Emergency Shelter", "shelter"),
        ("Help Pay for Housing", "rent"),
        ("Help Pay for Utilities", "utilities"),
        ("Food Pantry", "food"),
        ("Job Placement", "jobs"),
        ("Help Escape Violence", "safety"),
        ("Help Hotlines", "counseling"),
        ("Detox", "substances"),
        ("Utility Assistance Programs", "utilities"),
    ],
)
def test_it_believes_a_taxonomy_term(term: str, need: str) -> None:
    assert needs("Program 7", "", term)[0] == need


@pytest.mark.parametrize(
    ("name", "description", "met"),
    [
        ("Food Pantry", "", ("food",)),
        ("Family Shelter", "", ("shelter",)),
        ("Rent & Utility Help", "", ("rent", "utilities")),
        ("Salvation Center", "Provides rental assistance and bags of groceries.", ("rent", "food")),
        ("Outreach", "Emergency shelter for women, and clothing closet.", ("shelter", "clothing")),
        ("LIHEAP", "", ("utilities",)),
        ("Tenants' advice", "Help for people facing eviction", ("rent",)),
    ],
)
def test_it_finds_a_need_by_name_and_by_clear_phrases(name: str, description: str, met: tuple[str, ...]) -> None:
    assert needs(name, description) == met


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("Food handler training", "Learn food safety."),
        ("City animal shelter", "Adopt a dog."),
        ("Library", "No housing assistance available. We do not provide emergency shelter."),
        ("Information context", "Referrals to food pantries, emergency shelter and job training."),
        ("Museum", "Room rental for parties. Sheltered garden."),
        ("Public safety office", "A safety net for the city."),
        ("Homework club room", "Tax shelter advice."),
        ("Passport photos", ""),
    ],
)
def test_it_is_not_taken_in_by_false_friends(name: str, description: str) -> None:
    assert needs(name, description) == ()


def test_it_finds_what_is_offered_after_a_no_that_denies_nothing() -> None:
    assert needs("Center", "No cost food pantry. Not only emergency shelter.") == ("food", "shelter")
    assert needs("Center", "No pets, but emergency shelter for all") == ("shelter",)


def test_it_puts_the_most_certain_need_first() -> None:
    assert needs("Food pantry", "Also help with rent assistance", "Clothing") == ("clothing", "food", "rent")


@pytest.mark.parametrize("words", ["x: [", "needs: []", "needs: {food: {words: [a]}}", "needs: {food: {names: [1]}}", "{}"])
def test_it_refuses_rules_that_it_cannot_use(words: str) -> None:
    with pytest.raises(NeedRulesError):
        load_rules(words)


def test_it_knows_the_pantries_and_shelters_of_san_francisco() -> None:
    met: Counter[tuple[str, str]] = Counter()
    for service in services(found_in(shared("sheltertech"), our_mapping("sheltertech"))):
        for need in needs(service.name, service.details.get("description", "")):
            met[service.terms[0], need] += 1
    # Found by names and descriptions only: the directory's own categories have 44 for food and 24 for housing.
    assert met["food", "food"] >= 40
    assert met["housing", "shelter"] >= 19
    assert met["food", "shelter"] + met["technology", "shelter"] + met["hygiene", "food"] <= 2
