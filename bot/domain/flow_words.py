"""What of a flow is translated, what is stale and what is missing; and what a translator sends back, taken in.

A translation is stale where its source has changed since: it is kept, shown with the source from which it was made, and
never sent. Nothing here is thrown away silently: what cannot be taken in comes back with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.domain import po_file
from bot.domain.flow_texts import messages
from bot.domain.flow_translations import read_translations
from bot.domain.flow_yaml import FlowError, Problem
from bot.domain.po_file import Entry
from bot.domain.script import Script

LANGUAGE = re.compile(r"[a-z]{2,3}(?:_[A-Z]{2}|_[A-Z][a-z]{3})?")
_FILE = re.compile(r"(?:.*[/\\])?([a-z][a-z0-9_]*)\.([a-z]{2,3}(?:_[A-Za-z]{2,4})?)\.po")
_PROJECT = re.compile(r"Warmline ([a-z][a-z0-9_]{0,39}) \d+")
_AGAIN = "Export the file anew, and put these texts into it."


class State(StrEnum):
    TRANSLATED = "translated"
    STALE = "stale"
    """There is a translation, but of an older source, or its translator was not sure."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Told:
    """What a language says for one text of a flow. `made_from` is the source of a stale one, "" where it is not known."""

    context: str
    source: str
    step: str
    """"" for the title."""
    state: State
    text: str = ""
    made_from: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a flow is translated into a language: the contexts, in reading order."""

    language: str
    translated: tuple[str, ...]
    stale: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.translated) + len(self.stale) + len(self.missing)

    @property
    def is_whole(self) -> bool:
        return not self.stale and not self.missing


def told(script: Script, po_text: str, file: str) -> list[Told]:
    """All texts of a flow with what this PO file says for them, in reading order. Raises FlowError where it is broken."""
    found = _by_context(po_text, file)
    return [_told(context, source, step, found.get(context, ())) for context, source, step in messages(script)]


def _by_context(po_text: str, file: str) -> dict[str, list[Entry]]:
    read_translations(po_text, file)
    found: dict[str, list[Entry]] = {}
    for entry in po_file.entries(po_text):
        found.setdefault(entry.context, []).append(entry)
    return found


def _told(context: str, source: str, step: str, found: Sequence[Entry]) -> Told:
    filled = [entry for entry in found if entry.text.strip()]
    if not filled:
        return Told(context, source, step, State.MISSING)
    # The one of this very source counts; without one the last, which is the newest that a tool has added.
    best = next((entry for entry in filled if entry.source == source), filled[-1])
    if best.source == source and not best.is_fuzzy:
        return Told(context, source, step, State.TRANSLATED, best.text)
    made_from = best.made_from or (best.source if best.source != source else "")
    return Told(context, source, step, State.STALE, best.text, made_from)


def coverage(language: str, found: Sequence[Told]) -> Coverage:
    """How much of a flow `told` in this language."""
    parts = {state: tuple(one.context for one in found if one.state is state) for state in State}
    return Coverage(language, parts[State.TRANSLATED], parts[State.STALE], parts[State.MISSING])


def new_file(script: Script, language: str) -> str:
    """A PO file of a language that the flow does not have yet: all texts, none of them translated."""
    fields = {
        "Project-Id-Version": f"Warmline {script.flow} 0",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    return with_texts(
        script, po_file.with_head("", fields).rstrip() + "\n\n", {context: "" for context, *_ in messages(script)}
    )


def with_texts(script: Script, po_text: str, texts: Mapping[str, str]) -> str:
    """The PO file with these translations (context -> text, "" for none) of the sources as they are now. Others stay as
    they are to the letter; a context that is not in the flow is a KeyError."""
    sources = {context: source for context, source, _ in messages(script)}
    wanted = [Entry(context, sources[context], text) for context, text in texts.items()]
    return po_file.written(po_text, wanted, list(sources))


def exported(script: Script, po_text: str, language: str, number: int, file: str) -> str:
    """The PO file for a translator: every text of the flow, the stale ones marked fuzzy with their old source.

    `number` is the revision of the draft; it and the flow's name stand in the head, by which the file is known when it comes
    back. Raises FlowError where the file is broken.
    """
    wanted = []
    for one in told(script, po_text, file):
        is_stale = one.state is State.STALE
        wanted.append(Entry(one.context, one.source, one.text, is_stale, one.made_from if is_stale else ""))
    whole = po_file.written(po_text or new_file(script, language), wanted, [one.context for one in wanted])
    return po_file.with_head(whole, {"Project-Id-Version": f"Warmline {script.flow} {number}", "Language": language})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A translation that came in a file and was not taken as it is; with the text, so that it can be copied."""

    context: str
    source: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a translator's file. `po` is the file that the flow has now."""

    po: str
    taken: tuple[str, ...]
    same: int
    empty: int
    """Texts that the file has without a translation; what the flow has for them stays."""
    left_out: tuple[LeftOut, ...]


