"""Writes plain data as YAML in the style of Warmline's flow files: short things on one line in { } and [ ], long texts
folded, quotes only where needed.

PyYAML does the quoting. The layout is made here, because no library leaves the lines around a change alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import StringIO

import yaml
from yaml.emitter import Emitter

WIDTH = 125
INDENT = 2
_FOLD_AT = 110
"""Folded texts are broken here: a line filled to the limit is tedious to edit."""
_NOT_READ_AS_TEXT = re.compile(r"~|null|true|false|yes|no|on|off|y|n|=|<<", re.IGNORECASE)
"""What YAML 1.1 or another parser would read as null or a boolean."""


def scalar(value: object, style: str | None = None) -> str:
    """A single value on one line. A text keeps the quotes of `style`, if any."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if style not in {"'", '"'}:
        style = None if _may_be_plain(text) else '"'
    if style == "'" and ("\n" in text or not text.isprintable()):
        style = '"'
    if style is None:
        return text
    # PyYAML ends a document that is one plain text with dots; a quoted one ends with its quote.
    return yaml.safe_dump(text, default_style=style, width=10**9, allow_unicode=True).rstrip("\n")


def _may_be_plain(text: str) -> bool:
    if not text or _NOT_READ_AS_TEXT.fullmatch(text):
        return False
    analysis = Emitter(StringIO(), allow_unicode=True).analyze_scalar(text)
    # libyaml accepts a question mark inside { } as part of a text, and flows are full of questions.
    if "?" in text and not text.startswith("?"):
        analysis = Emitter(StringIO(), allow_unicode=True).analyze_scalar(text.replace("?", "x"))
    return bool(analysis.allow_flow_plain) and not analysis.multiline


def is_plain_in_block(text: str) -> bool:
    """Whether a text needs no quotes outside of { } and [ ], where it may hold commas."""
    if not text or _NOT_READ_AS_TEXT.fullmatch(text):
        return False
    analysis = Emitter(StringIO(), allow_unicode=True).analyze_scalar(text)
    return bool(analysis.allow_block_plain) and not analysis.multiline


def one_line(value: object) -> str:
    """Any value on one line, in { } and [ ]."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {one_line(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(one_line, value)) + "]"
    return scalar(value)


def block_scalar(value: object, style: str | None = None) -> str:
    """A single value on one line, outside of { } and [ ]."""
    if isinstance(value, str) and style not in {"'", '"'} and is_plain_in_block(value):
        return value
    return scalar(value, style)


def after_key(key: str, value: object, key_column: int, style: str | None = None) -> str:
    """What follows `key:` if the key begins at this column; begins with a space or a line break."""
    key_width = len(scalar(key)) + 1
    if isinstance(value, dict) and value:
        flat = one_line(value)
        is_short = key != "choices" and _is_simple(value) and key_column + key_width + 1 + len(flat) <= WIDTH
        return f" {flat}" if is_short else "\n" + block(value, key_column + INDENT)
    if isinstance(value, list) and value:
        return _list(value, key_column, key_width)
    if isinstance(value, (dict, list)):
        return f" {one_line(value)}"
    text = block_scalar(value, style)
    if isinstance(value, str) and key_column + key_width + 1 + len(text) > WIDTH:
        return f" {long_text(value, key_column + INDENT) or text}"
    return f" {text}"


def entry(key: str, value: object, key_column: int, style: str | None = None) -> str:
    """`key: value` in full lines, indented to this column, without a final line break."""
    return " " * key_column + scalar(key) + ":" + after_key(key, value, key_column, style)


def block(value: dict[str, object], at: int) -> str:
    """A mapping as indented lines."""
    return "\n".join(entry(key, item, at) for key, item in value.items())


def item(value: object, at: int) -> str:
    """One `- ...` of a list, in full lines, without a final line break."""
    flat = one_line(value) if isinstance(value, (dict, list)) else block_scalar(value)
    if at + INDENT + len(flat) <= WIDTH or not isinstance(value, dict) or not value:
        return " " * at + "- " + flat
    return " " * at + "- " + block(value, at + INDENT).lstrip(" ")


def _is_simple(value: dict[str, object]) -> bool:
    """Whether a mapping may go on one line. Questions with choices and lists of branches take several lines."""
    if "choices" in value or "note" in value:
        return False
    return not any(isinstance(one, list) and any(isinstance(part, dict) for part in one) for one in value.values())


def _list(value: list[object], key_column: int, key_width: int) -> str:
    if any(isinstance(one, (dict, list)) for one in value):
        return "\n" + "\n".join(item(one, key_column + INDENT) for one in value)
    flat = one_line(value)
    if key_column + key_width + 1 + len(flat) <= WIDTH:
        return f" {flat}"
    return "\n" + " " * (key_column + INDENT) + wrapped_list(map(one_line, value), key_column + INDENT)


def wrapped_list(items: Iterable[str], at: int) -> str:
    """`[...]` over several lines; the first is already at this column."""
    rows, row = [], "["
    for number, one in enumerate(items):
        piece = f", {one}" if number else one
        if at + len(row) + len(piece) + 1 > WIDTH and number:
            rows.append(row + ",")
            row, piece = "", one
        row += piece
    return ("\n" + " " * at).join([*rows, row + "]"])


def long_text(text: str, at: int) -> str | None:
    """A text over several lines at this column, to follow `key: `; None if it needs quotes."""
    return _literal(text, at) or _folded(text, at)


def _literal(text: str, at: int) -> str | None:
    """`|-` and the lines of the text as they are; None if this style can't hold it."""
    if "\n" not in text or not _is_printable(text) or text.startswith((" ", "\n")) or text.endswith("\n"):
        return None
    return "|-\n" + "\n".join(" " * at + row if row else "" for row in text.split("\n"))


def _folded(text: str, at: int) -> str | None:
    """`>-` and the text in lines of readable length; None if folding would change it."""
    if "\n" in text or not _is_printable(text) or text != text.strip():
        return None
    rows, row = [], ""
    for word in re.split(r"(?<=\S) (?=\S)", text):
        if row and at + len(row) + 1 + len(word) > _FOLD_AT:
            rows.append(row)
            row = word
        else:
            row = f"{row} {word}" if row else word
    return ">-\n" + "\n".join(" " * at + one for one in [*rows, row])


def _is_printable(text: str) -> bool:
    """Whether every character may stand in a text without quotes."""
    return all(ch == "\n" or (ch.isprintable() and ch not in "\ufeff\u2028\u2029\x85") for ch in text)
