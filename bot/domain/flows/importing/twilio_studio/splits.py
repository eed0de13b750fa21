"""The conditions of a Studio split as words of choices, and as conditions of the flow language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_PLAIN_PATTERN = re.compile(r"[\w\s|'-]+")
_MENU_ROW = re.compile(
    r"^[ \t]*(?:(?:press|reply|text|send|type) )?[\[(]?(\d{1,2})[\])]?[ \t]*(?:[.):=-]|for )[ \t]*(.+?)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_MENU_INLINE = re.compile(r"\b(\d)[ \t]*(?:=|-|\)|for)[ \t]*([^,.;\n\d]{2,40})", re.IGNORECASE)

_NEGATIONS = {
    "not_equal_to": "equal_to", "does_not_match_any_of": "matches_any_of", "does_not_contain": "contains",
    "does_not_start_with": "starts_with", "is_not_blank": "is_blank",
}  # fmt: skip


def matched_words(condition: Mapping[str, Any]) -> list[str] | None:
    """The words that make a condition true; None if it does not test words."""
    value = str(condition.get("value") or "").strip()
    match condition.get("type"):
        case "equal_to" | "contains" | "starts_with":
            found = [value]
        case "matches_any_of" | "contains_any_of" | "any_of":
            found = value.split(",")
        case "regex":
            bare = re.sub(r"\(\?[a-z]+\)|\(\?:|[\^$()]|\\b|\.\*|\\s\*", "", value)
            found = bare.split("|") if _PLAIN_PATTERN.fullmatch(bare) else []
        case _:
            return None
    words = [word.strip() for word in found if word.strip()]
    return words or None


def words_of_match(conditions: list[Mapping[str, Any]]) -> list[str] | None:
    """The words of one match; None if several conditions must hold together, or one does not test words."""
    return matched_words(conditions[0]) if len(conditions) == 1 else None


def to_condition(condition: Mapping[str, Any], name: str, keys: Mapping[str, str]) -> str | None:
    """The flow-language condition on the answer `name`, or None. `keys`: word -> choice, if the answer is a choice."""
    kind, value = str(condition.get("type") or ""), str(condition.get("value") or "").strip().lower()
    if kind in _NEGATIONS:
        inner = to_condition({**condition, "type": _NEGATIONS[kind]}, name, keys)
        return f"not ({inner})" if inner else None
    if kind == "is_blank":
        return f"not {name}"
    if kind in ("less_than", "greater_than"):
        sign = "<" if kind == "less_than" else ">"
        return f"{name}|float {sign} {value}" if re.fullmatch(r"-?\d+(\.\d+)?", value) else None
    values = matched_words(condition)
    if not values:
        return None
    if keys:
        chosen = sorted({keys[word.lower()] for word in values if word.lower() in keys})
        return f"{name} in [{', '.join(map(repr, chosen))}]" if chosen else None
    normalized = f"({name} or '')|lower|trim"
    quoted = [_quoted(word.lower()) for word in values]
    tests: dict[str, Callable[[str], str]] = {
        "contains": lambda word: f"{word} in {normalized}",
        "contains_any_of": lambda word: f"{word} in {normalized}",
        "starts_with": lambda word: f"({normalized})[:{len(word) - 2}] == {word}",
    }
    if kind in tests:
        return " or ".join(tests[kind](word) for word in quoted)
    return f"{normalized} in [{', '.join(quoted)}]" if len(quoted) > 1 else f"{normalized} == {quoted[0]}"


def _quoted(word: str) -> str:
    return "'" + re.sub(r"[\\'\"\n\r{}%]", " ", word).strip() + "'"


def menu_rows(text: str) -> dict[str, str]:
    """The labels of a menu that is written into the text, one per line: `1. Food` -> {"1": "Food"}."""
    rows = dict(_MENU_ROW.findall(text))
    # A single line that begins with a number is a sentence, not a menu.
    return rows if len(rows) > 1 else {}


def without_menu(text: str) -> str:
    """The text without the lines of its menu; the numbered choices are appended when it is sent."""
    rest = re.sub(r"\n{3,}", "\n\n", _MENU_ROW.sub("", text)).strip()
    return rest or text


def inline_labels(text: str) -> dict[str, str]:
    """The labels of a menu within a sentence: `Reply 1 for food, 2 for rent`."""
    return {number: re.split(r" (?:or|and)$", label.strip())[0].strip() for number, label in _MENU_INLINE.findall(text)}
