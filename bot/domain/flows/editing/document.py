"""Edits the YAML of one flow. Each edit changes only the lines it concerns and leaves the others as they are.

Every result is read back and compared with what was intended. If it differs, ruamel.yaml rewrites the whole file; if that
differs too, Refused is raised and nothing has changed. A draft that is not readable as YAML raises FlowError, with line and
remedy.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.flows.editing.flow_file import HEAD_FIELDS, FlowDocument, read_data, require_valid_name
from bot.domain.flows.editing.mentions import MentionKind, mentions, rename_answer_in, rename_choice_in, saved_answer
from bot.domain.flows.editing.patching import Plain
from bot.domain.flows.language.expressions import FUNCTIONS, NAMES
from bot.domain.refused import Refused

__all__ = [
    "HEAD_FIELDS",
    "add_step",
    "delete_step",
    "move_step",
    "read_data",
    "rename_choice",
    "rename_step",
    "saved_answer_name",
    "set_head",
    "set_step",
    "step_data",
    "steps_data",
    "to_plain",
]  # fmt: skip

# Reading.


def steps_data(source: str) -> dict[str, Plain]:
    """The steps as plain data, in file order; entries that are not steps (a bare word) are skipped. Raises FlowError."""
    steps = to_plain(read_data(source).get("steps"))
    return {name: step for name, step in steps.items() if isinstance(step, dict)} if isinstance(steps, dict) else {}


def step_data(source: str, name: str) -> Plain:
    """The step as plain data: aliases resolved, booleans as booleans, numbers as text. Raises Refused, FlowError."""
    steps = read_data(source).get("steps")
    if not isinstance(steps, dict) or name not in steps:
        raise Refused(f"There is no step `{name}`.")
    copy = to_plain(steps[name])
    return copy if isinstance(copy, dict) else {}


def to_plain(value: object) -> object:
    """The value as a flow file can hold it: mappings, lists, texts, booleans and None."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return str(value).replace("\r\n", "\n")


# Edits.


def set_step(source: str, name: str, step: Mapping[str, object]) -> str:
    """Changes a step; only the parts that differ are rewritten. Raises Refused, FlowError."""
    return FlowDocument(source).set_step(name, _checked_step(step))


def add_step(source: str, name: str, step: Mapping[str, object], after: str | None = None) -> str:
    """Adds a step after `after`, or at the end. Raises Refused, FlowError."""
    return FlowDocument(source).add_step(name, _checked_step(step), after)


def move_step(source: str, name: str, before: str | None = None) -> str:
    """Moves a step, with the comments above it, in front of `before` or to the end. Raises Refused, FlowError."""
    return FlowDocument(source).move_step(name, before)


def delete_step(source: str, name: str) -> str:
    """Deletes a step; references to it stay and are reported by the checks. Raises Refused, FlowError."""
    return FlowDocument(source).delete_step(name)


def set_head(source: str, fields: Mapping[str, object]) -> str:
    """Changes fields of the head (those of `HEAD_FIELDS`); None removes a field. Raises Refused, FlowError."""
    return FlowDocument(source).set_head({key: to_plain(value) for key, value in fields.items()})


def rename_step(source: str, old: str, new: str) -> str:
    """Renames a step and every reference to it. Raises Refused, FlowError.

    An answer saved under the step's own name is renamed too, in conditions and texts as well; but if the new name already
    means something else, or other steps save their answer under the old one, the step gets `save:` with the old name.
    """
    file = FlowDocument(source)
    file.require_step(old)
    require_valid_name(new, f"`{new}`")
    if old == new:
        return source
    if new in file.steps:
        raise Refused(f"There is a step `{new}` already. Choose another name.")
    data = step_data(source, old)
    if "save" in data or saved_answer(old, data) is None:
        return file.rename_step(old, new, None)
    if _may_rename_answer(file.steps, old, new):
        return file.rename_step(old, new, old)
    return FlowDocument(file.set_step(old, {**data, "save": old})).rename_step(old, new, None)


def saved_answer_name(source: str, name: str) -> str | None:
    """The name under which a step saves its answer, or None."""
    return saved_answer(name, step_data(source, name))


def rename_choice(source: str, step: str, old: str, new: str) -> str:
    """Renames a choice, also in conditions that compare with it. Raises Refused, FlowError."""
    file = FlowDocument(source)
    data = step_data(source, step)
    choices = data.get("choices")
    if not isinstance(choices, dict) or old not in choices:
        raise Refused(f"`{step}` has no choice `{old}`.")
    require_valid_name(new, f"`{new}`")
    if old == new:
        return source
    if new in choices:
        raise Refused(f"`{step}` has a choice `{new}` already. Choose another name.")
    answer = saved_answer(step, data) or step
    for name, other in file.steps.items():
        also = other.get("choices") if isinstance(other, dict) else None
        if name != step and saved_answer(name, other) == answer and isinstance(also, dict) and old in also:
            what = f"`{name}` keeps the same answer `{answer}` and has a choice `{old}` too."
            raise Refused(f"{what} Rename both in the YAML view, so that conditions stay true.")
    renamed = {**data, "choices": {new if key == old else key: value for key, value in choices.items()}}
    return FlowDocument(file.set_step(step, renamed)).rename_in_texts(
        lambda text, is_condition: rename_choice_in(text, [answer], old, new, is_condition=is_condition)
    )


def _checked_step(step: Mapping[str, object]) -> Plain:
    made = to_plain(step)
    if not isinstance(made, dict) or not made:
        raise Refused("A step does one thing; this one is empty.")
    return made


def _may_rename_answer(steps: Plain, old: str, new: str) -> bool:
    """Whether the answer can be renamed with the step: no other step saves the old name, and the new one is free."""
    if new in NAMES | FUNCTIONS or not any(saved_answer(name, step) == old for name, step in steps.items()):
        return False
    others = {saved_answer(name, step) for name, step in steps.items() if name != old}
    if {old, new} & others:
        return False
    # A text may also insert an answer of an enclosing flow, which an answer of this name would hide.
    probe = "x" if new != "x" else "y"
    return not any(
        rename_answer_in(text, new, probe, is_condition=kind is MentionKind.CONDITION) != text
        for step in steps.values() for kind, _, text in mentions(step) if kind is not MentionKind.STEP
    )  # fmt: skip
