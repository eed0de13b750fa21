"""A draft in the making, for the readers of all products.

A reader reserves names (`names.of(their id, wish)`), adds steps as plain data like that of the flow language, in reading
order, and tells an Item for every part of theirs. It need not care for limits: `finish.py` makes a flow of it that reads
and checks, and adds an item for whatever had to be changed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from bot.domain.flow_import.report import Fate, Item
from bot.domain.flow_reader import FUNCTIONS, NAMES

LONGEST_NAME = 40
RESERVED = frozenset(
    {*NAMES, *FUNCTIONS, "and", "or", "not", "in", "is", "if", "else", "elif", "true", "false", "none", "null", "loop"}
)
"""What can't be the name of an answer: a condition would read it as something else."""

_LONG_TIMES = ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_MOST_SECONDS = 366 * 86_400


def fit_name(wish: str, otherwise: str = "step") -> str:
    """`Send Menu 2!` as `send_menu_2`: small letters, digits and _, at most 40, beginning with a letter."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", wish)
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if name and not name[0].isalpha():
        name = f"{otherwise}_{name}"
    return name[:LONGEST_NAME].rstrip("_") or otherwise


class Names:
    """Hands out names that fit and are unique. The same key always gets the same name."""

    def __init__(self, taken: Iterable[str] = (), otherwise: str = "step") -> None:
        self._taken = set(taken)
        self._otherwise = otherwise
        self._by_key: dict[str, str] = {}

    def of(self, key: str, wish: str = "") -> str:
        """The name for this thing of theirs, made of `wish` (or of the key) the first time."""
        if key not in self._by_key:
            self._by_key[key] = self.fresh(wish or key)
        return self._by_key[key]

    def known(self, key: str) -> str | None:
        """The name that this thing got before, or None."""
        return self._by_key.get(key)

    def fresh(self, wish: str) -> str:
        """A name that nothing else has."""
        base = fit_name(wish, self._otherwise)
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base[: LONGEST_NAME - len(str(number)) - 1]}_{number}"
        self._taken.add(name)
        return name


@dataclass(slots=True)
class StepDraft:
    """One step as plain data (`{"say": ..., "next": ...}`), and the part of theirs that it comes from."""

    name: str
    data: dict[str, Any]
    note: str = ""
    node: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class TextOfTheirs:
    """A text that their flow says, and where: what the finished draft is compared with.

    `language` is empty for the one that the flow is written in, `why` tells why it could not be carried where that is known.
    """

    node: str
    kind: str
    text: str
    language: str = ""
    why: str = ""


@dataclass(slots=True)
class Drafting:
    """One flow in the making.

    `names` are those of steps (keys: their identifiers), `answers` those under which answers are kept. `start` may stay
    empty: then it is the first step. A step may lead to a name that never gets a step: a human is called there.
    `translations`: language ("es") -> context ("menu.ask", "menu.choices.food.label", "menu.choices.food.words",
    "bye.say", "menu.not_understood.say") -> text. `outside`: names of flows that are run and are not in the file -> how
    their product calls them. `theirs`: all that their flow says, so that nothing of it is lost in silence.
    """

    name: str
    title: str
    purpose: str = ""
    start: str = ""
    names: Names = field(default_factory=Names)
    answers: Names = field(default_factory=lambda: Names(RESERVED, "answer"))
    steps: dict[str, StepDraft] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    translations: dict[str, dict[str, str]] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    theirs: list[TextOfTheirs] = field(default_factory=list)

    def add(self, name: str, data: dict[str, Any], *, node: str = "", kind: str = "", note: str = "") -> StepDraft:
        """A step behind those that are there. `name` comes from `names`; targets in `data` are names of ours too."""
        self.steps[name] = StepDraft(name, data, note, node, kind)
        return self.steps[name]

    def insert_before(self, name: str, step: StepDraft) -> None:
        """A step in front of another one, in reading order."""
        rows = list(self.steps.items())
        at = next((at for at, (other, _) in enumerate(rows) if other == name), len(rows))
        self.steps.clear()
        self.steps.update([*rows[:at], (step.name, step), *rows[at:]])

    def insert_after(self, name: str, step: StepDraft) -> None:
        """A step behind another one, in reading order."""
        rows = list(self.steps)
        following = rows.index(name) + 1 if name in rows else len(rows)
        self.insert_before(rows[following] if following < len(rows) else "", step)

    def put_in_reading_order(self) -> None:
        """The steps as a conversation goes from the start, ends last; for files that hold them as they were made."""
        found: dict[str, None] = {}
        waiting = [self.start]
        while waiting:
            name = waiting.pop()
            if name in self.steps and name not in found:
                found[name] = None
                waiting += reversed([holder[key] for holder, key in ways(self.steps[name].data)])
        whole = [*found, *(name for name in self.steps if name not in found)]
        rows = {name: self.steps[name] for name in sorted(whole, key=lambda name: kind_is_end(self.steps[name].data))}
        self.steps.clear()
        self.steps.update(rows)

    def redirect(self, old: str, new: str) -> None:
        """Whatever leads to the step `old` leads to `new` from now on."""
        for step in self.steps.values():
            for holder, key in ways(step.data):
                if holder[key] == old:
                    holder[key] = new
        self.start = new if self.start == old else self.start

    def heard(self, node: str, kind: str, text: object, language: str = "", why: str = "") -> None:
        """Their flow says this; where the draft comes not to say it, an item will."""
        if isinstance(text, str) and text.strip():
            self.theirs.append(TextOfTheirs(node, kind, text, language, why))

    def tell(self, node: str, kind: str, fate: Fate, how: str = "", step: str | None = None) -> None:
        """What became of a part of theirs; the same thing is told once."""
        item = Item(node, kind, fate, how, step)
        if item not in self.items:
            self.items.append(item)

    def miss(self, sentence: str) -> None:
        """What the draft lacks before it can check clean."""
        if sentence not in self.missing:
            self.missing.append(sentence)

    def translate(self, language: str, context: str, text: str) -> None:
        """The text of this place in another language (a code like `es`, see `language_code`)."""
        self.translations.setdefault(language, {})[context] = text


def ways(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every mention of another step in a step's data, as the mapping and the key that hold it."""
    if isinstance(data.get("next"), str):
        data["next"] = [{"go": data["next"]}]
    yield from ((branch, "go") for branch in data.get("next") or ())
    if "none" in data:
        yield data, "none"
    holders = [*(data.get("choices") or {}).values(), data.get("not_understood"), data.get("wait")]
    yield from ((holder, "go") for holder in holders if isinstance(holder, dict) and holder.get("go"))


def kind_is_end(data: dict[str, Any]) -> bool:
    """Whether a step only ends the flow, without a word."""
    return "end" in data and "say" not in data


def plain(text: str) -> str:
    """Words of theirs as words of ours: `{{`, `{%` and `{#` would be read as templates, so a space comes between."""
    return re.sub(r"\{(?=[{%#])", "{ ", text)


def duration(seconds: float) -> str:
    """A length of time as the flow language writes it, from 1 second to a year: 5400 is `90m`."""
    whole = int(min(max(seconds, 1), _MOST_SECONDS)) if seconds == seconds else 1
    size, letter = next((size, letter) for size, letter in _LONG_TIMES if whole % size == 0)
    return f"{whole // size}{letter}"


def language_code(theirs: str) -> str | None:
    """`spa`, `es-MX`, `es_mx` as `es`; None where it is no language that is known."""
    code = re.split(r"[-_]", theirs.strip().lower())[0]
    code = get_global("language_aliases").get(code, code)
    try:
        return str(Locale.parse(code).language)
    except (UnknownLocaleError, ValueError):
        return None
