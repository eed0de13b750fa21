"""A mapping: how JSON or CSV in another format becomes rows of the specification. Written in YAML, one file per directory.

    mapping: link_sf                     # its name
    about: Where the data comes from.
    organizations:                       # also: taxonomy_terms, locations, services, service_at_locations
      - file: organizations.json         # a file of the package
        rows: "*"                        # where the rows are; left out for CSV. `*` is every value of a list or an object:
        fields:                          # "*", "data.*", "*.services.*"
          id: id                         # field of the specification: path of its value
          name: name
          website: {first: [url, homepage]}

The path of a value is `name`, `address.city` or `phones.0.number`; `^.id` is in the enclosing row (`^.^.id` one further
out); `@key` is the key of this row in the object that contains it. Instead of a path there may be one of the converters in
`mapping_values.CONVERTERS`; each one's docstring has an example. Fields that contain rows (phones, schedules, addresses)
are made by `each`, `one`, `split` with `as`, `phones`, `address` and `terms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import ijson
import yaml
from ijson.common import JSONError

from bot.domain.directory.hsds import csv_rows
from bot.domain.directory.hsds.checking import RowPosition
from bot.domain.directory.hsds.encodings import READ_ERRORS, FileOpener, FileUnreadable
from bot.domain.directory.hsds.fields import MAIN_TABLES, TABLES
from bot.domain.directory.hsds.mapping_values import MappingError, MappingScope, ValueReader, compile_value, path_parts
from bot.domain.directory.hsds.older_versions import HsdsRow
from bot.domain.directory.hsds.records import ImportRefusal

MAX_CHARACTERS = 200_000
"""Most characters of a mapping file; ours have less than 4,000."""
_SECTIONS = {TABLES[kind].plural: kind for kind in MAIN_TABLES}
_FOREIGN_KEYS = frozenset(
    {"organization_id", "location_id", "service_id", "taxonomy_term_id", "locations", "services", "parent_id"}
)
_OPEN = {"start_map", "start_array"}


@dataclass(frozen=True)
class MappingSection:
    """One source of rows of one kind."""

    file: str
    path: tuple[str, ...] | None
    """The path of the rows in JSON; None for CSV."""
    fields: dict[str, ValueReader]

    def rows(self, opener: FileOpener, name: str) -> Iterator[tuple[RowPosition, HsdsRow] | ImportRefusal]:
        """The rows of the file `name` with the specification's field names. Raises FileUnreadable."""
        source = _csv_scopes(opener, name) if self.path is None else _json_scopes(opener, name, self.path)
        for found in source:
            if isinstance(found, ImportRefusal):
                yield found
                continue
            place, scope = found
            made = {field: value for field, find in self.fields.items() if (value := find(scope)) not in (None, "", [], {})}
            yield place, made

    def file_in(self, names: tuple[str, ...]) -> str | None:
        """The file in the package: by its whole name, or by the last part if only one file has that. None for none."""
        if self.file in names:
            return self.file
        found = [name for name in names if PurePosixPath(name).name == self.file]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class DirectoryMapping:
    """A compiled mapping; its sections are in the order of `fields.MAIN_TABLES`."""

    name: str
    about: str
    sections: tuple[tuple[str, MappingSection], ...]


def read_mapping(words: str) -> DirectoryMapping:
    """Read the text of a mapping file. Raises MappingError, which says where, what is wrong, and the remedy."""
    if len(words) > MAX_CHARACTERS:
        raise MappingError("the file", "it is too long for a mapping", "take out what is no mapping")
    try:
        _refuse_aliases(words)
        raw = yaml.safe_load(words)
    except (yaml.YAMLError, RecursionError) as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        raise MappingError(where, "it is no YAML", "check the blanks before each line and the quotes") from fault
    if not isinstance(raw, dict) or not isinstance(raw.get("mapping"), str):
        raise MappingError("the file", "it names no mapping", "begin with `mapping:` and a name")
    for name in raw:
        if name not in ("mapping", "about", *_SECTIONS):
            raise MappingError(str(name), "nothing is known by this name", f"use one of {', '.join(_SECTIONS)}")
    by_kind: dict[str, list[MappingSection]] = {
        kind: [_section(kind, name, count, part) for count, part in enumerate(_listed(raw.get(name), name))]
        for name, kind in _SECTIONS.items()
    }
    found = tuple((kind, section) for kind in MAIN_TABLES for section in by_kind[kind])
    if not found:
        raise MappingError("the file", "it maps nothing", "add a section such as `services:`")
    return DirectoryMapping(raw["mapping"], str(raw.get("about", "")).strip(), found)


