"""Which answers certainly exist when a person reaches a step, whichever way they came.

An answer is certain after its question, and after a condition that holds only if it exists: after `when: zip` the ZIP is
known. Answers to other flows' questions are never certain, because a flow may be entered from several places.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import lru_cache

from jinja2 import TemplateError, nodes

from bot.domain.flows.language.expressions import parse_template
from bot.domain.flows.language.script import AnswerKind, Ask, Branch, Refer, Script, Step

_NONE: frozenset[str] = frozenset()


class CertainAnswers:
    """Computed once for a script; answers are given by name."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._at: dict[str, frozenset[str]] = {script.start: _NONE}
        waiting = deque([script.start])
        queued = {script.start}
        while waiting:
            here = waiting.popleft()
            queued.discard(here)
            for there, known in self._leaving(here):
                before = self._at.get(there)
                after = known if before is None else before & known
                if after != before:
                    self._at[there] = after
                    if there not in queued:
                        queued.add(there)
                        waiting.append(there)

    def at_step(self, step: str) -> frozenset[str]:
        """The answers that are certain when this step is reached; none for an unreachable step."""
        return self._at.get(step, _NONE)

    def at_branch(self, step: str, number: int) -> frozenset[str]:
        """The answers that are certain when branch `number` (from 0) of the step's `next` is evaluated."""
        known = _known_after_answer(step, self._script.steps[step], self.at_step(step))
        for branch in self._script.steps[step].next[:number]:
            known |= _known_by_branch(branch, holds=False)
        return known

    def _leaving(self, name: str) -> Iterator[tuple[str, frozenset[str]]]:
        step, known = self._script.steps[name], self._at[name]
        answered = _known_after_answer(name, step, known)
        if isinstance(step, Ask):
            yield from ((choice.go, answered) for choice in step.choices.values() if choice.go)
            if step.not_understood.go:
                yield step.not_understood.go, known
            if step.wait:
                yield step.wait.go, known
        if isinstance(step, Refer):
            yield step.none, known
        for branch in step.next:
            yield branch.go, answered | _known_by_branch(branch, holds=True)
            answered |= _known_by_branch(branch, holds=False)


def _known_after_answer(name: str, step: Step, known: frozenset[str]) -> frozenset[str]:
    """What is certain once the step's question is answered."""
    if not isinstance(step, Ask) or not (step.save or step.choices):
        return known
    saved = step.save or name
    # A date may always be answered with NO, which is saved as None.
    may_be_nothing = not step.choices and (step.optional or step.answer is AnswerKind.DATE)
    return known - {saved} if may_be_nothing else known | {saved}


def _known_by_branch(branch: Branch, *, holds: bool) -> frozenset[str]:
    """The answers that must exist if the branch's condition holds, or if it does not."""
    return _NONE if branch.when is None else _known_by_condition(branch.when, holds)


@lru_cache(maxsize=10_000)
def _known_by_condition(condition: str, holds: bool) -> frozenset[str]:
    try:
        output = parse_template(condition, is_condition=True).body[0]
    except (TemplateError, RecursionError):
        return _NONE
    return _implied(output.nodes[0], holds) if isinstance(output, nodes.Output) else _NONE


def _implied(node: nodes.Node, holds: bool) -> frozenset[str]:
    match node:
        case nodes.Name(name=name):
            return frozenset({name}) if holds else _NONE
        case nodes.Not(node=inner):
            return _implied(inner, not holds)
        case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
            both = isinstance(node, nodes.And) is holds
            one, other = _implied(left, holds), _implied(right, holds)
            return one | other if both else one & other
        case nodes.Compare(expr=expr, ops=[only]):
            return _known_by_comparison(expr, only, holds)
    return _NONE


def _known_by_comparison(left: nodes.Expr, operand: nodes.Operand, holds: bool) -> frozenset[str]:
    """`need == 'rent'` if it holds; `people > 3` whenever it could be evaluated at all."""
    if operand.op in {"gt", "gteq", "lt", "lteq"}:
        return _named(left) | _named(operand.expr)
    if operand.op in ({"eq", "in"} if holds else {"ne", "notin"}):
        values = operand.expr.items if isinstance(operand.expr, (nodes.List, nodes.Tuple)) else [operand.expr]
        if all(isinstance(value, nodes.Const) and value.value is not None for value in values):
            return _named(left)
    return _NONE


def _named(node: nodes.Node) -> frozenset[str]:
    match node:
        case nodes.Name(name=name):
            return frozenset({name})
        case nodes.Call(args=[nodes.Name(name=name)]):
            return frozenset({name})
    return _NONE
