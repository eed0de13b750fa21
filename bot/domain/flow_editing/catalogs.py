"""PO files that follow a change of the source: what is stale is marked and kept, names in contexts are carried along, and
what belongs to nothing any more is set aside at the end of the file (`#~`), where a later text of that place finds it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.domain import po_file
from bot.domain.flow_translations import read_translations
from bot.domain.flow_yaml import FlowError
from bot.domain.po_file import Entry

Sources = Mapping[str, str]
"""Context -> source text."""
_OBSOLETE = "#~ "


def spoken(name: str, step: object) -> dict[str, str]:
    """What of a step is translated, by context: the same as `flow_texts.messages`, of a step that need not be whole."""
    if not isinstance(step, Mapping):
        return {}
    found: dict[str, str] = {}
    if _is_text(step.get("ask")):
        found[f"{name}.ask"] = str(step["ask"])
        choices = step.get("choices")
        for key, choice in choices.items() if isinstance(choices, Mapping) else ():
            found |= _of_choice(f"{name}.choices.{key}", choice)
        retry = step.get("not_understood")
        if isinstance(retry, Mapping) and _is_text(retry.get("say")):
            found[f"{name}.not_understood.say"] = str(retry["say"])
    elif _is_text(step.get("say")):
        found[f"{name}.say"] = str(step["say"])
    return found


def _of_choice(at: str, choice: object) -> dict[str, str]:
    found: dict[str, str] = {}
    if isinstance(choice, Mapping) and _is_text(choice.get("label")):
        found[f"{at}.label"] = str(choice["label"])
    words = choice.get("words") if isinstance(choice, Mapping) else None
    if isinstance(words, (list, tuple)) and words:
        found[f"{at}.words"] = ", ".join(map(str, words))
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def all_spoken(head: Mapping[str, object], steps: Mapping[str, object]) -> dict[str, str]:
    """All that is translated of a flow, by context, in reading order."""
    found = {"title": str(head["title"])} if _is_text(head.get("title")) else {}
    for name, step in steps.items():
        found |= spoken(name, step)
    return found


def new_catalog(flow: str, language: str) -> str:
    """The head of a PO file of a language that the flow does not have yet."""
    fields = {
        "Project-Id-Version": f"Warmline {flow} 0",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    head = f"# Texts of the flow {flow} in the language {language}.\n# Reviewed by: nobody yet\n"
    return f"{head}{po_file.with_head('', fields).rstrip()}\n\n"


def followed(po: str, before: Sources, after: Sources, given: Sources, order: Sequence[str], file: str) -> str:
    """The PO file after some texts have changed from `before` to `after`; `given` are translations by context.

    A text whose source changed is marked fuzzy with the source that it was made from, unless another translation is given
    with it. Raises FlowError where the file is broken and must be changed.
    """
    if dict(before) == dict(after) and not any(context in after for context in given):
        return po
    checked(po, file)
    entries = {entry.context: entry for entry in _current(po, before)}
    set_aside = dict(_set_aside(po))
    wanted: list[Entry] = []
    for context, source in after.items():
        old = entries.get(context)
        if old is None and context in set_aside:
            kept = set_aside[context]
            old = Entry(context, kept.source, kept.text, True, kept.source)
        new = _follow(old, context, source, given.get(context))
        if new is not None and new != entries.get(context):
            wanted.append(new)
    made = po_file.written(_without_set_aside(po, {entry.context for entry in wanted}), wanted, order) if wanted else po
    gone = frozenset(context for context in before if context not in after)
    return _with_set_aside(made, gone) if gone & entries.keys() else made


def _follow(old: Entry | None, context: str, source: str, given: str | None) -> Entry | None:
    """The entry that stands here from now on; None where there is none and none is needed."""
    given = given.replace("\r\n", "\n") if given is not None else None
    # A form loses the line break at the end of a text; nobody has looked at a translation because of that.
    if given is not None and (old is None or given.strip() != old.text.strip()):
        return Entry(context, source, given) if given.strip() or old else None
    if old is None or old.source == source:
        return old
    if not old.text.strip():
        return Entry(context, source, "")
    made_from = (old.made_from if old.is_fuzzy else "") or old.source
    if made_from == source:
        # The source is again what the translation was made from.
        return Entry(context, source, old.text)
    return Entry(context, source, old.text, True, made_from)


def _current(po: str, sources: Sources) -> Iterator[Entry]:
    """One entry a context: of several that of the present source, else the last."""
    best: dict[str, Entry] = {}
    for entry in po_file.entries(po):
        known = best.get(entry.context)
        if known is None or known.source != sources.get(entry.context):
            best[entry.context] = entry
    yield from best.values()


def checked(po: str, file: str) -> None:
    """Raises FlowError, with line and remedy, where a PO file is broken."""
    try:
        read_translations(po, file)
    except FlowError as error:
        # Entries without a context are complained about by the checks, and are no reason not to write the others.
        if any("PO entry" in problem.what or "can't be read" in problem.what for problem in error.problems):
            raise


# Names in contexts.


def with_place_renamed(po: str, old: str, new: str) -> str:
    """The file in which the contexts that begin with `old.` begin with `new.`, also those that are set aside."""
    context = rf'^((?:#~[ \t]*)?msgctxt[ \t]+"(?:"[ \t]*\n(?:#~[ \t]*)?")?){re.escape(old)}\.'
    breaks = "\r\n" if "\r\n" in po else "\n"
    freed = _without_set_aside(po, frozenset(c for c, _ in _set_aside(po) if c.startswith(f"{new}.")))
    made = re.sub(context, rf"\g<1>{new}.", freed.replace("\r\n", "\n"), flags=re.MULTILINE)
    return made.replace("\n", breaks)


def with_texts_renamed(po: str, rename: Callable[[str], str], file: str) -> str:
    """The file in which sources and translations are as `rename` gives them; stale ones stay stale."""
    checked(po, file)
    entries = po_file.entries(po)
    wanted = []
    for entry in entries:
        if entry.context == "title" or ".choices." in entry.context:
            continue
        new = replace(entry, source=rename(entry.source), text=rename(entry.text), made_from=rename(entry.made_from))
        if new != entry:
            wanted.append(new)
    return po_file.written(po, wanted, [entry.context for entry in entries]) if wanted else po


# What is set aside.


def _blocks(po: str) -> list[str]:
    """The file cut behind each entry; joined again it is the same to the letter."""
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


def _with_set_aside(po: str, contexts: frozenset[str]) -> str:
    kept: list[str] = []
    aside: list[str] = []
    for block in _blocks(po):
        entry = next(iter(po_file.entries(block)), None)
        if entry is None or entry.context not in contexts:
            kept.append(block)
            continue
        above, mine = _remarks_apart(block)
        kept.append(above)
        if entry.text.strip():
            aside.append(_as_set_aside(mine, entry))
    body = "".join(kept)
    return body.rstrip("\n") + "\n" + "".join(f"\n{one}" for one in aside)


def _remarks_apart(block: str) -> tuple[str, str]:
    """What stands above an entry with an empty line between, such as what was set aside earlier, and the entry itself."""
    rows = block.splitlines(keepends=True)
    first = next(number for number, row in enumerate(rows) if row.strip() and not row.startswith("#"))
    while first > 0 and rows[first - 1].startswith("#") and not rows[first - 1].startswith("#~"):
        first -= 1
    return "".join(rows[:first]), "".join(rows[first:])


def _as_set_aside(block: str, entry: Entry) -> str:
    """The entry behind `#~`. Of a stale one the source is written from which it was made, which it then waits for."""
    remarks = [row for row in block.splitlines() if row.startswith("#") and not row.startswith(("#,", "#|"))]
    plain = po_file.written("", [Entry(entry.context, entry.made_from or entry.source, entry.text)], [entry.context])
    rows = [f"{_OBSOLETE}{row}" for row in plain.splitlines() if row.strip()]
    return "".join(f"{row}\n" for row in [*remarks, *rows])


_ASIDE = re.compile(r"(?:^#~[^\n]*(?:\n|\Z))+", re.MULTILINE)


def _aside_entries(po: str) -> Iterator[tuple[Entry, str]]:
    for run in _ASIDE.finditer(po):
        for block in _blocks(re.sub(r"^#~[ \t]?", "", run.group(), flags=re.MULTILINE)):
            for entry in po_file.entries(block):
                yield entry, block


def _set_aside(po: str) -> Iterator[tuple[str, Entry]]:
    if "#~" in po:
        for entry, _ in _aside_entries(po):
            yield entry.context, entry


def _without_set_aside(po: str, contexts: frozenset[str] | set[str]) -> str:
    for entry, block in _aside_entries(po) if "#~" in po and contexts else ():
        if entry.context in contexts:
            rows = "".join(rf"#~[ \t]?{re.escape(row)}\r?\n?" for row in block.splitlines())
            po = re.sub(rf"\n?^{rows}", "", po, count=1, flags=re.MULTILINE)
    return po
