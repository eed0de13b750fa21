"""Reads a package of a directory: from its files to records and a report; see `records.py` for the output.

It reads the specification's JSON (one object, a list, a page, tables by name; nested or not) and its CSV tables, of version
3 and earlier, also mixed. Other formats need a mapping (mapping.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

from bot.domain.directory.hsds import csv_rows, json_rows
from bot.domain.directory.hsds.checking import RowChecker, RowPosition
from bot.domain.directory.hsds.encodings import FileOpener, FileUnreadable
from bot.domain.directory.hsds.fields import MAIN_TABLES, TABLES, table_named
from bot.domain.directory.hsds.mapping import DirectoryMapping
from bot.domain.directory.hsds.records import ImportRefusal, ImportRemark, PackageFiles, RecordOrReport
from bot.domain.directory.hsds.row_buffer import RowBuffer
from bot.domain.directory.hsds.tables import RowStream, TableJoiner

_DESCRIPTION_NAMES = ("datapackage", "package", "openapi", "base", "meta_table_description", "meta_table_descriptions")
"""Endings of the names of files that describe a package and contain no rows."""


@dataclass
class _PackageContents:
    """What the files contain: for each table the files' names, each with a function that reads its rows."""

    tabular: dict[str, list[tuple[str, Callable[[], RowStream]]]] = field(default_factory=dict)
    nested: dict[str, list[tuple[str, Callable[[], RowStream]]]] = field(default_factory=dict)

    def add(
        self,
        into: dict[str, list[tuple[str, Callable[[], RowStream]]]],
        table: str,
        name: str,
        rows: Callable[[], RowStream],
    ) -> None:
        into.setdefault(table, []).append((name, rows))


def read(files: PackageFiles, mapping: DirectoryMapping | None = None) -> Iterator[RecordOrReport]:
    """Yield records and report items in order. Never raises because of what is in the files.

    An `ImportRefusal` that is `fatal` means that a part was not read. Then nothing of the package may be imported, because
    what was not read would look deleted. So callers must read to the end before they commit anything.
    """
    opener, checker, shelf, package = FileOpener(files), RowChecker(), RowBuffer(), _PackageContents()
    tables = TableJoiner(shelf)
    count = 0
    try:
        examine = _examine_files if mapping is None else _apply_mapping
        for found in (*examine(opener, package, mapping), *opener.remarks):
            yield found
        opener.remarks.clear()
        for found in _all_rows(package, tables, checker):
            count += not isinstance(found, ImportRefusal | ImportRemark)
            yield found
        yield from checker.finish()
        yield from tables.orphans(lambda table, key: key in checker.seen[table])
        for name in sorted(checker.cleaner.unread_columns):
            yield ImportRemark("", "", None, f"{name} is not read", "nothing needs to be done, if nobody misses it")
        if not count:
            what = "nothing here could be taken"
            yield ImportRefusal("", "", None, what, "send HSDS 3 as JSON or CSV, or write a mapping for it", fatal=True)
    finally:
        shelf.close()


def _all_rows(package: _PackageContents, tables: TableJoiner, checker: RowChecker) -> Iterator[RecordOrReport]:
    for name, rows in package.tabular.get("taxonomy", ()) or ():
        yield from _report_unreadable(name, _learn_taxonomies(checker, rows))
    for name, rows in package.nested.get("taxonomy", ()) or ():
        yield from _report_unreadable(name, _learn_taxonomies(checker, rows))
    for table, sources in package.tabular.items():
        if table not in MAIN_TABLES and table != "taxonomy":
            for name, rows in sources:
                yield from _report_unreadable(name, tables.put(table, _stem(name), rows()))
    for kind in MAIN_TABLES:
        for name, rows in package.tabular.get(kind, ()):
            yield from _report_unreadable(name, _check_rows(checker, kind, tables.join_rows(kind, rows())))
        for name, rows in package.nested.get(kind, ()):
            yield from _report_unreadable(name, _check_rows(checker, kind, _buffer_nested(rows(), checker, tables.buffer)))
        yield from _buffered_rows(checker, kind, tables.buffer)


def _check_rows(checker: RowChecker, kind: str, rows: RowStream) -> Iterator[RecordOrReport]:
    for found in rows:
        if isinstance(found, ImportRefusal):
            yield found
        else:
            yield from checker.check_row(kind, *found)


