"""Reads the rows of a CSV file one at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TextIO

from bot.domain.directory.hsds.checking import RowPosition
from bot.domain.directory.hsds.encodings import READ_ERRORS, FileOpener, FileUnreadable
from bot.domain.directory.hsds.older_versions import HsdsRow
from bot.domain.directory.hsds.records import ImportRefusal
from bot.domain.directory.hsds.values import key_of

PositionedRowOrRefusal = tuple[RowPosition, HsdsRow] | ImportRefusal
_SEPARATORS = (",", ";", "\t", "|")


def column_names(opener: FileOpener, name: str) -> tuple[str, ...]:
    """The names of the columns as written, trimmed; () for an empty file. Raises FileUnreadable."""
    return _heading(opener, name)[0]


def _heading(opener: FileOpener, name: str) -> tuple[tuple[str, ...], str]:
    with opener.open_text(name) as stream:
        try:
            first = _first_line(stream)
            separator = max(_SEPARATORS, key=first.count)
            return tuple(cell.strip() for cell in next(csv.reader([first], delimiter=separator), [])), separator
        except (csv.Error, *READ_ERRORS) as fault:
            raise FileUnreadable("its heading cannot be read", "write the names of the columns in the first row") from fault


def read_rows(opener: FileOpener, name: str, exact: bool = False) -> Iterator[PositionedRowOrRefusal]:
    """Each row as a dict by column name (in lower case, unless `exact`), or an ImportRefusal. Raises FileUnreadable.

    Empty cells are left out, and so are columns without a name.
    """
    names, separator = _heading(opener, name)
    columns = [column if exact else column.lower().replace(" ", "_") for column in names]
    with opener.open_text(name) as stream:
        try:
            yield from _rows(csv.reader(stream, delimiter=separator, strict=True), name, columns)
        except READ_ERRORS as fault:
            raise FileUnreadable("the file breaks off", "send the whole file again") from fault


def _rows(cells_of: Iterator[list[str]], name: str, columns: list[str]) -> Iterator[PositionedRowOrRefusal]:
    count = 0
    while True:
        count += 1
        try:
            cells = next(cells_of)
        except StopIteration:
            return
        except csv.Error as fault:
            if "field larger" in str(fault) or "unexpected end" in str(fault):
                # An unclosed quote swallows all following rows, so none of them can be trusted.
                raise FileUnreadable(
                    f"from row {count} on nothing can be read: a quote is not closed, or a cell is enormous",
                    "close the quote, or shorten the cell, and send the whole file again",
                ) from fault
            yield ImportRefusal(
                name, f"row {count}", None, "its quotes do not match", 'write a quote inside a cell twice: ""'
            )
            continue
        if count > 1 and any(cells):
            yield _row(cells, name, count, columns)


def _row(cells: list[str], name: str, count: int, columns: list[str]) -> PositionedRowOrRefusal:
    if len(cells) < len(columns) or any(cells[len(columns) :]):
        at = columns.index("id") if "id" in columns else len(cells)
        what = f"it has {len(cells)} cells, and the heading has {len(columns)}"
        remedy = "put cells that hold a comma in quotes, and write a comma for each empty cell"
        return ImportRefusal(name, f"row {count}", key_of(cells[at]) if at < len(cells) else None, what, remedy)
    return RowPosition(name, f"row {count}"), {
        column: cell for column, cell in zip(columns, cells, strict=False) if cell and column
    }


def _first_line(stream: TextIO) -> str:
    return stream.readline(1_000_000).rstrip("\r\n")
