"""Matches the steps and choices of two states of a flow across renames, and finds those that moved."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from bot.domain.flows.editing.mentions import (
    MentionKind,
    mentions,
    rename_answer_in,
    rename_choice_in,
    replace_at,
    saved_answer,
)
from bot.domain.flows.editing.patching import is_same
from bot.domain.flows.language.script import STEP_KINDS

_MIN_SIMILARITY = 80.0
"""Of 100: below this, a removed step and an added one are different steps."""
_MAX_PAIRS = 4_000
"""Pairs compared letter by letter; beyond that (a whole flow was replaced) only equal steps are matched."""


@dataclass(frozen=True, slots=True)
class Renames:
    """Old name -> new name. `choices` is keyed by the step's new name; `answers` by the name of their step."""

    steps: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    saved_as: Mapping[str, str] = field(default_factory=dict)
    """Step with renamed choices -> the name under which its answer is saved now."""

    @property
    def has_any(self) -> bool:
        return bool(self.steps or self.choices)

    def step_name(self, name: object) -> object:
        """The current name of the step."""
        return self.steps.get(name, name) if isinstance(name, str) else name

    def translation_context(self, context: str) -> str:
        """The current context of a translation."""
        step, dot, rest = context.partition(".")
        step = self.steps.get(step, step)
        parts = rest.split(".")
        if len(parts) == 3 and parts[0] == "choices":
            parts[1] = self.choices.get(step, {}).get(parts[1], parts[1])
        return step + dot + ".".join(parts)

    def rewrite_text(self, text: str, *, is_condition: bool = False) -> str:
        """A condition or text with the current names of answers and choices."""
        for old, new in self.answers.items():
            text = rename_answer_in(text, old, new, is_condition=is_condition)
        for step, pairs in self.choices.items():
            for old, new in pairs.items():
                text = rename_choice_in(text, [self.saved_as[step]], old, new, is_condition=is_condition)
        return text


def find_renames(before: Mapping[str, object], after: Mapping[str, object]) -> Renames:
    """Matches the steps and choices that are probably the same under another name."""
    steps = _match_pairs(
        {name: step for name, step in before.items() if name not in after},
        {name: step for name, step in after.items() if name not in before},
    )
    choices: dict[str, Mapping[str, str]] = {}
    for name, step in before.items():
        new = steps.get(name, name)
        one, other = _choices(step), _choices(after.get(new))
        if list(one) != list(other):
            pairs = _match_pairs(
                {k: v for k, v in one.items() if k not in other}, {k: v for k, v in other.items() if k not in one}
            )
            choices |= {new: pairs} if pairs else {}
    answers = {
        old: new
        for old, new in steps.items()
        if saved_answer(old, before[old]) == old and saved_answer(new, after[new]) == new
    }
    return Renames(steps, choices, answers, {name: saved_answer(name, after[name]) or name for name in choices})


def _choices(step: object) -> Mapping[str, object]:
    found = step.get("choices") if isinstance(step, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _match_pairs(removed: Mapping[str, object], added: Mapping[str, object]) -> dict[str, str]:
    """Best pairs first; each name is in at most one pair."""
    is_small = len(removed) * len(added) <= _MAX_PAIRS
    scored = [
        (score, old, new)
        for old, step in removed.items() for new, other in added.items()
        if (score := _similarity(step, other, is_small=is_small)) >= _MIN_SIMILARITY
    ]  # fmt: skip
    found: dict[str, str] = {}
    for _, old, new in sorted(scored, key=lambda one: -one[0]):
        if old not in found and new not in found.values():
            found[old] = new
    return found


def _similarity(one: object, other: object, *, is_small: bool) -> float:
    if is_same(one, other):
        return 101.0
    if not is_small or _kind(one) != _kind(other):
        return 0.0
    return float(fuzz.ratio(_text_of(one), _text_of(other)))


def _text_of(value: object) -> str:
    """The text of a step or choice without its field names, which are the same everywhere."""
    if isinstance(value, Mapping):
        return " ".join(_text_of(item) for item in value.values())
    return " ".join(map(_text_of, value)) if isinstance(value, list) else str(value)


def _kind(step: object) -> str | None:
    return next((kind for kind in STEP_KINDS if kind in step), None) if isinstance(step, Mapping) else None


def apply_renames(steps: Mapping[str, object], same: Renames) -> dict[str, object]:
    """The steps under their current names, with those names wherever they are mentioned, so that a rename alone makes no
    other step look changed.
    """
    if not same.has_any:
        return dict(steps)
    return {same.steps.get(name, name): _with_renamed_mentions(step, same) for name, step in steps.items()}


def _with_renamed_mentions(step: object, same: Renames) -> object:
    made = step
    for kind, path, text in mentions(step):
        new = (
            same.steps.get(text, text)
            if kind is MentionKind.STEP
            else same.rewrite_text(text, is_condition=kind is MentionKind.CONDITION)
        )
        if new != text:
            made = replace_at(made, path, new)
    return made


def moved_names(before: Sequence[str], after: Sequence[str]) -> frozenset[str]:
    """The smallest set of names that have moved between two orders of the same names."""
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
