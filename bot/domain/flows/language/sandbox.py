"""The sandbox in which the texts and conditions of all flows run.

Jinja's own sandbox keeps a text from accessing Python. It does not keep `{{ 'a' * 10**9 }}` from filling the memory of a
worker process that serves other people too. So every operator and filter is bounded here at run time, whatever the checks
said at publication: a published version may be older than the checks.
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

MAX_SIZE = 10_000
"""Most characters or items of any value while a text is filled in; a text that is sent has 1,600 characters."""
_MAX_BITS = 20_000
_MAX_POWER = 64
_WIDTH = re.compile(r"%.*?(?:\d{4}|\*)", re.DOTALL)
"""A printf-style width that would pad a text with millions of spaces."""


class TooLarge(SecurityError):
    """A value would grow beyond MAX_SIZE."""


def _bounded(value: Any) -> Any:
    """The value itself; raises TooLarge. Iterators are read up to the limit and become lists."""
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise TooLarge("a number grows too large")
    if not isinstance(value, (str, bytes, list, tuple, dict, set)) and hasattr(value, "__next__"):
        value = list(islice(value, MAX_SIZE + 1))
    if isinstance(value, (str, bytes, list, tuple, dict, set)) and len(value) > MAX_SIZE:
        raise TooLarge("a text or list grows too long")
    return value


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple)) else 1


def _multiply(left: Any, right: Any) -> Any:
    for many, times in ((left, right), (right, left)):
        if isinstance(many, (str, list, tuple)) and isinstance(times, int) and len(many) * times > MAX_SIZE:
            raise TooLarge("a text or list grows too long")
    return left * right


def _power(left: Any, right: Any) -> Any:
    if not (isinstance(right, (int, float)) and abs(right) <= _MAX_POWER):
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


def _max_growth(name: str, value: Any, *given: Any) -> int:
    """About how long the result of a filter that repeats part of its text can get."""
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
            return MAX_SIZE + 1 if _WIDTH.search(text) else 0
    return 0


_FILTERS_WITH_WIDTH = frozenset(["batch", "center", "indent", "round", "slice", "tojson", "wordwrap"])
"""Filters with a width argument, which can turn one letter into a gigabyte."""
_REMOVED_FILTERS = frozenset(["map"])
"""`map` can turn each letter of a long text into a long text. No flow was ever published with it."""


def _bounded_filter(name: str, filtering: Callable[..., Any]) -> Callable[..., Any]:
    """The filter with its input and output bounded."""
    handed = 1 if hasattr(filtering, "jinja_pass_arg") else 0

    @functools.wraps(filtering)
    def bounded(*given: Any, **named: Any) -> Any:
        value, *more = given[handed:]
        more += named.values()
        if name in _FILTERS_WITH_WIDTH and any(isinstance(each, (int, float)) and abs(each) > MAX_SIZE for each in more):
            raise TooLarge("a width is too large")
        if _max_growth(name, _bounded(value), *more) > MAX_SIZE:
            raise TooLarge("a text grows too long")
        return _bounded(filtering(*given, **named))

    return bounded


@pass_context
def _day_filter(context: Context, value: object) -> str:
    """`Thursday, December 3`, in the language of the conversation."""
    if not isinstance(value, str) or not value:
        return ""
    day = date.fromisoformat(value)
    language = str(context.get("language") or "en")
    style = {"en": "EEEE, MMMM d", "es": "EEEE d 'de' MMMM"}
    try:
        return format_date(day, style.get(language, "long"), locale=language)
    except (UnknownLocaleError, ValueError):
        # Babel does not know the language; an English date is better than none.
        return format_date(day, style["en"], locale="en")


def _int_filter(value: Any, default: int = 0, base: int = 10) -> int:
    """Jinja's `int`, which raises OverflowError for the float infinity (a person wrote "inf")."""
    try:
        return do_int(value, default, base)
    except OverflowError:
        return default


class _Sandbox(SandboxedEnvironment):
    intercepted_binops = frozenset(_OPERATORS)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return _bounded(_OPERATORS[operator](left, right))


def _none_as_empty(value: Any) -> Any:
    """An empty answer is written as an empty text, never as the word None."""
    return "" if value is None else value


def _environment() -> SandboxedEnvironment:
    # Not optimized: the optimizer would compute `'a' * 10**9` while a text is only parsed.
    environment = _Sandbox(autoescape=False, undefined=Undefined, cache_size=0, optimized=False, finalize=_none_as_empty)
    environment.filters["int"] = _int_filter
    environment.filters = {
        name: _bounded_filter(name, filtering)
        for name, filtering in environment.filters.items()
        if name not in _REMOVED_FILTERS
    }
    environment.filters["day"] = _day_filter
    environment.globals.clear()
    return environment


ENVIRONMENT = _environment()
"""One sandbox for all flows: a text has no access to Python attributes, imports, loops or endless texts."""
