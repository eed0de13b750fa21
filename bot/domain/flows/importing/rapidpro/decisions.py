"""Conditions for the tests of a router that does not wait.

What Warmline can't know (groups, calls to other computers, chance) becomes a condition that never holds and whose text says
what was meant, so that the branch and its texts stay in the draft until an admin writes a better one.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.flows.importing.drafting.draft import escape_template_marks, language_code
from bot.domain.flows.importing.rapidpro.answers import AnswerIndex, SavedAnswer, have_forms
from bot.domain.flows.importing.rapidpro.expressions import ExpressionPath, read_path
from bot.domain.flows.importing.rapidpro.forms import QuestionForm, choices_of, words_of_case
from bot.domain.flows.importing.rapidpro.kinds import NUMBER_TESTS, WORD_TESTS
from bot.domain.flows.importing.rapidpro.model import Router, RouterCase, RouterCategory
from bot.domain.listening.understanding import words_of

_MAX_WORDS_LENGTH = 800
_MIN_PART_LENGTH = 6
CHANNELS = {"tel": "sms", "whatsapp": "whatsapp"}
_OPERATORS = {
    "has_number_eq": "==",
    "has_number_gt": ">",
    "has_number_gte": ">=",
    "has_number_lt": "<",
    "has_number_lte": "<=",
}


@dataclass(frozen=True, slots=True)
class RouterBranch:
    """One branch: the condition (None if it always holds), and the category that it leads to."""

    when: str | None
    category: RouterCategory
    is_exact: bool
    """Whether the condition is equivalent to the source's test."""


def never_condition(what: str) -> str:
    """A condition that never holds and says what was meant."""
    shown = "".join(sign for sign in escape_template_marks(what) if sign not in "'\"\\{}%#\n\r\t" and sign.isprintable())
    return f"'{' '.join(shown.split())[:100]}' in line_name"


def router_branches(router: Router, answers: AnswerIndex, flow: str) -> list[RouterBranch]:
    """The branches of a router that does not wait, in the order in which they are tried; the last one always holds."""
    last = _default_category(router)
    made: list[RouterBranch] = []
    seen: set[str] = {last.uuid} if last else set()
    for case in router.cases:
        category = router.category(case.category)
        if category is None or category is last:
            continue
        condition = condition_of(case, router, answers, flow)
        made.append(
            RouterBranch(condition or never_condition(_describe_test(case, router)), category, condition is not None)
        )
        seen.add(category.uuid)
    if router.kind == "random":
        made += [
            RouterBranch(never_condition(f"by chance: {one.name}"), one, False)
            for one in router.categories
            if one is not last
        ]
        seen |= {one.uuid for one in router.categories}
    made += [RouterBranch(never_condition(one.name), one, False) for one in router.categories if one.uuid not in seen]
    return [*made, RouterBranch(None, last, True)] if last else made


def _default_category(router: Router) -> RouterCategory | None:
    """The branch taken when no condition holds."""
    if router.kind == "random":
        return router.categories[0] if router.categories else None
    operand = router.operand.lower()
    if tests_child_flow(router) or any(
        operand in (f"@locals.{word}", f"@results.{word}") for word in ("_new_ticket", "ticket")
    ):
        first = router.category(router.cases[0].category) if router.cases else None
        if first is not None:
            return first
    if (default := router.category(router.default)) is not None:
        return default
    others = [one for one in router.categories if one.name.casefold() in ("other", "failure", "expired")]
    return others[0] if others else router.categories[-1] if router.categories else None


def tests_child_flow(router: Router) -> bool:
    """Whether the router tests how the flow that was run just before ended."""
    return router.operand.lower().lstrip("@") in ("child.run.status", "child.status", "child")


def _describe_test(case: RouterCase, router: Router) -> str:
    wanted = case.arguments[-1] if case.kind == "has_group" and case.arguments else " ".join(case.arguments)
    if case.kind == "has_group":
        return f"in the group {wanted}"
    return f"{router.operand.lstrip('@')[:40]} {case.kind.removeprefix('has_').replace('_', ' ')} {wanted}"


def condition_of(case: RouterCase, router: Router, answers: AnswerIndex, flow: str) -> str | None:
    """The flow-language condition for this test, or None if it can't be expressed."""
    operand = router.operand
    if case.kind in WORD_TESTS and case.arguments:
        value = case.arguments[0].strip().lower()
        if "scheme" in operand or operand.lower() in ("@contact.channel", "@contact.channel.type"):
            return f"channel == '{CHANNELS[value]}'" if value in CHANNELS else None
        if operand.lower() == "@contact.language" and (code := language_code(value)):
            return f"language == '{code}'"
    path = simple_path(operand)
    kept = answers.find(flow, path) if path is not None else None
    return _answer_condition(case, path, kept) if path is not None and kept is not None else None