def _refuse_aliases(words: str) -> None:
    """Refuse YAML aliases: a few nested ones expand to millions of converters. Raises MappingError, yaml.YAMLError."""
    for token in yaml.scan(words):
        if isinstance(token, yaml.AliasToken):
            where = f"line {token.start_mark.line + 1}"
            raise MappingError(where, "it has an alias (`*name`)", "write out what it stands for; put quotes around a `*`")


def _listed(raw: Any, where: str) -> list[Any]:
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise MappingError(where, "it is no list", "begin each source of rows with a dash")
    return raw


def _section(kind: str, name: str, count: int, raw: Any) -> MappingSection:
    where = f"{name}[{count}]"
    if not isinstance(raw, dict) or not isinstance(raw.get("file"), str) or not isinstance(raw.get("fields"), dict):
        raise MappingError(where, "it lacks `file` or `fields`", "name the file, and the fields with where each value is")
    if unknown := set(raw) - {"file", "rows", "fields"}:
        raise MappingError(where, f"`{min(map(str, unknown))}` is not known here", "use `file`, `rows` and `fields`")
    known = {*TABLES[kind].columns, *TABLES[kind].lists, *TABLES[kind].owners, *_FOREIGN_KEYS}
    for field in raw["fields"]:
        if field not in known:
            raise MappingError(
                f"{where}.fields", f"`{field}` is no field of {name}", f"use one of {', '.join(sorted(known))}"
            )
    is_csv = raw["file"].lower().endswith(".csv")
    if is_csv == ("rows" in raw):
        what = "a CSV file takes no `rows`" if is_csv else "`rows` is missing"
        raise MappingError(where, what, 'write `rows: "*"` for a list or an object of rows, and nothing for CSV')
    fields = {field: compile_value(part, f"{where}.fields.{field}") for field, part in raw["fields"].items()}
    return MappingSection(raw["file"], None if is_csv else path_parts(str(raw["rows"])), fields)


def _csv_scopes(opener: FileOpener, name: str) -> Iterator[tuple[RowPosition, MappingScope] | ImportRefusal]:
    for found in csv_rows.read_rows(opener, name, exact=True):
        yield found if isinstance(found, ImportRefusal) else (found[0], MappingScope(found[1], found[0].at))


def _json_scopes(
    opener: FileOpener, name: str, path: tuple[str, ...]
) -> Iterator[tuple[RowPosition, MappingScope] | ImportRefusal]:
    """Scopes of the rows at `path`; only one value of the first `*` is in memory at a time."""
    first = path.index("*") if "*" in path else len(path)
    head, rest = path[:first], path[first + 1 :]
    try:
        for key, value in _outer_values(opener, name, ".".join(head), starred=first < len(path)):
            outer = MappingScope(value, key)
            pointer = "/" + "/".join((*head, key) if key else head)
            for at, scope in _nested_scopes(outer, rest, pointer.rstrip("/")):
                if isinstance(scope.row, dict):
                    yield RowPosition(name, at), scope
                else:
                    yield ImportRefusal(name, at, None, "it is no object", "make each row an object with names and values")
    except JSONError as fault:
        raise FileUnreadable(
            "the JSON breaks off before its end, or is not well-formed", "send the whole file again"
        ) from fault
    except READ_ERRORS as fault:
        raise FileUnreadable("the file breaks off", "send the whole file again") from fault


def _outer_values(opener: FileOpener, name: str, prefix: str, starred: bool) -> Iterator[tuple[str, Any]]:
    with opener.open_utf8(name) as stream:
        opening = next((event for at, event, _ in ijson.parse(stream, use_float=True) if at == prefix), None)
    with opener.open_utf8(name) as stream:
        if opening not in _OPEN:
            raise FileUnreadable("the mapping's `rows` lead to nothing in this file", "correct `rows` in the mapping")
        if not starred:
            yield from (("", value) for value in ijson.items(stream, prefix, use_float=True))
        elif opening == "start_map":
            yield from ijson.kvitems(stream, prefix, use_float=True)
        else:
            inside = f"{prefix}.item" if prefix else "item"
            for count, value in enumerate(ijson.items(stream, inside, use_float=True)):
                yield str(count), value


def _nested_scopes(scope: MappingScope, path: tuple[str, ...], at: str) -> Iterator[tuple[str, MappingScope]]:
    if not path:
        yield at, scope
        return
    value, rest = scope.row, path
    # Plain names stay within the same row; only a `*` begins a nested row.
    while rest and rest[0] != "*":
        value = value.get(rest[0]) if isinstance(value, dict) else None
        at, rest = f"{at}/{rest[0]}", rest[1:]
    if not rest:
        if value is not None:
            yield at, MappingScope(value, "", scope)
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield from _nested_scopes(MappingScope(part, str(key), scope), rest[1:], f"{at}/{key}")
