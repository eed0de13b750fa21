"""The answers that flows save: which questions ask for them, the type of their values, and where they are used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from bot.domain.flows.language.expressions import names_in, parse_template, template_problems
from bot.domain.flows.language.script import AnswerKind, Ask, Script
from bot.domain.flows.language.texts import conditions, templates


def saved_answers(script: Script) -> dict[str, Ask]:
    """Saved answer -> a step of this flow that asks for it."""
    return {name: asking[-1] for name, asking in questions_by_answer([script]).items()}


def questions_by_answer(scripts: Iterable[Script]) -> dict[str, list[Ask]]:
    """Saved answer -> all steps of these flows that ask for it."""
    found: dict[str, list[Ask]] = {}
    for script in scripts:
        for name, step in script.steps.items():
            if isinstance(step, Ask) and (step.save or step.choices):
                found.setdefault(step.save or name, []).append(step)
    return found


def answer_types(questions: dict[str, list[Ask]]) -> dict[str, type]:
    """Answer -> its type: int, bool or str. Answers of more than one type are left out."""
    found = {}
    for name, asking in questions.items():
        kinds = {_answer_type(ask) for ask in asking}
        if len(kinds) == 1:
            found[name] = kinds.pop()
    return found


def _answer_type(ask: Ask) -> type:
    if ask.choices:
        return str
    return {AnswerKind.NUMBER: int, AnswerKind.YES_NO: bool}.get(ask.answer, str)


def answer_choices(scripts: Iterable[Script]) -> dict[str, set[str]]:
    """Answer -> its possible choices, for answers that are always one of some choices."""
    found = questions_by_answer(scripts)
    return {
        name: {choice for ask in asking for choice in ask.choices}
        for name, asking in found.items()
        if all(ask.choices for ask in asking)
    }


def used_answers(script: Script) -> Iterator[str]:
    """The answers named in a flow's conditions and texts."""
    for _, condition in conditions(script):
        if not template_problems(condition, is_condition=True):
            yield from names_in(condition, is_condition=True)
    for _, _, source in templates(script):
        if "{" in source and not template_problems(source):
            yield from names_in(source)


@lru_cache(maxsize=10_000)
def compared_values(condition: str) -> tuple[tuple[str, Any], ...]:
    """(answer, value) for each comparison in a valid condition: `need == 'rent'`, `need in ['rent', 'food']`."""
    found = []
    for compare in parse_template(condition, is_condition=True).find_all(nodes.Compare):
        for operand in compare.ops:
            is_list = isinstance(operand.expr, (nodes.List, nodes.Tuple))
            if isinstance(compare.expr, nodes.Name) and operand.op in ({"in", "notin"} if is_list else {"eq", "ne"}):
                values = operand.expr.items if isinstance(operand.expr, (nodes.List, nodes.Tuple)) else [operand.expr]
                found += [(compare.expr.name, value.value) for value in values if isinstance(value, nodes.Const)]
    return tuple(found)
