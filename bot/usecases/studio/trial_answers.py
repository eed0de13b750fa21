"""The answers that a flow may know of a person before it begins: which there are, and how one is typed in a form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from bot.domain.flow_checks import saved
from bot.domain.flow_expressions import names_in
from bot.domain.flow_texts import conditions, texts
from bot.domain.script import AnswerKind, Ask, Script
from bot.usecases.studio.edit_draft import Unfit

MOST = 1600
LARGEST = 1_000_000_000
_YES_NO = {"yes": True, "no": False}
_NUMBERS = frozenset({"offered_count", "which_one"})
"""What check-ins are handed as numbers (send_check_ins.py)."""
_GIVEN = frozenset({"channel"})
"""What the conversation itself tells."""


@dataclass(frozen=True, slots=True)
class Known:
    """One answer: its name, how it is read, the (value, label) pairs where it is one of some, and whether this flow asks."""

    name: str
    kind: AnswerKind
    options: tuple[tuple[str, str], ...] = ()
    is_asked: bool = True


def known(flow: str, scripts: Mapping[str, Script]) -> tuple[Known, ...]:
    """What the flow asks itself, then what it uses of what others have asked."""
    asked = saved(scripts[flow])
    elsewhere = {name: ask for script in scripts.values() for name, ask in saved(script).items()}
    own = [_known(name, ask, True) for name, ask in asked.items()]
    used = sorted(set(_used(scripts[flow])) - set(asked) - _GIVEN)
    return (*own, *(_known(name, elsewhere.get(name), False) for name in used))


def _used(script: Script) -> Iterator[str]:
    for _, condition in conditions(script):
        yield from names_in(condition, is_condition=True)
    for _, _, source in texts(script):
        yield from names_in(source)


def _known(name: str, ask: Ask | None, is_asked: bool) -> Known:
    if ask is None:
        return Known(name, AnswerKind.NUMBER if name in _NUMBERS else AnswerKind.TEXT, (), is_asked)
    if ask.choices:
        options = tuple((key, choice.label) for key, choice in ask.choices.items())
        return Known(name, AnswerKind.TEXT, options, is_asked)
    if ask.answer is AnswerKind.YES_NO:
        return Known(name, ask.answer, (("yes", "Yes"), ("no", "No")), is_asked)
    return Known(name, ask.answer, (), is_asked)


def read_typed(one: Known, typed: str) -> str | int | bool:
    """The value that is typed for an answer. Raises Unfit with the remedy."""
    text = typed.strip()
    if len(text) > MOST:
        raise Unfit(f"{one.name}: write at most {MOST} characters.")
    if one.options:
        if text not in dict(one.options):
            raise Unfit(f"{one.name}: choose one of the answers that are there.")
        return _YES_NO[text] if one.kind is AnswerKind.YES_NO else text
    if one.kind is AnswerKind.NUMBER:
        if not text.isascii() or not text.isdecimal() or int(text[:12]) > LARGEST:
            raise Unfit(f"{one.name}: write a whole number, such as 3.")
        return int(text)
    if one.kind is AnswerKind.DATE:
        return _day(one.name, text)
    return text


def _day(name: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Unfit(f"{name}: write the day like 2026-12-03.") from None


def typed_of(value: object) -> str:
    """A value as its field shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
