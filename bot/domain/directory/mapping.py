"""A mapping: how somebody's own JSON or CSV becomes rows of the specification. Written in YAML, one file a directory.

    mapping: link_sf                     # its name
    about: Where the data comes from.
    organizations:                       # also: taxonomy_terms, locations, services, service_at_locations
      - file: organizations.json         # a file of the package
        rows: "*"                        # where the rows are; left out for CSV. `*` is every value of a list or an object:
        fields:                          # "*", "data.*", "*.services.*"
          id: id                         # field of the specification: where its value is
          name: name
          website: {first: [url, homepage]}

Where a value is, is a path: `name`, `address.city`, `phones.0.number`; `^.id` of the row around this one (`^.^.id` one
further out); `@key` the key of this row in the object that holds it. In place of a path one of the converters of
`mapping_values.CONVERTERS` may stand; each one's docstring has an example. Fields that hold rows (phones, schedules,
addresses) are made by `each`, `one`, `split` with `as`, `phones`, `address` and `terms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import ijson
import yaml
from ijson.common import JSONError

from bot.domain.directory import csv_rows
from bot.domain.directory.checking import Place
from bot.domain.directory.fields import MAIN, TABLES
from bot.domain.directory.mapping_values import MappingFault, Scope, Value, steps, value_of
from bot.domain.directory.older import Row
from bot.domain.directory.opening import FAULTS, Opener, Unreadable
from bot.domain.directory.records import Refusal

LARGEST = 200_000
"""Characters of a mapping file; ours have less than 4,000."""
_SECTIONS = {TABLES[kind].plural: kind for kind in MAIN}
_POINTING = frozenset(
    {"organization_id", "location_id", "service_id", "taxonomy_term_id", "locations", "services", "parent_id"}
)
_OPEN = {"start_map", "start_array"}


@dataclass(frozen=True)
class Section:
    """One source of rows of one kind."""

    file: str
    path: tuple[str, ...] | None
    """Where the rows stand in JSON; None for CSV."""
    fields: dict[str, Value]

    def rows(self, opener: Opener, name: str) -> Iterator[tuple[Place, Row] | Refusal]:
        """The rows of the file `name` in the words of the specification. Raises Unreadable."""
        source = _csv_scopes(opener, name) if self.path is None else _json_scopes(opener, name, self.path)
        for found in source:
            if isinstance(found, Refusal):
                yield found
                continue
            place, scope = found
            made = {field: value for field, find in self.fields.items() if (value := find(scope)) not in (None, "", [], {})}
            yield place, made

    def file_in(self, names: tuple[str, ...]) -> str | None:
        """The package's file that is meant: by its whole name, or by its last part where only one has it."""
        if self.file in names:
            return self.file
        found = [name for name in names if PurePosixPath(name).name == self.file]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Mapping:
    """A mapping that was read: its sections in the order of `fields.MAIN`."""

    name: str
    about: str
    sections: tuple[tuple[str, Section], ...]


def load(words: str) -> Mapping:
    """Read a mapping file. Raises MappingFault, which says where in the mapping, what, and what to do."""
    if len(words) > LARGEST:
        raise MappingFault("the file", "it is too long for a mapping", "take out what is no mapping")
    try:
        _refuse_aliases(words)
        raw = yaml.safe_load(words)
    except (yaml.YAMLError, RecursionError) as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        raise MappingFault(where, "it is no YAML", "check the blanks before each line and the quotes") from fault
    if not isinstance(raw, dict) or not isinstance(raw.get("mapping"), str):
        raise MappingFault("the file", "it names no mapping", "begin with `mapping:` and a name")
    for name in raw:
        if name not in ("mapping", "about", *_SECTIONS):
            raise MappingFault(str(name), "nothing is known by this name", f"use one of {', '.join(_SECTIONS)}")
    by_kind: dict[str, list[Section]] = {
        kind: [_section(kind, name, count, part) for count, part in enumerate(_listed(raw.get(name), name))]
        for name, kind in _SECTIONS.items()
    }
    found = tuple((kind, section) for kind in MAIN for section in by_kind[kind])
    if not found:
        raise MappingFault("the file", "it maps nothing", "add a section such as `services:`")
    return Mapping(raw["mapping"], str(raw.get("about", "")).strip(), found)


