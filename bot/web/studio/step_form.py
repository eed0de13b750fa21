"""A step as a form: its fields, filled from the flow file and the translations, and parsed back into plain data.

Keys of a step that have no field in the form are kept unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.domain.flows.language.translations import RawEntry
from bot.domain.flows.outline import kind_of
from bot.domain.suggestion import name_from_text

TranslatedTexts = dict[str, dict[str, str]]
"""Language -> context -> text."""
_SPARE_ROWS = 1
"""Empty rows below the choices and the branches, for browsers without scripts; with scripts a button adds more."""


@dataclass(frozen=True, slots=True)
class FieldTranslation:
    """The translation of a text into one language."""

    language: str
    text: str = ""
    stale_source: str = ""
    """The source text that it was translated from, if the source has changed since; else ""."""


@dataclass(frozen=True, slots=True)
class TextField:
    """A text that people read: the source and its translations. `key` is the prefix of its form fields, `context` its PO
    context."""

    key: str
    context: str
    source: str
    translations: tuple[FieldTranslation, ...] = ()


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """One choice of a question; `was` is its name in the file, if another one was typed but is not saved yet."""

    at: int
    name: str
    label: TextField
    words: TextField
    go: str
    was: str = ""


@dataclass(frozen=True, slots=True)
class BranchRow:
    at: int
    when: str
    go: str


@dataclass(frozen=True, slots=True)
class StepForm:
    """A step as it is shown for editing. `plain` holds single values by name; `data` is the step itself."""

    name: str
    kind: str
    plain: Mapping[str, str]
    texts: Mapping[str, TextField]
    choices: tuple[ChoiceRow, ...]
    branches: tuple[BranchRow, ...]
    data: Mapping[str, Any] = field(default_factory=dict)


_PLAIN_FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ask": {
        "answer": ("answer",), "save": ("save",), "optional": ("optional",), "private": ("private",),
        "tries": ("not_understood", "tries"), "lost_go": ("not_understood", "go"),
        "wait_after": ("wait", "after"), "wait_go": ("wait", "go"),
    },
    "say": {"end": ("end",)},
    "decide": {},
    "end": {"end": ("end",)},
    "refer": {"need": ("refer", "need"), "near": ("refer", "near"), "limit": ("refer", "limit"), "none": ("none",)},
    "referral": {"outcome": ("referral", "outcome"), "which": ("referral", "which")},
    "check_in": {"flow": ("check_in", "flow"), "after": ("check_in", "after")},
    "measure": {"measure": ("measure", "name"), "value": ("measure", "value")},
    "handoff": {
        "team": ("handoff", "team"), "urgency": ("handoff", "urgency"), "because": ("handoff", "because"),
        "community": ("handoff", "community"),
    },
    "run": {"run": ("run",)},
    "wait": {"wait": ("wait",)},
    "consent": {"consent": ("consent",), "withdrawn": ("withdrawn",)},
    "erase": {},
}  # fmt: skip
"""Kind -> name of the field -> path of its value in the step."""
_TEXT_FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ask": {"ask": ("ask",), "lost_say": ("not_understood", "say")},
    "say": {"say": ("say",)},
    "handoff": {"say": ("say",)},
}
_FIXED_VALUES: Mapping[str, tuple[tuple[str, ...], Any]] = {
    "decide": (("decide",), True),
    "erase": (("erase",), "everything"),
}
_CHECKBOXES = frozenset({"optional", "private", "withdrawn"})


def build_form(
    name: str, step: Mapping[str, Any], languages: Sequence[str], written: Mapping[str, Mapping[str, RawEntry]],
    was: Mapping[str, str] | None = None,
) -> StepForm:  # fmt: skip
    """The form of a step. `written` are the entries of the PO files: language -> context -> entry. `was`: typed name of a
    choice -> its name in the file."""
    kind = kind_of(step)
    maker = _TextFieldBuilder(name, languages, written)
    texts = {
        key: maker.field(f"text.{key}", f"{name}.{'.'.join(path)}", _text_at(step, path))
        for key, path in _TEXT_FIELDS.get(kind, {}).items()
    }
    given = step.get("choices") if kind == "ask" else None
    choices = [
        _choice_row(at, str(key), value, maker) for at, (key, value) in enumerate((given or {}).items(), 1)
    ] if isinstance(given, dict) else []  # fmt: skip
    if kind == "ask":
        choices += [_choice_row(len(choices) + 1 + spare, "", {}, maker) for spare in range(_SPARE_ROWS)]
    choices = [replace(row, was=(was or {}).get(row.name, row.name)) for row in choices]
    plain = {key: _one_line(_value_at(step, path)) for key, path in _PLAIN_FIELDS.get(kind, {}).items()}
    plain["note"] = _one_line(step.get("note"))
    return StepForm(name, kind, plain, texts, tuple(choices), _branches(step), dict(step))


class _TextFieldBuilder:
    def __init__(self, name: str, languages: Sequence[str], written: Mapping[str, Mapping[str, RawEntry]]) -> None:
        self.name, self.languages, self.written = name, languages, written

    def field(self, key: str, context: str, source: str) -> TextField:
        return TextField(key, context, source, tuple(self._translation(one, context, source) for one in self.languages))

    def _translation(self, language: str, context: str, source: str) -> FieldTranslation:
        entry = self.written.get(language, {}).get(context)
        if entry is None or not entry.text:
            return FieldTranslation(language)
        is_stale = entry.is_fuzzy or entry.source != source
        return FieldTranslation(
            language, entry.text, entry.source if is_stale and entry.source != source else source if is_stale else ""
        )


def _choice_row(at: int, name: str, value: object, maker: _TextFieldBuilder) -> ChoiceRow:
    choice = value if isinstance(value, dict) else {}
    words = choice.get("words")
    joined = ", ".join(str(word) for word in words) if isinstance(words, list) else _as_text(words)
    context = f"{maker.name}.choices.{name}"
    return ChoiceRow(
        at, name,
        maker.field(f"choice.{at}.label", f"{context}.label", _as_text(choice.get("label"))),
        maker.field(f"choice.{at}.words", f"{context}.words", joined),
        _as_text(choice.get("go")),
    )  # fmt: skip


def _branches(step: Mapping[str, Any]) -> tuple[BranchRow, ...]:
    found = [BranchRow(at, when, go) for at, (when, go) in enumerate(_branch_rows(step), 1)]
    return (*found, *(BranchRow(len(found) + 1 + spare, "", "") for spare in range(_SPARE_ROWS)))


def _branch_rows(step: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The step's branches as (when, go), as far as they can be shown."""
    given = step.get("next")
    if isinstance(given, str):
        given = [{"go": given}]
    rows = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
    return [(_one_line(row.get("when")), _one_line(row.get("go"))) for row in rows]


