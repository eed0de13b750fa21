"""The answers that a flow may know about a person before it begins: which there are, and how they are read from a form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from bot.domain.flows.checks.checks import saved_answers
from bot.domain.flows.language.expressions import names_in
from bot.domain.flows.language.script import AnswerKind, Ask, Script
from bot.domain.flows.language.texts import conditions, templates
from bot.domain.refused import Refused

MAX_LENGTH = 1600
MAX_NUMBER = 1_000_000_000
_YES_NO = {"yes": True, "no": False}
_NUMBERS = frozenset({"offered_count", "which_one"})
"""Answers that check-ins receive as numbers (send_check_ins.py)."""
_FROM_CONVERSATION = frozenset({"channel"})
"""Answers that come from the conversation itself."""


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """One answer: name, how it is read, (value, label) pairs for a choice, and whether this flow asks for it."""

    name: str
    kind: AnswerKind
    options: tuple[tuple[str, str], ...] = ()
    is_asked: bool = True


def known_answers(flow: str, scripts: Mapping[str, Script]) -> tuple[KnownAnswer, ...]:
    """The answers that the flow asks for, then those it uses from other flows."""
    asked = saved_answers(scripts[flow])
    elsewhere = {name: ask for script in scripts.values() for name, ask in saved_answers(script).items()}
    own = [_known_answer(name, ask, True) for name, ask in asked.items()]
    used = sorted(set(_used_answers(scripts[flow])) - set(asked) - _FROM_CONVERSATION)
    return (*own, *(_known_answer(name, elsewhere.get(name), False) for name in used))


def _used_answers(script: Script) -> Iterator[str]:
    for _, condition in conditions(script):
        yield from names_in(condition, is_condition=True)
    for _, _, source in templates(script):
        yield from names_in(source)


def _known_answer(name: str, ask: Ask | None, is_asked: bool) -> KnownAnswer:
    if ask is None:
        return KnownAnswer(name, AnswerKind.NUMBER if name in _NUMBERS else AnswerKind.TEXT, (), is_asked)
    if ask.choices:
        options = tuple((key, choice.label) for key, choice in ask.choices.items())
        return KnownAnswer(name, AnswerKind.TEXT, options, is_asked)
    if ask.answer is AnswerKind.YES_NO:
        return KnownAnswer(name, ask.answer, (("yes", "Yes"), ("no", "No")), is_asked)
    return KnownAnswer(name, ask.answer, (), is_asked)


def parse_answer(answer: KnownAnswer, raw: str) -> str | int | bool:
    """Parses the submitted value of an answer. Raises Refused with the remedy."""
    text = raw.strip()
    if len(text) > MAX_LENGTH:
        raise Refused(f"{answer.name}: write at most {MAX_LENGTH} characters.")
    if answer.options:
        if text not in dict(answer.options):
            raise Refused(f"{answer.name}: choose one of the answers that are there.")
        return _YES_NO[text] if answer.kind is AnswerKind.YES_NO else text
    if answer.kind is AnswerKind.NUMBER:
        if not text.isascii() or not text.isdecimal() or int(text[:12]) > MAX_NUMBER:
            raise Refused(f"{answer.name}: write a whole number, such as 3.")
        return int(text)
    if answer.kind is AnswerKind.DATE:
        return _parse_day(answer.name, text)
    return text


def _parse_day(name: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Refused(f"{name}: write the day like 2026-12-03.") from None


def field_text(value: object) -> str:
    """The value as its form field shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
