"""Conditions of ours for the tests of a router that does not wait.

What can't be known here (groups, calls to other computers, chance) becomes a condition that never holds and says in its
words what was meant, so that the way and its texts stay in the draft until somebody writes a better one.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.flow_import.drafting import language_code, plain
from bot.domain.flow_import.rapidpro.answers import Answers, Kept, of_kinds
from bot.domain.flow_import.rapidpro.expressions import Path, read_path
from bot.domain.flow_import.rapidpro.forms import Form, choices_of, words_of_case
from bot.domain.flow_import.rapidpro.kinds import NUMBER_TESTS, WORD_TESTS
from bot.domain.flow_import.rapidpro.model import Case, Category, Router
from bot.domain.understanding import words_of

_LONGEST_WORDS = 800
_SHORTEST_PART = 6
CHANNELS = {"tel": "sms", "whatsapp": "whatsapp"}
_SIGNS = {"has_number_eq": "==", "has_number_gt": ">", "has_number_gte": ">=", "has_number_lt": "<", "has_number_lte": "<="}


@dataclass(frozen=True, slots=True)
class Branch:
    """One way: the condition (None where it holds always), and the category that it leads to."""

    when: str | None
    category: Category
    is_told: bool
    """Whether the condition says the same as their test."""


def never(what: str) -> str:
    """A condition that never holds and says what was meant."""
    shown = "".join(sign for sign in plain(what) if sign not in "'\"\\{}%#\n\r\t" and sign.isprintable())
    return f"'{' '.join(shown.split())[:100]}' in line_name"


def branches(router: Router, answers: Answers, flow: str) -> list[Branch]:
    """The ways of a router that does not wait, in the order in which they are tried; the last one holds always."""
    last = _last(router)
    made: list[Branch] = []
    seen: set[str] = {last.uuid} if last else set()
    for case in router.cases:
        category = router.category(case.category)
        if category is None or category is last:
            continue
        condition = condition_of(case, router, answers, flow)
        made.append(Branch(condition or never(_meant(case, router)), category, condition is not None))
        seen.add(category.uuid)
    if router.kind == "random":
        made += [Branch(never(f"by chance: {one.name}"), one, False) for one in router.categories if one is not last]
        seen |= {one.uuid for one in router.categories}
    made += [Branch(never(one.name), one, False) for one in router.categories if one.uuid not in seen]
    return [*made, Branch(None, last, True)] if last else made


def _last(router: Router) -> Category | None:
    """The way that is taken where no condition holds."""
    if router.kind == "random":
        return router.categories[0] if router.categories else None
    operand = router.operand.lower()
    if is_child(router) or any(operand in (f"@locals.{word}", f"@results.{word}") for word in ("_new_ticket", "ticket")):
        first = router.category(router.cases[0].category) if router.cases else None
        if first is not None:
            return first
    if (default := router.category(router.default)) is not None:
        return default
    others = [one for one in router.categories if one.name.casefold() in ("other", "failure", "expired")]
    return others[0] if others else router.categories[-1] if router.categories else None


def is_child(router: Router) -> bool:
    """Whether it asks how the flow ended that was run just before."""
    return router.operand.lower().lstrip("@") in ("child.run.status", "child.status", "child")


def _meant(case: Case, router: Router) -> str:
    wanted = case.arguments[-1] if case.kind == "has_group" and case.arguments else " ".join(case.arguments)
    if case.kind == "has_group":
        return f"in the group {wanted}"
    return f"{router.operand.lstrip('@')[:40]} {case.kind.removeprefix('has_').replace('_', ' ')} {wanted}"


def condition_of(case: Case, router: Router, answers: Answers, flow: str) -> str | None:
    """Our condition for this test, or None where there is none."""
    operand = router.operand
    if case.kind in WORD_TESTS and case.arguments:
        value = case.arguments[0].strip().lower()
        if "scheme" in operand or operand.lower() in ("@contact.channel", "@contact.channel.type"):
            return f"channel == '{CHANNELS[value]}'" if value in CHANNELS else None
        if operand.lower() == "@contact.language" and (code := language_code(value)):
            return f"language == '{code}'"
    path = simple_path(operand)
    kept = answers.find(flow, path) if path is not None else None
    return _of_answer(case, path, kept) if path is not None and kept is not None else None


def simple_path(operand: str) -> Path | None:
    """What an operand looks up where it is one name and nothing else: `@results.age`, `@(lower(fields.age))`."""
    inner = operand.strip().lstrip("@").strip()
    if inner.startswith("(") and inner.endswith(")"):
        inner = inner[1:-1].strip()
    lowered = inner.lower()
    if lowered.startswith(("lower(", "upper(")) and inner.endswith(")"):
        inner = inner[6:-1].strip()
    return read_path(inner) if inner and all(sign.isalnum() or sign in "._" for sign in inner) else None


def _of_answer(case: Case, path: Path, kept: Kept) -> str | None:
    name = kept.name
    if case.kind in ("has_text", "has_value"):
        return name
    if of_kinds(kept, (Form.NUMBER,)):
        return _of_number(case, name, f"{name} is number") if case.kind in NUMBER_TESTS else None
    if of_kinds(kept, (Form.CHOICES,)):
        return _of_choices(case, kept, by_label=path.is_category or case.kind == "has_category")
    if path.is_category:
        return None
    if case.kind in NUMBER_TESTS:
        return _of_number(case, f"({name}|int(0))", name)
    if case.kind in WORD_TESTS:
        return _of_text(case, name)
    return None


def _of_number(case: Case, name: str, guard: str) -> str | None:
    if case.kind == "has_number":
        return guard
    limits = [_figure(argument) for argument in case.arguments]
    if None in limits or not limits:
        return None
    first = f"{guard} and " if guard else ""
    if case.kind == "has_number_between":
        return f"{first}{name} >= {limits[0]} and {name} <= {limits[1]}" if len(limits) > 1 else None
    return f"{first}{name} {_SIGNS[case.kind]} {limits[0]}" if case.kind in _SIGNS else None


def _figure(text: str) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if abs(value) > 1e12 or value != value:
        return None
    return str(int(value)) if value == int(value) else f"{value:.4f}"


def _of_choices(case: Case, kept: Kept, *, by_label: bool) -> str | None:
    wanted = {" ".join(words_of(word)) for word in _wanted(case)} - {""}
    found: dict[str, None] = {}
    for router, _ in kept.asked:
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


def _wanted(case: Case) -> list[str]:
    if case.kind == "has_category":
        return list(case.arguments)
    return [*words_of_case(case), *case.arguments[:1]] if case.kind in WORD_TESTS else words_of_case(case)


def _of_text(case: Case, name: str) -> str | None:
    heard = dict.fromkeys(" ".join(word.lower().split()) for word in words_of_case(case))
    quoted = [f"'{word}'" for word in heard if word and not set(word) & set("'\\{}")]
    # A condition has its own greatest length; who has more words than fit writes a question with choices.
    while sum(map(len, quoted)) + 2 * len(quoted) > _LONGEST_WORDS:
        quoted.pop()
    if not quoted:
        return None
    if case.kind in ("has_phrase", "has_all_words") and len(quoted[0]) > _SHORTEST_PART:
        return f"{name} and {quoted[0]} in {name}|lower"
    # The whole text, not a part of it: `n` is a part of nearly every text that somebody writes.
    return f"{name} and {name}|lower|trim in [{', '.join(quoted)}]"


def looks_into(router: Router, name: str, form: Form) -> list[Branch]:
    """The ways of a question that is read as a text and looked into (`Form.MIXED`) or as a number (then it is one)."""
    made = []
    for case in router.cases:
        category = router.category(case.category)
        if category is None or case.category in (router.default, router.timeout):
            continue
        if case.kind in NUMBER_TESTS:
            if form is Form.NUMBER and case.kind == "has_number":
                made.append(Branch(None, category, True))
                continue
            when = _of_number(case, name, "") if form is Form.NUMBER else _of_number(case, f"({name}|int(0))", name)
        else:
            when = _of_text(case, name)
        made.append(Branch(when or never(_meant(case, router)), category, when is not None))
    return made
