"""A draft under construction, shared by the readers of all products.

A reader reserves names (`names.name_for(source id, preferred name)`), adds steps in reading order as plain data in the
shape of the flow language, and reports an ImportItem for every part of the source flow. It need not care about limits:
`finish.py` turns the result into a flow that reads and checks, and adds an item for whatever it had to change.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from bot.domain.flows.importing.report import ImportItem, ImportStatus
from bot.domain.flows.language.reader import FUNCTIONS, NAMES

MAX_NAME_LENGTH = 40
RESERVED_ANSWER_NAMES = frozenset(
    {*NAMES, *FUNCTIONS, "and", "or", "not", "in", "is", "if", "else", "elif", "true", "false", "none", "null", "loop"}
)
"""Can't be the name of an answer: a condition would read it as something else."""

_UNITS = ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_MAX_SECONDS = 366 * 86_400


def make_identifier(preferred: str, fallback: str = "step") -> str:
    """`Send Menu 2!` becomes `send_menu_2`: lower-case letters, digits and _, at most 40, beginning with a letter."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", preferred)
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if name and not name[0].isalpha():
        name = f"{fallback}_{name}"
    return name[:MAX_NAME_LENGTH].rstrip("_") or fallback


class NameAllocator:
    """Allocates valid, unique names. The same key always gets the same name."""

    def __init__(self, taken: Iterable[str] = (), fallback: str = "step") -> None:
        self._taken = set(taken)
        self._fallback = fallback
        self._by_key: dict[str, str] = {}

    def name_for(self, key: str, preferred: str = "") -> str:
        """The name for this source identifier; made from `preferred` (or from the key) the first time."""
        if key not in self._by_key:
            self._by_key[key] = self.allocate(preferred or key)
        return self._by_key[key]

    def existing(self, key: str) -> str | None:
        """The name already allocated for this key, or None."""
        return self._by_key.get(key)

    def allocate(self, preferred: str) -> str:
        """A name that is not taken yet."""
        base = make_identifier(preferred, self._fallback)
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base[: MAX_NAME_LENGTH - len(str(number)) - 1]}_{number}"
        self._taken.add(name)
        return name


@dataclass(slots=True)
class StepDraft:
    """One step as plain data (`{"say": ..., "next": ...}`), and the source node that it comes from."""

    name: str
    data: dict[str, Any]
    note: str = ""
    node: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text of the source flow and its place, for comparison with the finished draft.

    `language` is empty for the flow's own language; `why` is the reason it could not be carried over, if known.
    """

    node: str
    kind: str
    text: str
    language: str = ""
    why: str = ""


