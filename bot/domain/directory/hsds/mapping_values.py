"""The values of fields in a mapping: paths and converters. They are compiled once and called for every row."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.domain.directory.hsds.older_versions import HsdsRow
from bot.domain.directory.hsds.values import number_of, text_of, time_of, weekday_of


class MappingError(Exception):
    """A mapping file that cannot be used: where, what is wrong, and the remedy."""

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what}; {remedy}")
        self.where, self.what, self.remedy = where, what, remedy


@dataclass(frozen=True, slots=True)
class MappingScope:
    """A row as in the file, its key there, and the enclosing row."""

    row: Any
    key: str
    enclosing: MappingScope | None = None


ValueReader: TypeAlias = Callable[[MappingScope], Any]
_Spec: TypeAlias = dict[str, Any]


def path_parts(path: str) -> tuple[str, ...]:
    """The parts of a path such as `data.*`; "" means the whole file and has none."""
    return tuple(part for part in path.strip().split(".") if part)


def compile_value(raw: Any, where: str) -> ValueReader:
    """Compile a path or a converter. Raises MappingError."""
    if isinstance(raw, str):
        return _path(raw)
    if isinstance(raw, dict):
        for name, make in CONVERTERS.items():
            if name in raw:
                allowed = {name, *_OPTIONS.get(name, ())}
                if unknown := {str(key) for key in raw} - allowed:
                    what = f"`{min(unknown)}` does not go with `{name}`"
                    raise MappingError(where, what, f"`{name}` takes {', '.join(sorted(allowed))}")
                return make(raw, where)
    raise MappingError(where, "it is neither a path nor a converter", f"use a path, or one of {', '.join(CONVERTERS)}")


def _path(path: str) -> ValueReader:
    if path == "@key":
        return lambda scope: scope.key
    ups = 0
    while path.startswith("^."):
        path, ups = path[2:], ups + 1
    parts = path_parts(path)

    def find(scope: MappingScope) -> Any:
        for _ in range(ups):
            if scope.enclosing is None:
                return None
            scope = scope.enclosing
        if path == "@key":
            return scope.key
        if isinstance(scope.row, dict) and path in scope.row:
            return scope.row[path]
        value = scope.row
        for part in parts:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                return None
        return value

    return find


def _compile_list(raw: Any, where: str) -> list[ValueReader]:
    if not isinstance(raw, list) or not raw:
        raise MappingError(where, "it is no list", "write the parts in brackets: [one, two]")
    return [compile_value(part, where) for part in raw]


def _compile_fields(raw: Any, where: str) -> dict[str, ValueReader]:
    if not isinstance(raw, dict) or not raw:
        raise MappingError(where, "it names no fields", "write each field with where its value is")
    return {str(name): compile_value(part, f"{where}.{name}") for name, part in raw.items()}


def _make_row(fields: dict[str, ValueReader], scope: MappingScope) -> HsdsRow:
    return {name: value for name, find in fields.items() if (value := find(scope)) not in (None, "", [], {})}


def _is(raw: _Spec, _where: str) -> ValueReader:
    """{is: CA}: always this value."""
    constant = raw["is"]
    return lambda _scope: constant


def _first(raw: _Spec, where: str) -> ValueReader:
    """{first: [a, b]}: the first value that is not empty."""
    found = _compile_list(raw["first"], where)
    return lambda scope: next((value for find in found if (value := find(scope)) not in (None, "", [], {})), None)


def _join(raw: _Spec, where: str) -> ValueReader:
    """{join: [a, b], with: ", "}: the values that are not empty, joined."""
    found, between = _compile_list(raw["join"], where), str(raw.get("with", " "))
    return lambda scope: between.join(filter(None, (text_of(find(scope)) for find in found)))


def _text(raw: _Spec, _where: str) -> ValueReader:
    """{text: "Up to {limit} % of the poverty level"}: a sentence with values filled in; nothing if one of them is empty."""
    words = str(raw["text"])
    parts = {name: _path(name) for name in re.findall(r"\{([^{}]+)\}", words)}

    def write(scope: MappingScope) -> str | None:
        values = {name: text_of(find(scope)) for name, find in parts.items()}
        if not all(values.values()):
            return None
        return re.sub(r"\{([^{}]+)\}", lambda match: values[match[1]], words)

    return write


def _say(raw: _Spec, where: str) -> ValueReader:
    """{say: gender, words: {F: Women, M: Men}}: a text for each value, also of a list; other values are left out."""
    find, words = compile_value(raw["say"], where), raw.get("words")
    if not isinstance(words, dict):
        raise MappingError(where, "`say` has no `words`", "write `words: {value: what to say}`")
    texts = {text_of(key): text_of(value) for key, value in words.items()}

    def write(scope: MappingScope) -> str:
        value = find(scope)
        parts = value if isinstance(value, list) else [value]
        return ", ".join(filter(None, (texts.get(text_of(part), "") for part in parts)))

    return write


def _split(raw: _Spec, where: str) -> ValueReader:
    """{split: areas, by: ";", as: name}: rows {name: part}. Without `as` plain texts."""
    find, by, column = compile_value(raw["split"], where), str(raw.get("by", ",")), raw.get("as")

    def parts(scope: MappingScope) -> list[Any]:
        value = find(scope)
        found = [text_of(part) for part in (value if isinstance(value, list) else text_of(value).split(by))]
        return [{column: part} if column else part for part in found if part]

    return parts


def _each(raw: _Spec, where: str) -> ValueReader:
    """{each: phones, fields: {number: number}}: a row for each value of a list or an object; `^.` is the enclosing row."""
    find, fields = compile_value(raw["each"], where), _compile_fields(raw.get("fields"), f"{where}.fields")

    def rows(scope: MappingScope) -> list[HsdsRow]:
        value = find(scope)
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        made = (_make_row(fields, MappingScope(part, str(key), scope)) for key, part in pairs)
        return [row for row in made if row]

    return rows


def _one(raw: _Spec, where: str) -> ValueReader:
    """{one: {address_1: street}, if: street}: a single row; none if the value at `if` is empty."""
    fields, needed = _compile_fields(raw["one"], where), compile_value(raw["if"], where) if "if" in raw else None

    def rows(scope: MappingScope) -> list[HsdsRow]:
        if needed is not None and not text_of(needed(scope)):
            return []
        row = _make_row(fields, scope)
        return [row] if row else []

    return rows


def _all(raw: _Spec, where: str) -> ValueReader:
    """{all: [{terms: topic}, {split: codes, as: label}]}: the rows of all parts, concatenated."""
    found = _compile_list(raw["all"], where)
    return lambda scope: [row for find in found for row in find(scope) or ()]


def _weekday(raw: _Spec, where: str) -> ValueReader:
    """{weekday: day, monday: 0}: MO to SU from a name, or from a number; `monday` is the number of Monday (1 by default)."""
    find, first = compile_value(raw["weekday"], where), int(raw.get("monday", 1))

    def day(scope: MappingScope) -> str:
        value = find(scope)
        return weekday_of(value, first) or text_of(value)

    return day


def _time(raw: _Spec, where: str) -> ValueReader:
    """{time: opens}: 19:30 from 1930, "7:30 PM" or "19:30:00". What is not a time is passed on and reported later."""
    find = compile_value(raw["time"], where)

    def moment(scope: MappingScope) -> str:
        value = find(scope)
        if isinstance(value, int) and 0 <= value <= 2400:
            # Here 30 is half past midnight, and 900 nine o'clock.
            return time_of(f"{value:04}") or str(value)
        return time_of(value) or text_of(value)

    return moment


def _number(raw: _Spec, where: str) -> ValueReader:
    """{number: age, not: [0, 999]}: a number; those in `not` mean "not known"."""
    find, unknown = compile_value(raw["number"], where), raw.get("not", [])

    def number(scope: MappingScope) -> Any:
        value = find(scope)
        found = number_of(value)
        return None if found in unknown else found if found is not None else value

    return number


def _made_of(raw: _Spec, where: str) -> ValueReader:
    """{made_of: [name, topic]}: an id made from values that do not change, where the directory has no ids."""
    found = _compile_list(raw["made_of"], where)

    def key(scope: MappingScope) -> str:
        parts = (_slug(text_of(find(scope))) for find in found)
        return "-".join(filter(None, parts))[:180]

    return key


def _terms(raw: _Spec, where: str) -> ValueReader:
    """{terms: topic, by: ";", taxonomy: mine}: the texts become taxonomy terms of the service."""
    find, by, taxonomy = compile_value(raw["terms"], where), str(raw.get("by", ",")), str(raw.get("taxonomy", ""))

    def rows(scope: MappingScope) -> list[HsdsRow]:
        value = find(scope)
        names = [text_of(part) for part in (value if isinstance(value, list) else text_of(value).split(by))]
        made = ({"id": _slug(f"{taxonomy} {name}"), "name": name, "taxonomy": taxonomy} for name in filter(None, names))
        return [{"taxonomy_term": term} for term in made]

    return rows


_PHONE = re.compile(
    r"(?:(?P<label>[A-Za-z][A-Za-z ./-]*?)\s*:?\s*)?(?P<number>\+?[\d(][\d\s().-]{5,}\d)"
    r"(?:\s*(?:x|ext\.?|#)\s*(?P<ext>\d{1,6}))?"
)


def _phones(raw: _Spec, where: str) -> ValueReader:
    """{phones: cell}: rows from `main: 305-285-5922; fax: 305 555 0100 ext. 4`."""
    find = compile_value(raw["phones"], where)

    def rows(scope: MappingScope) -> list[HsdsRow]:
        return [_phone(match) for match in _PHONE.finditer(text_of(find(scope)))]

    return rows


def _phone(match: re.Match[str]) -> HsdsRow:
    label = (match["label"] or "").strip()
    kind = next((kind for kind in ("fax", "tty", "tdd", "text") if kind in label.lower()), "voice")
    row: HsdsRow = {"number": match["number"].strip(), "type": kind}
    if match["ext"]:
        row["extension"] = match["ext"]
    if label and label.lower() not in ("phone", "tel", "main", kind):
        row["description"] = label
    return row


_ADDRESS = re.compile(
    r"(?P<street>.+?),\s*(?P<city>[^,\d]+),\s*(?P<state>[A-Z]{2})\.?,?\s*(?P<zip>\d{5}(?:-\d{4})?)?\s*(?:USA?)?"
)
_STATE_ALONE = re.compile(r"(?:State:\s*)?[A-Z]{2}")


def _address(raw: _Spec, where: str) -> ValueReader:
    """{address: cell, country: US}: a row from `9525 Pine Drive, Cutler Bay, FL 33157`; a state alone is not an address."""
    find, country = compile_value(raw["address"], where), str(raw.get("country", "US"))

    def rows(scope: MappingScope) -> list[HsdsRow]:
        words = " ".join(text_of(find(scope)).split())
        if not words or _STATE_ALONE.fullmatch(words):
            return []
        row: HsdsRow = {"address_1": words, "country": country, "address_type": "physical"}
        if match := _ADDRESS.fullmatch(words):
            row.update(address_1=match["street"], city=match["city"].strip(), state_province=match["state"])
            row.update({"postal_code": match["zip"]} if match["zip"] else {})
        return [row]

    return rows


def _slug(words: str) -> str:
    return re.sub(r"[^\w]+", "-", words.lower()).strip("-")


CONVERTERS: dict[str, Callable[[_Spec, str], ValueReader]] = {
    "is": _is,
    "first": _first,
    "join": _join,
    "text": _text,
    "say": _say,
    "split": _split,
    "each": _each,
    "one": _one,
    "all": _all,
    "weekday": _weekday,
    "time": _time,
    "number": _number,
    "made_of": _made_of,
    "terms": _terms,
    "phones": _phones,
    "address": _address,
}
"""By the name that comes first in the braces. Each one's docstring has an example."""

_OPTIONS = {
    "join": ("with",),
    "say": ("words",),
    "split": ("by", "as"),
    "each": ("fields",),
    "one": ("if",),
    "weekday": ("monday",),
    "number": ("not",),
    "terms": ("by", "taxonomy"),
    "address": ("country",),
}
