"""Which form of question a waiting router becomes, and the choices it offers."""

from __future__ import annotations

import re
from enum import StrEnum

from bot.domain.flows.importing.drafting.draft import NameAllocator
from bot.domain.flows.importing.rapidpro.kinds import DATE_TESTS, NUMBER_TESTS, WORD_TESTS
from bot.domain.flows.importing.rapidpro.model import Router, RouterCase, RouterCategory, as_number


class QuestionForm(StrEnum):
    CHOICES = "choices"
    NUMBER = "number"
    DATE = "date"
    PHONE = "phone"
    TEXT = "text"
    MIXED = "mixed"
    """Text that conditions then test: words and number ranges in one question, for which no `answer` type exists."""


def form_of(router: Router) -> QuestionForm:
    """The form of the question; a pure function of the router, because conditions elsewhere rely on it."""
    cases = explicit_cases(router)
    kinds = {case.kind for case in cases}
    if not kinds:
        return QuestionForm.TEXT
    if kinds <= DATE_TESTS:
        return QuestionForm.DATE
    if kinds == {"has_phone"}:
        return QuestionForm.PHONE
    has_words, has_numbers = bool(kinds & WORD_TESTS), bool(kinds & NUMBER_TESTS)
    if has_numbers:
        is_menu = not (kinds & NUMBER_TESTS) - {"has_number_eq"} and _is_menu(cases)
        return QuestionForm.CHOICES if is_menu else QuestionForm.MIXED if has_words else QuestionForm.NUMBER
    return QuestionForm.CHOICES if has_words else QuestionForm.TEXT


def _is_menu(cases: list[RouterCase]) -> bool:
    """Whether the numbers are those of a menu, 1 to the last: as choices, any other number would be read as a position."""
    figures = {as_number(case.arguments[0]) for case in cases if case.kind == "has_number_eq" and case.arguments}
    return len(figures) > 1 and figures == set(range(1, len(figures) + 1))


def explicit_cases(router: Router) -> list[RouterCase]:
    """The tests with a target of their own: not the one for silence, nor the category for everything else."""
    return [case for case in router.cases if case.category not in (router.default, router.timeout_category)]


def words_of_case(case: RouterCase) -> list[str]:
    """The words that a test matches."""
    given = case.arguments[0] if case.arguments else ""
    if case.kind == "has_any_word":
        return [word for word in re.split(r"[\s,;/|]+", given) if word]
    if case.kind == "has_number_eq":
        return [str(int(as_number(given)))] if as_number(given) == int(as_number(given)) else []
    return [given.strip()] if given.strip() and case.kind in WORD_TESTS else []


def choices_of(router: Router) -> dict[str, tuple[RouterCategory, list[RouterCase]]]:
    """The choices in order: name in the draft -> its category and the tests that lead to it."""
    names = NameAllocator(fallback="choice")
    by_category: dict[str, list[RouterCase]] = {}
    for case in explicit_cases(router):
        if case.kind in WORD_TESTS or case.kind == "has_number_eq":
            by_category.setdefault(case.category, []).append(case)
    found: dict[str, tuple[RouterCategory, list[RouterCase]]] = {}
    for uuid, cases in by_category.items():
        category = router.category(uuid)
        if category is not None:
            found[names.allocate(category.name or "choice")] = (category, cases)
    return found
