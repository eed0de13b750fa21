"""The result of an import: drafts, and what became of every widget or node of the source flow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.flows.language.content import FlowContent


class NotImportable(Exception):
    """The file gives no draft. The text is a sentence for the admin: the reason, the place, and the remedy."""


class ImportStatus(StrEnum):
    """What became of a part of the source flow."""

    CARRIED = "carried"
    APPROXIMATED = "approximated"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One remark about one part of the source flow; a part has one or more.

    `node` is its name or identifier in the file, `kind` the product's name for such a part, `remark` a sentence (empty if it
    was carried over unchanged), `step` the resulting step of the draft.
    """

    node: str
    kind: str
    status: ImportStatus
    remark: str = ""
    step: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedDraft:
    """One source flow as a draft.

    `missing` lists in sentences what the draft needs before it can check clean; empty if it needs nothing.
    """

    name: str
    title: str
    content: FlowContent
    items: tuple[ImportItem, ...]
    missing: tuple[str, ...] = ()
