"""The differences between two states of a flow, in words, for those who decide whether it is published."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bot.domain.flows.editing import catalogs, document
from bot.domain.flows.editing.matching import Renames, apply_renames, find_renames, moved_names
from bot.domain.flows.editing.patching import is_same
from bot.domain.flows.editing.step_words import short_text, step_differences
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.flows.wording import po_file
from bot.domain.languages import english_name
from bot.domain.refused import Refused

ChangeKind = Literal["added", "removed", "changed", "renamed", "moved", "head", "words", "transcript"]
StepChange = Literal["added", "removed", "changed", "renamed"]
DiffRow = tuple[Literal["same", "added", "removed", "place"], str]
_HEAD_LABELS = {
    "flow": "Name of the flow", "title": "Title", "purpose": "Purpose", "segments": "Most segments of a text",
}  # fmt: skip
_LAYOUT_ONLY = "Remarks or the layout of the file changed; the flow does the same."


@dataclass(frozen=True, slots=True)
class FlowChange:
    """One difference. `step` is its current name (the old one if it was removed), "" if it is about the whole flow."""

    kind: ChangeKind
    step: str
    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class _FlowData:
    head: Mapping[str, object]
    steps: Mapping[str, object]


def list_changes(before: FlowContent | None, after: FlowContent) -> list[FlowChange]:
    """All differences in reading order: head, steps, translations, transcripts. `before` is None for a new flow.

    Never raises: a file that can't be read is reported, and its lines can be compared with `unified_diff`.
    """
    found: list[FlowChange] = []
    then, now = _read_data(before, "The state before", found), _read_data(after, "The new state", found)
    same_names = Renames()
    if then is not None and now is not None:
        same_names = find_renames(then.steps, now.steps)
        old = apply_renames(then.steps, same_names)
        found += _head_changes(
            before is None, {**then.head, "start": same_names.step_name(then.head.get("start"))}, now.head
        )
        found += _step_differences(then.steps, old, now.steps, same_names)
        if before is not None and not found and before.source != after.source:
            found.append(FlowChange("head", "", _LAYOUT_ONLY))
    found += _translation_changes(before.translations if before else {}, after.translations, same_names)
    found += _transcript_changes(before.transcripts if before else {}, after.transcripts)
    return found


def step_changes(before: FlowContent | None, after: FlowContent) -> dict[str, StepChange]:
    """What happened to each changed step, for the diagram; removed steps by their old name. Ignores translations. Empty if
    either state can't be read.
    """
    then, now = _read_data(before, "", []), _read_data(after, "", [])
    if then is None or now is None:
        return {}
    same_names = find_renames(then.steps, now.steps)
    old = apply_renames(then.steps, same_names)
    found: dict[str, StepChange] = dict.fromkeys(same_names.steps.values(), "renamed")
    found |= {name: "removed" for name in then.steps if name not in now.steps and name not in same_names.steps}
    found |= {name: "added" for name in now.steps if name not in old}
    for name, step in now.steps.items():
        if name in old and name not in found and not is_same(old[name], step):
            found[name] = "changed"
    return found


def unified_diff(before: str, after: str, context_lines: int = 3) -> list[DiffRow]:
    """Compares two texts line by line with `context_lines` lines of context; "place" rows say where the next hunk begins."""
    rows: list[DiffRow] = []
    for row in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=context_lines):
        if row.startswith(("--- ", "+++ ")) and not rows:
            continue
        if row.startswith("@@"):
            rows.append(("place", row))
        else:
            rows.append(("added" if row[0] == "+" else "removed" if row[0] == "-" else "same", row[1:]))
    return rows


def _read_data(content: FlowContent | None, which: str, found: list[FlowChange]) -> _FlowData | None:
    """The plain data; None if it can't be read, which is then added to `found`."""
    if content is None:
        return _FlowData({}, {})
    try:
        data = document.read_data(content.source)
    except (FlowError, Refused) as error:
        reason = str(error.problems[0]) if isinstance(error, FlowError) else str(error)
        found.append(FlowChange("head", "", f"{which} can't be read, so only its lines can be compared: {reason}"))
        return None
    steps = data.pop("steps", None)
    return _FlowData(data, dict(steps) if isinstance(steps, dict) else {})


