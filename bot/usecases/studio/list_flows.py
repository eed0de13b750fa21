"""All flows of the line as the list shows them: what is live, what is drafted, who speaks which language, who is in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flow_texts import messages
from bot.domain.flow_yaml import FlowError
from bot.storage import drafts, flows
from bot.storage.database import plain
from bot.storage.drafts import Draft
from bot.storage.flows import StoredFlow
from bot.usecases.desk import Desk
from bot.usecases.studio import world

_LIVE = """
select flow_version, count(*) from conversation where flow_version is not null and holder <> 'closed' group by 1
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One flow. `translated` is language -> (texts translated, texts in all); `inside` how many people are in it now."""

    flow: str
    title: str
    purpose: str
    is_menu: bool
    steps: int
    live: StoredFlow | None
    draft: Draft | None
    is_changed: bool
    is_readable: bool
    translated: dict[str, tuple[int, int]]
    transcripts: int
    inside: int
    changed_at: datetime | None


def read_list(db: Session, desk: Desk) -> list[Entry]:
    """Every flow that is published or drafted: the menu first, then by title."""
    live = {stored.name: stored for version in flows.all_published(db) if (stored := flows.load(db, version))}
    drafted = {draft.flow: draft for draft in drafts.everyone(db)}
    inside: dict[str, int] = {}
    for version, count in plain(db).execute(_LIVE).fetchall():
        stored = flows.load(db, version)
        if stored is not None:
            inside[stored.name] = inside.get(stored.name, 0) + count
    entries = [
        _entry(name, live.get(name), drafted.get(name), inside.get(name, 0), desk) for name in sorted({*live, *drafted})
    ]
    return sorted(entries, key=lambda entry: (not entry.is_menu, entry.title.lower()))


def _entry(name: str, live: StoredFlow | None, draft: Draft | None, inside: int, desk: Desk) -> Entry:
    content = draft.revision.content if draft else live.content if live else None
    assert content is not None
    is_changed = live is None or content != live.content
    changed_at = draft.revision.at if draft and is_changed else None
    try:
        read = world.read(name, content)
    except FlowError:
        title = f"{name} (cannot be read)"
        return Entry(
            name, title, "", False, 0, live, draft, is_changed, False, {}, len(content.transcripts), inside, changed_at
        )
    texts = [(context, source) for context, source, _ in messages(read.script)]
    others = [language for language in desk.line.languages if language != "en"]
    translated = {
        language: (sum(key in read.translations.get(language, {}) for key in texts), len(texts))
        for language in sorted({*others, *read.translations})
    }
    return Entry(
        name, read.script.title, read.script.purpose, read.script.menu, len(read.script.steps), live, draft, is_changed,
        True, translated, len(content.transcripts), inside, changed_at,
    )  # fmt: skip
