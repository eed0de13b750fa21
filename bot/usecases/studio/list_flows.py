"""The list of all flows: what is live, what is drafted, which languages each has, how many people are in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flows.language.texts import translatable_texts
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.languages import SOURCE_LANGUAGE
from bot.storage.flows import drafts, flow_moves, flows
from bot.storage.flows.drafts import Draft
from bot.storage.flows.flows import StoredFlow
from bot.usecases.context import Context
from bot.usecases.studio import flow_sets


@dataclass(frozen=True, slots=True)
class FlowSummary:
    """One flow. `translated` is language -> (translated texts, all texts); `people_inside` how many people are in it now."""

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
    people_inside: int
    changed_at: datetime | None


def read_list(db: Session, context: Context) -> list[FlowSummary]:
    """Every flow that is published or drafted: the menu first, then by title."""
    live = {stored.name: stored for version in flows.current_version_ids(db) if (stored := flows.load_version(db, version))}
    drafted = {draft.flow: draft for draft in drafts.list_all(db)}
    inside: dict[str, int] = {}
    for version, count in flow_moves.count_live_by_version(db).items():
        stored = flows.load_version(db, version)
        if stored is not None:
            inside[stored.name] = inside.get(stored.name, 0) + count
    entries = [
        _summarize(name, live.get(name), drafted.get(name), inside.get(name, 0), context)
        for name in sorted({*live, *drafted})
    ]
    return sorted(entries, key=lambda entry: (not entry.is_menu, entry.title.lower()))


def _summarize(name: str, live: StoredFlow | None, draft: Draft | None, people_inside: int, context: Context) -> FlowSummary:
    content = draft.revision.content if draft else live.content if live else None
    assert content is not None
    is_changed = live is None or content != live.content
    changed_at = draft.revision.at if draft and is_changed else None
    try:
        read = flow_sets.parse_flow(name, content)
    except FlowError:
        title = f"{name} (cannot be read)"
        return FlowSummary(
            name,
            title,
            "",
            False,
            0,
            live,
            draft,
            is_changed,
            False,
            {},
            len(content.transcripts),
            people_inside,
            changed_at,
        )
    texts = [(place, source) for place, source, _ in translatable_texts(read.script)]
    others = [language for language in context.system_texts.languages if language != SOURCE_LANGUAGE]
    translated = {
        language: (sum(key in read.translations.get(language, {}) for key in texts), len(texts))
        for language in sorted({*others, *read.translations})
    }
    return FlowSummary(
        name, read.script.title, read.script.purpose, read.script.menu, len(read.script.steps), live, draft, is_changed,
        True, translated, len(content.transcripts), people_inside, changed_at,
    )  # fmt: skip
