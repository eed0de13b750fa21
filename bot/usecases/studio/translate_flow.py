"""The words of a flow in its languages: shown side by side, changed one by one, sent out as PO files and taken in."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from io import BytesIO

from babel import Locale
from babel.core import UnknownLocaleError
from sqlalchemy.orm import Session

from bot.domain import flow_words
from bot.domain.flow_content import FlowContent
from bot.domain.flow_outline import outline
from bot.domain.flow_reader import read_flow, template_problems
from bot.domain.flow_safety import safety_texts
from bot.domain.flow_texts import messages
from bot.domain.flow_translations import read_translations
from bot.domain.flow_words import LANGUAGE, Coverage, Merged, State, Told
from bot.domain.flow_yaml import LARGEST, FlowError
from bot.domain.script import Script
from bot.storage import drafts, flows
from bot.storage.drafts import Author, Revision
from bot.usecases.studio import edit_draft
from bot.usecases.studio.edit_draft import Unfit
from bot.usecases.studio.preview_step import preview

SOURCE = "en"
ROWS = 60
"""Texts on one page; a large flow has thousands."""
LONGEST = 1600
"""Characters of one text, as of the source's (bot/domain/script.py)."""
MOST_FILES = 500
"""In one zip file."""
MOST_BYTES = 20_000_000
"""Of all files of a zip together, once they are unpacked."""
Key = tuple[str, str]
"""(language, context)."""


class Only(StrEnum):
    """Which texts are shown."""

    ALL = "all"
    OPEN = "open"
    """What is missing or stale in one of the languages that are shown."""
    MISSING = "missing"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Cell:
    """What one language says for one text. `segments` is 0 for what is not sent as a text of its own."""

    language: str
    told: Told
    segments: int
    encoding: str
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One text of the flow, with what the languages say for it."""

    context: str
    source: str
    step: str
    segments: int
    is_safety: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page of the texts of a flow. `unsafe` are the safety texts that each language lacks: they stop publishing."""

    coverages: tuple[Coverage, ...]
    rows: tuple[Row, ...]
    total: int
    page: int
    pages: int
    budget: int
    unsafe: Mapping[str, tuple[str, ...]]


def languages_of(content: FlowContent, spoken: Sequence[str]) -> tuple[str, ...]:
    """The languages of a flow beside the source: those that the line speaks, then those that it has besides."""
    here = [language for language in spoken if language != SOURCE]
    return (*here, *sorted(set(content.translations) - {*here, SOURCE}))


def _told(name: str, script: Script, content: FlowContent, language: str) -> list[Told]:
    return flow_words.told(script, content.translations.get(language, ""), f"{name}.{language}.po")


def coverages(name: str, content: FlowContent, languages: Sequence[str]) -> tuple[Coverage, ...]:
    """How much of a flow each language has. Raises FlowError where its source or a PO file cannot be read."""
    script = read_flow(content.source, f"{name}.yaml")
    return tuple(flow_words.coverage(language, _told(name, script, content, language)) for language in languages)


