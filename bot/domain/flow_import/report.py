"""What an import gives: drafts, and for every widget or node of theirs what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.flow_content import FlowContent


class NotImportable(Exception):
    """A file that gives no draft. The text is a sentence for an admin: the reason, the place, and what to do."""


class Fate(StrEnum):
    """What became of a part of their flow."""

    CARRIED = "carried"
    APPROXIMATED = "approximated"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing told about one part of their flow; a part has one or more of them.

    `node` is its name or identifier in their file, `kind` what they call such a part, `how` a sentence (empty where it
    was carried over as it was), `step` the step of ours that came of it.
    """

    node: str
    kind: str
    fate: Fate
    how: str = ""
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """One flow of theirs as a draft of ours.

    `missing` says in sentences what the draft lacks before it can check clean; empty where it lacks nothing.
    """

    name: str
    title: str
    content: FlowContent
    items: tuple[Item, ...]
    missing: tuple[str, ...] = ()
