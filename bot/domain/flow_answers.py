"""The answers that flows keep: which questions ask for them, what kind of value they are, and where they are used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from bot.domain.flow_expressions import names_in, template_problems, tree_of
from bot.domain.flow_texts import conditions, texts
from bot.domain.script import AnswerKind, Ask, Script


def saved(script: Script) -> dict[str, Ask]:
    """The names under which a flow keeps answers, each with a step that asks for it."""
    return {name: asking[-1] for name, asking in questions([script]).items()}


def questions(scripts: Iterable[Script]) -> dict[str, list[Ask]]:
    """The names under which these flows keep answers, each with all steps that ask for it."""
    found: dict[str, list[Ask]] = {}
    for script in scripts:
        for name, step in script.steps.items():
            if isinstance(step, Ask) and (step.save or step.choices):
                found.setdefault(step.save or name, []).append(step)
    return found


def kinds_of(asked: dict[str, list[Ask]]) -> dict[str, type]:
    """Whether an answer is kept as a number (int), as true or false (bool) or as words (str), where that is always so."""
    found = {}
    for name, asking in asked.items():
        kinds = {_kind(ask) for ask in asking}
        if len(kinds) == 1:
            found[name] = kinds.pop()
    return found


def _kind(ask: Ask) -> type:
    if ask.choices:
        return str
    return {AnswerKind.NUMBER: int, AnswerKind.YES_NO: bool}.get(ask.answer, str)


def options_of(scripts: Iterable[Script]) -> dict[str, set[str]]:
    """For answers that are always one of some choices: which."""
    found = questions(scripts)
    return {
        name: {choice for ask in asking for choice in ask.choices}
        for name, asking in found.items()
        if all(ask.choices for ask in asking)
    }


def used(script: Script) -> Iterator[str]:
    """The answers that a flow's conditions and texts name."""
    for _, condition in conditions(script):
        if not template_problems(condition, is_condition=True):
            yield from names_in(condition, is_condition=True)
    for _, _, source in texts(script):
        if "{" in source and not template_problems(source):
            yield from names_in(source)


@lru_cache(maxsize=10_000)
def compared(condition: str) -> tuple[tuple[str, Any], ...]:
    """The answers that a readable condition compares with values: `need == 'rent'`, `need in ['rent', 'food']`."""
    found = []
    for compare in tree_of(condition, is_condition=True).find_all(nodes.Compare):
        for operand in compare.ops:
            is_list = isinstance(operand.expr, (nodes.List, nodes.Tuple))
            if isinstance(compare.expr, nodes.Name) and operand.op in ({"in", "notin"} if is_list else {"eq", "ne"}):
                values = operand.expr.items if isinstance(operand.expr, (nodes.List, nodes.Tuple)) else [operand.expr]
                found += [(compare.expr.name, value.value) for value in values if isinstance(value, nodes.Const)]
    return tuple(found)
