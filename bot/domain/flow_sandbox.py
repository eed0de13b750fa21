"""The sandbox in which the texts and conditions of all flows run.

Jinja's own sandbox keeps a text from reaching into Python. It does not keep `{{ 'a' * 10**9 }}` from filling the memory of
a worker that has other people's conversations in it. So every operator and every filter is bounded here at run time,
whatever the checks said when the flow was published: a published row may be older than the checks.
"""

from __future__ import annotations

import functools
import operator as op
import re
from collections.abc import Callable
from datetime import date
from itertools import islice
from typing import Any

from babel import UnknownLocaleError
from babel.dates import format_date
from jinja2 import Undefined, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import do_int
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

LARGEST = 10_000
"""Characters or members that any part of a text may grow to while it is filled in; a text that is sent has 1,600."""
_MOST_BITS = 20_000
_HIGHEST_POWER = 64
_WIDTH = re.compile(r"%.*?(?:\d{4}|\*)", re.DOTALL)
"""A width that would pad a text with millions of spaces, in the old way of writing formats."""


class TooLarge(SecurityError):
    """A part of a text would grow beyond LARGEST."""


def _bounded(value: Any) -> Any:
    """The value itself, or TooLarge. What is made piece by piece is made up to the bound and no further."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise TooLarge("a number grows too large")
    if not isinstance(value, (str, bytes, list, tuple, dict, set)) and hasattr(value, "__next__"):
        value = list(islice(value, LARGEST + 1))
    if isinstance(value, (str, bytes, list, tuple, dict, set)) and len(value) > LARGEST:
        raise TooLarge("a text or list grows too long")
    return value


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple)) else 1


def _multiply(left: Any, right: Any) -> Any:
    for many, times in ((left, right), (right, left)):
        if isinstance(many, (str, list, tuple)) and isinstance(times, int) and len(many) * times > LARGEST:
            raise TooLarge("a text or list grows too long")
    return left * right


def _power(left: Any, right: Any) -> Any:
    if not (isinstance(right, (int, float)) and abs(right) <= _HIGHEST_POWER):
        raise TooLarge("a number grows too large")
    return left**right


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str) and _WIDTH.search(left):
        raise TooLarge("a text grows too long")
    return left % right


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": op.add, "-": op.sub, "/": op.truediv, "//": op.floordiv,
    "*": _multiply, "**": _power, "%": _remainder,
}  # fmt: skip


def _grown(name: str, value: Any, *given: Any) -> int:
    """About how long the outcome of a filter can get that writes a part of its text again and again."""
    text = str(value)
    first, second = (str(given[0]) if given else ""), (str(given[1]) if len(given) > 1 else "")
    match name:
        case "join":
            return _size(value) * len(first)
        case "replace":
            return text.count(first) * len(second)
        case "wordwrap":
            return len(text) * max((len(each) for each in given if isinstance(each, str)), default=1)
        case "indent":
            return text.count("\n") * (len(first) if given and isinstance(given[0], str) else 1)
        case "format":
            return LARGEST + 1 if _WIDTH.search(text) else 0
    return 0


_WIDE = frozenset(["batch", "center", "indent", "round", "slice", "tojson", "wordwrap"])
"""Filters that take a width, by which a letter becomes a gigabyte."""
_GONE = frozenset(["map"])
"""It can make as long a text of each letter of a long text. No flow was ever published with it."""


def _guarded(name: str, filtering: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, with what goes in and what comes out bounded."""
    handed = 1 if hasattr(filtering, "jinja_pass_arg") else 0

    @functools.wraps(filtering)
    def bounded(*given: Any, **named: Any) -> Any:
        value, *more = given[handed:]
        more += named.values()
        if name in _WIDE and any(isinstance(each, (int, float)) and abs(each) > LARGEST for each in more):
            raise TooLarge("a width is too large")
        if _grown(name, _bounded(value), *more) > LARGEST:
            raise TooLarge("a text grows too long")
        return _bounded(filtering(*given, **named))

    return bounded


@pass_context
def _day(context: Context, value: object) -> str:
    """`Thursday, December 3`, in the language of the conversation."""
    if not isinstance(value, str) or not value:
        return ""
    day = date.fromisoformat(value)
    language = str(context.get("language") or "en")
    style = {"en": "EEEE, MMMM d", "es": "EEEE d 'de' MMMM"}
    try:
        return format_date(day, style.get(language, "long"), locale=language)
    except (UnknownLocaleError, ValueError):
        # A language that nobody has written down days for; a date in English is more than none.
        return format_date(day, style["en"], locale="en")


def _whole(value: Any, default: int = 0, base: int = 10) -> int:
    """Jinja's `int`, which fails where somebody wrote "inf" and it was made a number first."""
    try:
        return do_int(value, default, base)
    except OverflowError:
        return default


class _Sandbox(SandboxedEnvironment):
    intercepted_binops = frozenset(_OPERATORS)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return _bounded(_OPERATORS[operator](left, right))


def _shown(value: Any) -> Any:
    """An answer that is nothing is written as nothing, never as the word None."""
    return "" if value is None else value


def _environment() -> SandboxedEnvironment:
    # Not optimized: the optimizer would work out `'a' * 10**9` while a text is only being read.
    environment = _Sandbox(autoescape=False, undefined=Undefined, cache_size=0, optimized=False, finalize=_shown)
    environment.filters["int"] = _whole
    environment.filters = {
        name: _guarded(name, filtering) for name, filtering in environment.filters.items() if name not in _GONE
    }
    environment.filters["day"] = _day
    environment.globals.clear()
    return environment


ENVIRONMENT = _environment()
"""One sandbox for all flows: no attribute of Python, no import, no loop, no endless text can be reached from a text."""
