"""What was ever live and what was ever drafted of a flow, and any two of these states side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff

from sqlalchemy.orm import Session

from bot.domain.flow_content import FlowContent
from bot.storage import drafts, flow_moves, flows
from bot.storage.drafts import Entry
from bot.storage.flows import Publication
from bot.storage.studio_tables import FlowMove

PAGE = 50
MOST_LINES = 4_000
"""Lines of a comparison that are shown; a page of more is read by nobody."""


@dataclass(frozen=True, slots=True)
class History:
    """A flow's past. `older_*` is where the next page goes on, None on the last."""

    publications: list[Publication]
    older_publications: int | None
    revisions: list[Entry]
    older_revisions: int | None
    moves: list[FlowMove]


def read_history(db: Session, flow: str, publication: int | None = None, revision: int | None = None) -> History:
    """One page of each, the newest first, from before these (an id of a publication, a number of a revision)."""
    published = flows.publications(db, flow, PAGE + 1, publication)
    revised = drafts.history(db, flow, PAGE + 1, revision)
    return History(
        published[:PAGE],
        published[PAGE - 1].id if len(published) > PAGE else None,
        revised[:PAGE],
        revised[PAGE - 1].number if len(revised) > PAGE else None,
        flow_moves.of_flow(db, flow),
    )


_STATE = re.compile(r"([vr])([0-9]{1,9})")


def state(db: Session, flow: str, name: str) -> tuple[str, FlowContent] | None:
    """A state by its short name, `v3` for a version and `r12` for a revision: how it is called, and its texts."""
    found = _STATE.fullmatch(name)
    if found is None:
        return None
    number = int(found[2])
    if found[1] == "v":
        stored = flows.load_number(db, flow, number)
        return (f"Version {number}", stored.content) if stored else None
    entry = next((each for each in drafts.history(db, flow, 1, number + 1) if each.number == number), None)
    revision = drafts.revision(db, entry.id) if entry else None
    return (f"Draft, revision {number}", revision.content) if revision else None


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of one text that differ. A line is (kind, words): `added`, `removed`, `same` or `place`."""

    name: str
    lines: tuple[tuple[str, str], ...]


def lines_that_differ(before: FlowContent, after: FlowContent) -> list[Part]:
    """The YAML, the translations and the transcripts line by line, those that differ."""
    left, right = _texts(before), _texts(after)
    parts = []
    for name in dict.fromkeys([*left, *right]):
        lines = tuple(_lines(left.get(name, ""), right.get(name, "")))
        if lines:
            parts.append(Part(name, lines[:MOST_LINES]))
    return parts


def _texts(content: FlowContent) -> Mapping[str, str]:
    words = {f"translation {language}": text for language, text in sorted(content.translations.items())}
    tests = {f"transcript {name}": text for name, text in sorted(content.transcripts.items())}
    return {"YAML": content.source, **words, **tests}


_KINDS = {"+": "added", "-": "removed", "@": "place", " ": "same"}


def _lines(before: str, after: str) -> list[tuple[str, str]]:
    found = list(unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))[2:]
    return [(_KINDS[line[:1]], line if line.startswith("@") else line[1:]) for line in found]