# The head.


def _head_changes(is_new: bool, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[FlowChange]:
    if is_new:
        yield FlowChange("head", "", "The flow is new.", "", short_text(after.get("title")))
        return
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if not is_same(old, new):
            yield FlowChange("head", "", _describe_head_change(key, old, new), short_text(old), short_text(new))


def _describe_head_change(key: str, old: object, new: object) -> str:
    if key == "start":
        return f"Begins with `{short_text(new)}` in place of `{short_text(old)}`"
    if key == "menu":
        return "Is what new conversations and MENU begin with" if new else "Is no longer what MENU begins with"
    if key == "safety":
        return "Counts as a safety flow" if new else "Counts no longer as a safety flow"
    name = _HEAD_LABELS.get(key, f"`{key}`")
    return f"{name} {'added' if old is None else 'removed' if new is None else 'changed'}"


# Steps.


def _step_differences(
    then: Mapping[str, object], old: Mapping[str, object], new: Mapping[str, object], same_names: Renames
) -> Iterator[FlowChange]:
    """`old` holds the steps of `then` under their current names."""
    for name, step in then.items():
        if name not in new and name not in same_names.steps:
            yield FlowChange("removed", name, "Step removed", short_text(step), "")
    was = {now: before for before, now in same_names.steps.items()}
    moved = moved_names([name for name in old if name in new], [name for name in new if name in old])
    for name, step in new.items():
        if name not in old:
            yield FlowChange("added", name, "Step added", "", short_text(step))
            continue
        if name in was:
            yield FlowChange("renamed", name, f"`{was[name]}` is called `{name}`", was[name], name)
        if name in moved:
            yield FlowChange("moved", name, "Moved; what the flow does is the same")
        for what, one, other in step_differences(old[name], step):
            yield FlowChange("changed", name, what, one, other)


# Translations.


def _translation_changes(before: Mapping[str, str], after: Mapping[str, str], same_names: Renames) -> Iterator[FlowChange]:
    for language in dict.fromkeys([*before, *after]):
        spoken = english_name(language)
        old, new = before.get(language), after.get(language)
        if old == new:
            continue
        if new is None:
            yield FlowChange("words", "", f"{spoken} removed")
            continue
        try:
            for po in (old or "", new):
                catalogs.check_catalog(po, f"{language}.po")
            were, are = _entries(old or "", same_names), _entries(new, Renames())
        except FlowError as error:
            yield FlowChange("words", "", f"{spoken} can't be read: {error.problems[0]}")
            continue
        if old is None:
            yield FlowChange("words", "", f"{spoken} added")
        found = list(_entry_changes(spoken, were, are))
        yield from found
        if old is not None and not found and po_file.read_entries(old) == po_file.read_entries(new):
            yield FlowChange("words", "", f"{spoken}: only remarks or the layout changed")


def _entries(po: str, same_names: Renames) -> dict[str, po_file.PoEntry]:
    return {
        same_names.translation_context(entry.context): replace(entry, text=same_names.rewrite_text(entry.text))
        for entry in po_file.read_entries(po)
    }


def _entry_changes(
    spoken: str, before: Mapping[str, po_file.PoEntry], after: Mapping[str, po_file.PoEntry]
) -> Iterator[FlowChange]:  # fmt: skip
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
        yield FlowChange("words", step, f"{spoken} of `{context}` {what}", one, other)


# Transcripts.


def _transcript_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[FlowChange]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            what = "added" if old is None else "removed" if new is None else "changed"
            yield FlowChange("transcript", "", f"Transcript `{name}` {what}", old or "", new or "")
