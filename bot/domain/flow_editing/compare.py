"""What differs between two states of a flow, in words for those who decide whether it may go live."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from babel import Locale, UnknownLocaleError

from bot.domain import po_file
from bot.domain.flow_content import FlowContent
from bot.domain.flow_editing import catalogs, document
from bot.domain.flow_editing.alike import Renames, out_of_order, renames, with_renames
from bot.domain.flow_editing.patching import is_same
from bot.domain.flow_editing.step_words import differences, in_short
from bot.domain.flow_yaml import FlowError

Kind = Literal["added", "removed", "changed", "renamed", "moved", "head", "words", "transcript"]
StepChange = Literal["added", "removed", "changed", "renamed"]
Row = tuple[Literal["same", "added", "removed", "place"], str]
_HEAD = {
    "flow": "Name of the flow", "title": "Title", "purpose": "Purpose", "segments": "Most segments of a text",
}  # fmt: skip
_REMARKS = "Remarks or the layout of the file changed; the flow does the same."


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `step` is its name now (that before where it was removed), "" where it is about the whole flow."""

    kind: Kind
    step: str
    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class _State:
    head: Mapping[str, object]
    steps: Mapping[str, object]


def changes(before: FlowContent | None, after: FlowContent) -> list[Change]:
    """All that differs, in reading order: the head, steps, translations, transcripts. `before` is None for a new flow.

    Never raises: a file that can't be read is named, and its lines can be compared with `unified_diff`.
    """
    found: list[Change] = []
    then, now = _read(before, "The state before", found), _read(after, "The new state", found)
    same_names = Renames()
    if then is not None and now is not None:
        same_names = renames(then.steps, now.steps)
        old = with_renames(then.steps, same_names)
        found += _of_head(before is None, {**then.head, "start": same_names.step(then.head.get("start"))}, now.head)
        found += _of_steps(then.steps, old, now.steps, same_names)
        if before is not None and not found and before.source != after.source:
            found.append(Change("head", "", _REMARKS))
    found += _of_translations(before.translations if before else {}, after.translations, same_names)
    found += _of_transcripts(before.transcripts if before else {}, after.transcripts)
    return found


def step_changes(before: FlowContent | None, after: FlowContent) -> dict[str, StepChange]:
    """What became of each step that is not as it was, for the diagram; removed ones by their name before. Translations
    do not count. Empty where one of the two can't be read.
    """
    then, now = _read(before, "", []), _read(after, "", [])
    if then is None or now is None:
        return {}
    same_names = renames(then.steps, now.steps)
    old = with_renames(then.steps, same_names)
    found: dict[str, StepChange] = dict.fromkeys(same_names.steps.values(), "renamed")
    found |= {name: "removed" for name in then.steps if name not in now.steps and name not in same_names.steps}
    found |= {name: "added" for name in now.steps if name not in old}
    for name, step in now.steps.items():
        if name in old and name not in found and not is_same(old[name], step):
            found[name] = "changed"
    return found


def unified_diff(before: str, after: str, around: int = 3) -> list[Row]:
    """Two texts line by line: what was taken out, what came, and some lines around; "place" rows tell where it goes on."""
    rows: list[Row] = []
    for row in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=around):
        if row.startswith(("--- ", "+++ ")) and not rows:
            continue
        if row.startswith("@@"):
            rows.append(("place", row))
        else:
            rows.append(("added" if row[0] == "+" else "removed" if row[0] == "-" else "same", row[1:]))
    return rows


def _read(content: FlowContent | None, which: str, found: list[Change]) -> _State | None:
    """The plain data, or None where it can't be read; that is then told in `found`."""
    if content is None:
        return _State({}, {})
    try:
        data = document.read_data(content.source)
    except (FlowError, document.Unfit) as error:
        said = str(error.problems[0]) if isinstance(error, FlowError) else str(error)
        found.append(Change("head", "", f"{which} can't be read, so only its lines can be compared: {said}"))
        return None
    steps = data.pop("steps", None)
    return _State(data, dict(steps) if isinstance(steps, dict) else {})


