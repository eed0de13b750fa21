"""The texts of a flow in its languages: shown side by side, edited, exported as PO files and imported."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from io import BytesIO

from babel import Locale
from babel.core import UnknownLocaleError
from sqlalchemy.orm import Session

from bot.domain.flows.checks.safety_texts import safety_texts
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.reader import read_flow, template_problems
from bot.domain.flows.language.script import Script
from bot.domain.flows.language.texts import translatable_texts
from bot.domain.flows.language.translations import read_translations
from bot.domain.flows.language.yaml_source import MAX_BYTES, FlowError
from bot.domain.flows.outline import read_outline
from bot.domain.flows.wording import translating
from bot.domain.flows.wording.translating import (
    LANGUAGE,
    MergeResult,
    TextTranslation,
    TranslationCoverage,
    TranslationState,
)
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.refused import Refused
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import DraftAuthor, Revision
from bot.usecases.studio import edit_draft
from bot.usecases.studio.preview_step import preview

PAGE_SIZE = 60
"""Texts on one page; a large flow has thousands."""
MAX_TEXT_LENGTH = 1600
"""Characters of one text, like the limit for the source (bot/domain/flows/language/script.py)."""
TextKey = tuple[str, str]
"""(language, context)."""


class TextFilter(StrEnum):
    """Which texts are shown."""

    ALL = "all"
    OPEN = "open"
    """Missing or stale in one of the languages that are shown."""
    MISSING = "missing"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class TranslationCell:
    """The translation of one text into one language. `segments` is 0 if it is not sent as a text of its own."""

    language: str
    translation: TextTranslation
    segments: int
    encoding: str
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text of the flow with its translations."""

    context: str
    source: str
    step: str
    segments: int
    is_safety: bool
    cells: tuple[TranslationCell, ...]


@dataclass(frozen=True, slots=True)
class TextPage:
    """One page of a flow's texts. `unsafe` are the safety texts that each language lacks: they prevent publication."""

    coverages: tuple[TranslationCoverage, ...]
    rows: tuple[TextRow, ...]
    total: int
    page: int
    pages: int
    budget: int
    unsafe: Mapping[str, tuple[str, ...]]


def languages_of(content: FlowContent, spoken: Sequence[str]) -> tuple[str, ...]:
    """The languages of a flow beside the source: those that Warmline speaks, then any others that the flow has."""
    here = [language for language in spoken if language != SOURCE_LANGUAGE]
    return (*here, *sorted(set(content.translations) - {*here, SOURCE_LANGUAGE}))


def _translations(name: str, script: Script, content: FlowContent, language: str) -> list[TextTranslation]:
    return translating.list_translations(script, content.translations.get(language, ""), f"{name}.{language}.po")


def coverages(name: str, content: FlowContent, languages: Sequence[str]) -> tuple[TranslationCoverage, ...]:
    """How much of a flow is translated into each language. Raises FlowError if its source or a PO file can't be read."""
    script = read_flow(content.source, f"{name}.yaml")
    return tuple(
        translating.translation_coverage(language, _translations(name, script, content, language)) for language in languages
    )


