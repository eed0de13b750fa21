"""The rows of a CSV file, one at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TextIO

from bot.domain.directory.checking import Place
from bot.domain.directory.older import Row
from bot.domain.directory.opening import FAULTS, Opener, Unreadable
from bot.domain.directory.records import Refusal
from bot.domain.directory.values import key_of

RowOrRefusal = tuple[Place, Row] | Refusal
_SEPARATORS = (",", ";", "\t", "|")


def heading(opener: Opener, name: str) -> tuple[str, ...]:
    """The names of the columns, as they are written, trimmed; () for an empty file. Raises Unreadable."""
    return _heading(opener, name)[0]


def _heading(opener: Opener, name: str) -> tuple[tuple[str, ...], str]:
    with opener.text(name) as stream:
        try:
            first = _first_line(stream)
            separator = max(_SEPARATORS, key=first.count)
            return tuple(cell.strip() for cell in next(csv.reader([first], delimiter=separator), [])), separator
        except (csv.Error, *FAULTS) as fault:
            raise Unreadable("its heading cannot be read", "write the names of the columns in the first row") from fault


def rows(opener: Opener, name: str, exact: bool = False) -> Iterator[RowOrRefusal]:
    """Each row by the names of its columns (in small letters, unless `exact`), or why it was refused. Raises Unreadable.

    Empty cells are left out, and so are columns without a name.
    """
    names, separator = _heading(opener, name)
    columns = [column if exact else column.lower().replace(" ", "_") for column in names]
    with opener.text(name) as stream:
        try:
            yield from _rows(csv.reader(stream, delimiter=separator, strict=True), name, columns)
        except FAULTS as fault:
            raise Unreadable("the file breaks off", "send the whole file again") from fault


def _rows(cells_of: Iterator[list[str]], name: str, columns: list[str]) -> Iterator[RowOrRefusal]:
    count = 0
    while True:
        count += 1
        try:
            cells = next(cells_of)
        except StopIteration:
            return
        except csv.Error as fault:
            if "field larger" in str(fault) or "unexpected end" in str(fault):
                # Every row behind an open quote is swallowed by it, so none of them can be believed.
                raise Unreadable(
                    f"from row {count} on nothing can be read: a quote is not closed, or a cell is enormous",
                    "close the quote, or shorten the cell, and send the whole file again",
                ) from fault
            yield Refusal(name, f"row {count}", None, "its quotes do not match", 'write a quote inside a cell twice: ""')
            continue
        if count > 1 and any(cells):
            yield _row(cells, name, count, columns)


def _row(cells: list[str], name: str, count: int, columns: list[str]) -> RowOrRefusal:
    if len(cells) < len(columns) or any(cells[len(columns) :]):
        at = columns.index("id") if "id" in columns else len(cells)
        what = f"it has {len(cells)} cells, and the heading has {len(columns)}"
        remedy = "put cells that hold a comma in quotes, and write a comma for each empty cell"
        return Refusal(name, f"row {count}", key_of(cells[at]) if at < len(cells) else None, what, remedy)
    return Place(name, f"row {count}"), {
        column: cell for column, cell in zip(columns, cells, strict=False) if cell and column
    }


def _first_line(stream: TextIO) -> str:
    return stream.readline(1_000_000).rstrip("\r\n")
