"""What differs between two states of one step, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.domain.flow_editing.alike import Renames, renames
from bot.domain.flow_editing.patching import is_same
from bot.domain.script import STEP_KINDS

Difference = tuple[str, str, str]
"""What, before, after."""
_TEXTS = {
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
_WAYS = {
    "none": "When there is no service, leads", "not_understood.go": "When the answer is not understood, leads",
    "wait.go": "When nobody answers, leads",
}  # fmt: skip
_GROUPS = frozenset(["not_understood", "wait", "refer", "handoff", "check_in", "referral", "measure"])


def differences(before: object, after: object) -> Iterator[Difference]:
    """Each difference of two states of a step; nothing where they mean the same."""
    if is_same(before, after):
        return
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        yield "Step changed", in_short(before), in_short(after)
        return
    old_kind, new_kind = kind_of(before), kind_of(after)
    if old_kind != new_kind:
        yield f"Does something else: `{new_kind}` in place of `{old_kind}`", in_short(before), in_short(after)
        return
    one, other = _flat(before), _flat(after)
    for key in dict.fromkeys([*one, *other]):
        if not is_same(one.get(key), other.get(key)):
            yield from _of_field(key, one.get(key), other.get(key))
    yield from _of_choices(_mapping(before.get("choices")), _mapping(after.get("choices")))


def kind_of(step: Mapping[str, object]) -> str:
    """What a step does, by its key."""
    return next((kind for kind in STEP_KINDS if kind in step), "nothing")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _flat(step: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in step.items():
        if key in _GROUPS and isinstance(value, Mapping):
            found |= {f"{key}.{inner}": item for inner, item in value.items()}
        elif key != "choices":
            found[key] = value
    return found


def _of_field(key: str, old: object, new: object) -> Iterator[Difference]:
    if key in _SWITCHES:
        if bool(old) != bool(new):
            yield _SWITCHES[key][0 if new else 1], "", ""
        return
    if key == "next":
        yield _way("Leads", old, new)
    elif key in _WAYS:
        yield _way(_WAYS[key], old, new)
    else:
        what = _TEXTS.get(key, f"`{key}`")
        yield f"{what} {_verb(old, new)}", in_short(old), in_short(new)


def _verb(old: object, new: object) -> str:
    return "added" if old is None else "removed" if new is None else "changed"


def _way(leads: str, old: object, new: object) -> Difference:
    old, new = _only_way(old), _only_way(new)
    before, after = in_short(old), in_short(new)
    if old is None:
        return (f"{leads} to {after}" if isinstance(new, list) else f"{leads} to `{after}`"), "", after
    if new is None:
        return (f"{leads} no longer to `{before}`" if isinstance(old, str) else f"{leads} no longer on"), before, ""
    if isinstance(old, str) and isinstance(new, str):
        return f"{leads} to `{after}` in place of `{before}`", before, after
    return f"{leads} on by other conditions", before, after


def _only_way(value: object) -> object:
    """A list with one way that is always taken is the same as its short form."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping) and list(value[0]) == ["go"]:
        return value[0]["go"]
    return value


def _of_choices(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Difference]:
    if is_same({"choices": before}, {"choices": after}):
        return
    pairs: Renames = renames(before, after)
    was = {new: old for old, new in pairs.steps.items()}
    for key, choice in before.items():
        if key not in after and key not in pairs.steps:
            yield f"Choice `{key}` removed", in_short(_mapping(choice).get("label")), ""
    for key, choice in after.items():
        old = was.get(key, key)
        if old not in before:
            yield f"Choice `{key}` added", "", in_short(_mapping(choice).get("label"))
            continue
        if old != key:
            yield f"Choice `{old}` is called `{key}`", old, key
        yield from _of_choice(key, _mapping(before[old]), _mapping(choice))
    kept = [pairs.steps.get(key, key) for key in before if pairs.steps.get(key, key) in after]
    if kept != [key for key in after if key in kept]:
        yield "Choices stand in another order, so their numbers change", ", ".join(before), ", ".join(after)


def _of_choice(key: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Difference]:
    for part in dict.fromkeys([*before, *after]):
        old, new = before.get(part), after.get(part)
        if is_same(old, new):
            continue
        if part == "go":
            yield _way(f"Choice `{key}` leads", old, new)
        elif part == "words":
            yield _of_words(key, old, new)
        else:
            name = "Label" if part == "label" else f"`{part}`"
            yield f"{name} of choice `{key}` {_verb(old, new)}", in_short(old), in_short(new)


def _of_words(key: str, old: object, new: object) -> Difference:
    before = [str(word) for word in old] if isinstance(old, list) else []
    after = [str(word) for word in new] if isinstance(new, list) else []
    come = [word for word in after if word not in before]
    gone = [word for word in before if word not in after]
    said = [f"added {', '.join(come)}"] if come else []
    said += [f"removed {', '.join(gone)}"] if gone else []
    return f"Words of choice `{key}`: {'; '.join(said) or 'in another order'}", ", ".join(before), ", ".join(after)


def in_short(value: object) -> str:
    """A value as one reads it, without YAML's signs where that is possible."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        if value and all(isinstance(one, Mapping) and "go" in one for one in value):
            return "; ".join(_branch(one) for one in value)
        return ", ".join(in_short(one) for one in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {in_short(item)}" for key, item in value.items())
    return str(value)


def _branch(branch: Mapping[str, object]) -> str:
    return f"`{branch['go']}` when {branch['when']}" if branch.get("when") else f"else `{branch['go']}`"
