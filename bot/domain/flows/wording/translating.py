"""Which texts of a flow are translated, stale or missing; and how a translator's file is merged.

A translation is stale if its source has changed since: it is kept, shown with its old source, and never sent. Nothing is
dropped silently: what can't be merged is returned with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.flows.language.script import Script
from bot.domain.flows.language.texts import translatable_texts
from bot.domain.flows.language.translations import read_translations
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem
from bot.domain.flows.wording import po_file
from bot.domain.flows.wording.po_file import PoEntry

LANGUAGE = re.compile(r"[a-z]{2,3}(?:_[A-Z]{2}|_[A-Z][a-z]{3})?")
_FILE = re.compile(r"(?:.*[/\\])?([a-z][a-z0-9_]*)\.([a-z]{2,3}(?:_[A-Za-z]{2,4})?)\.po")
_PROJECT = re.compile(r"Warmline ([a-z][a-z0-9_]{0,39}) \d+")
_EXPORT_AGAIN = "Export the file anew, and put these texts into it."


class TranslationState(StrEnum):
    TRANSLATED = "translated"
    STALE = "stale"
    """There is a translation, but of an older source, or the translator was unsure."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class TextTranslation:
    """The translation of one text of a flow. `made_from` is the source of a stale one, "" if unknown."""

    context: str
    source: str
    step: str
    """"" for the title."""
    state: TranslationState
    text: str = ""
    made_from: str = ""


@dataclass(frozen=True, slots=True)
class TranslationCoverage:
    """How much of a flow is translated into a language: contexts, in reading order."""

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


def list_translations(script: Script, po_text: str, file: str) -> list[TextTranslation]:
    """The translations of all texts of a flow in this PO file, in reading order. Raises FlowError if it is broken."""
    found = _by_context(po_text, file)
    return [
        _translation_of(context, source, step, found.get(context, ()))
        for context, source, step in translatable_texts(script)
    ]


def _by_context(po_text: str, file: str) -> dict[str, list[PoEntry]]:
    read_translations(po_text, file)
    found: dict[str, list[PoEntry]] = {}
    for entry in po_file.read_entries(po_text):
        found.setdefault(entry.context, []).append(entry)
    return found


def _translation_of(context: str, source: str, step: str, found: Sequence[PoEntry]) -> TextTranslation:
    filled = [entry for entry in found if entry.text.strip()]
    if not filled:
        return TextTranslation(context, source, step, TranslationState.MISSING)
    # Prefer the entry for the current source; otherwise take the last, the newest that a tool has added.
    best = next((entry for entry in filled if entry.source == source), filled[-1])
    if best.source == source and not best.is_fuzzy:
        return TextTranslation(context, source, step, TranslationState.TRANSLATED, best.text)
    made_from = best.made_from or (best.source if best.source != source else "")
    return TextTranslation(context, source, step, TranslationState.STALE, best.text, made_from)


def translation_coverage(language: str, found: Sequence[TextTranslation]) -> TranslationCoverage:
    """The coverage for the result of `list_translations`."""
    parts = {state: tuple(one.context for one in found if one.state is state) for state in TranslationState}
    return TranslationCoverage(
        language, parts[TranslationState.TRANSLATED], parts[TranslationState.STALE], parts[TranslationState.MISSING]
    )


