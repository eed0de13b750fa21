"""A package of somebody's directory, from its files to records and a report; see `records.py` for what comes out.

Read are the specification's JSON (one object, a list, a page, tables by name; nested or not) and its CSV tables, of version
3 and of those before, side by side if need be. What has another shape needs a mapping (mapping.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

from bot.domain.directory import csv_rows, json_rows
from bot.domain.directory.checking import Checker, Place
from bot.domain.directory.fields import MAIN, TABLES, table_named
from bot.domain.directory.mapping import Mapping
from bot.domain.directory.opening import Opener, Unreadable
from bot.domain.directory.records import Files, Found, Refusal, Remark
from bot.domain.directory.shelf import Shelf
from bot.domain.directory.tables import Rows, Tables

_DESCRIBES = ("datapackage", "package", "openapi", "base", "meta_table_description", "meta_table_descriptions")
"""How the names of files end that describe a package and hold none of it."""


@dataclass
class _Package:
    """What was found in the files: for each table, what gives its rows."""

    tabular: dict[str, list[tuple[str, Callable[[], Rows]]]] = field(default_factory=dict)
    nested: dict[str, list[tuple[str, Callable[[], Rows]]]] = field(default_factory=dict)

    def add(
        self, into: dict[str, list[tuple[str, Callable[[], Rows]]]], table: str, name: str, rows: Callable[[], Rows]
    ) -> None:
        into.setdefault(table, []).append((name, rows))


def read(files: Files, mapping: Mapping | None = None) -> Iterator[Found]:
    """Records and the report, as they come. Never raises for what is in the files.

    A `Refusal` that is `fatal` means that a part was not read: nothing of the package may be imported then, because what was
    not read would look as if it were gone. So read to the end first, and keep nothing before.
    """
    opener, checker, shelf, package = Opener(files), Checker(), Shelf(), _Package()
    tables = Tables(shelf)
    count = 0
    try:
        look = _looked if mapping is None else _mapped
        for found in (*look(opener, package, mapping), *opener.remarks):
            yield found
        opener.remarks.clear()
        for found in _all_rows(package, tables, checker):
            count += not isinstance(found, Refusal | Remark)
            yield found
        yield from checker.finish()
        yield from tables.orphans(lambda table, key: key in checker.seen[table])
        for name in sorted(checker.cleaner.unknown):
            yield Remark("", "", None, f"{name} is not read", "nothing needs to be done, if nobody misses it")
        if not count:
            what = "nothing here could be taken"
            yield Refusal("", "", None, what, "send HSDS 3 as JSON or CSV, or write a mapping for it", fatal=True)
    finally:
        shelf.close()


def _all_rows(package: _Package, tables: Tables, checker: Checker) -> Iterator[Found]:
    for name, rows in package.tabular.get("taxonomy", ()) or ():
        yield from _guarded(name, _learn_taxonomies(checker, rows))
    for name, rows in package.nested.get("taxonomy", ()) or ():
        yield from _guarded(name, _learn_taxonomies(checker, rows))
    for table, sources in package.tabular.items():
        if table not in MAIN and table != "taxonomy":
            for name, rows in sources:
                yield from _guarded(name, tables.put(table, _stem(name), rows()))
    for kind in MAIN:
        for name, rows in package.tabular.get(kind, ()):
            yield from _guarded(name, _taken(checker, kind, tables.joined(kind, rows())))
        for name, rows in package.nested.get(kind, ()):
            yield from _guarded(name, _taken(checker, kind, _setting_aside(rows(), checker, tables.shelf)))
        yield from _inner(checker, kind, tables.shelf)


def _taken(checker: Checker, kind: str, rows: Rows) -> Iterator[Found]:
    for found in rows:
        if isinstance(found, Refusal):
            yield found
        else:
            yield from checker.take(kind, *found)


def _setting_aside(rows: Rows, checker: Checker, shelf: Shelf) -> Rows:
    """The same rows; what stood inside the last one is put on the shelf before the next comes."""
    for found in rows:
        yield found
        for kind, place, row in checker.inner:
            shelf.put(f"inside/{kind}", place.file, row, place.at)
        checker.inner.clear()


def _inner(checker: Checker, kind: str, shelf: Shelf) -> Iterator[Found]:
    for place, row in shelf.rows(f"inside/{kind}"):
        yield from checker.take(kind, Place(*place), row, inside=True)


def _guarded(name: str, found: Iterator[Found]) -> Iterator[Found]:
    try:
        yield from found
    except Unreadable as fault:
        yield Refusal(name, "", None, fault.what, fault.remedy, fatal=True)


def _learn_taxonomies(checker: Checker, rows: Callable[[], Rows]) -> Iterator[Found]:
    for found in rows():
        if isinstance(found, Refusal):
            yield found
        else:
            checker.cleaner.learn_taxonomy(found[1])


def _looked(opener: Opener, package: _Package, _mapping: Mapping | None) -> Iterator[Found]:
    """Find out what each file holds."""
    for name in sorted(opener.files.names()):
        path = PurePosixPath(name)
        if path.name.startswith((".", "_")) or "__MACOSX" in path.parts or path.suffix.lower() not in (".csv", ".json"):
            continue
        look = _look_at_csv if path.suffix.lower() == ".csv" else _look_at_json
        yield from _guarded(name, look(opener, package, name))


def _look_at_csv(opener: Opener, package: _Package, name: str) -> Iterator[Found]:
    table = table_named(_stem(name))
    if table is None:
        if not _describes(name):
            yield Remark(
                name, "", None, "no table of the specification has this name", "not read; rename it, or write a mapping"
            )
        return
    columns = {column.lower() for column in csv_rows.heading(opener, name)}
    if table == "taxonomy" and columns & {"parent_id", "parent_name", "vocabulary", "taxonomy_id"}:
        table = "taxonomy_term"
    if table in TABLES and not columns & {"id", "taxonomy_id", "link_id", *TABLES[table].owners}:
        what = "its heading has no column `id`"
        yield Refusal(name, "row 1", None, what, "write the names of the columns in the first row", fatal=True)
        return
    package.add(package.tabular, table, name, partial(csv_rows.rows, opener, name))


def _look_at_json(opener: Opener, package: _Package, name: str) -> Iterator[Found]:
    if _describes(name):
        return
    found = json_rows.stretches(opener, name)
    for stretch in found:
        if stretch.table is not None:
            package.add(package.tabular, stretch.table, name, partial(json_rows.rows, opener, name, stretch.prefix))
        elif kind := _kind(opener, name, stretch.prefix):
            package.add(package.nested, kind, name, partial(json_rows.rows, opener, name, stretch.prefix))
        else:
            found = ()
    if not found:
        yield Remark(name, "", None, "its rows are nothing that the specification knows", "not read; write a mapping for it")


def _kind(opener: Opener, name: str, prefix: str) -> str | None:
    first = json_rows.first_row(opener, name, prefix)
    if kind := json_rows.kind_of(first):
        return kind
    named = table_named(_stem(name).removesuffix("_full").removesuffix("_list"))
    # An empty list is read, so that the report says nothing came of it.
    return named if named in (*MAIN, "taxonomy") and (first.get("id") or not first) else None


def _mapped(opener: Opener, package: _Package, mapping: Mapping | None) -> Iterator[Found]:
    if mapping is None:
        return
    names = tuple(opener.files.names())
    for kind, section in mapping.sections:
        name = section.file_in(names)
        if name is None:
            what = "the mapping names this file, and the package has none such"
            yield Refusal(section.file, "", None, what, "add the file, or correct the mapping", fatal=True)
        else:
            package.add(package.nested, kind, name, partial(section.rows, opener, name))


def _describes(name: str) -> bool:
    return _stem(name).endswith(_DESCRIBES)


def _stem(name: str) -> str:
    return PurePosixPath(name).name.rsplit(".", 1)[0].lower()
