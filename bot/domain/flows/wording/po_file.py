"""Edits a PO file entry by entry: everything else stays byte for byte, including comments and line breaks.

Babel reads PO files for us (flow_translations.py), but it can only write them whole: it rewraps comments and drops the old
source of a stale entry (`#| msgid`). Translators should get their own file back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babel.messages.pofile import denormalize, normalize

WIDTH = 100
_KEYWORD = re.compile(r"(msgctxt|msgid|msgstr)\s*(\".*)")


@dataclass(frozen=True, slots=True)
class PoEntry:
    """One text of a PO file. `made_from` is the source that a stale one was translated from, "" if unknown."""

    context: str
    source: str
    text: str
    is_fuzzy: bool = False
    made_from: str = ""


@dataclass(frozen=True, slots=True)
class _PoBlock:
    """The lines of an entry, with the comments before it and the blank lines after it."""

    lines: tuple[str, ...]
    entry: PoEntry | None = None
    """None for the header of the file, and for comments at its end."""
    is_head: bool = False


def read_entries(po_text: str) -> list[PoEntry]:
    """All entries of a file that Babel can read, in file order, without header and obsolete entries."""
    return [block.entry for block in _blocks(po_text) if block.entry is not None]


def read_head(po_text: str) -> dict[str, str]:
    """The fields of the file's header, by lower-case name; empty if there is none."""
    first = next((block for block in _blocks(po_text) if block.is_head), None)
    rows = _parts(first.lines).get("msgstr", "").split("\n") if first else []
    return {name.strip().lower(): value.strip() for name, colon, value in (row.partition(":") for row in rows) if colon}


def head_line(po_text: str, name: str) -> int:
    """The line (from 1) of a header field; 1 if there is none."""
    rows = enumerate(po_text.split("\n"), 1)
    return next((number for number, row in rows if row.lower().startswith(f'"{name.lower()}:')), 1)


def with_head(po_text: str, fields: dict[str, str]) -> str:
    """Sets these header fields; the others stay."""
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
    blocks[at] = _PoBlock(tuple(lines), is_head=True)
    return _joined(blocks)


def _head_lines(fields: dict[str, str]) -> list[str]:
    return ['msgid ""', 'msgstr ""', *(f'"{name}: {value}\\n"' for name, value in fields.items())]


def write_entries(po_text: str, new_entries: Iterable[PoEntry], order: Sequence[str]) -> str:
    """Writes these entries into the file. An entry replaces the one of its context; a new one is placed after its
    predecessor in `order` (all contexts in reading order).
    """
    left = {entry.context: entry for entry in new_entries}
    blocks = [_with_new_entry(block, left) for block in _without_superseded(_blocks(po_text), left)]
    here = {block.entry.context: at for at, block in enumerate(blocks) if block.entry}
    head_at = max((at for at, block in enumerate(blocks) if block.is_head), default=-1)
    behind: dict[int, list[PoEntry]] = {}
    anchor, known = head_at, set(order)
    for context in [*order, *(context for context in left if context not in known)]:
        anchor = max(anchor, here.get(context, anchor))
        if context in left and context not in here:
            behind.setdefault(anchor, []).append(left[context])
    lines = [line for entry in behind.get(-1, []) for line in (*_lines_of(entry), "")]
    for at, block in enumerate(blocks):
        new = [line for entry in behind.get(at, []) for line in (*_lines_of(entry), "")]
        lines += [*(_with_blank_end(block.lines) if new else block.lines), *new]
    return "\n".join(lines)


def _without_superseded(blocks: Sequence[_PoBlock], new_entries: Mapping[str, PoEntry]) -> list[_PoBlock]:
    """Drops superseded blocks: of several with a wanted context, keeps the one of the same source, else the first."""
    best: dict[str, _PoBlock] = {}
    for block in blocks:
        if block.entry and block.entry.context in new_entries:
            entry = new_entries[block.entry.context]
            known = best.get(entry.context)
            if known is None or (_entry_of(known).source != entry.source == block.entry.source):
                best[entry.context] = block
    return [
        block for block in blocks if not block.entry or best.get(block.entry.context, block) is block
    ]  # fmt: skip


