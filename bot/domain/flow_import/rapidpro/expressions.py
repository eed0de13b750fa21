"""Texts of theirs as texts of ours: `@results.age` becomes `{{ age }}` where an answer is kept under that name.

Everything else of theirs is written so that it shows (`[contact.name]`) and never runs: no brace of their text may open a
template of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.flow_import.drafting import plain

TOPS = frozenset(
    {"contact", "results", "run", "fields", "urns", "child", "parent", "input", "webhook", "trigger", "globals", "node",
     "resume", "ticket", "locals", "legacy_extra", "flow", "step", "extra", "channel", "date", "new_contact", "org"}
)  # fmt: skip
"""What an expression of theirs may begin with; any other @word is a word (an address, a name on a network)."""
_PATH = re.compile(r"@([A-Za-z_]\w*(?:\.\w+)*)((?:\|\w+(?::\"[^\"]*\")?)*)")
_CALL = re.compile(r"(upper|lower|title|proper)\(\s*([\w.]+)\s*\)", re.IGNORECASE)
_FILTERS = {"upper": "upper", "lower": "lower", "title": "title", "proper": "title"}
_LONGEST_MARK = 60
_VALUE_ENDS = frozenset({"value", "category", "category_localized", "input", "text"})
_CATEGORY_ENDS = frozenset({"category", "category_localized"})

Known = Callable[["Path"], str | None]


@dataclass(frozen=True, slots=True)
class Path:
    """What an expression looks up: `@child.results.age.category` is results, age, by its category."""

    family: str
    """`results`, `fields` or `contact`; for others their first word."""
    key: str
    is_category: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A text of ours, and what of theirs could not be filled in."""

    text: str
    lost: tuple[str, ...]
    filled: tuple[Path, ...]


def read_path(dotted: str) -> Path:
    """The path of `results.age.category`, `run.results.age`, `flow.age`, `child.age`, `contact.fields.age`, `contact`."""
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
        return Path("other", dotted)
    return Path(family, key, bool(ends) and ends[0] in _CATEGORY_ENDS)


def convert(text: str, known: Known) -> Said:
    """A text of theirs as a text of ours. `known` gives the name under which an answer is kept, or None."""
    made: list[str] = []
    lost: list[str] = []
    paths: list[Path] = []
    at = 0
    while at < len(text):
        sign = text.find("@", at)
        if sign < 0 or sign + 1 >= len(text):
            made.append(plain(text[at:]))
            break
        made.append(plain(text[at:sign]))
        inner, end = _expression(text, sign)
        if not inner:
            made.append("@")
        elif filled := _filled(inner, known):
            made.append(filled[0])
            paths.append(filled[1])
        else:
            lost.append(_mark(inner))
            made.append(f"[{_mark(inner)}]")
        at = end
    return Said(_joined(made), tuple(dict.fromkeys(lost)), tuple(paths))


def _expression(text: str, sign: int) -> tuple[str, int]:
    """The expression that begins at this @ (empty where it is none), and where it ends."""
    following = text[sign + 1]
    if following == "@":
        return "", sign + 2
    if following == "(":
        end = _closing(text, sign + 1)
        return (text[sign + 2 : end - 1].strip() or "()", end) if end else ("", sign + 1)
    found = _PATH.match(text, sign)
    if found is None or found[1].split(".")[0].lower() not in TOPS:
        return "", sign + 1
    return found[1] + found[2], found.end()


def _closing(text: str, opening: int) -> int:
    """Behind the bracket that closes this one; 0 where none does."""
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


def _filled(inner: str, known: Known) -> tuple[str, Path] | None:
    call = _CALL.fullmatch(inner)
    dotted = call[2] if call else inner
    piped = re.fullmatch(r"([\w.]+)((?:\|\w+)*)", dotted)
    if piped is None:
        return None
    path = read_path(piped[1])
    name = known(path)
    if name is None:
        return None
    wanted = [call[1].lower()] if call else [word.removesuffix("_case") for word in piped[2].split("|") if word]
    filters = "".join(f"|{_FILTERS[word]}" for word in wanted if word in _FILTERS)
    return f"{{{{ {name}{filters} }}}}", path


def _mark(inner: str) -> str:
    short = " ".join(inner.split())
    short = short if len(short) <= _LONGEST_MARK else short[: _LONGEST_MARK - 3].rstrip() + "..."
    return re.sub(r"[{}\[\]]", "", short)


def _joined(parts: list[str]) -> str:
    """The parts in a row; where a brace of theirs would meet one of ours, a space comes between."""
    made = ""
    for part in parts:
        meets = made.endswith("{") and part[:1] in ("{", "%", "#")
        made += f" {part}" if meets else part
    return made
