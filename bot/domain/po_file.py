"""A PO file changed entry by entry: what is not touched stays as it was to the letter, comments and line breaks too.

Babel reads PO files for us (flow_translations.py), but it writes them whole: it wraps comments anew and forgets the source
from which a stale entry was made (`#| msgid`). A translator's file must come back from us as they know it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babel.messages.pofile import denormalize, normalize

WIDTH = 100
_KEYWORD = re.compile(r"(msgctxt|msgid|msgstr)\s*(\".*)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One text of a PO file. `made_from` is the source from which a stale one was translated, "" where it is not told."""

    context: str
    source: str
    text: str
    is_fuzzy: bool = False
    made_from: str = ""


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of an entry, with the comments before it and the blank lines behind it."""

    lines: tuple[str, ...]
    entry: Entry | None = None
    """None for the head of the file, and for comments at its end."""
    is_head: bool = False


def entries(po_text: str) -> list[Entry]:
    """All entries of a file that Babel can read, in its order, without the head and what is obsolete."""
    return [block.entry for block in _blocks(po_text) if block.entry is not None]


def head(po_text: str) -> dict[str, str]:
    """The fields of the file's head, by name in small letters; empty where it has none."""
    first = next((block for block in _blocks(po_text) if block.is_head), None)
    rows = _parts(first.lines).get("msgstr", "").split("\n") if first else []
    return {name.strip().lower(): value.strip() for name, colon, value in (row.partition(":") for row in rows) if colon}


def head_line(po_text: str, name: str) -> int:
    """The line (from 1) in which a field of the head stands; 1 where there is none."""
    rows = enumerate(po_text.split("\n"), 1)
    return next((number for number, row in rows if row.lower().startswith(f'"{name.lower()}:')), 1)


def with_head(po_text: str, fields: dict[str, str]) -> str:
    """The file with these fields in its head, in place of those of the same name; the others stay."""
    blocks = _blocks(po_text)
    at = next((number for number, block in enumerate(blocks) if block.is_head), None)
    if at is None:
        return "\n".join([*_head_lines(fields), "", po_text])
    left = dict(fields)
    lines = []
    for line in blocks[at].lines:
        name = next((name for name in left if line.lower().startswith(f'"{name.lower()}:')), None)
        lines.append(f'"{name}: {left.pop(name)}\\n"' if name else line)
    end = max(number for number, line in enumerate(lines) if line.startswith(('"', "msgstr"))) + 1
    lines[end:end] = [f'"{name}: {value}\\n"' for name, value in left.items()]
    blocks[at] = _Block(tuple(lines), is_head=True)
    return _joined(blocks)


def _head_lines(fields: dict[str, str]) -> list[str]:
    return ['msgid ""', 'msgstr ""', *(f'"{name}: {value}\\n"' for name, value in fields.items())]


def written(po_text: str, wanted: Iterable[Entry], order: Sequence[str]) -> str:
    """The file with these entries in it. One takes the place of what stands at its context; a new one comes behind the
    entry before it in `order` (all contexts, as they are read)."""
    left = {entry.context: entry for entry in wanted}
    blocks = [_rewritten(block, left) for block in _kept(_blocks(po_text), left)]
    here = {block.entry.context: at for at, block in enumerate(blocks) if block.entry}
    head_at = max((at for at, block in enumerate(blocks) if block.is_head), default=-1)
    behind: dict[int, list[Entry]] = {}
    anchor, known = head_at, set(order)
    for context in [*order, *(context for context in left if context not in known)]:
        anchor = max(anchor, here.get(context, anchor))
        if context in left and context not in here:
            behind.setdefault(anchor, []).append(left[context])
    lines = [line for entry in behind.get(-1, []) for line in (*_lines_of(entry), "")]
    for at, block in enumerate(blocks):
        new = [line for entry in behind.get(at, []) for line in (*_lines_of(entry), "")]
        lines += [*(_spaced(block.lines) if new else block.lines), *new]
    return "\n".join(lines)


def _kept(blocks: Sequence[_Block], wanted: Mapping[str, Entry]) -> list[_Block]:
    """Without what is superseded: of several entries at a wanted context stays that of the same source, else the first."""
    best: dict[str, _Block] = {}
    for block in blocks:
        if block.entry and block.entry.context in wanted:
            entry = wanted[block.entry.context]
            known = best.get(entry.context)
            if known is None or (_entry(known).source != entry.source == block.entry.source):
                best[entry.context] = block
    return [
        block for block in blocks if not block.entry or best.get(block.entry.context, block) is block
    ]  # fmt: skip