def new_po(script: Script, language: str) -> str:
    """A PO file for a language that the flow does not have yet: all texts, untranslated."""
    fields = {
        "Project-Id-Version": f"Warmline {script.flow} 0",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    return with_texts(
        script, po_file.with_head("", fields).rstrip() + "\n\n", {context: "" for context, *_ in translatable_texts(script)}
    )


def with_texts(script: Script, po_text: str, texts: Mapping[str, str]) -> str:
    """Sets these translations (context -> text, "" for none) for the current sources. Other entries stay byte for byte.
    Raises KeyError for a context that is not in the flow.
    """
    sources = {context: source for context, source, _ in translatable_texts(script)}
    wanted = [PoEntry(context, sources[context], text) for context, text in texts.items()]
    return po_file.write_entries(po_text, wanted, list(sources))


def export_po(script: Script, po_text: str, language: str, number: int, file: str) -> str:
    """The PO file for a translator: every text of the flow, stale ones marked fuzzy with their old source.

    `number` is the revision of the draft; it and the flow's name are written to the header, which identifies the file when
    it is imported. Raises FlowError if the file is broken.
    """
    wanted = []
    for one in list_translations(script, po_text, file):
        is_stale = one.state is TranslationState.STALE
        wanted.append(PoEntry(one.context, one.source, one.text, is_stale, one.made_from if is_stale else ""))
    whole = po_file.write_entries(po_text or new_po(script, language), wanted, [one.context for one in wanted])
    return po_file.with_head(whole, {"Project-Id-Version": f"Warmline {script.flow} {number}", "Language": language})


@dataclass(frozen=True, slots=True)
class SkippedTranslation:
    """An imported translation that was not taken as it is; with its text, for copying."""

    context: str
    source: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The result of importing a translator's file. `po` is the flow's new file."""

    po: str
    taken: tuple[str, ...]
    same: int
    empty: int
    """Texts without a translation in the file; the flow's own translations stay."""
    skipped: tuple[SkippedTranslation, ...]


def merge_po(script: Script, po_text: str, incoming: str, language: str, file: str) -> MergeResult:
    """Merges a translator's file of this flow and language. Raises FlowError, with line and remedy, if it is broken or
    belongs to another flow or language; nothing is merged then.
    """
    found = _by_context(incoming, file)
    _check_target(script, incoming, language, file, found)
    here = {one.context: one for one in list_translations(script, po_text, f"{script.flow}.{language}.po")}
    wanted: dict[str, PoEntry] = {}
    left_out: list[SkippedTranslation] = []
    same = empty = 0
    for entry in (entry for group in found.values() for entry in group):
        current = here.get(entry.context)
        if not entry.text.strip():
            empty += current is not None
        elif current is None:
            left_out.append(_skipped(entry, "This text is not in the flow any more."))
        elif entry.source == current.source and not entry.is_fuzzy:
            same += current.state is TranslationState.TRANSLATED and current.text == entry.text
            wanted[entry.context] = PoEntry(entry.context, entry.source, entry.text)
        elif entry.text != current.text and entry.context not in wanted:
            left_out.append(_uncertain(entry, current))
            if current.state is TranslationState.MISSING:
                made_from = entry.made_from or (entry.source if entry.source != current.source else "")
                wanted[entry.context] = PoEntry(entry.context, current.source, entry.text, True, made_from)
    # A text that came twice, once for an older source, is not left out.
    left_out = [one for one in left_out if wanted.get(one.context) is None or wanted[one.context].is_fuzzy]
    taken = tuple(
        context
        for context, entry in wanted.items()
        if not entry.is_fuzzy
        and not (here[context].state is TranslationState.TRANSLATED and here[context].text == entry.text)
    )
    po = po_file.write_entries(po_text or new_po(script, language), wanted.values(), list(here))
    return MergeResult(po, taken, same, empty, tuple(left_out))


def _skipped(entry: PoEntry, why: str) -> SkippedTranslation:
    return SkippedTranslation(entry.context, entry.source, entry.text, why)


def _uncertain(entry: PoEntry, current: TextTranslation) -> SkippedTranslation:
    """Why a translation is not accepted as current, and what was done with it."""
    reason = "It is marked as unsure (fuzzy)." if entry.source == current.source else "It was made from another source."
    if current.state is TranslationState.MISSING:
        return _skipped(entry, f"{reason} It was kept as stale: read it, and say that it is right.")
    kept = "translation" if current.state is TranslationState.TRANSLATED else "stale translation"
    return _skipped(entry, f"{reason} The flow's own {kept} stays.")


def _check_target(script: Script, incoming: str, language: str, file: str, found: Mapping[str, object]) -> None:
    fields = po_file.read_head(incoming)
    spoken = fields.get("language", "").replace("-", "_")
    if spoken and spoken.split("_")[0] != language.split("_")[0]:
        what = f"The head of this file says that it is `{spoken}`, and here is `{language}`."
        _refuse(file, po_file.head_line(incoming, "Language"), what, "Import it at its own language, or correct the head.")
    project = _PROJECT.fullmatch(fields.get("project-id-version", ""))
    if project and project[1] != script.flow:
        what = f"This is the translation of the flow `{project[1]}`, and here is `{script.flow}`."
        _refuse(file, po_file.head_line(incoming, "Project-Id-Version"), what, "Import it at that flow.")
    known = {context for context, *_ in translatable_texts(script)}
    if not found:
        _refuse(file, 1, "There is no text in this file.", _EXPORT_AGAIN)
    if not known & (set(found) - {"title"}):
        what = f"No entry of this file belongs to the flow `{script.flow}`."
        _refuse(file, 1, what, "Look whether it is the file of another flow. " + _EXPORT_AGAIN)


def _refuse(file: str, line: int, what: str, remedy: str) -> None:
    raise FlowError([FlowProblem(file, line, what, remedy)])


def identify_po(po_text: str, file: str) -> tuple[str, str]:
    """The flow and language that a file is for, by its header, else by its name `<flow>.<language>.po`; "" if unknown."""
    fields = po_file.read_head(po_text)
    named = _FILE.fullmatch(file)
    project = _PROJECT.fullmatch(fields.get("project-id-version", ""))
    flow = project[1] if project else named[1] if named else ""
    language = fields.get("language", "").replace("-", "_") or (named[2] if named else "")
    return flow, language