def read_sheet(
    name: str, content: FlowContent, languages: Sequence[str], shown: Sequence[str], only: Only, page: int, line_name: str
) -> Sheet:
    """One page of the texts, with the languages of `shown` side by side. Raises FlowError where something cannot be read."""
    script = read_flow(content.source, f"{name}.yaml")
    told = {language: _told(name, script, content, language) for language in languages}
    every, safety = messages(script), safety_texts(script)
    places = [at for at in range(len(every)) if _is_wanted([told[language][at].state for language in shown], only)]
    pages = max(1, -(-len(places) // ROWS))
    page = min(max(page, 1), pages)
    here = places[(page - 1) * ROWS : page * ROWS]
    sizes = _sizes(name, script, content, told, [every[at][2] for at in here], shown, line_name)
    return Sheet(
        coverages=tuple(flow_words.coverage(language, found) for language, found in told.items()),
        rows=tuple(_row(every[at], {language: told[language][at] for language in shown}, sizes, safety) for at in here),
        total=len(places),
        page=page,
        pages=pages,
        budget=script.segments,
        unsafe={language: _unsafe(script, found) for language, found in told.items()},
    )


def _is_wanted(states: Sequence[State], only: Only) -> bool:
    if only is Only.ALL:
        return True
    wanted = {State.MISSING, State.STALE} if only is Only.OPEN else {State(only.value)}
    return any(state in wanted for state in states)


def _unsafe(script: Script, told: Sequence[Told]) -> tuple[str, ...]:
    safety = safety_texts(script)
    return tuple(one.context for one in told if one.context in safety and one.state is not State.TRANSLATED)


def _row(
    message: tuple[str, str, str], told: Mapping[str, Told], sizes: Mapping[Key, tuple[int, str]], safety: frozenset[str]
) -> Row:
    context, source, step = message
    cells = []
    for language, one in told.items():
        segments, encoding = sizes.get((language, context), (0, ""))
        is_template = ".choices." not in context and context != "title"
        complaints = tuple(template_problems(one.text)) if is_template and one.text else ()
        cells.append(Cell(language, one, segments if one.text else 0, encoding, complaints))
    return Row(context, source, step, sizes.get((SOURCE, context), (0, ""))[0], context in safety, tuple(cells))


def _sizes(
    name: str, script: Script, content: FlowContent, told: Mapping[str, Sequence[Told]], steps: Sequence[str],
    shown: Sequence[str], line_name: str,
) -> dict[Key, tuple[int, str]]:  # fmt: skip
    """(language, context) -> segments and encoding of the whole text as it is sent: a question with its choices."""
    data = outline(content.source, f"{name}.yaml").steps
    texts = {language: {one.context: one.text for one in told[language]} for language in shown}
    contexts: dict[str, list[str]] = {}
    for context, _, step in messages(script):
        if context.endswith((".ask", ".say")) and ".choices." not in context:
            contexts.setdefault(step, []).append(context)
    found: dict[Key, tuple[int, str]] = {}
    for step in dict.fromkeys(step for step in steps if step in data):
        seen = preview(step, data[step], texts, languages=shown, budget=script.segments, price=0, line_name=line_name)
        for language, bubbles in seen.bubbles.items():
            for context, bubble in zip(contexts.get(step, ()), bubbles, strict=False):
                found[language, context] = (bubble.segments, bubble.encoding)
    return found


def content_at(db: Session, flow: str, seen: int) -> FlowContent | None:
    """The flow as a page saw it, which was made from a revision of its draft, or with a minus from a version; 0 is what is
    published now. None where there is no such thing.
    """
    if seen <= 0:
        version = -seen or flows.published(db, flow)
        stored = flows.load(db, version) if version is not None else None
        return stored.content if stored and stored.name == flow else None
    entry = next((one for one in drafts.history(db, flow, 1, seen + 1) if one.number == seen), None)
    revision = drafts.revision(db, entry.id) if entry else None
    return revision.content if revision else None


def touched(name: str, content: FlowContent, posted: Mapping[Key, str], right: Key | None) -> dict[Key, str]:
    """Those of the posted texts that are not as they were, and the one that was said to be still right."""
    script = read_flow(content.source, f"{name}.yaml")
    before: dict[Key, str] = {}
    for language in {language for language, _ in posted}:
        before |= {(language, one.context): one.text.strip() for one in _told(name, script, content, language)}
    return {key: text for key, text in posted.items() if before.get(key, "") != text or (key == right and text)}


def change_texts(db: Session, flow: str, seen: int, texts: Mapping[Key, str], by: Author, now: datetime) -> Revision:
    """Write these translations into the draft, and nothing else. Raises what `edit_draft.change` raises, and Unfit."""
    if too_long := [context for (_, context), text in texts.items() if len(text) > LONGEST]:
        raise Unfit(f"`{too_long[0]}` is longer than {LONGEST:,} characters. Say it shorter. Nothing was saved.")
    for language in {language for language, _ in texts}:
        _refuse_language(language)

    def act(content: FlowContent) -> FlowContent:
        script = read_flow(content.source, f"{flow}.yaml")
        gone = {context for _, context in texts} - {context for context, *_ in messages(script)}
        if gone:
            raise Unfit(f"`{sorted(gone)[0]}` is not in the flow any more. Nothing was saved.")
        for language in {language for language, _ in texts}:
            mine = {context: text for (spoken, context), text in texts.items() if spoken == language}
            before = content.translations.get(language) or flow_words.new_file(script, language)
            content = _with(content, flow, language, flow_words.with_texts(script, before, mine))
        return content

    def touches(content: FlowContent) -> object:
        script = read_flow(content.source, f"{flow}.yaml")
        return {
            language: [one for one in _told(flow, script, content, language) if (language, one.context) in texts]
            for language in {language for language, _ in texts}
        }

    return edit_draft.change(db, flow, seen, _what(texts), act, by, now, touches=touches)


def _with(content: FlowContent, flow: str, language: str, po: str) -> FlowContent:
    """The content with this PO file. Raises FlowError where it could not be read back."""
    read_translations(po, f"{flow}.{language}.po")
    return replace(content, translations={**content.translations, language: po})


def _what(texts: Mapping[Key, str]) -> str:
    """What was done, for the history: at most three places by name."""
    contexts = list(dict.fromkeys(context for _, context in texts))
    more = f" and {len(contexts) - 3} more" if len(contexts) > 3 else ""
    languages = ", ".join(sorted({language for language, _ in texts}))
    return f"Translated ({languages}): {', '.join(contexts[:3])}{more}"


def _refuse_language(language: str) -> None:
    if language == SOURCE:
        raise Unfit("The flow itself is in English; that is changed on the page Steps.")
    try:
        if LANGUAGE.fullmatch(language):
            Locale.parse(language)
            return
    except (UnknownLocaleError, ValueError):
        pass
    raise Unfit(f"\u201c{language[:20]}\u201d is no code of a language. Write it like es, vi or bs.")


def add_language(db: Session, flow: str, seen: int, language: str, by: Author, now: datetime) -> Revision:
    """Begin the translation of a flow into a language. Raises what `edit_draft.change` raises, and Unfit."""
    _refuse_language(language)

    def act(content: FlowContent) -> FlowContent:
        if language in content.translations:
            raise Unfit(f"The flow has {language} already.")
        script = read_flow(content.source, f"{flow}.yaml")
        return _with(content, flow, language, flow_words.new_file(script, language))

    def touches(content: FlowContent) -> object:
        return language in content.translations

    return edit_draft.change(db, flow, seen, f"Added the language {language}", act, by, now, touches=touches)


def exported(name: str, content: FlowContent, number: int, language: str) -> str:
    """The PO file for a translator. Raises FlowError, and Unfit for what is no language."""
    _refuse_language(language)
    script = read_flow(content.source, f"{name}.yaml")
    return flow_words.exported(script, content.translations.get(language, ""), language, number, f"{name}.{language}.po")


def bring_in(
    db: Session, flow: str, language: str, raw: bytes, file: str, by: Author, now: datetime
) -> tuple[Merged, Revision]:
    """Take a translator's file into the draft as it is now. It may be older: of each text its own source is compared.

    Raises FlowError where the file is broken or of another flow or language, NotThere, and Unfit.
    """
    _refuse_language(language)
    incoming = _decoded(raw)
    merged: list[Merged] = []

    def act(content: FlowContent) -> FlowContent:
        script = read_flow(content.source, f"{flow}.yaml")
        found = flow_words.merge(script, content.translations.get(language, ""), incoming, language, file)
        merged.append(found)
        return _with(content, flow, language, found.po)

    draft = drafts.lock(db, flow)
    number = draft.revision.number if draft else 0
    revision = edit_draft.change(db, flow, number, f"Took in the translation file for {language}", act, by, now)
    return merged[-1], revision


def _decoded(raw: bytes) -> str:
    if len(raw) > LARGEST:
        raise Unfit(f"The file has {len(raw):,} bytes. Keep it under {LARGEST:,}. Nothing was taken in.")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        said = f"Line {line} is not UTF-8. Save the file with the encoding UTF-8. Nothing was taken in."
        raise Unfit(said) from error


# All flows at once.


def zipped(contents: Mapping[str, tuple[FlowContent, int]], language: str) -> tuple[bytes, tuple[str, ...]]:
    """A zip with one PO file a flow, and the flows that cannot be read and are not in it. Raises Unfit."""
    _refuse_language(language)
    held, left = BytesIO(), []
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (content, number) in sorted(contents.items()):
            try:
                # A fixed time: the same texts give the same file.
                info = zipfile.ZipInfo(f"{name}.{language}.po", (2020, 1, 1, 0, 0, 0))
                archive.writestr(info, exported(name, content, number, language), zipfile.ZIP_DEFLATED)
            except FlowError:
                left.append(name)
    return held.getvalue(), tuple(left)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A PO file out of a zip. `flow` and `language` are whose it says it is, "" where it does not tell."""

    file: str
    raw: bytes
    flow: str
    language: str


def unpacked(raw: bytes) -> list[Unpacked]:
    """The PO files of a zip. Raises Unfit for what is none, or too large; what else lies in it is left alone."""
    try:
        archive = zipfile.ZipFile(BytesIO(raw))
        files = [info for info in archive.infolist() if _is_po(info.filename)]
        # The sizes are the archive's own word, so no more than they say is ever read of it.
        if len(files) > MOST_FILES or any(info.file_size > LARGEST for info in files):
            raise Unfit(
                f"The zip holds more than {MOST_FILES} files, or one over {LARGEST:,} bytes. Import them one by one."
            )
        return [_unpacked(info.filename, _read(archive, info)) for info in files]
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise Unfit("This is no zip file that can be read. Nothing was taken in.") from error


def _is_po(name: str) -> bool:
    """Also without the shadows that Macs put into archives."""
    return name.endswith(".po") and not name.startswith("__MACOSX") and not name.rpartition("/")[2].startswith(".")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        return file.read(LARGEST + 1)


def _unpacked(name: str, raw: bytes) -> Unpacked:
    file = name.rpartition("/")[2]
    flow, language = flow_words.meant_for(raw.decode("utf-8", "replace"), file)
    return Unpacked(file, raw, flow, language)


def with_drafts(db: Session) -> dict[str, tuple[FlowContent, int]]:
    """Every flow as it is worked on: its draft with the number of its revision, else what is published with 0."""
    found = {stored.name: (stored.content, 0) for version in flows.all_published(db) if (stored := flows.load(db, version))}
    return found | {draft.flow: (draft.revision.content, draft.revision.number) for draft in drafts.everyone(db)}