# The head.


def _of_head(is_new: bool, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Change]:
    if is_new:
        yield Change("head", "", "The flow is new.", "", in_short(after.get("title")))
        return
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if not is_same(old, new):
            yield Change("head", "", _head_words(key, old, new), in_short(old), in_short(new))


def _head_words(key: str, old: object, new: object) -> str:
    if key == "start":
        return f"Begins with `{in_short(new)}` in place of `{in_short(old)}`"
    if key == "menu":
        return "Is what new conversations and MENU begin with" if new else "Is no longer what MENU begins with"
    if key == "safety":
        return "Counts as a safety flow" if new else "Counts no longer as a safety flow"
    name = _HEAD.get(key, f"`{key}`")
    return f"{name} {'added' if old is None else 'removed' if new is None else 'changed'}"


# Steps.


def _of_steps(
    then: Mapping[str, object], old: Mapping[str, object], new: Mapping[str, object], same_names: Renames
) -> Iterator[Change]:
    """`old` are the steps of `then` under the names that they have now."""
    for name, step in then.items():
        if name not in new and name not in same_names.steps:
            yield Change("removed", name, "Step removed", in_short(step), "")
    was = {now: before for before, now in same_names.steps.items()}
    moved = out_of_order([name for name in old if name in new], [name for name in new if name in old])
    for name, step in new.items():
        if name not in old:
            yield Change("added", name, "Step added", "", in_short(step))
            continue
        if name in was:
            yield Change("renamed", name, f"`{was[name]}` is called `{name}`", was[name], name)
        if name in moved:
            yield Change("moved", name, "Moved; what the flow does is the same")
        for what, one, other in differences(old[name], step):
            yield Change("changed", name, what, one, other)


# Translations.


def _of_translations(before: Mapping[str, str], after: Mapping[str, str], same_names: Renames) -> Iterator[Change]:
    for language in dict.fromkeys([*before, *after]):
        spoken = _language(language)
        old, new = before.get(language), after.get(language)
        if old == new:
            continue
        if new is None:
            yield Change("words", "", f"{spoken} removed")
            continue
        try:
            for po in (old or "", new):
                catalogs.checked(po, f"{language}.po")
            were, are = _entries(old or "", same_names), _entries(new, Renames())
        except FlowError as error:
            yield Change("words", "", f"{spoken} can't be read: {error.problems[0]}")
            continue
        if old is None:
            yield Change("words", "", f"{spoken} added")
        found = list(_of_entries(spoken, were, are))
        yield from found
        if old is not None and not found and po_file.entries(old) == po_file.entries(new):
            yield Change("words", "", f"{spoken}: only remarks or the layout changed")


def _entries(po: str, same_names: Renames) -> dict[str, po_file.Entry]:
    return {
        same_names.place(entry.context): replace(entry, text=same_names.words(entry.text)) for entry in po_file.entries(po)
    }


def _of_entries(
    spoken: str, before: Mapping[str, po_file.Entry], after: Mapping[str, po_file.Entry]
) -> Iterator[Change]:  # fmt: skip
    for context in dict.fromkeys([*after, *before]):
        old, new = before.get(context), after.get(context)
        one, other = old.text.strip() if old else "", new.text.strip() if new else ""
        was_stale, is_stale = bool(one and old and old.is_fuzzy), bool(other and new and new.is_fuzzy)
        if one != other:
            what = "added" if not one else "removed" if not other else "changed"
        elif was_stale != is_stale:
            what = "stale: its source changed" if is_stale else "confirmed"
        else:
            continue
        step = context.split(".")[0] if "." in context else ""
        yield Change("words", step, f"{spoken} of `{context}` {what}", one, other)


def _language(language: str) -> str:
    try:
        return Locale.parse(language).get_display_name("en") or language
    except (UnknownLocaleError, ValueError):
        return language


# Transcripts.


def _of_transcripts(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            what = "added" if old is None else "removed" if new is None else "changed"
            yield Change("transcript", "", f"Transcript `{name}` {what}", old or "", new or "")