def _refuse_aliases(words: str) -> None:
    """A few aliases of aliases stand for millions of converters. Raises MappingFault, yaml.YAMLError."""
    for token in yaml.scan(words):
        if isinstance(token, yaml.AliasToken):
            where = f"line {token.start_mark.line + 1}"
            raise MappingFault(where, "it has an alias (`*name`)", "write out what it stands for; put quotes around a `*`")


def _listed(raw: Any, where: str) -> list[Any]:
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise MappingFault(where, "it is no list", "begin each source of rows with a dash")
    return raw


def _section(kind: str, name: str, count: int, raw: Any) -> Section:
    where = f"{name}[{count}]"
    if not isinstance(raw, dict) or not isinstance(raw.get("file"), str) or not isinstance(raw.get("fields"), dict):
        raise MappingFault(where, "it lacks `file` or `fields`", "name the file, and the fields with where each value is")
    if unknown := set(raw) - {"file", "rows", "fields"}:
        raise MappingFault(where, f"`{min(map(str, unknown))}` is not known here", "use `file`, `rows` and `fields`")
    known = {*TABLES[kind].columns, *TABLES[kind].lists, *TABLES[kind].owners, *_POINTING}
    for field in raw["fields"]:
        if field not in known:
            raise MappingFault(
                f"{where}.fields", f"`{field}` is no field of {name}", f"use one of {', '.join(sorted(known))}"
            )
    is_csv = raw["file"].lower().endswith(".csv")
    if is_csv == ("rows" in raw):
        what = "a CSV file takes no `rows`" if is_csv else "`rows` is missing"
        raise MappingFault(where, what, 'write `rows: "*"` for a list or an object of rows, and nothing for CSV')
    fields = {field: value_of(part, f"{where}.fields.{field}") for field, part in raw["fields"].items()}
    return Section(raw["file"], None if is_csv else steps(str(raw["rows"])), fields)


def _csv_scopes(opener: Opener, name: str) -> Iterator[tuple[Place, Scope] | Refusal]:
    for found in csv_rows.rows(opener, name, exact=True):
        yield found if isinstance(found, Refusal) else (found[0], Scope(found[1], found[0].at))


def _json_scopes(opener: Opener, name: str, path: tuple[str, ...]) -> Iterator[tuple[Place, Scope] | Refusal]:
    """Only what stands under the first `*` is held in memory at once."""
    first = path.index("*") if "*" in path else len(path)
    head, rest = path[:first], path[first + 1 :]
    try:
        for key, value in _outer(opener, name, ".".join(head), starred=first < len(path)):
            outer = Scope(value, key)
            pointer = "/" + "/".join((*head, key) if key else head)
            for at, scope in _inner(outer, rest, pointer.rstrip("/")):
                if isinstance(scope.row, dict):
                    yield Place(name, at), scope
                else:
                    yield Refusal(name, at, None, "it is no object", "make each row an object with names and values")
    except JSONError as fault:
        raise Unreadable("the JSON breaks off before its end, or is not well-formed", "send the whole file again") from fault
    except FAULTS as fault:
        raise Unreadable("the file breaks off", "send the whole file again") from fault


def _outer(opener: Opener, name: str, prefix: str, starred: bool) -> Iterator[tuple[str, Any]]:
    with opener.utf8(name) as stream:
        opening = next((event for at, event, _ in ijson.parse(stream, use_float=True) if at == prefix), None)
    with opener.utf8(name) as stream:
        if opening not in _OPEN:
            raise Unreadable("the mapping's `rows` lead to nothing in this file", "correct `rows` in the mapping")
        if not starred:
            yield from (("", value) for value in ijson.items(stream, prefix, use_float=True))
        elif opening == "start_map":
            yield from ijson.kvitems(stream, prefix, use_float=True)
        else:
            inside = f"{prefix}.item" if prefix else "item"
            for count, value in enumerate(ijson.items(stream, inside, use_float=True)):
                yield str(count), value


def _inner(scope: Scope, path: tuple[str, ...], at: str) -> Iterator[tuple[str, Scope]]:
    if not path:
        yield at, scope
        return
    value, rest = scope.row, path
    # Plain names lead on in the same row; only a `*` opens a row within it.
    while rest and rest[0] != "*":
        value = value.get(rest[0]) if isinstance(value, dict) else None
        at, rest = f"{at}/{rest[0]}", rest[1:]
    if not rest:
        if value is not None:
            yield at, Scope(value, "", scope)
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield from _inner(Scope(part, str(key), scope), rest[1:], f"{at}/{key}")
