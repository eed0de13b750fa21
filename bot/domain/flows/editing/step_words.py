"""Describes the differences between two states of one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.domain.flows.editing.matching import Renames, find_renames
from bot.domain.flows.editing.patching import is_same
from bot.domain.flows.language.script import STEP_KINDS

StepDifference = tuple[str, str, str]
"""Description, before, after."""
_FIELD_LABELS = {
    "ask": "Question", "say": "Text", "note": "Note", "end": "Outcome", "answer": "Kind of answer",
    "save": "Name of the answer",
    "run": "Flow that it runs", "consent": "Scope of the consent", "wait": "Length of the pause",
    "not_understood.say": "Text before it is asked again", "not_understood.tries": "Tries", "wait.after": "Patience",
    "refer.need": "Need", "refer.near": "Place to look near", "refer.limit": "Most services",
    "handoff.team": "Team", "handoff.urgency": "Urgency", "handoff.because": "Reason for the social worker",
    "handoff.community": "Community", "check_in.flow": "Flow of the check-in", "check_in.after": "Times of the check-in",
    "referral.outcome": "Outcome of the referral", "referral.which": "Which service", "measure.name": "What is measured",
    "measure.value": "Measured value",
}  # fmt: skip
_SWITCHES = {
    "optional": ("May be skipped", "Can't be skipped any more"),
    "private": ("Is private: kept out of the summary", "Is not private any more"),
    "withdrawn": ("Takes the consent back", "Does not take the consent back any more"),
}
_TRANSITIONS = {
    "none": "When there is no service, leads", "not_understood.go": "When the answer is not understood, leads",
    "wait.go": "When nobody answers, leads",
}  # fmt: skip
_GROUPS = frozenset(["not_understood", "wait", "refer", "handoff", "check_in", "referral", "measure"])


def step_differences(before: object, after: object) -> Iterator[StepDifference]:
    """Each difference between two states of a step; nothing if they mean the same."""
    if is_same(before, after):
        return
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        yield "Step changed", short_text(before), short_text(after)
        return
    old_kind, new_kind = step_kind(before), step_kind(after)
    if old_kind != new_kind:
        yield f"Does something else: `{new_kind}` in place of `{old_kind}`", short_text(before), short_text(after)
        return
    one, other = _flatten(before), _flatten(after)
    for key in dict.fromkeys([*one, *other]):
        if not is_same(one.get(key), other.get(key)):
            yield from _field_differences(key, one.get(key), other.get(key))
    yield from _choices_differences(_mapping(before.get("choices")), _mapping(after.get("choices")))


def step_kind(step: Mapping[str, object]) -> str:
    """The kind of the step, given by its key."""
    return next((kind for kind in STEP_KINDS if kind in step), "nothing")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _flatten(step: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in step.items():
        if key in _GROUPS and isinstance(value, Mapping):
            found |= {f"{key}.{inner}": item for inner, item in value.items()}
        elif key != "choices":
            found[key] = value
    return found


def _field_differences(key: str, old: object, new: object) -> Iterator[StepDifference]:
    if key in _SWITCHES:
        if bool(old) != bool(new):
            yield _SWITCHES[key][0 if new else 1], "", ""
        return
    if key == "next":
        yield _transition_difference("Leads", old, new)
    elif key in _TRANSITIONS:
        yield _transition_difference(_TRANSITIONS[key], old, new)
    else:
        what = _FIELD_LABELS.get(key, f"`{key}`")
        yield f"{what} {_verb(old, new)}", short_text(old), short_text(new)


def _verb(old: object, new: object) -> str:
    return "added" if old is None else "removed" if new is None else "changed"


def _transition_difference(leads: str, old: object, new: object) -> StepDifference:
    old, new = _single_target(old), _single_target(new)
    before, after = short_text(old), short_text(new)
    if old is None:
        return (f"{leads} to {after}" if isinstance(new, list) else f"{leads} to `{after}`"), "", after
    if new is None:
        return (f"{leads} no longer to `{before}`" if isinstance(old, str) else f"{leads} no longer on"), before, ""
    if isinstance(old, str) and isinstance(new, str):
        return f"{leads} to `{after}` in place of `{before}`", before, after
    return f"{leads} on by other conditions", before, after


def _single_target(value: object) -> object:
    """A list with a single unconditional branch equals its short form."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping) and list(value[0]) == ["go"]:
        return value[0]["go"]
    return value


def _choices_differences(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[StepDifference]:
    if is_same({"choices": before}, {"choices": after}):
        return
    pairs: Renames = find_renames(before, after)
    was = {new: old for old, new in pairs.steps.items()}
    for key, choice in before.items():
        if key not in after and key not in pairs.steps:
            yield f"Choice `{key}` removed", short_text(_mapping(choice).get("label")), ""
    for key, choice in after.items():
        old = was.get(key, key)
        if old not in before:
            yield f"Choice `{key}` added", "", short_text(_mapping(choice).get("label"))
            continue
        if old != key:
            yield f"Choice `{old}` is called `{key}`", old, key
        yield from _choice_differences(key, _mapping(before[old]), _mapping(choice))
    kept = [pairs.steps.get(key, key) for key in before if pairs.steps.get(key, key) in after]
    if kept != [key for key in after if key in kept]:
        yield "Choices stand in another order, so their numbers change", ", ".join(before), ", ".join(after)


def _choice_differences(key: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[StepDifference]:
    for part in dict.fromkeys([*before, *after]):
        old, new = before.get(part), after.get(part)
        if is_same(old, new):
            continue
        if part == "go":
            yield _transition_difference(f"Choice `{key}` leads", old, new)
        elif part == "words":
            yield _words_difference(key, old, new)
        else:
            name = "Label" if part == "label" else f"`{part}`"
            yield f"{name} of choice `{key}` {_verb(old, new)}", short_text(old), short_text(new)


def _words_difference(key: str, old: object, new: object) -> StepDifference:
    before = [str(word) for word in old] if isinstance(old, list) else []
    after = [str(word) for word in new] if isinstance(new, list) else []
    added = [word for word in after if word not in before]
    removed = [word for word in before if word not in after]
    parts = [f"added {', '.join(added)}"] if added else []
    parts += [f"removed {', '.join(removed)}"] if removed else []
    return f"Words of choice `{key}`: {'; '.join(parts) or 'in another order'}", ", ".join(before), ", ".join(after)


def short_text(value: object) -> str:
    """A value for people to read, without YAML's punctuation where possible."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        if value and all(isinstance(one, Mapping) and "go" in one for one in value):
            return "; ".join(_describe_branch(one) for one in value)
        return ", ".join(short_text(one) for one in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {short_text(item)}" for key, item in value.items())
    return str(value)


def _describe_branch(branch: Mapping[str, object]) -> str:
    return f"`{branch['go']}` when {branch['when']}" if branch.get("when") else f"else `{branch['go']}`"
