"""Updates PO files after a change of the source: stale entries are marked and kept, renamed contexts follow, and entries
that no longer belong to anything move to the end of the file as obsolete (`#~`), where a later text at the same context
finds them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.domain.flows.language.translations import read_translations
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.flows.wording import po_file
from bot.domain.flows.wording.po_file import PoEntry

Sources = Mapping[str, str]
"""Context -> source text."""
_OBSOLETE_PREFIX = "#~ "


def translatable_texts(name: str, step: object) -> dict[str, str]:
    """The translatable texts of a step by context: like `flow_texts.messages`, but for a step that may be incomplete."""
    if not isinstance(step, Mapping):
        return {}
    found: dict[str, str] = {}
    if _is_text(step.get("ask")):
        found[f"{name}.ask"] = str(step["ask"])
        choices = step.get("choices")
        for key, choice in choices.items() if isinstance(choices, Mapping) else ():
            found |= _choice_texts(f"{name}.choices.{key}", choice)
        retry = step.get("not_understood")
        if isinstance(retry, Mapping) and _is_text(retry.get("say")):
            found[f"{name}.not_understood.say"] = str(retry["say"])
    elif _is_text(step.get("say")):
        found[f"{name}.say"] = str(step["say"])
    return found


def _choice_texts(at: str, choice: object) -> dict[str, str]:
    found: dict[str, str] = {}
    if isinstance(choice, Mapping) and _is_text(choice.get("label")):
        found[f"{at}.label"] = str(choice["label"])
    words = choice.get("words") if isinstance(choice, Mapping) else None
    if isinstance(words, (list, tuple)) and words:
        found[f"{at}.words"] = ", ".join(map(str, words))
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def all_translatable_texts(head: Mapping[str, object], steps: Mapping[str, object]) -> dict[str, str]:
    """All translatable texts of a flow by context, in reading order."""
    found = {"title": str(head["title"])} if _is_text(head.get("title")) else {}
    for name, step in steps.items():
        found |= translatable_texts(name, step)
    return found


def catalog_header(flow: str, language: str) -> str:
    """The header of a new PO file, for a language that the flow does not have yet."""
    fields = {
        "Project-Id-Version": f"Warmline {flow} 0",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    head = f"# Texts of the flow {flow} in the language {language}.\n# Reviewed by: nobody yet\n"
    return f"{head}{po_file.with_head('', fields).rstrip()}\n\n"


def update_catalog(
    po: str, before: Sources, after: Sources, new_translations: Sources, order: Sequence[str], file: str
) -> str:
    """The PO file after texts changed from `before` to `after`; `new_translations` are translations by context.

    A text whose source changed is marked fuzzy together with its old source, unless a new translation is given too. Raises
    FlowError if the file is broken and must change.
    """
    if dict(before) == dict(after) and not any(context in after for context in new_translations):
        return po
    check_catalog(po, file)
    entries = {entry.context: entry for entry in _current_entries(po, before)}
    set_aside = dict(_obsolete_entries(po))
    wanted: list[PoEntry] = []
    for context, source in after.items():
        old = entries.get(context)
        if old is None and context in set_aside:
            kept = set_aside[context]
            old = PoEntry(context, kept.source, kept.text, True, kept.source)
        new = _updated_entry(old, context, source, new_translations.get(context))
        if new is not None and new != entries.get(context):
            wanted.append(new)
    made = po_file.write_entries(_without_obsolete(po, {entry.context for entry in wanted}), wanted, order) if wanted else po
    gone = frozenset(context for context in before if context not in after)
    return _with_obsolete(made, gone) if gone & entries.keys() else made


def _updated_entry(old: PoEntry | None, context: str, source: str, new_text: str | None) -> PoEntry | None:
    """The entry at this context from now on; None if there is none and none is needed."""
    new_text = new_text.replace("\r\n", "\n") if new_text is not None else None
    # A web form drops the line break at the end of a text; that does not mean the translation was reviewed.
    if new_text is not None and (old is None or new_text.strip() != old.text.strip()):
        return PoEntry(context, source, new_text) if new_text.strip() or old else None
    if old is None or old.source == source:
        return old
    if not old.text.strip():
        return PoEntry(context, source, "")
    made_from = (old.made_from if old.is_fuzzy else "") or old.source
    if made_from == source:
        # The source is back to what the translation was made from.
        return PoEntry(context, source, old.text)
    return PoEntry(context, source, old.text, True, made_from)


def _current_entries(po: str, sources: Sources) -> Iterator[PoEntry]:
    """One entry per context: the one for the current source if there are several, else the last."""
    best: dict[str, PoEntry] = {}
    for entry in po_file.read_entries(po):
        known = best.get(entry.context)
        if known is None or known.source != sources.get(entry.context):
            best[entry.context] = entry
    yield from best.values()


def check_catalog(po: str, file: str) -> None:
    """Raises FlowError, with line and remedy, if a PO file is broken."""
    try:
        read_translations(po, file)
    except FlowError as error:
        # The checks report entries without a context; they are no reason to refuse writing the others.
        if any("PO entry" in problem.what or "can't be read" in problem.what for problem in error.problems):
            raise


# Names in contexts.


def rename_context_prefix(po: str, old: str, new: str) -> str:
    """The file with contexts beginning `old.` changed to `new.`, obsolete ones included."""
    context = rf'^((?:#~[ \t]*)?msgctxt[ \t]+"(?:"[ \t]*\n(?:#~[ \t]*)?")?){re.escape(old)}\.'
    breaks = "\r\n" if "\r\n" in po else "\n"
    freed = _without_obsolete(po, frozenset(c for c, _ in _obsolete_entries(po) if c.startswith(f"{new}.")))
    made = re.sub(context, rf"\g<1>{new}.", freed.replace("\r\n", "\n"), flags=re.MULTILINE)
    return made.replace("\n", breaks)


def rename_in_texts(po: str, rename: Callable[[str], str], file: str) -> str:
    """Applies `rename` to sources and translations; stale entries stay stale."""
    check_catalog(po, file)
    entries = po_file.read_entries(po)
    wanted = []
    for entry in entries:
        if entry.context == "title" or ".choices." in entry.context:
            continue
        new = replace(entry, source=rename(entry.source), text=rename(entry.text), made_from=rename(entry.made_from))
        if new != entry:
            wanted.append(new)
    return po_file.write_entries(po, wanted, [entry.context for entry in entries]) if wanted else po


# Obsolete entries.


def _blocks(po: str) -> list[str]:
    """Splits the file after each entry; joined again it is identical."""
    groups: list[list[str]] = [[]]
    is_whole = False
    for row in po.splitlines(keepends=True):
        bare = row.strip()
        if is_whole and bare and not bare.startswith(('"', "msgstr")):
            groups.append([])
            is_whole = False
        groups[-1].append(row)
        is_whole = is_whole or bare.startswith("msgstr")
    return ["".join(group) for group in groups]


def _with_obsolete(po: str, contexts: frozenset[str]) -> str:
    kept: list[str] = []
    obsolete: list[str] = []
    for block in _blocks(po):
        entry = next(iter(po_file.read_entries(block)), None)
        if entry is None or entry.context not in contexts:
            kept.append(block)
            continue
        above, own_lines = _split_comments(block)
        kept.append(above)
        if entry.text.strip():
            obsolete.append(_as_obsolete(own_lines, entry))
    body = "".join(kept)
    return body.rstrip("\n") + "\n" + "".join(f"\n{one}" for one in obsolete)


def _split_comments(block: str) -> tuple[str, str]:
    """Separates an entry from what stands above it with an empty line between (such as obsolete entries)."""
    rows = block.splitlines(keepends=True)
    first = next(number for number, row in enumerate(rows) if row.strip() and not row.startswith("#"))
    while first > 0 and rows[first - 1].startswith("#") and not rows[first - 1].startswith("#~"):
        first -= 1
    return "".join(rows[:first]), "".join(rows[first:])


def _as_obsolete(block: str, entry: PoEntry) -> str:
    """The entry as `#~` lines. A stale one gets its old source, so that it matches if that text returns."""
    remarks = [row for row in block.splitlines() if row.startswith("#") and not row.startswith(("#,", "#|"))]
    plain = po_file.write_entries("", [PoEntry(entry.context, entry.made_from or entry.source, entry.text)], [entry.context])
    rows = [f"{_OBSOLETE_PREFIX}{row}" for row in plain.splitlines() if row.strip()]
    return "".join(f"{row}\n" for row in [*remarks, *rows])


_OBSOLETE_LINES = re.compile(r"(?:^#~[^\n]*(?:\n|\Z))+", re.MULTILINE)


def _obsolete_blocks(po: str) -> Iterator[tuple[PoEntry, str]]:
    for run in _OBSOLETE_LINES.finditer(po):
        for block in _blocks(re.sub(r"^#~[ \t]?", "", run.group(), flags=re.MULTILINE)):
            for entry in po_file.read_entries(block):
                yield entry, block


def _obsolete_entries(po: str) -> Iterator[tuple[str, PoEntry]]:
    if "#~" in po:
        for entry, _ in _obsolete_blocks(po):
            yield entry.context, entry


def _without_obsolete(po: str, contexts: frozenset[str] | set[str]) -> str:
    for entry, block in _obsolete_blocks(po) if "#~" in po and contexts else ():
        if entry.context in contexts:
            rows = "".join(rf"#~[ \t]?{re.escape(row)}\r?\n?" for row in block.splitlines())
            po = re.sub(rf"\n?^{rows}", "", po, count=1, flags=re.MULTILINE)
    return po
