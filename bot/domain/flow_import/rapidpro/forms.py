"""Which form of question a router that waits becomes, and the choices it offers."""

from __future__ import annotations

import re
from enum import StrEnum

from bot.domain.flow_import.drafting import Names
from bot.domain.flow_import.rapidpro.kinds import DATE_TESTS, NUMBER_TESTS, WORD_TESTS
from bot.domain.flow_import.rapidpro.model import Case, Category, Router, number


class Form(StrEnum):
    CHOICES = "choices"
    NUMBER = "number"
    DATE = "date"
    PHONE = "phone"
    TEXT = "text"
    MIXED = "mixed"
    """A text that conditions look into: words and ranges of numbers in one question, which no `answer` of ours reads."""


def form_of(router: Router) -> Form:
    """The form of the question; a pure function of the router, as conditions elsewhere rely on it."""
    cases = told_cases(router)
    kinds = {case.kind for case in cases}
    if not kinds:
        return Form.TEXT
    if kinds <= DATE_TESTS:
        return Form.DATE
    if kinds == {"has_phone"}:
        return Form.PHONE
    has_words, has_numbers = bool(kinds & WORD_TESTS), bool(kinds & NUMBER_TESTS)
    if has_numbers:
        is_menu = not (kinds & NUMBER_TESTS) - {"has_number_eq"} and _is_menu(cases)
        return Form.CHOICES if is_menu else Form.MIXED if has_words else Form.NUMBER
    return Form.CHOICES if has_words else Form.TEXT


def _is_menu(cases: list[Case]) -> bool:
    """Whether the numbers are those of a menu, 1 to the last: as a choice, any other number would be heard as its place."""
    figures = {number(case.arguments[0]) for case in cases if case.kind == "has_number_eq" and case.arguments}
    return len(figures) > 1 and figures == set(range(1, len(figures) + 1))


def told_cases(router: Router) -> list[Case]:
    """The tests that lead somewhere of their own: not those of silence, nor of the category for all the rest."""
    return [case for case in router.cases if case.category not in (router.default, router.timeout)]


def words_of_case(case: Case) -> list[str]:
    """The words that a test listens for."""
    given = case.arguments[0] if case.arguments else ""
    if case.kind == "has_any_word":
        return [word for word in re.split(r"[\s,;/|]+", given) if word]
    if case.kind == "has_number_eq":
        return [str(int(number(given)))] if number(given) == int(number(given)) else []
    return [given.strip()] if given.strip() and case.kind in WORD_TESTS else []


def choices_of(router: Router) -> dict[str, tuple[Category, list[Case]]]:
    """The choices in their order: our name for each -> its category and the tests that lead to it."""
    names = Names(otherwise="choice")
    by_category: dict[str, list[Case]] = {}
    for case in told_cases(router):
        if case.kind in WORD_TESTS or case.kind == "has_number_eq":
            by_category.setdefault(case.category, []).append(case)
    found: dict[str, tuple[Category, list[Case]]] = {}
    for uuid, cases in by_category.items():
        category = router.category(uuid)
        if category is not None:
            found[names.fresh(category.name or "choice")] = (category, cases)
    return found