def _text_at(step: Mapping[str, Any], path: tuple[str, ...]) -> str:
    return _as_text(_value_at(step, path))


def _value_at(step: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: object = step
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_as_text(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else ""
    return "" if value is None else str(value)


def _one_line(value: object) -> str:
    """A value on one line: browsers remove the line breaks in single-line fields and join the words around them."""
    return " ".join(_as_text(value).split())


# Parsing the posted form.


def parse_form(
    name: str, kind: str, before: Mapping[str, Any], posted: Mapping[str, str], languages: Iterable[str]
) -> tuple[dict[str, Any], TranslatedTexts]:
    """The step as plain data and its translations, from the posted form. Keys that the form does not have stay as they were
    `before`."""
    step: dict[str, Any] = {key: value for key, value in before.items() if key != "next"}
    texts: TranslatedTexts = {language: {} for language in languages}
    for key, path in _TEXT_FIELDS.get(kind, {}).items():
        _set_at(step, path, _unless_same(_value_at(before, path), _clean(posted.get(f"text.{key}", ""))))
        _read_translations(texts, posted, f"text.{key}", f"{name}.{'.'.join(path)}")
    if kind == "ask":
        _set_at(step, ("choices",), _read_choices(name, before, posted, texts))
    for key, path in _PLAIN_FIELDS.get(kind, {}).items():
        typed = posted.get(f"plain.{key}", "")
        read_one = _read_plain(kind, key, typed)
        _set_at(step, path, read_one if key in _CHECKBOXES else _unless_same(_value_at(before, path), read_one, typed))
    if step.get("answer") == "text" and "answer" not in before:
        # The default is not written, unless it was in the file before.
        del step["answer"]
    if kind in _FIXED_VALUES:
        _set_at(step, *_FIXED_VALUES[kind])
    _set_at(step, ("note",), _unless_same(before.get("note"), _clean(posted.get("plain.note", ""))))
    _set_at(step, ("next",), _read_branches(before, posted))
    return _ordered(kind, step), texts


def _unless_same(before: object, value: object, typed: str | None = None) -> object:
    """`before`, if the form only lost its line breaks and surrounding spaces; else `value`. An unchanged text must stay
    byte for byte, or its translations would become stale."""
    text = typed if typed is not None else _as_text(value)
    return before if before is not None and _one_line(before) == " ".join(text.split()) else value


def _clean(text: str) -> str | None:
    text = text.replace("\r\n", "\n").strip()
    return text or None


def _read_plain(kind: str, key: str, typed: str) -> object:
    text = " ".join(typed.split())
    if key in _CHECKBOXES:
        return True if text else None
    if key == "after" and kind == "check_in":
        return [part for part in re.split(r"[,\s]+", text) if part]
    return text or None


def _row_numbers(posted: Mapping[str, str], prefix: str) -> list[int]:
    pattern = re.compile(rf"{prefix}\.(\d{{1,4}})\.")
    return sorted({int(found[1]) for key in posted if (found := pattern.match(key))})


def read_choice_rows(posted: Mapping[str, str]) -> list[tuple[int, str, str]]:
    """The posted choices in order as (row number in the form, name in the file or "" for a new one, typed name or one made
    from the label). If two have the same name, the one that has it in the file keeps it."""
    rows = []
    for at in sorted(
        _row_numbers(posted, "choice"), key=lambda at: (_read_position(posted.get(f"choice.{at}.at", ""), at), at)
    ):
        name, label = posted.get(f"choice.{at}.name", "").strip(), _clean(posted.get(f"choice.{at}.label", ""))
        if (name or label) and not posted.get(f"choice.{at}.remove"):
            rows.append((at, posted.get(f"choice.{at}.was", ""), name, label or ""))
    unchanged = {name for _, was, name, _ in rows if name == was}
    used: set[str] = set()
    found = []
    for at, was, name, label in rows:
        others = used | (unchanged - {was} if name == was else unchanged)
        name = name if name and name not in others else name_from_text(name or label, others)
        used.add(name)
        found.append((at, was, name))
    return found


def _read_choices(name: str, before: Mapping[str, Any], posted: Mapping[str, str], texts: TranslatedTexts) -> object:
    given = before.get("choices")
    old: Mapping[str, Any] = given if isinstance(given, dict) else {}
    choices: dict[str, Any] = {}
    for at, was, key in read_choice_rows(posted):
        choices[key] = _read_choice(old.get(was), posted, f"choice.{at}")
        for part in ("label", "words"):
            _read_translations(texts, posted, f"choice.{at}.{part}", f"{name}.choices.{key}.{part}")
    # If `choices` is not a mapping, there are no rows: it is kept, to be corrected in the YAML.
    return choices or (given if not isinstance(given, dict) else None)


def _read_choice(old: object, posted: Mapping[str, str], at: str) -> object:
    choice: dict[str, Any] = dict(old) if isinstance(old, dict) else {}
    typed = posted.get(f"{at}.words", "")
    words = [word.strip() for word in typed.replace("\n", ",").split(",") if word.strip()]
    _set_at(choice, ("label",), _unless_same(choice.get("label"), _clean(posted.get(f"{at}.label", ""))))
    _set_at(choice, ("words",), _unless_same(choice.get("words"), words or None))
    _set_at(choice, ("go",), posted.get(f"{at}.go", "").strip() or None)
    if not choice and old is not None:
        return old
    return {part: choice[part] for part in ("label", "words", "go") if part in choice} | choice


def _read_position(typed: str, otherwise: int) -> int:
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 4 else otherwise


def _read_translations(texts: TranslatedTexts, posted: Mapping[str, str], key: str, context: str) -> None:
    for language, found in texts.items():
        field_name = f"{key}.{language}"
        if field_name in posted:
            found[context] = posted[field_name].replace("\r\n", "\n").strip()


def _read_branches(before: Mapping[str, Any], posted: Mapping[str, str]) -> object:
    rows: list[dict[str, str]] = []
    shown = _branch_rows(before)
    for at in _row_numbers(posted, "next"):
        when, go = " ".join(posted.get(f"next.{at}.when", "").split()), posted.get(f"next.{at}.go", "").strip()
        # An existing row without a target was removed. A new row with only a condition is kept; the checks report it.
        if go or (when and at > len(shown)):
            rows.append(({"when": when} if when else {}) | ({"go": go} if go else {}))
    if [(row.get("when", ""), row.get("go", "")) for row in rows] == shown:
        return before.get("next")
    if len(rows) == 1 and "when" not in rows[0]:
        return rows[0]["go"]
    return rows or None


def _set_at(step: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set the value at this path; None removes the key, and the block around it if that becomes empty."""
    *around, last = path
    here = step
    for key in around:
        inner = here.get(key)
        if not isinstance(inner, dict):
            if value is None:
                return
            inner = {}
        here[key] = dict(inner)
        here = here[key]
    if value is None:
        here.pop(last, None)
        if around and not here:
            step.pop(around[0], None)
    else:
        here[last] = value


_FIRST_KEYS = ("note",)
_LAST_KEYS = ("not_understood", "wait", "none", "end", "next")


def _ordered(kind: str, step: dict[str, Any]) -> dict[str, Any]:
    """The keys in reading order: the note, what the step does, its details, the branches."""
    own = [key for key in step if key not in _FIRST_KEYS and (key == kind or key not in _LAST_KEYS)]
    order = [
        *[key for key in _FIRST_KEYS if key in step],
        *own,
        *[key for key in _LAST_KEYS if key in step and key not in own],
    ]
    return {key: step[key] for key in order}
