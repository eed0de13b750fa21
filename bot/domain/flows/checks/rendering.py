"""Fills in every text and condition of a flow with sample answers, to find failures before a person does.

An answer may be missing wherever some way leads there without it, and then `court_date and days_until(court_date) <= 7` is
false, but `days_until(court_date) <= 7` fails. So each is tried with answers of the type that its question reads, and
without those that may be missing at that step.
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

from bot.domain.flows.checks.certainty import CertainAnswers
from bot.domain.flows.language.expressions import analyse_template, template_problems
from bot.domain.flows.language.flow import RENDER_ERRORS, days_until
from bot.domain.flows.language.sandbox import ENVIRONMENT
from bot.domain.flows.language.script import AnswerKind, Ask, Script
from bot.domain.flows.language.texts import conditions, templates
from bot.domain.flows.language.translations import Translations
from bot.domain.flows.language.yaml_source import FlowProblem, Severity, YamlPath
from bot.domain.languages import SOURCE_LANGUAGE

TODAY = date(2026, 9, 24)
SAMPLES: dict[AnswerKind, tuple[object, ...]] = {
    AnswerKind.ZIP: ("63118",), AnswerKind.NUMBER: (3, 0), AnswerKind.DATE: ("2026-09-30", "2026-08-31"),
    AnswerKind.YES_NO: (True, False), AnswerKind.TEXT: ("a few words of the person", "x"),
    AnswerKind.PHONE: ("+13145551234",), AnswerKind.NAME: ("Alexandra", "J"), AnswerKind.LANGUAGE: (SOURCE_LANGUAGE,),
}  # fmt: skip
"""What each kind of question saves (bot/domain/conversation/answers.py)."""
_ALWAYS: dict[str, tuple[object, ...]] = {
    "channel": ("sms", "web"), "language": (SOURCE_LANGUAGE,), "line_name": ("Warmline",), "today": (TODAY.isoformat(),),
}  # fmt: skip
_SOMETIMES: dict[str, tuple[object, ...]] = {
    "offered": ("Oak House, Elm House",), "offered_count": (2,), "offered_list": ("1 Oak House\n2 Elm House",),
}  # fmt: skip
_MAX_COMBINATIONS = 60
"""Combinations of answers for one text; if there are more, one answer at a time is varied."""
_MISSING = object()
SampleAnswers = Mapping[str, object]
Samples = Mapping[str, tuple[object, ...]]


class MakeProblem(Protocol):
    def __call__(self, path: YamlPath, what: str, remedy: str, severity: Severity = ...) -> FlowProblem: ...


def sample_answers(questions: Mapping[str, Sequence[Ask]]) -> dict[str, tuple[object, ...]]:
    """Answer -> sample values, by the questions that ask for it; includes the names that Warmline fills in."""
    found = {
        name: tuple(dict.fromkeys(value for ask in asking for value in (ask.choices or SAMPLES[ask.answer])))
        for name, asking in questions.items()
    }
    return {**found, **_SOMETIMES, **_ALWAYS}


def rendering_problems(
    script: Script, translations: Mapping[str, Translations], questions: Mapping[str, Sequence[Ask]], problem: MakeProblem
) -> Iterator[FlowProblem]:
    """Texts and conditions that fail or stay empty. `questions` are the questions for each answer that may be known."""
    tries = _RenderChecker(script, sample_answers(questions), problem)
    for path, condition in conditions(script):
        yield from tries.condition(path, condition)
    for context, path, source in templates(script):
        yield from tries.text(context, path, source, SOURCE_LANGUAGE)
        for language, translation in translations.items():
            translated = translation.get((context, source))
            if translated:
                yield from tries.text(context, path, translated, language)


class _RenderChecker:
    def __init__(self, script: Script, samples: Samples, problem: MakeProblem) -> None:
        self.samples = samples
        self.problem = problem
        self.certainty = CertainAnswers(script)

    def condition(self, path: YamlPath, condition: str) -> Iterator[FlowProblem]:
        if template_problems(condition, is_condition=True):
            return
        step, at = str(path[1]), int(path[3])
        names = analyse_template(condition, is_condition=True).names
        certain = self.certainty.at_branch(step, at)
        for answers in self._combinations(names, certain):
            try:
                bool(_expression(condition)(self._template_names(answers, SOURCE_LANGUAGE)))
            except RENDER_ERRORS as error:
                what = f"The condition `{condition}` of `{step}` fails{_when(answers)}: {_explain_error(error)}."
                yield self.problem(path, what, _remedy(error, answers, names, self.samples, is_condition=True))
                return

    def text(self, context: str, path: YamlPath, text: str, language: str) -> Iterator[FlowProblem]:
        if "{" not in text or template_problems(text):
            return
        step = str(path[1])
        names = analyse_template(text).names
        # An empty `not_understood.say` is replaced by a system text.
        is_empty_told = not context.endswith((".ask", ".say", ".refer.need")) or context.endswith(".not_understood.say")
        for answers in self._combinations(names, self.certainty.at_step(step)):
            try:
                filled = render(text, self._template_names(answers, language))
            except RENDER_ERRORS as error:
                what = f"`{context}` in `{language}` can't be filled in{_when(answers)}: {_explain_error(error)}."
                yield self.problem(path, what, _remedy(error, answers, names, self.samples, is_condition=False))
                return
            if not filled and _missing(answers) and not is_empty_told:
                is_empty_told = True
                what = f"`{context}` in `{language}` is empty{_when(answers)}, and nothing is said."
                name = _missing(answers)[0]
                remedy = f"Give it other words then, like `{{{{ {name} or 'your area' }}}}`."
                yield self.problem(path, what, remedy, Severity.WARNING)

    def _combinations(self, names: Sequence[str], certain: frozenset[str]) -> Iterator[SampleAnswers]:
        """All combinations of sample answers if they are few enough; else one answer varied at a time, then all at their
        last value.

        Empty where a name is unknown: that is reported elsewhere.
        """
        if any(name not in self.samples for name in names):
            return
        values = [self._values(name, certain) for name in names]
        if prod(map(len, values)) <= _MAX_COMBINATIONS:
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
        # None: the person skipped the question. _MISSING: it was never asked.
        return (*self.samples[name], None, _MISSING)

    def _template_names(self, answers: SampleAnswers, language: str) -> dict[str, Any]:
        there = {name: value for name, value in answers.items() if value is not _MISSING}
        always = {name: values[0] for name, values in _ALWAYS.items() if name not in there}
        return {**always, **there, "language": language, "days_until": partial(days_until, TODAY)}


def _missing(answers: SampleAnswers) -> list[str]:
    return [name for name, value in answers.items() if value is None or value is _MISSING]


def _when(answers: SampleAnswers) -> str:
    missing = _missing(answers)
    if missing:
        return f" when {' and '.join(f'`{name}`' for name in missing)} {'is' if len(missing) == 1 else 'are'} missing"
    given = [f"`{name}` is {value!r}" for name, value in answers.items() if name not in _ALWAYS]
    return f" when {' and '.join(given)}" if given else ""


def _explain_error(error: BaseException) -> str:
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
    answers: SampleAnswers,
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


def render(text: str, names: Mapping[str, Any]) -> str:
    """A valid text with these answers filled in. May raise anything in RENDER_ERRORS.

    Nearly all texts have only plain answers (`{{ zip }}`, `{{ zip or 'your area' }}`). Filling these in directly costs a
    hundredth of compiling them, and there are thousands to check.
    """
    parts = analyse_template(text).parts
    if parts is None:
        return _template(text).render(names).strip()
    return "".join(part if isinstance(part, str) else _as_text(_value(part, names)) for part in parts).strip()


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


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


@lru_cache(maxsize=4_000)
def _template(text: str) -> Template:
    return ENVIRONMENT.from_string(text)


@lru_cache(maxsize=4_000)
def _expression(condition: str) -> TemplateExpression:
    return ENVIRONMENT.compile_expression(condition)
