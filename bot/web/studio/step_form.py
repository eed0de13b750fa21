"""A step as a form: its fields, filled from the file and from the translations, and read back into plain data.

What the form does not know stays as it is: a key of a step that has no field here is carried along untouched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.domain.flow_outline import kind_of
from bot.domain.flow_translations import Written
from bot.domain.suggestion import fit_name

Texts = dict[str, dict[str, str]]
"""Language -> context -> text."""
_SPARE = 1
"""Empty rows below the choices and the ways on, for those who have no script; with one, more are added by a button."""


@dataclass(frozen=True, slots=True)
class Told:
    """A text in one more language than the source."""

    language: str
    text: str = ""
    stale_source: str = ""
    """The source that it was made from, where that is another by now."""


@dataclass(frozen=True, slots=True)
class TextField:
    """A text that people read, in the source and beside it in the other languages. `key` names its fields."""

    key: str
    context: str
    source: str
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """`was` is its name in the file, where another was typed that is not saved yet."""

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
    """A step as it is shown for editing. `plain` holds single values by name; `data` is the step that it was made from."""

    name: str
    kind: str
    plain: Mapping[str, str]
    texts: Mapping[str, TextField]
    choices: tuple[ChoiceRow, ...]
    branches: tuple[BranchRow, ...]
    data: Mapping[str, Any] = field(default_factory=dict)


_PLAIN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
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
"""Kind -> name of the field -> where its value stands in the step."""
_TEXTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ask": {"ask": ("ask",), "lost_say": ("not_understood", "say")},
    "say": {"say": ("say",)},
    "handoff": {"say": ("say",)},
}
_FIXED: Mapping[str, tuple[tuple[str, ...], Any]] = {"decide": (("decide",), True), "erase": (("erase",), "everything")}
_TICKED = frozenset({"optional", "private", "withdrawn"})
NO_WAYS_ON = frozenset({"end"})


def show(
    name: str, step: Mapping[str, Any], languages: Sequence[str], written: Mapping[str, Mapping[str, Written]],
    was: Mapping[str, str] | None = None,
) -> StepForm:  # fmt: skip
    """The form of a step. `written` are the entries of the PO files: language -> context -> entry. `was` holds the names
    in the file of the choices that were given another one."""
    kind = kind_of(step)
    maker = _TextMaker(name, languages, written)
    texts = {
        key: maker.field(f"text.{key}", f"{name}.{'.'.join(path)}", _at(step, path))
        for key, path in _TEXTS.get(kind, {}).items()
    }
    given = step.get("choices") if kind == "ask" else None
    choices = [
        _choice_row(at, str(key), value, maker) for at, (key, value) in enumerate((given or {}).items(), 1)
    ] if isinstance(given, dict) else []  # fmt: skip
    if kind == "ask":
        choices += [_choice_row(len(choices) + 1 + spare, "", {}, maker) for spare in range(_SPARE)]
    choices = [replace(row, was=(was or {}).get(row.name, row.name)) for row in choices]
    plain = {key: _flat(_value(step, path)) for key, path in _PLAIN.get(kind, {}).items()}
    plain["note"] = _flat(step.get("note"))
    return StepForm(name, kind, plain, texts, tuple(choices), _branches(step), dict(step))


class _TextMaker:
    def __init__(self, name: str, languages: Sequence[str], written: Mapping[str, Mapping[str, Written]]) -> None:
        self.name, self.languages, self.written = name, languages, written

    def field(self, key: str, context: str, source: str) -> TextField:
        return TextField(key, context, source, tuple(self._told(one, context, source) for one in self.languages))

    def _told(self, language: str, context: str, source: str) -> Told:
        entry = self.written.get(language, {}).get(context)
        if entry is None or not entry.text:
            return Told(language)
        is_stale = entry.is_fuzzy or entry.source != source
        return Told(
            language, entry.text, entry.source if is_stale and entry.source != source else source if is_stale else ""
        )


def _choice_row(at: int, name: str, value: object, maker: _TextMaker) -> ChoiceRow:
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
    found = [BranchRow(at, when, go) for at, (when, go) in enumerate(_rows_of(step), 1)]
    return (*found, *(BranchRow(len(found) + 1 + spare, "", "") for spare in range(_SPARE)))


def _rows_of(step: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The ways on as (when, go), as far as they can be shown."""
    given = step.get("next")
    if isinstance(given, str):
        given = [{"go": given}]
    rows = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
    return [(_flat(row.get("when")), _flat(row.get("go"))) for row in rows]


def _at(step: Mapping[str, Any], path: tuple[str, ...]) -> str:
    return _as_text(_value(step, path))


def _value(step: Mapping[str, Any], path: tuple[str, ...]) -> object:
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


def _flat(value: object) -> str:
    """A value on one line: browsers take the line breaks out of such fields, and join the words around them."""
    return " ".join(_as_text(value).split())


# Back from the form.


def read(
    name: str, kind: str, before: Mapping[str, Any], posted: Mapping[str, str], languages: Iterable[str]
) -> tuple[dict[str, Any], Texts]:
    """The step as plain data, and its texts in the other languages, out of what was posted. Fields that the form does
    not have stay as they were `before`."""
    step: dict[str, Any] = {key: value for key, value in before.items() if key != "next"}
    texts: Texts = {language: {} for language in languages}
    for key, path in _TEXTS.get(kind, {}).items():
        _put(step, path, _unless_same(_value(before, path), _clean(posted.get(f"text.{key}", ""))))
        _take_told(texts, posted, f"text.{key}", f"{name}.{'.'.join(path)}")
    if kind == "ask":
        _put(step, ("choices",), _read_choices(name, before, posted, texts))
    for key, path in _PLAIN.get(kind, {}).items():
        typed = posted.get(f"plain.{key}", "")
        read_one = _read_plain(kind, key, typed)
        _put(step, path, read_one if key in _TICKED else _unless_same(_value(before, path), read_one, typed))
    if step.get("answer") == "text" and "answer" not in before:
        # What holds without a word is not written down, except where somebody wrote it.
        del step["answer"]
    if kind in _FIXED:
        _put(step, *_FIXED[kind])
    _put(step, ("note",), _unless_same(before.get("note"), _clean(posted.get("plain.note", ""))))
    _put(step, ("next",), _read_branches(before, posted))
    return _in_order(kind, step), texts


