"""Telephone numbers as staff type them, one per line, to and from the specification's rows: 314-555-0142 ext. 3 (intake)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import phonenumbers

PhoneRow = dict[str, Any]

MAX_NUMBERS = 10
_LABEL = re.compile(r"\s*\(([^()]*[^\W\d_][^()]*)\)\s*$")
_EXTENSION = re.compile(r"[,;]?\s*\b(?:ext(?:ension)?\.?|x)\s*(\d{1,6})\s*$", re.I)
_TYPES = ("voice", "fax", "tty", "tdd", "text", "sms", "cell", "video", "pager", "textphone")
_SHORT = range(3, 7)
"""Numbers of digits of 211, 988 or 741741: not telephone numbers by the numbering plan, but they can be called."""


def format_line(row: Mapping[str, Any]) -> str:
    """One number as shown in the form."""
    kind = str(row.get("type", ""))
    label = ", ".join(_one_line(part) for part in ("" if kind == "voice" else kind, row.get("description", "")) if part)
    extension = f" ext. {row['extension']}" if row.get("extension") else ""
    return f"{_one_line(row.get('number', ''))}{extension}{f' ({label})' if label else ''}"


def format_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """All numbers as shown in the form, one per line."""
    return "\n".join(format_line(row) for row in rows)


def read(typed: str, known: Iterable[PhoneRow]) -> tuple[list[PhoneRow], str]:
    """The rows for what was typed, and a sentence that says which line cannot be read ("" for none).

    A line that shows one of the `known` rows returns that row itself, so that an imported row keeps what a line cannot show.
    """
    by_line = {format_line(row): row for row in known}
    typed_lines = [_one_line(each) for each in typed.splitlines() if each.strip()]
    if len(typed_lines) > MAX_NUMBERS:
        return [], f"These are {len(typed_lines)} numbers. {MAX_NUMBERS} are the most; keep those that people should call."
    rows = []
    for number, each in enumerate(typed_lines, 1):
        row = by_line.get(each) or _read_line(each)
        if row is None:
            return [], f"Line {number} is no telephone number. Write one a line, like 314-555-0142 ext. 3 (intake)."
        rows.append(row)
    return rows, ""


def _read_line(typed: str) -> PhoneRow | None:
    row: PhoneRow = {}
    if label := _LABEL.search(typed):
        typed = typed[: label.start()]
        kind, _, rest = label[1].partition(",")
        if kind.strip().casefold() in _TYPES:
            row["type"] = kind.strip().casefold()
            row |= {"description": rest.strip()} if rest.strip() else {}
        else:
            row["description"] = label[1].strip()
    if extension := _EXTENSION.search(typed):
        typed = typed[: extension.start()]
        row["extension"] = int(extension[1])
    number = _number(typed.strip())
    return {"number": number, **row} if number else None


def _number(typed: str) -> str | None:
    if re.search(r"[^\d\s().+/-]", typed):
        return None
    if typed.isascii() and typed.isdecimal() and len(typed) in _SHORT:
        return typed
    try:
        found = phonenumbers.parse(typed, "US")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(found):
        return None
    if found.country_code != 1:
        return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    national = phonenumbers.national_significant_number(found)
    # Seven digits are possible by the numbering plan, but cannot be called from everywhere.
    return f"{national[:3]}-{national[3:6]}-{national[6:]}" if len(national) == 10 else None


def _one_line(words: object) -> str:
    return " ".join(str(words).split())
