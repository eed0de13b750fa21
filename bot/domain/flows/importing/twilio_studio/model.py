"""Studio widgets as they stand in the file, and how the choices of a split and simple values are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.flows.importing.drafting.draft import NameAllocator
from bot.domain.flows.importing.twilio_studio.splits import words_of_match


@dataclass(frozen=True, slots=True)
class Exit:
    """One exit of a widget: the event, the widget it leads to, and for a match its conditions."""

    event: str
    target: str | None
    conditions: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Widget:
    """One widget. `source_kind` is the kind as written in the file, `kind` its normalised spelling."""

    name: str
    source_kind: str
    kind: str
    properties: Mapping[str, Any]
    exits: tuple[Exit, ...]

    def target_of(self, *events: str) -> str | None:
        """The target of the first of these events that leads anywhere."""
        found = {exit.event: exit.target for exit in reversed(self.exits) if exit.target}
        return next((found[event] for event in events if event in found), None)

    @property
    def matches(self) -> list[Exit]:
        return [exit for exit in self.exits if exit.event == "match" or exit.conditions]


def choices_of(split: Widget) -> list[tuple[str, list[str], Exit]]:
    """The matches of a split as choices: name, words and exit."""
    names = NameAllocator(fallback="choice")
    rows = [(words_of_match(list(exit.conditions)) or [], exit) for exit in split.matches]
    return [(names.allocate(words[0]), words, exit) for words, exit in rows if words]


def label_of(words: list[str], exit: Exit, labels: Mapping[str, str]) -> str:
    for word in words:
        if word in labels:
            return labels[word]
    friendly = str(exit.conditions[0].get("friendly_name") or "")
    if friendly and not friendly.lower().startswith("if value") and not re.fullmatch(r"[\d\W]+", friendly):
        return friendly
    return f"Answer {words[0]}" if words[0].isdecimal() else words[0][:1].upper() + words[0][1:]


def key_value_pairs(rows: object) -> list[tuple[str, str]]:
    given = rows if isinstance(rows, list) else []
    return [(str(row["key"]), str(row.get("value") or "")) for row in given if isinstance(row, dict) and row.get("key")]


def seconds_of(value: object) -> float | None:
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if found > 0 and found == found else None
