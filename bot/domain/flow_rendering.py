"""Every text and condition of a flow, filled in as people will meet it: before one of them does.

An answer may be missing wherever some way leads there without it, and then `court_date and days_until(court_date) <= 7` is
false and `days_until(court_date) <= 7` fails. So each is tried with answers of the kind that its question reads, and without
those that may be missing at that step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache, partial
from itertools import product
from math import prod
from typing import Any, Protocol

from jinja2 import Template, nodes
from jinja2.environment import TemplateExpression

from bot.domain.flow import RUN_TIME, SOURCE, days_until
from bot.domain.flow_certainty import Certainty
from bot.domain.flow_expressions import read, template_problems
from bot.domain.flow_sandbox import ENVIRONMENT
from bot.domain.flow_texts import conditions, texts
from bot.domain.flow_translations import Translation
from bot.domain.flow_yaml import Path, Problem, Severity
from bot.domain.script import AnswerKind, Ask, Script

TODAY = date(2026, 9, 24)
SAMPLES: dict[AnswerKind, tuple[object, ...]] = {
    AnswerKind.ZIP: ("63118",), AnswerKind.NUMBER: (3, 0), AnswerKind.DATE: ("2026-09-30", "2026-08-31"),
    AnswerKind.YES_NO: (True, False), AnswerKind.TEXT: ("a few words of the person", "x"),
    AnswerKind.PHONE: ("+13145551234",), AnswerKind.NAME: ("Alexandra", "J"), AnswerKind.LANGUAGE: ("en",),
}  # fmt: skip
"""What each kind of question keeps (bot/domain/answers.py)."""
_ALWAYS: dict[str, tuple[object, ...]] = {
    "channel": ("sms", "web"), "language": (SOURCE,), "line_name": ("Warmline",), "today": (TODAY.isoformat(),),
}  # fmt: skip
_SOMETIMES: dict[str, tuple[object, ...]] = {
    "offered": ("Oak House, Elm House",), "offered_count": (2,), "offered_list": ("1 Oak House\n2 Elm House",),
}  # fmt: skip
_MOST_TRIED = 60
"""Ways of filling in one text; with more answers than that gives, one answer at a time is changed."""
_MISSING = object()
Filled = Mapping[str, object]
Samples = Mapping[str, tuple[object, ...]]


class MakeProblem(Protocol):
    def __call__(self, path: Path, what: str, remedy: str, severity: Severity = ...) -> Problem: ...


def samples_of(asks: Mapping[str, Sequence[Ask]]) -> dict[str, tuple[object, ...]]:
    """Answer -> what may be kept under its name, by the questions that ask for it; with what is filled in by the line."""
    found = {
        name: tuple(dict.fromkeys(value for ask in asking for value in (ask.choices or SAMPLES[ask.answer])))
        for name, asking in asks.items()
    }
    return {**found, **_SOMETIMES, **_ALWAYS}


def rendering_problems(
    script: Script, translations: Mapping[str, Translation], asks: Mapping[str, Sequence[Ask]], problem: MakeProblem
) -> Iterator[Problem]:
    """What fails, or says nothing, when it is filled in. `asks` are the questions for each answer that may be known."""
    tries = _Tries(script, samples_of(asks), problem)
    for path, condition in conditions(script):
        yield from tries.condition(path, condition)
    for context, path, source in texts(script):
        yield from tries.text(context, path, source, SOURCE)
        for language, translation in translations.items():
            told = translation.get((context, source))
            if told:
                yield from tries.text(context, path, told, language)


class _Tries:
    def __init__(self, script: Script, samples: Samples, problem: MakeProblem) -> None:
        self.samples = samples
        self.problem = problem
        self.certainty = Certainty(script)

    def condition(self, path: Path, condition: str) -> Iterator[Problem]:
        if template_problems(condition, is_condition=True):
            return
        step, at = str(path[1]), int(path[3])
        names = read(condition, is_condition=True).names
        certain = self.certainty.at_branch(step, at)
        for answers in self._ways(names, certain):
            try:
                bool(_expression(condition)(self._given(answers, SOURCE)))
            except RUN_TIME as error:
                what = f"The condition `{condition}` of `{step}` fails{_when(answers)}: {_why(error)}."
                yield self.problem(path, what, _remedy(error, answers, names, self.samples, is_condition=True))
                return

    def text(self, context: str, path: Path, text: str, language: str) -> Iterator[Problem]:
        if "{" not in text or template_problems(text):
            return
        step = str(path[1])
        names = read(text).names
        # Where a question has no words of its own for what was not understood, the standing ones are said.
        is_empty_told = not context.endswith((".ask", ".say", ".refer.need")) or context.endswith(".not_understood.say")
        for answers in self._ways(names, self.certainty.at(step)):
            try:
                filled = fill(text, self._given(answers, language))
            except RUN_TIME as error:
                what = f"`{context}` in `{language}` can't be filled in{_when(answers)}: {_why(error)}."
                yield self.problem(path, what, _remedy(error, answers, names, self.samples, is_condition=False))
                return
            if not filled and _missing(answers) and not is_empty_told:
                is_empty_told = True
                what = f"`{context}` in `{language}` is empty{_when(answers)}, and nothing is said."
                name = _missing(answers)[0]
                remedy = f"Give it other words then, like `{{{{ {name} or 'your area' }}}}`."
                yield self.problem(path, what, remedy, Severity.WARNING)

    def _ways(self, names: Sequence[str], certain: frozenset[str]) -> Iterator[Filled]:
        """The answers as they may be, together where that is few enough, else one by one and then all at their last.

        Nothing where a name is not known at all: that is complained about by itself.
        """
        if any(name not in self.samples for name in names):
            return
        values = [self._values(name, certain) for name in names]
        if prod(map(len, values)) <= _MOST_TRIED:
            yield from (dict(zip(names, each, strict=True)) for each in product(*values))
            return
        usual = {name: each[0] for name, each in zip(names, values, strict=True)}
        yield usual
        for name, each in zip(names, values, strict=True):
            yield from ({**usual, name: value} for value in each[1:])
        yield {name: each[-1] for name, each in zip(names, values, strict=True)}

    def _values(self, name: str, certain: frozenset[str]) -> tuple[object, ...]:
        if name in certain or name in _ALWAYS:
            return self.samples[name]
        # Asked and left out, and never asked: the first is None, the second is not there at all.
        return (*self.samples[name], None, _MISSING)

    def _given(self, answers: Filled, language: str) -> dict[str, Any]:
        there = {name: value for name, value in answers.items() if value is not _MISSING}
        always = {name: values[0] for name, values in _ALWAYS.items() if name not in there}
        return {**always, **there, "language": language, "days_until": partial(days_until, TODAY)}


def _missing(answers: Filled) -> list[str]:
    return [name for name, value in answers.items() if value is None or value is _MISSING]


def _when(answers: Filled) -> str:
    missing = _missing(answers)
    if missing:
        return f" when {' and '.join(f'`{name}`' for name in missing)} {'is' if len(missing) == 1 else 'are'} missing"
    told = [f"`{name}` is {value!r}" for name, value in answers.items() if name not in _ALWAYS]
    return f" when {' and '.join(told)}" if told else ""


def _why(error: BaseException) -> str:
    match error:
        case ZeroDivisionError():
            return "nothing can be divided by 0"
        case TypeError() if "supported between" in str(error) or "operand" in str(error):
            return "what is compared or counted is not both numbers"
        case ValueError() if "isoformat" in str(error):
            return "this is not a date"
        case RecursionError() | SyntaxError() | MemoryError():
            return "it is nested too deeply"
    return str(getattr(error, "message", "") or error).rstrip(".") or type(error).__name__


def _remedy(
    error: BaseException,
    answers: Filled,
    names: Sequence[str],
    samples: Samples,
    *,
    is_condition: bool,
) -> str:
    missing = _missing(answers)
    if missing and is_condition:
        return f"Put `{' and '.join(missing)} and` before it."
    if missing:
        return f"Say it only `{{% if {missing[0]} %}}`, or write `{{{{ {missing[0]} or 'other words' }}}}`."
    if isinstance(error, ValueError) and "isoformat" in str(error):
        return "Ask for it with `answer: date`, or leave out `|day` or `days_until`."
    if isinstance(error, ZeroDivisionError):
        return "Do not divide by an answer."
    words = [name for name in names if any(isinstance(value, str) for value in samples.get(name, ()))]
    if isinstance(error, TypeError) and words:
        return f"`{words[0]}` is kept as words. Ask for it with `answer: number`, or compare it with words in quotes."
    return "Write it more simply."


# Filling in.


def fill(text: str, names: Mapping[str, Any]) -> str:
    """A readable text with these answers filled in. Raises what RUN_TIME names.

    Nearly all texts hold answers alone or with other words in their place; to fill these in by hand costs a hundredth of
    compiling them, and there are thousands to check.
    """
    parts = read(text).parts
    if parts is None:
        return _template(text).render(names).strip()
    return "".join(part if isinstance(part, str) else _shown(_value(part, names)) for part in parts).strip()


def _value(node: nodes.Expr, names: Mapping[str, Any]) -> Any:
    match node:
        case nodes.Name(name=name):
            return names.get(name)
        case nodes.Const(value=value):
            return value
        case nodes.Or(left=left, right=right):
            return _value(left, names) or _value(right, names)
        case nodes.And(left=left, right=right):
            return _value(left, names) and _value(right, names)
    raise TypeError(type(node).__name__)


def _shown(value: object) -> str:
    return "" if value is None else str(value)


@lru_cache(maxsize=4_000)
def _template(text: str) -> Template:
    return ENVIRONMENT.from_string(text)


@lru_cache(maxsize=4_000)
def _expression(condition: str) -> TemplateExpression:
    return ENVIRONMENT.compile_expression(condition)