def _unless_same(before: object, value: object, typed: str | None = None) -> object:
    """What was there, where only its line breaks and the spaces around it got lost on the way through the form: nobody
    changed it, and what was translated from it is not stale."""
    text = typed if typed is not None else _as_text(value)
    return before if before is not None and _flat(before) == " ".join(text.split()) else value


def _clean(text: str) -> str | None:
    text = text.replace("\r\n", "\n").strip()
    return text or None


def _read_plain(kind: str, key: str, typed: str) -> object:
    text = " ".join(typed.split())
    if key in _TICKED:
        return True if text else None
    if key == "after" and kind == "check_in":
        return [part for part in re.split(r"[,\s]+", text) if part]
    return text or None


def _numbers(posted: Mapping[str, str], prefix: str) -> list[int]:
    pattern = re.compile(rf"{prefix}\.(\d{{1,4}})\.")
    return sorted({int(found[1]) for key in posted if (found := pattern.match(key))})


def named_rows(posted: Mapping[str, str]) -> list[tuple[int, str, str]]:
    """The rows of the choices in their order: the number in the form, the name in the file ("" for a new one), and the
    name that was typed, or made of the label. Of two that got the same name the one that had it keeps it."""
    rows = []
    for at in sorted(_numbers(posted, "choice"), key=lambda at: (_place(posted.get(f"choice.{at}.at", ""), at), at)):
        name, label = posted.get(f"choice.{at}.name", "").strip(), _clean(posted.get(f"choice.{at}.label", ""))
        if (name or label) and not posted.get(f"choice.{at}.remove"):
            rows.append((at, posted.get(f"choice.{at}.was", ""), name, label or ""))
    kept = {name for _, was, name, _ in rows if name == was}
    used: set[str] = set()
    found = []
    for at, was, name, label in rows:
        others = used | (kept - {was} if name == was else kept)
        name = name if name and name not in others else fit_name(name or label, others)
        used.add(name)
        found.append((at, was, name))
    return found


def _read_choices(name: str, before: Mapping[str, Any], posted: Mapping[str, str], texts: Texts) -> object:
    given = before.get("choices")
    old: Mapping[str, Any] = given if isinstance(given, dict) else {}
    choices: dict[str, Any] = {}
    for at, was, key in named_rows(posted):
        choices[key] = _read_choice(old.get(was), posted, f"choice.{at}")
        for part in ("label", "words"):
            _take_told(texts, posted, f"choice.{at}.{part}", f"{name}.choices.{key}.{part}")
    # What is no list of choices has no rows: it is mended in the YAML, and not lost here.
    return choices or (given if not isinstance(given, dict) else None)


def _read_choice(old: object, posted: Mapping[str, str], at: str) -> object:
    choice: dict[str, Any] = dict(old) if isinstance(old, dict) else {}
    typed = posted.get(f"{at}.words", "")
    words = [word.strip() for word in typed.replace("\n", ",").split(",") if word.strip()]
    _put(choice, ("label",), _unless_same(choice.get("label"), _clean(posted.get(f"{at}.label", ""))))
    _put(choice, ("words",), _unless_same(choice.get("words"), words or None))
    _put(choice, ("go",), posted.get(f"{at}.go", "").strip() or None)
    if not choice and old is not None:
        return old
    return {part: choice[part] for part in ("label", "words", "go") if part in choice} | choice


def _place(typed: str, otherwise: int) -> int:
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 4 else otherwise


def _take_told(texts: Texts, posted: Mapping[str, str], key: str, context: str) -> None:
    for language, found in texts.items():
        field_name = f"{key}.{language}"
        if field_name in posted:
            found[context] = posted[field_name].replace("\r\n", "\n").strip()


def _read_branches(before: Mapping[str, Any], posted: Mapping[str, str]) -> object:
    rows: list[dict[str, str]] = []
    shown = _rows_of(before)
    for at in _numbers(posted, "next"):
        when, go = " ".join(posted.get(f"next.{at}.when", "").split()), posted.get(f"next.{at}.go", "").strip()
        # A row that leads nowhere any more was taken out; a new condition waits for its step, and the checks say so.
        if go or (when and at > len(shown)):
            rows.append(({"when": when} if when else {}) | ({"go": go} if go else {}))
    if [(row.get("when", ""), row.get("go", "")) for row in rows] == shown:
        return before.get("next")
    if len(rows) == 1 and "when" not in rows[0]:
        return rows[0]["go"]
    return rows or None


def _put(step: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Write a value at its place; nothing takes the key out, and a block that gets empty with it."""
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


_FIRST = ("note",)
_LAST = ("not_understood", "wait", "none", "end", "next")


def _in_order(kind: str, step: dict[str, Any]) -> dict[str, Any]:
    """The keys in the order in which they are read: the note, what the step does, its details, the ways on."""
    own = [key for key in step if key not in _FIRST and (key == kind or key not in _LAST)]
    order = [*[key for key in _FIRST if key in step], *own, *[key for key in _LAST if key in step and key not in own]]
    return {key: step[key] for key in order}