def merge(script: Script, po_text: str, incoming: str, language: str, file: str) -> Merged:
    """Take in a translator's file of this flow and language. Raises FlowError, naming line and remedy, where it is broken
    or of another flow or language; then nothing is taken."""
    found = _by_context(incoming, file)
    _refuse_foreign(script, incoming, language, file, found)
    here = {one.context: one for one in told(script, po_text, f"{script.flow}.{language}.po")}
    wanted: dict[str, Entry] = {}
    left_out: list[LeftOut] = []
    same = empty = 0
    for entry in (entry for group in found.values() for entry in group):
        mine = here.get(entry.context)
        if not entry.text.strip():
            empty += mine is not None
        elif mine is None:
            left_out.append(_left_out(entry, "This text is not in the flow any more."))
        elif entry.source == mine.source and not entry.is_fuzzy:
            same += mine.state is State.TRANSLATED and mine.text == entry.text
            wanted[entry.context] = Entry(entry.context, entry.source, entry.text)
        elif entry.text != mine.text and entry.context not in wanted:
            left_out.append(_doubtful(entry, mine))
            if mine.state is State.MISSING:
                made_from = entry.made_from or (entry.source if entry.source != mine.source else "")
                wanted[entry.context] = Entry(entry.context, mine.source, entry.text, True, made_from)
    # What came twice, once of an older source, is not left out.
    left_out = [one for one in left_out if wanted.get(one.context) is None or wanted[one.context].is_fuzzy]
    taken = tuple(
        context for context, entry in wanted.items()
        if not entry.is_fuzzy and not (here[context].state is State.TRANSLATED and here[context].text == entry.text)
    )  # fmt: skip
    po = po_file.written(po_text or new_file(script, language), wanted.values(), list(here))
    return Merged(po, taken, same, empty, tuple(left_out))


def _left_out(entry: Entry, why: str) -> LeftOut:
    return LeftOut(entry.context, entry.source, entry.text, why)


def _doubtful(entry: Entry, mine: Told) -> LeftOut:
    """Why a translation is not taken for a good one, and what was done with it."""
    reason = "It is marked as unsure (fuzzy)." if entry.source == mine.source else "It was made from another source."
    if mine.state is State.MISSING:
        return _left_out(entry, f"{reason} It was kept as stale: read it, and say that it is right.")
    kept = "translation" if mine.state is State.TRANSLATED else "stale translation"
    return _left_out(entry, f"{reason} The flow's own {kept} stays.")


def _refuse_foreign(script: Script, incoming: str, language: str, file: str, found: Mapping[str, object]) -> None:
    fields = po_file.head(incoming)
    spoken = fields.get("language", "").replace("-", "_")
    if spoken and spoken.split("_")[0] != language.split("_")[0]:
        what = f"The head of this file says that it is `{spoken}`, and here is `{language}`."
        _refuse(file, po_file.head_line(incoming, "Language"), what, "Import it at its own language, or correct the head.")
    project = _PROJECT.fullmatch(fields.get("project-id-version", ""))
    if project and project[1] != script.flow:
        what = f"This is the translation of the flow `{project[1]}`, and here is `{script.flow}`."
        _refuse(file, po_file.head_line(incoming, "Project-Id-Version"), what, "Import it at that flow.")
    known = {context for context, *_ in messages(script)}
    if not found:
        _refuse(file, 1, "There is no text in this file.", _AGAIN)
    if not known & (set(found) - {"title"}):
        what = f"No entry of this file belongs to the flow `{script.flow}`."
        _refuse(file, 1, what, "Look whether it is the file of another flow. " + _AGAIN)


def _refuse(file: str, line: int, what: str, remedy: str) -> None:
    raise FlowError([Problem(file, line, what, remedy)])


def meant_for(po_text: str, file: str) -> tuple[str, str]:
    """The flow and the language that a file says it is for, by its head, else by its name `<flow>.<language>.po`; "" where
    neither tells."""
    fields = po_file.head(po_text)
    named = _FILE.fullmatch(file)
    project = _PROJECT.fullmatch(fields.get("project-id-version", ""))
    flow = project[1] if project else named[1] if named else ""
    language = fields.get("language", "").replace("-", "_") or (named[2] if named else "")
    return flow, language