def _entry(block: _Block) -> Entry:
    assert block.entry is not None
    return block.entry


def _spaced(lines: Sequence[str]) -> Sequence[str]:
    """The lines with a blank one at their end."""
    return lines if lines and not lines[-1].strip() else (*lines, "")


def _rewritten(block: _Block, wanted: Mapping[str, Entry]) -> _Block:
    """The block with what is wanted at its context. Rows whose text stays are kept as they are wrapped."""
    old = block.entry
    entry = wanted.get(old.context, old) if old else None
    if old is None or entry is None or old == entry:
        return block
    comments = [line for line in block.lines if line.startswith("#") and not line.startswith(("#,", "#|"))]
    lines = [*comments, *_marks(entry, [flag for flag in _flags(block.lines) if flag != "fuzzy"])]
    rows = _rows(block.lines)
    for keyword, before, after in (
        ("msgctxt", old.context, entry.context),
        ("msgid", old.source, entry.source),
        ("msgstr", old.text, entry.text),
    ):
        lines += rows[keyword] if before == after and keyword in rows else _quoted(keyword, after)
    blank = len(block.lines) - len("\n".join(block.lines).rstrip().split("\n"))
    return _Block((*lines, *block.lines[len(block.lines) - blank :]), entry)


def _lines_of(entry: Entry) -> list[str]:
    parts = (("msgctxt", entry.context), ("msgid", entry.source), ("msgstr", entry.text))
    return [*_marks(entry, []), *(row for keyword, text in parts for row in _quoted(keyword, text))]


def _marks(entry: Entry, flags: Sequence[str]) -> list[str]:
    """The rows that say what is the matter with an entry."""
    marks = [*(["fuzzy"] if entry.is_fuzzy else []), *flags]
    lines = [f"#, {', '.join(marks)}"] if marks else []
    if entry.is_fuzzy and entry.made_from:
        lines += [f"#| {row}" for row in _quoted("msgid", entry.made_from)]
    return lines


def _quoted(keyword: str, text: str) -> list[str]:
    return f"{keyword} {normalize(text, width=WIDTH)}".split("\n")


def _flags(lines: Iterable[str]) -> list[str]:
    return [flag.strip() for line in lines if line.startswith("#,") for flag in line[2:].split(",") if flag.strip()]


def _blocks(po_text: str) -> list[_Block]:
    """The file cut behind each entry; joined again it is the same to the letter."""
    groups: list[list[str]] = [[]]
    is_whole = False
    for line in po_text.split("\n"):
        bare = line.strip()
        if is_whole and bare and not bare.startswith(('"', "msgstr")):
            groups.append([])
            is_whole = False
        groups[-1].append(line)
        is_whole = is_whole or bare.startswith("msgstr")
    return [_block(tuple(group)) for group in groups]


def _block(lines: tuple[str, ...]) -> _Block:
    parts = _parts(lines)
    if "msgstr" not in parts:
        return _Block(lines)
    if not parts.get("msgid") and "msgctxt" not in parts:
        return _Block(lines, is_head=True)
    made_from = _parts(line[2:].strip() for line in lines if line.startswith("#|")).get("msgid", "")
    is_fuzzy = "fuzzy" in _flags(lines)
    context, source, text = parts.get("msgctxt", ""), parts.get("msgid", ""), parts["msgstr"]
    return _Block(lines, Entry(context, source, text, is_fuzzy, made_from if is_fuzzy else ""))


def _rows(lines: Iterable[str]) -> dict[str, list[str]]:
    """Keyword -> its rows, as they stand."""
    rows: dict[str, list[str]] = {}
    keyword = ""
    for line in lines:
        bare = line.strip().removeprefix("\ufeff")
        matched = _KEYWORD.fullmatch(bare)
        keyword = matched[1] if matched else keyword
        if matched or (bare.startswith('"') and keyword):
            rows.setdefault(keyword, []).append(line)
    return rows


def _parts(lines: Iterable[str]) -> dict[str, str]:
    """Keyword -> its text, put together of all its rows."""
    return {
        keyword: "".join(denormalize(line.strip()[line.strip().index('"') :]) for line in rows)
        for keyword, rows in _rows(lines).items()
    }


def _joined(blocks: Iterable[_Block]) -> str:
    return "\n".join(line for block in blocks for line in block.lines)
