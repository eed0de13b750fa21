"""Which steps and choices of two states of a flow are the same under another name, and which have changed places."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from bot.domain.flow_editing.mentions import Kind, kept_answer, mentions, replaced, with_answer_renamed, with_choice_renamed
from bot.domain.flow_editing.patching import is_same
from bot.domain.script import STEP_KINDS

_ALIKE = 80.0
"""Of 100: below this a step that went and one that came are two steps."""
_MOST_PAIRS = 4_000
"""Pairs that are compared letter by letter; where a whole flow was replaced only equal steps are looked for."""


@dataclass(frozen=True, slots=True)
class Renames:
    """Old name -> new name. Choices by the step's new name; `answers` have the name of their step."""

    steps: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    """Step with renamed choices -> the name under which its answer is kept now."""

    @property
    def has_any(self) -> bool:
        return bool(self.steps or self.choices)

    def step(self, name: object) -> object:
        """The name of the step now."""
        return self.steps.get(name, name) if isinstance(name, str) else name

    def place(self, context: str) -> str:
        """The context of a translation now."""
        step, dot, rest = context.partition(".")
        step = self.steps.get(step, step)
        parts = rest.split(".")
        if len(parts) == 3 and parts[0] == "choices":
            parts[1] = self.choices.get(step, {}).get(parts[1], parts[1])
        return step + dot + ".".join(parts)

    def words(self, text: str, *, is_condition: bool = False) -> str:
        """A condition or text with the names of answers and choices as they are now."""
        for old, new in self.answers.items():
            text = with_answer_renamed(text, old, new, is_condition=is_condition)
        for step, pairs in self.choices.items():
            for old, new in pairs.items():
                text = with_choice_renamed(text, [self.kept[step]], old, new, is_condition=is_condition)
        return text


def renames(before: Mapping[str, object], after: Mapping[str, object]) -> Renames:
    """The steps and choices that are likely the same under another name."""
    steps = _pairs(
        {name: step for name, step in before.items() if name not in after},
        {name: step for name, step in after.items() if name not in before},
    )
    choices: dict[str, Mapping[str, str]] = {}
    for name, step in before.items():
        new = steps.get(name, name)
        one, other = _choices(step), _choices(after.get(new))
        if list(one) != list(other):
            pairs = _pairs(
                {k: v for k, v in one.items() if k not in other}, {k: v for k, v in other.items() if k not in one}
            )
            choices |= {new: pairs} if pairs else {}
    answers = {
        old: new
        for old, new in steps.items()
        if kept_answer(old, before[old]) == old and kept_answer(new, after[new]) == new
    }
    return Renames(steps, choices, answers, {name: kept_answer(name, after[name]) or name for name in choices})


def _choices(step: object) -> Mapping[str, object]:
    found = step.get("choices") if isinstance(step, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _pairs(gone: Mapping[str, object], come: Mapping[str, object]) -> dict[str, str]:
    """The best pairs first; each name is in one pair at most."""
    is_small = len(gone) * len(come) <= _MOST_PAIRS
    scored = [
        (score, old, new)
        for old, step in gone.items() for new, other in come.items()
        if (score := _alikeness(step, other, is_small=is_small)) >= _ALIKE
    ]  # fmt: skip
    found: dict[str, str] = {}
    for _, old, new in sorted(scored, key=lambda one: -one[0]):
        if old not in found and new not in found.values():
            found[old] = new
    return found


def _alikeness(one: object, other: object, *, is_small: bool) -> float:
    if is_same(one, other):
        return 101.0
    if not is_small or _kind(one) != _kind(other):
        return 0.0
    return float(fuzz.ratio(_words(one), _words(other)))


def _words(value: object) -> str:
    """What is written in a step or choice, without the names of its fields, in which all are alike."""
    if isinstance(value, Mapping):
        return " ".join(_words(item) for item in value.values())
    return " ".join(map(_words, value)) if isinstance(value, list) else str(value)


def _kind(step: object) -> str | None:
    return next((kind for kind in STEP_KINDS if kind in step), None) if isinstance(step, Mapping) else None


def with_renames(steps: Mapping[str, object], same: Renames) -> dict[str, object]:
    """The steps under their names now, and with these names wherever they are mentioned, so that a rename alone makes no
    other step look changed.
    """
    if not same.has_any:
        return dict(steps)
    return {same.steps.get(name, name): _with_mentions(step, same) for name, step in steps.items()}


def _with_mentions(step: object, same: Renames) -> object:
    made = step
    for kind, path, text in mentions(step):
        new = same.steps.get(text, text) if kind is Kind.STEP else same.words(text, is_condition=kind is Kind.CONDITION)
        if new != text:
            made = replaced(made, path, new)
    return made


def out_of_order(before: Sequence[str], after: Sequence[str]) -> frozenset[str]:
    """The fewest names that have moved, of two orders of the same names."""
    place = {name: number for number, name in enumerate(before)}
    tails: list[int] = []
    last: list[str] = []
    behind: dict[str, str | None] = {}
    for name in after:
        at = bisect_left(tails, place[name])
        behind[name] = last[at - 1] if at else None
        tails[at:], last[at:] = [place[name], *tails[at + 1 :]], [name, *last[at + 1 :]]
    stays: set[str] = set()
    name_now = last[-1] if last else None
    while name_now is not None:
        stays.add(name_now)
        name_now = behind[name_now]
    return frozenset(name for name in after if name not in stays)