def simple_path(operand: str) -> ExpressionPath | None:
    """The path that an operand reads if it is a single name: `@results.age`, `@(lower(fields.age))`."""
    inner = operand.strip().lstrip("@").strip()
    if inner.startswith("(") and inner.endswith(")"):
        inner = inner[1:-1].strip()
    lowered = inner.lower()
    if lowered.startswith(("lower(", "upper(")) and inner.endswith(")"):
        inner = inner[6:-1].strip()
    return read_path(inner) if inner and all(sign.isalnum() or sign in "._" for sign in inner) else None


def _answer_condition(case: RouterCase, path: ExpressionPath, kept: SavedAnswer) -> str | None:
    name = kept.name
    if case.kind in ("has_text", "has_value"):
        return name
    if have_forms(kept, (QuestionForm.NUMBER,)):
        return _number_condition(case, name, f"{name} is number") if case.kind in NUMBER_TESTS else None
    if have_forms(kept, (QuestionForm.CHOICES,)):
        return _choice_condition(case, kept, by_label=path.is_category or case.kind == "has_category")
    if path.is_category:
        return None
    if case.kind in NUMBER_TESTS:
        return _number_condition(case, f"({name}|int(0))", name)
    if case.kind in WORD_TESTS:
        return _text_condition(case, name)
    return None


def _number_condition(case: RouterCase, name: str, guard: str) -> str | None:
    if case.kind == "has_number":
        return guard
    limits = [_number_literal(argument) for argument in case.arguments]
    if None in limits or not limits:
        return None
    first = f"{guard} and " if guard else ""
    if case.kind == "has_number_between":
        return f"{first}{name} >= {limits[0]} and {name} <= {limits[1]}" if len(limits) > 1 else None
    return f"{first}{name} {_OPERATORS[case.kind]} {limits[0]}" if case.kind in _OPERATORS else None


def _number_literal(text: str) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if abs(value) > 1e12 or value != value:
        return None
    return str(int(value)) if value == int(value) else f"{value:.4f}"


def _choice_condition(case: RouterCase, kept: SavedAnswer, *, by_label: bool) -> str | None:
    wanted = {" ".join(words_of(word)) for word in _tested_words(case)} - {""}
    found: dict[str, None] = {}
    for router, _ in kept.questions:
        for name, (category, cases) in choices_of(router).items():
            heard = {" ".join(words_of(category.name))}
            if not by_label:
                heard |= {" ".join(words_of(word)) for one in cases for word in words_of_case(one)}
            if heard & wanted:
                found[name] = None
    if not found:
        return None
    if len(found) == 1:
        return f"{kept.name} == '{next(iter(found))}'"
    return f"{kept.name} in [{', '.join(repr(name) for name in found)}]"


def _tested_words(case: RouterCase) -> list[str]:
    if case.kind == "has_category":
        return list(case.arguments)
    return [*words_of_case(case), *case.arguments[:1]] if case.kind in WORD_TESTS else words_of_case(case)


def _text_condition(case: RouterCase, name: str) -> str | None:
    heard = dict.fromkeys(" ".join(word.lower().split()) for word in words_of_case(case))
    quoted = [f"'{word}'" for word in heard if word and not set(word) & set("'\\{}")]
    # A condition has its own maximum length; an admin with more words than fit should write a question with choices.
    while sum(map(len, quoted)) + 2 * len(quoted) > _MAX_WORDS_LENGTH:
        quoted.pop()
    if not quoted:
        return None
    if case.kind in ("has_phrase", "has_all_words") and len(quoted[0]) > _MIN_PART_LENGTH:
        return f"{name} and {quoted[0]} in {name}|lower"
    # Compare the whole text, not a part of it: nearly every message contains an `n`.
    return f"{name} and {name}|lower|trim in [{', '.join(quoted)}]"


def content_branches(router: Router, name: str, form: QuestionForm) -> list[RouterBranch]:
    """The branches of a question that is read as text and then tested (`Form.MIXED`), or as a number (then it is one)."""
    made = []
    for case in router.cases:
        category = router.category(case.category)
        if category is None or case.category in (router.default, router.timeout_category):
            continue
        if case.kind in NUMBER_TESTS:
            if form is QuestionForm.NUMBER and case.kind == "has_number":
                made.append(RouterBranch(None, category, True))
                continue
            when = (
                _number_condition(case, name, "")
                if form is QuestionForm.NUMBER
                else _number_condition(case, f"({name}|int(0))", name)
            )
        else:
            when = _text_condition(case, name)
        made.append(RouterBranch(when or never_condition(_describe_test(case, router)), category, when is not None))
    return made