def read_text_page(
    name: str,
    content: FlowContent,
    languages: Sequence[str],
    shown: Sequence[str],
    only: TextFilter,
    page: int,
    line_name: str,
) -> TextPage:
    """One page of the texts, with the languages of `shown` side by side. Raises FlowError if unreadable."""
    script = read_flow(content.source, f"{name}.yaml")
    told = {language: _translations(name, script, content, language) for language in languages}
    every, safety = translatable_texts(script), safety_texts(script)
    places = [at for at in range(len(every)) if _matches_filter([told[language][at].state for language in shown], only)]
    pages = max(1, -(-len(places) // PAGE_SIZE))
    page = min(max(page, 1), pages)
    here = places[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    sizes = _sizes(name, script, content, told, [every[at][2] for at in here], shown, line_name)
    return TextPage(
        coverages=tuple(translating.translation_coverage(language, found) for language, found in told.items()),
        rows=tuple(_row(every[at], {language: told[language][at] for language in shown}, sizes, safety) for at in here),
        total=len(places),
        page=page,
        pages=pages,
        budget=script.segments,
        unsafe={language: _untranslated_safety_texts(script, found) for language, found in told.items()},
    )


def _matches_filter(states: Sequence[TranslationState], only: TextFilter) -> bool:
    if only is TextFilter.ALL:
        return True
    wanted = (
        {TranslationState.MISSING, TranslationState.STALE} if only is TextFilter.OPEN else {TranslationState(only.value)}
    )
    return any(state in wanted for state in states)


def _untranslated_safety_texts(script: Script, translations: Sequence[TextTranslation]) -> tuple[str, ...]:
    safety = safety_texts(script)
    return tuple(
        one.context for one in translations if one.context in safety and one.state is not TranslationState.TRANSLATED
    )


def _row(
    message: tuple[str, str, str],
    translations: Mapping[str, TextTranslation],
    sizes: Mapping[TextKey, tuple[int, str]],
    safety: frozenset[str],
) -> TextRow:
    context, source, step = message
    cells = []
    for language, one in translations.items():
        segments, encoding = sizes.get((language, context), (0, ""))
        complaints = template_problems(one.text) if one.text and ".choices." not in context and context != "title" else ()
        cells.append(TranslationCell(language, one, segments if one.text else 0, encoding, tuple(complaints)))
    segments, _ = sizes.get((SOURCE_LANGUAGE, context), (0, ""))
    return TextRow(context, source, step, segments, context in safety, tuple(cells))


def _sizes(
    name: str,
    script: Script,
    content: FlowContent,
    translations: Mapping[str, Sequence[TextTranslation]],
    steps: Sequence[str],
    shown: Sequence[str],
    line_name: str,
) -> dict[TextKey, tuple[int, str]]:
    """(language, context) -> segments and encoding of the text as sent: a question with its choices."""
    data = read_outline(content.source, f"{name}.yaml").steps
    texts = {language: {one.context: one.text for one in translations[language]} for language in shown}
    contexts: dict[str, list[str]] = {}
    for context, _, step in translatable_texts(script):
        if context.endswith((".ask", ".say")) and ".choices." not in context:
            contexts.setdefault(step, []).append(context)
    found: dict[TextKey, tuple[int, str]] = {}
    for step in dict.fromkeys(step for step in steps if step in data):
        seen = preview(step, data[step], texts, languages=shown, budget=script.segments, price=0, line_name=line_name)
        for language, bubbles in seen.bubbles.items():
            for context, bubble in zip(contexts.get(step, ()), bubbles, strict=False):
                found[language, context] = (bubble.segments, bubble.encoding)
    return found


def content_at(db: Session, flow: str, seen: int) -> FlowContent | None:
    """The flow as a page saw it: revision number of its draft, negated id of a version, or 0 for what is published now. None
    if it does not exist.
    """
    if seen <= 0:
        version = -seen or flows.current_version(db, flow)
        stored = flows.load_version(db, version) if version is not None else None
        return stored.content if stored and stored.name == flow else None
    entry = next((one for one in drafts.history(db, flow, 1, seen + 1) if one.number == seen), None)
    revision = drafts.find_revision(db, entry.id) if entry else None
    return revision.content if revision else None


def changed_texts(
    name: str, content: FlowContent, posted: Mapping[TextKey, str], right: TextKey | None
) -> dict[TextKey, str]:
    """The submitted texts that differ, and the one that was marked as still correct."""
    script = read_flow(content.source, f"{name}.yaml")
    before: dict[TextKey, str] = {}
    for language in {language for language, _ in posted}:
        before |= {(language, one.context): one.text.strip() for one in _translations(name, script, content, language)}
    return {key: text for key, text in posted.items() if before.get(key, "") != text or (key == right and text)}


def change_texts(
    db: Session, flow: str, seen: int, texts: Mapping[TextKey, str], by: DraftAuthor, now: datetime
) -> Revision:
    """Writes these translations into the draft. Raises what `edit_draft.change` raises, and Refused."""
    if too_long := [context for (_, context), text in texts.items() if len(text) > MAX_TEXT_LENGTH]:
        raise Refused(f"`{too_long[0]}` is longer than {MAX_TEXT_LENGTH:,} characters. Say it shorter. Nothing was saved.")
    for language in {language for language, _ in texts}:
        _check_language(language)

    def act(content: FlowContent) -> FlowContent:
        script = read_flow(content.source, f"{flow}.yaml")
        gone = {context for _, context in texts} - {context for context, *_ in translatable_texts(script)}
        if gone:
            raise Refused(f"`{sorted(gone)[0]}` is not in the flow any more. Nothing was saved.")
        for language in {language for language, _ in texts}:
            mine = {context: text for (spoken, context), text in texts.items() if spoken == language}
            before = content.translations.get(language) or translating.new_po(script, language)
            content = _with_po(content, flow, language, translating.with_texts(script, before, mine))
        return content

    def touches(content: FlowContent) -> object:
        script = read_flow(content.source, f"{flow}.yaml")
        return {
            language: [one for one in _translations(flow, script, content, language) if (language, one.context) in texts]
            for language in {language for language, _ in texts}
        }

    return edit_draft.change(db, flow, seen, _describe_change(texts), act, by, now, touches=touches)


def _with_po(content: FlowContent, flow: str, language: str, po: str) -> FlowContent:
    """The content with this PO file. Raises FlowError if it can't be read back."""
    read_translations(po, f"{flow}.{language}.po")
    return replace(content, translations={**content.translations, language: po})


def _describe_change(texts: Mapping[TextKey, str]) -> str:
    """A description for the history: names at most three texts."""
    contexts = list(dict.fromkeys(context for _, context in texts))
    more = f" and {len(contexts) - 3} more" if len(contexts) > 3 else ""
    languages = ", ".join(sorted({language for language, _ in texts}))
    return f"Translated ({languages}): {', '.join(contexts[:3])}{more}"


def _check_language(language: str) -> None:
    if language == SOURCE_LANGUAGE:
        raise Refused("The flow itself is in English; that is changed on the page Steps.")
    try:
        if LANGUAGE.fullmatch(language):
            Locale.parse(language)
            return
    except (UnknownLocaleError, ValueError):
        pass
    raise Refused(f"\u201c{language[:20]}\u201d is no code of a language. Write it like es, vi or bs.")


def add_language(db: Session, flow: str, seen: int, language: str, by: DraftAuthor, now: datetime) -> Revision:
    """Starts the translation of a flow into a language. Raises what `edit_draft.change` raises, and Refused."""
    _check_language(language)

    def act(content: FlowContent) -> FlowContent:
        if language in content.translations:
            raise Refused(f"The flow has {language} already.")
        script = read_flow(content.source, f"{flow}.yaml")
        return _with_po(content, flow, language, translating.new_po(script, language))

    def touches(content: FlowContent) -> object:
        return language in content.translations

    return edit_draft.change(db, flow, seen, f"Added the language {language}", act, by, now, touches=touches)


def export_translations(name: str, content: FlowContent, number: int, language: str) -> str:
    """The PO file for a translator. Raises FlowError, and Refused if it is not a language."""
    _check_language(language)
    script = read_flow(content.source, f"{name}.yaml")
    return translating.export_po(script, content.translations.get(language, ""), language, number, f"{name}.{language}.po")


def import_translations(
    db: Session, flow: str, language: str, raw: bytes, file: str, by: DraftAuthor, now: datetime
) -> tuple[MergeResult, Revision]:
    """Imports a translator's file into the current draft. The file may be older: each text is compared by its own source.

    Raises FlowError if the file is broken or belongs to another flow or language, FlowNotFound, and Refused.
    """
    _check_language(language)
    incoming = _decoded(raw)
    merged: list[MergeResult] = []

    def act(content: FlowContent) -> FlowContent:
        script = read_flow(content.source, f"{flow}.yaml")
        found = translating.merge_po(script, content.translations.get(language, ""), incoming, language, file)
        merged.append(found)
        return _with_po(content, flow, language, found.po)

    draft = drafts.lock(db, flow)
    number = draft.revision.number if draft else 0
    revision = edit_draft.change(db, flow, number, f"Took in the translation file for {language}", act, by, now)
    return merged[-1], revision


def _decoded(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise Refused(f"The file has {len(raw):,} bytes. Keep it under {MAX_BYTES:,}. Nothing was taken in.")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        said = f"Line {line} is not UTF-8. Save the file with the encoding UTF-8. Nothing was taken in."
        raise Refused(said) from error


# All flows at once.


def export_zip(contents: Mapping[str, tuple[FlowContent, int]], language: str) -> tuple[bytes, tuple[str, ...]]:
    """A zip with one PO file per flow, and the flows that can't be read and are left out. Raises Refused."""
    _check_language(language)
    held, left = BytesIO(), []
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (content, number) in sorted(contents.items()):
            try:
                # A fixed time, so that the same texts give the same file.
                info = zipfile.ZipInfo(f"{name}.{language}.po", (2020, 1, 1, 0, 0, 0))
                archive.writestr(info, export_translations(name, content, number, language), zipfile.ZIP_DEFLATED)
            except FlowError:
                left.append(name)
    return held.getvalue(), tuple(left)


def current_contents(db: Session) -> dict[str, tuple[FlowContent, int]]:
    """Every flow as edited: its draft with its revision number, else the published version with 0."""
    found = {
        stored.name: (stored.content, 0)
        for version in flows.current_version_ids(db)
        if (stored := flows.load_version(db, version))
    }
    return found | {draft.flow: (draft.revision.content, draft.revision.number) for draft in drafts.list_all(db)}