def _buffer_nested(rows: RowStream, checker: RowChecker, buffer: RowBuffer) -> RowStream:
    """The same rows; what was nested in a row is put into the buffer before the next row is read."""
    for found in rows:
        yield found
        for kind, place, row in checker.nested_rows:
            buffer.put(f"inside/{kind}", place.file, row, place.at)
        checker.nested_rows.clear()


def _buffered_rows(checker: RowChecker, kind: str, buffer: RowBuffer) -> Iterator[RecordOrReport]:
    for place, row in buffer.all_rows(f"inside/{kind}"):
        yield from checker.check_row(kind, RowPosition(*place), row, inside=True)


def _report_unreadable(name: str, found: Iterator[RecordOrReport]) -> Iterator[RecordOrReport]:
    try:
        yield from found
    except FileUnreadable as fault:
        yield ImportRefusal(name, "", None, fault.what, fault.remedy, fatal=True)


def _learn_taxonomies(checker: RowChecker, rows: Callable[[], RowStream]) -> Iterator[RecordOrReport]:
    for found in rows():
        if isinstance(found, ImportRefusal):
            yield found
        else:
            checker.cleaner.learn_taxonomy(found[1])


def _examine_files(
    opener: FileOpener, package: _PackageContents, _mapping: DirectoryMapping | None
) -> Iterator[RecordOrReport]:
    """Find out what each file contains."""
    for name in sorted(opener.files.names()):
        path = PurePosixPath(name)
        if path.name.startswith((".", "_")) or "__MACOSX" in path.parts or path.suffix.lower() not in (".csv", ".json"):
            continue
        examine = _examine_csv if path.suffix.lower() == ".csv" else _examine_json
        yield from _report_unreadable(name, examine(opener, package, name))


def _examine_csv(opener: FileOpener, package: _PackageContents, name: str) -> Iterator[RecordOrReport]:
    table = table_named(_stem(name))
    if table is None:
        if not _is_description(name):
            yield ImportRemark(
                name, "", None, "no table of the specification has this name", "not read; rename it, or write a mapping"
            )
        return
    columns = {column.lower() for column in csv_rows.column_names(opener, name)}
    if table == "taxonomy" and columns & {"parent_id", "parent_name", "vocabulary", "taxonomy_id"}:
        table = "taxonomy_term"
    if table in TABLES and not columns & {"id", "taxonomy_id", "link_id", *TABLES[table].owners}:
        what = "its heading has no column `id`"
        yield ImportRefusal(name, "row 1", None, what, "write the names of the columns in the first row", fatal=True)
        return
    package.add(package.tabular, table, name, partial(csv_rows.read_rows, opener, name))


def _examine_json(opener: FileOpener, package: _PackageContents, name: str) -> Iterator[RecordOrReport]:
    if _is_description(name):
        return
    found = json_rows.find_row_groups(opener, name)
    for stretch in found:
        if stretch.table is not None:
            package.add(package.tabular, stretch.table, name, partial(json_rows.read_rows, opener, name, stretch.prefix))
        elif kind := _guess_kind(opener, name, stretch.prefix):
            package.add(package.nested, kind, name, partial(json_rows.read_rows, opener, name, stretch.prefix))
        else:
            found = ()
    if not found:
        yield ImportRemark(
            name, "", None, "its rows are nothing that the specification knows", "not read; write a mapping for it"
        )


def _guess_kind(opener: FileOpener, name: str, prefix: str) -> str | None:
    first = json_rows.first_row(opener, name, prefix)
    if kind := json_rows.guess_table(first):
        return kind
    named = table_named(_stem(name).removesuffix("_full").removesuffix("_list"))
    # An empty list is read as well, so that the report says that nothing could be taken.
    return named if named in (*MAIN_TABLES, "taxonomy") and (first.get("id") or not first) else None


def _apply_mapping(
    opener: FileOpener, package: _PackageContents, mapping: DirectoryMapping | None
) -> Iterator[RecordOrReport]:
    if mapping is None:
        return
    names = tuple(opener.files.names())
    for kind, section in mapping.sections:
        name = section.file_in(names)
        if name is None:
            what = "the mapping names this file, and the package has none such"
            yield ImportRefusal(section.file, "", None, what, "add the file, or correct the mapping", fatal=True)
        else:
            package.add(package.nested, kind, name, partial(section.rows, opener, name))


def _is_description(name: str) -> bool:
    return _stem(name).endswith(_DESCRIPTION_NAMES)


def _stem(name: str) -> str:
    return PurePosixPath(name).name.rsplit(".", 1)[0].lower()
