"""Converts source texts: `@results.age` becomes `{{ age }}` if an answer is saved under that name.

Every other expression is written so that it is visible (`[contact.name]`) and never runs: no brace of the source text may
open one of our templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.flows.importing.drafting.draft import escape_template_marks

ROOT_NAMES = frozenset(
    {"contact", "results", "run", "fields", "urns", "child", "parent", "input", "webhook", "trigger", "globals", "node",
     "resume", "ticket", "locals", "legacy_extra", "flow", "step", "extra", "channel", "date", "new_contact", "org"}
)  # fmt: skip
"""What an expression may begin with; any other @word is plain text (an address, a social media handle)."""
_PATH = re.compile(r"@([A-Za-z_]\w*(?:\.\w+)*)((?:\|\w+(?::\"[^\"]*\")?)*)")
_CALL = re.compile(r"(upper|lower|title|proper)\(\s*([\w.]+)\s*\)", re.IGNORECASE)
_FILTERS = {"upper": "upper", "lower": "lower", "title": "title", "proper": "title"}
_MAX_MARK_LENGTH = 60
_VALUE_ENDS = frozenset({"value", "category", "category_localized", "input", "text"})
_CATEGORY_ENDS = frozenset({"category", "category_localized"})

NameLookup = Callable[["ExpressionPath"], str | None]


@dataclass(frozen=True, slots=True)
class ExpressionPath:
    """What an expression reads: `@child.results.age.category` is results, age, by its category."""

    family: str
    """`results`, `fields` or `contact`; for others their first word."""
    key: str
    is_category: bool = False


@dataclass(frozen=True, slots=True)
class ConvertedText:
    """A converted text, and the expressions that could not be filled in."""

    text: str
    lost: tuple[str, ...]
    filled: tuple[ExpressionPath, ...]


def read_path(dotted: str) -> ExpressionPath:
    """Parses `results.age.category`, `run.results.age`, `flow.age`, `child.age`, `contact.fields.age`, `contact`."""
    parts = dotted.strip().lstrip("@").lower().split(".")
    if parts[0] in ("run", "child", "parent") and len(parts) > 1:
        parts = parts[1:] if parts[1] in ("results", "contact", "fields") else ["results", *parts[1:]]
    if parts[0] == "flow":
        parts = ["results", *parts[1:]]
    if parts[0] == "contact" and len(parts) > 1 and parts[1] == "fields":
        parts = parts[1:]
    family = parts[0]
    key = parts[1] if len(parts) > 1 else "name" if family == "contact" else ""
    ends = parts[2:]
    if family == "results" and ends and not (len(ends) == 1 and ends[0] in _VALUE_ENDS):
        return ExpressionPath("other", dotted)
    return ExpressionPath(family, key, bool(ends) and ends[0] in _CATEGORY_ENDS)


def convert_text(text: str, find_name: NameLookup) -> ConvertedText:
    """Converts a source text. `find_name` returns the name under which an answer is saved, or None."""
    made: list[str] = []
    lost: list[str] = []
    paths: list[ExpressionPath] = []
    at = 0
    while at < len(text):
        sign = text.find("@", at)
        if sign < 0 or sign + 1 >= len(text):
            made.append(escape_template_marks(text[at:]))
            break
        made.append(escape_template_marks(text[at:sign]))
        inner, end = _expression(text, sign)
        if not inner:
            made.append("@")
        elif filled := _convert_reference(inner, find_name):
            made.append(filled[0])
            paths.append(filled[1])
        else:
            lost.append(_visible_mark(inner))
            made.append(f"[{_visible_mark(inner)}]")
        at = end
    return ConvertedText(_joined(made), tuple(dict.fromkeys(lost)), tuple(paths))


def _expression(text: str, sign: int) -> tuple[str, int]:
    """The expression that begins at this @ (empty if it is none), and where it ends."""
    following = text[sign + 1]
    if following == "@":
        return "", sign + 2
    if following == "(":
        end = _closing_offset(text, sign + 1)
        return (text[sign + 2 : end - 1].strip() or "()", end) if end else ("", sign + 1)
    found = _PATH.match(text, sign)
    if found is None or found[1].split(".")[0].lower() not in ROOT_NAMES:
        return "", sign + 1
    return found[1] + found[2], found.end()


def _closing_offset(text: str, opening: int) -> int:
    """The offset after the bracket that closes this one; 0 if none does."""
    depth, is_quoted = 0, False
    for at in range(opening, len(text)):
        sign = text[at]
        if sign == '"':
            is_quoted = not is_quoted
        elif not is_quoted and sign in "()":
            depth += 1 if sign == "(" else -1
            if depth == 0:
                return at + 1
    return 0


def _convert_reference(inner: str, find_name: NameLookup) -> tuple[str, ExpressionPath] | None:
    call = _CALL.fullmatch(inner)
    dotted = call[2] if call else inner
    piped = re.fullmatch(r"([\w.]+)((?:\|\w+)*)", dotted)
    if piped is None:
        return None
    path = read_path(piped[1])
    name = find_name(path)
    if name is None:
        return None
    wanted = [call[1].lower()] if call else [word.removesuffix("_case") for word in piped[2].split("|") if word]
    filters = "".join(f"|{_FILTERS[word]}" for word in wanted if word in _FILTERS)
    return f"{{{{ {name}{filters} }}}}", path


def _visible_mark(inner: str) -> str:
    short = " ".join(inner.split())
    short = short if len(short) <= _MAX_MARK_LENGTH else short[: _MAX_MARK_LENGTH - 3].rstrip() + "..."
    return re.sub(r"[{}\[\]]", "", short)


def _joined(parts: list[str]) -> str:
    """Joins the parts; where a source brace would touch one of ours, inserts a space."""
    made = ""
    for part in parts:
        meets = made.endswith("{") and part[:1] in ("{", "%", "#")
        made += f" {part}" if meets else part
    return made
