"""The history of a flow, published and drafted, and any two of its states side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff

from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.storage.flows import drafts, flow_moves, flows
from bot.storage.flows.drafts import DraftHistoryEntry
from bot.storage.flows.flows import Publication, StoredFlow
from bot.storage.tables.studio import FlowMove

PAGE_SIZE = 50
MAX_LINES = 4_000
"""Lines of a comparison that are shown; no admin reads more than that."""


@dataclass(frozen=True, slots=True)
class History:
    """A flow's past. `older_*` is where the next page begins, None on the last."""

    publications: list[Publication]
    older_publications: int | None
    revisions: list[DraftHistoryEntry]
    older_revisions: int | None
    moves: list[FlowMove]


def read_history(db: Session, flow: str, publication: int | None = None, revision: int | None = None) -> History:
    """One page of each, newest first, older than these (an id of a publication, a number of a revision)."""
    published = flows.list_publications(db, flow, PAGE_SIZE + 1, publication)
    revised = drafts.history(db, flow, PAGE_SIZE + 1, revision)
    return History(
        published[:PAGE_SIZE],
        published[PAGE_SIZE - 1].id if len(published) > PAGE_SIZE else None,
        revised[:PAGE_SIZE],
        revised[PAGE_SIZE - 1].number if len(revised) > PAGE_SIZE else None,
        flow_moves.list_for_flow(db, flow),
    )


def read_version(db: Session, flow: str, number: int) -> StoredFlow | None:
    """A published version by its number, counted per flow from 1; None if there is none."""
    return flows.load_version_number(db, flow, number)


_STATE = re.compile(r"([vr])([0-9]{1,9})")


def find_state(db: Session, flow: str, name: str) -> tuple[str, FlowContent] | None:
    """A state by its short name, `v3` for a version and `r12` for a revision: its title, and its content."""
    found = _STATE.fullmatch(name)
    if found is None:
        return None
    number = int(found[2])
    if found[1] == "v":
        stored = flows.load_version_number(db, flow, number)
        return (f"Version {number}", stored.content) if stored else None
    entry = next((each for each in drafts.history(db, flow, 1, number + 1) if each.number == number), None)
    revision = drafts.find_revision(db, entry.id) if entry else None
    return (f"Draft, revision {number}", revision.content) if revision else None


@dataclass(frozen=True, slots=True)
class DiffPart:
    """The lines of one text that differ. A line is (kind, text): `added`, `removed`, `same` or `place`."""

    name: str
    lines: tuple[tuple[str, str], ...]


def diff_parts(before: FlowContent, after: FlowContent) -> list[DiffPart]:
    """The YAML, translations and transcripts that differ, line by line."""
    left, right = _texts(before), _texts(after)
    parts = []
    for name in dict.fromkeys([*left, *right]):
        lines = tuple(_lines(left.get(name, ""), right.get(name, "")))
        if lines:
            parts.append(DiffPart(name, lines[:MAX_LINES]))
    return parts


def _texts(content: FlowContent) -> Mapping[str, str]:
    words = {f"translation {language}": text for language, text in sorted(content.translations.items())}
    tests = {f"transcript {name}": text for name, text in sorted(content.transcripts.items())}
    return {"YAML": content.source, **words, **tests}


_KINDS = {"+": "added", "-": "removed", "@": "place", " ": "same"}


def _lines(before: str, after: str) -> list[tuple[str, str]]:
    found = list(unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))[2:]
    return [(_KINDS[line[:1]], line if line.startswith("@") else line[1:]) for line in found]