def _entry_of(block: _PoBlock) -> PoEntry:
    assert block.entry is not None
    return block.entry


def _with_blank_end(lines: Sequence[str]) -> Sequence[str]:
    """The lines with a blank one at their end."""
    return lines if lines and not lines[-1].strip() else (*lines, "")


def _with_new_entry(block: _PoBlock, new_entries: Mapping[str, PoEntry]) -> _PoBlock:
    """The block with the wanted entry of its context. Rows whose text is unchanged keep their wrapping."""
    old = block.entry
    entry = new_entries.get(old.context, old) if old else None
    if old is None or entry is None or old == entry:
        return block
    comments = [line for line in block.lines if line.startswith("#") and not line.startswith(("#,", "#|"))]
    lines = [*comments, *_flag_rows(entry, [flag for flag in _flags(block.lines) if flag != "fuzzy"])]
    rows = _rows(block.lines)
    for keyword, before, after in (
        ("msgctxt", old.context, entry.context),
        ("msgid", old.source, entry.source),
        ("msgstr", old.text, entry.text),
    ):
        lines += rows[keyword] if before == after and keyword in rows else _quoted(keyword, after)
    blank = len(block.lines) - len("\n".join(block.lines).rstrip().split("\n"))
    return _PoBlock((*lines, *block.lines[len(block.lines) - blank :]), entry)


def _lines_of(entry: PoEntry) -> list[str]:
    parts = (("msgctxt", entry.context), ("msgid", entry.source), ("msgstr", entry.text))
    return [*_flag_rows(entry, []), *(row for keyword, text in parts for row in _quoted(keyword, text))]


def _flag_rows(entry: PoEntry, flags: Sequence[str]) -> list[str]:
    """The comment rows with flags and the old source."""
    marks = [*(["fuzzy"] if entry.is_fuzzy else []), *flags]
    lines = [f"#, {', '.join(marks)}"] if marks else []
    if entry.is_fuzzy and entry.made_from:
        lines += [f"#| {row}" for row in _quoted("msgid", entry.made_from)]
    return lines


def _quoted(keyword: str, text: str) -> list[str]:
    return f"{keyword} {normalize(text, width=WIDTH)}".split("\n")


def _flags(lines: Iterable[str]) -> list[str]:
    return [flag.strip() for line in lines if line.startswith("#,") for flag in line[2:].split(",") if flag.strip()]


def _blocks(po_text: str) -> list[_PoBlock]:
    """Splits the file after each entry; joined again it is identical."""
    groups: list[list[str]] = [[]]
    is_whole = False
    for line in po_text.split("\n"):
        bare = line.strip()
        if is_whole and bare and not bare.startswith(('"', "msgstr")):
            groups.append([])
            is_whole = False
        groups[-1].append(line)
        is_whole = is_whole or bare.startswith("msgstr")
    return [_parse_block(tuple(group)) for group in groups]


def _parse_block(lines: tuple[str, ...]) -> _PoBlock:
    parts = _parts(lines)
    if "msgstr" not in parts:
        return _PoBlock(lines)
    if not parts.get("msgid") and "msgctxt" not in parts:
        return _PoBlock(lines, is_head=True)
    made_from = _parts(line[2:].strip() for line in lines if line.startswith("#|")).get("msgid", "")
    is_fuzzy = "fuzzy" in _flags(lines)
    context, source, text = parts.get("msgctxt", ""), parts.get("msgid", ""), parts["msgstr"]
    return _PoBlock(lines, PoEntry(context, source, text, is_fuzzy, made_from if is_fuzzy else ""))


def _rows(lines: Iterable[str]) -> dict[str, list[str]]:
    """Keyword -> its rows, as written."""
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
    """Keyword -> its text, joined from all its rows."""
    return {
        keyword: "".join(denormalize(line.strip()[line.strip().index('"') :]) for line in rows)
        for keyword, rows in _rows(lines).items()
    }


def _joined(blocks: Iterable[_PoBlock]) -> str:
    return "\n".join(line for block in blocks for line in block.lines)