@dataclass(slots=True)
class DraftBuilder:
    """One flow under construction.

    `names` holds step names (keys: source identifiers), `answers` the names under which answers are saved. `start` may stay
    empty: the first step is then the start. A step may lead to a name that never gets a step; `finish.py` makes that a
    handoff. `translations`: language ("es") -> context ("menu.ask", "menu.choices.food.label", "menu.choices.food.words",
    "bye.say", "menu.not_understood.say") -> text. `external_flows`: names of flows that are run but are not in the file ->
    what the source calls them. `source_texts`: every text of the source flow, so that none of it is lost silently.
    """

    name: str
    title: str
    purpose: str = ""
    start: str = ""
    names: NameAllocator = field(default_factory=NameAllocator)
    answers: NameAllocator = field(default_factory=lambda: NameAllocator(RESERVED_ANSWER_NAMES, "answer"))
    steps: dict[str, StepDraft] = field(default_factory=dict)
    items: list[ImportItem] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    translations: dict[str, dict[str, str]] = field(default_factory=dict)
    external_flows: dict[str, str] = field(default_factory=dict)
    source_texts: list[SourceText] = field(default_factory=list)

    def add(self, name: str, data: dict[str, Any], *, node: str = "", kind: str = "", note: str = "") -> StepDraft:
        """Appends a step. `name` comes from `names`; targets in `data` are names in this draft too."""
        self.steps[name] = StepDraft(name, data, note, node, kind)
        return self.steps[name]

    def insert_before(self, name: str, step: StepDraft) -> None:
        """Inserts a step in front of another one, in reading order."""
        rows = list(self.steps.items())
        at = next((at for at, (other, _) in enumerate(rows) if other == name), len(rows))
        self.steps.clear()
        self.steps.update([*rows[:at], (step.name, step), *rows[at:]])

    def insert_after(self, name: str, step: StepDraft) -> None:
        """Inserts a step after another one, in reading order."""
        rows = list(self.steps)
        following = rows.index(name) + 1 if name in rows else len(rows)
        self.insert_before(rows[following] if following < len(rows) else "", step)

    def put_in_reading_order(self) -> None:
        """Orders the steps as a conversation runs from the start, ends last; for files in order of creation."""
        found: dict[str, None] = {}
        waiting = [self.start]
        while waiting:
            name = waiting.pop()
            if name in self.steps and name not in found:
                found[name] = None
                waiting += reversed([holder[key] for holder, key in step_references(self.steps[name].data)])
        whole = [*found, *(name for name in self.steps if name not in found)]
        rows = {name: self.steps[name] for name in sorted(whole, key=lambda name: is_bare_end(self.steps[name].data))}
        self.steps.clear()
        self.steps.update(rows)

    def redirect(self, old: str, new: str) -> None:
        """Makes everything that leads to the step `old` lead to `new`."""
        for step in self.steps.values():
            for holder, key in step_references(step.data):
                if holder[key] == old:
                    holder[key] = new
        self.start = new if self.start == old else self.start

    def record_source_text(self, node: str, kind: str, text: object, language: str = "", why: str = "") -> None:
        """Records a text of the source flow; if the finished draft does not contain it, an item will say so."""
        if isinstance(text, str) and text.strip():
            self.source_texts.append(SourceText(node, kind, text, language, why))

    def report(self, node: str, kind: str, status: ImportStatus, remark: str = "", step: str | None = None) -> None:
        """Reports what became of a part of the source flow; duplicates are dropped."""
        item = ImportItem(node, kind, status, remark, step)
        if item not in self.items:
            self.items.append(item)

    def report_missing(self, sentence: str) -> None:
        """Adds a sentence about what the draft needs before it can check clean."""
        if sentence not in self.missing:
            self.missing.append(sentence)

    def set_translation(self, language: str, context: str, text: str) -> None:
        """Sets the text of this context in another language (a code like `es`, see `language_code`)."""
        self.translations.setdefault(language, {})[context] = text


def step_references(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every reference to another step in a step's data, as the mapping and the key that hold it."""
    if isinstance(data.get("next"), str):
        data["next"] = [{"go": data["next"]}]
    yield from ((branch, "go") for branch in data.get("next") or ())
    if "none" in data:
        yield data, "none"
    holders = [*(data.get("choices") or {}).values(), data.get("not_understood"), data.get("wait")]
    yield from ((holder, "go") for holder in holders if isinstance(holder, dict) and holder.get("go"))


def is_bare_end(data: dict[str, Any]) -> bool:
    """Whether a step does nothing but end the flow."""
    return "end" in data and "say" not in data


def escape_template_marks(text: str) -> str:
    """Makes source text safe for our templates: `{{`, `{%` and `{#` get a space in between, so that Jinja does not read
    them.
    """
    return re.sub(r"\{(?=[{%#])", "{ ", text)


def format_seconds(seconds: float) -> str:
    """A length of time as the flow language writes it, from 1 second to a year: 5400 is `90m`."""
    whole = int(min(max(seconds, 1), _MAX_SECONDS)) if seconds == seconds else 1
    size, letter = next((size, letter) for size, letter in _UNITS if whole % size == 0)
    return f"{whole // size}{letter}"


def language_code(source_code: str) -> str | None:
    """`spa`, `es-MX` and `es_mx` become `es`; None if the language is unknown."""
    code = re.split(r"[-_]", source_code.strip().lower())[0]
    code = get_global("language_aliases").get(code, code)
    try:
        return str(Locale.parse(code).language)
    except (UnknownLocaleError, ValueError):
        return None
