"""One model for source flows of all versions, and defensive reading of untrusted JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.flows.importing.report import NotImportable


@dataclass(frozen=True, slots=True)
class RouterCase:
    """One test of a router, in the terms of the newest version (`has_any_word`)."""

    kind: str
    arguments: tuple[str, ...]
    category: str
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class RouterCategory:
    uuid: str
    name: str
    target: str | None
    """The node that it leads to; None if the flow ends."""


@dataclass(frozen=True, slots=True)
class Router:
    kind: str
    """`switch` or `random`."""
    source_kind: str
    """The product's own name, like `wait_for_response` or `split_by_groups`."""
    operand: str = ""
    wait: str = ""
    """What it waits for (`msg`, `dial`, `image`, ...); empty if it does not wait."""
    timeout_seconds: float = 0
    timeout_category: str = ""
    """The category for no reply within `timeout_seconds`."""
    categories: tuple[RouterCategory, ...] = ()
    cases: tuple[RouterCase, ...] = ()
    default: str = ""
    result: str = ""
    unknown_tests: tuple[str, ...] = ()
    """Kinds of tests whose category is not in the file (only old drafts of the editor have them)."""

    def category(self, uuid: str) -> RouterCategory | None:
        return next((one for one in self.categories if one.uuid == uuid), None)


@dataclass(frozen=True, slots=True)
class FlowAction:
    kind: str
    source_kind: str
    uuid: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SourceNode:
    uuid: str
    actions: tuple[FlowAction, ...]
    router: Router | None
    target: str | None


TextList = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceFlow:
    """One source flow."""

    uuid: str
    name: str
    kind: str
    language: str
    start: str
    nodes: Mapping[str, SourceNode]
    translations: Mapping[str, Mapping[str, Mapping[str, TextList]]] = field(default_factory=dict)
    """Language -> identifier of an action, category or case -> property (`text`) -> its texts."""
    expiry_minutes: float = 0
    """Minutes of silence after which the product ends the flow."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A place in the file, for error messages."""

    file: str
    parts: tuple[str, ...] = ()

    def inside(self, what: str, name: object = "") -> FilePlace:
        shown = str(name)[:80].strip()
        return FilePlace(self.file, (*self.parts, f"{what} `{shown}`" if shown else what))

    def error(self, what: str, remedy: str = "Export the flow anew, or correct the file.") -> NotImportable:
        return NotImportable(f"{', '.join((self.file, *self.parts))}: {what} {remedy}")


def as_mapping(value: object, place: FilePlace) -> dict[str, object]:
    """The value as an object. Raises NotImportable if it is anything else."""
    if isinstance(value, dict):
        return value
    raise place.error(f"Here stands {_shown(value)} where {{...}} belongs.")


def as_list(value: object, place: FilePlace, max_length: int = 0) -> list[object]:
    """The value as a list; None gives an empty one. Raises NotImportable otherwise, and for more than `max_length` rows."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise place.error(f"Here stands {_shown(value)} where a list belongs.")
    if max_length and len(value) > max_length:
        raise place.error(f"It has {len(value)} entries; the most that RapidPro allows is {max_length}.", "Split the flow.")
    return value


def as_text(value: object) -> str:
    """The value as text; empty if it is neither text nor number. What can't be written in UTF-8 becomes `?`."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def as_number(value: object) -> float:
    """The value as a number; 0 if it is none."""
    try:
        found = float(value) if isinstance(value, (int, float, str)) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return found if abs(found) < 1e12 else 0.0


def get_key(value: object, key: str) -> object:
    """`value[key]`, or None if there is no such key."""
    return value.get(key) if isinstance(value, dict) else None


def _shown(value: object) -> str:
    return {dict: "{...}", list: "a list", str: "a text", type(None): "nothing"}.get(type(value), "a number")
