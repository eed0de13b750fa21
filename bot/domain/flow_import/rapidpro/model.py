"""A flow of theirs in one shape, whichever version it was written in, and the careful reading of untrusted JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.flow_import.report import NotImportable


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a router, in the words of the newest version (`has_any_word`)."""

    kind: str
    arguments: tuple[str, ...]
    category: str
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Category:
    uuid: str
    name: str
    go: str | None
    """The node that it leads to; None where the flow ends."""


@dataclass(frozen=True, slots=True)
class Router:
    kind: str
    """`switch` or `random`."""
    theirs: str
    """What their product calls it, like `wait_for_response` or `split_by_groups`."""
    operand: str = ""
    wait: str = ""
    """What it waits for (`msg`, `dial`, `image`, ...); empty where it does not wait."""
    seconds: float = 0
    timeout: str = ""
    """The category that silence leads to."""
    categories: tuple[Category, ...] = ()
    cases: tuple[Case, ...] = ()
    default: str = ""
    result: str = ""
    lost: tuple[str, ...] = ()
    """Kinds of tests whose category is not in the file (only old drafts of the editor have them)."""

    def category(self, uuid: str) -> Category | None:
        return next((one for one in self.categories if one.uuid == uuid), None)


@dataclass(frozen=True, slots=True)
class Action:
    kind: str
    theirs: str
    uuid: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Node:
    uuid: str
    actions: tuple[Action, ...]
    router: Router | None
    go: str | None


Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One flow of theirs."""

    uuid: str
    name: str
    kind: str
    language: str
    start: str
    nodes: Mapping[str, Node]
    words: Mapping[str, Mapping[str, Mapping[str, Words]]] = field(default_factory=dict)
    """Language -> identifier of an action, category or case -> property (`text`) -> what it says there."""
    minutes: float = 0
    """After so long a silence their product ends the flow."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the file something stands, for complaints."""

    file: str
    parts: tuple[str, ...] = ()

    def of(self, what: str, name: object = "") -> Place:
        shown = str(name)[:80].strip()
        return Place(self.file, (*self.parts, f"{what} `{shown}`" if shown else what))

    def refuse(self, what: str, remedy: str = "Export the flow anew, or correct the file.") -> NotImportable:
        return NotImportable(f"{', '.join((self.file, *self.parts))}: {what} {remedy}")


def mapping(value: object, place: Place) -> dict[str, object]:
    """The value as `{...}`. Raises NotImportable where it is something else."""
    if isinstance(value, dict):
        return value
    raise place.refuse(f"Here stands {_shown(value)} where {{...}} belongs.")


def rows(value: object, place: Place, most: int = 0) -> list[object]:
    """The value as a list; nothing is an empty one. Raises NotImportable for anything else, and beyond `most` rows."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise place.refuse(f"Here stands {_shown(value)} where a list belongs.")
    if most and len(value) > most:
        raise place.refuse(f"It has {len(value)} entries; the most that RapidPro allows is {most}.", "Split the flow.")
    return value


def words(value: object) -> str:
    """The value as words; empty where it is no text or number. What can't be written in UTF-8 becomes `?`."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def number(value: object) -> float:
    """The value as a number; 0 where it is none."""
    try:
        found = float(value) if isinstance(value, (int, float, str)) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return found if abs(found) < 1e12 else 0.0


def part(value: object, key: str) -> object:
    """`value[key]`, or None where there is no such thing."""
    return value.get(key) if isinstance(value, dict) else None


def _shown(value: object) -> str:
    return {dict: "{...}", list: "a list", str: "a text", type(None): "nothing"}.get(type(value), "a number")
