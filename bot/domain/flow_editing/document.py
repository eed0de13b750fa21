"""Acts on the YAML of one flow. Each changes the lines that it is about, and leaves the others as they are to the letter.

Whatever was written is read back and compared with what was meant. Where it is not the same the whole file is written
anew by ruamel.yaml; where even that is not what was meant, Unfit is raised and nothing has happened. A draft that is not
readable as YAML raises FlowError, with the line and the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.flow_editing.flow_file import HEAD, FlowFile, must_be_name, read_data
from bot.domain.flow_editing.mentions import Kind, kept_answer, mentions, with_answer_renamed, with_choice_renamed
from bot.domain.flow_editing.patching import Plain
from bot.domain.flow_editing.unfit import Unfit
from bot.domain.flow_expressions import FUNCTIONS, NAMES

__all__ = [
    "HEAD", "Unfit", "add_step", "delete_step", "keeps_answer_as", "move_step", "plain", "read_data", "rename_choice",
    "rename_step", "set_head", "set_step", "step_data", "steps_data",
]  # fmt: skip

# Reading.


def steps_data(source: str) -> dict[str, Plain]:
    """The steps as plain data, in the order of the file; what is no step (a bare word) is left out. Raises FlowError."""
    steps = plain(read_data(source).get("steps"))
    return {name: step for name, step in steps.items() if isinstance(step, dict)} if isinstance(steps, dict) else {}


def step_data(source: str, name: str) -> Plain:
    """The step as plain data: aliases filled in, booleans as booleans, numbers as texts. Raises Unfit, FlowError."""
    steps = read_data(source).get("steps")
    if not isinstance(steps, dict) or name not in steps:
        raise Unfit(f"There is no step `{name}`.")
    copy = plain(steps[name])
    return copy if isinstance(copy, dict) else {}


def plain(value: object) -> object:
    """The value as a flow file would hold it: mappings, lists, texts, booleans and nothing."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return str(value).replace("\r\n", "\n")


# Acts.


def set_step(source: str, name: str, step: Mapping[str, object]) -> str:
    """The file with another content of this step; only what differs is rewritten. Raises Unfit, FlowError."""
    return FlowFile(source).set_step(name, _as_step(step))


def add_step(source: str, name: str, step: Mapping[str, object], after: str | None = None) -> str:
    """The file with one more step, behind `after` or as the last one. Raises Unfit, FlowError."""
    return FlowFile(source).add_step(name, _as_step(step), after)


def move_step(source: str, name: str, before: str | None = None) -> str:
    """The file with this step, and the remarks above it, before `before` or as the last one. Raises Unfit, FlowError."""
    return FlowFile(source).move_step(name, before)


def delete_step(source: str, name: str) -> str:
    """The file without this step; what leads to it is left, and is named by the checks. Raises Unfit, FlowError."""
    return FlowFile(source).delete_step(name)


def set_head(source: str, fields: Mapping[str, object]) -> str:
    """The file with other words at its top (those of `HEAD`); None takes a field out. Raises Unfit, FlowError."""
    return FlowFile(source).set_head({key: plain(value) for key, value in fields.items()})


def rename_step(source: str, old: str, new: str) -> str:
    """The file in which a step has another name, and all that leads to it follows. Raises Unfit, FlowError.

    A choice that is kept under the step's own name is renamed with it, in conditions and texts too; but where the new name
    means something else already, or other steps keep their answer under the old one, the step gets `save:` with the old.
    """
    file = FlowFile(source)
    file.must_have(old)
    must_be_name(new, f"`{new}`")
    if old == new:
        return source
    if new in file.steps:
        raise Unfit(f"There is a step `{new}` already. Choose another name.")
    data = step_data(source, old)
    if "save" in data or kept_answer(old, data) is None:
        return file.rename_step(old, new, None)
    if _may_rename_answer(file.steps, old, new):
        return file.rename_step(old, new, old)
    return FlowFile(file.set_step(old, {**data, "save": old})).rename_step(old, new, None)


def keeps_answer_as(source: str, name: str) -> str | None:
    """The name under which a step keeps its answer, or None."""
    return kept_answer(name, step_data(source, name))


def rename_choice(source: str, step: str, old: str, new: str) -> str:
    """The file in which a choice has another name, in the conditions that compare with it too. Raises Unfit, FlowError."""
    file = FlowFile(source)
    data = step_data(source, step)
    choices = data.get("choices")
    if not isinstance(choices, dict) or old not in choices:
        raise Unfit(f"`{step}` has no choice `{old}`.")
    must_be_name(new, f"`{new}`")
    if old == new:
        return source
    if new in choices:
        raise Unfit(f"`{step}` has a choice `{new}` already. Choose another name.")
    answer = kept_answer(step, data) or step
    for name, other in file.steps.items():
        also = other.get("choices") if isinstance(other, dict) else None
        if name != step and kept_answer(name, other) == answer and isinstance(also, dict) and old in also:
            what = f"`{name}` keeps the same answer `{answer}` and has a choice `{old}` too."
            raise Unfit(f"{what} Rename both in the YAML view, so that conditions stay true.")
    renamed = {**data, "choices": {new if key == old else key: value for key, value in choices.items()}}
    return FlowFile(file.set_step(step, renamed)).rename_in_texts(
        lambda text, is_condition: with_choice_renamed(text, [answer], old, new, is_condition=is_condition)
    )


def _as_step(step: Mapping[str, object]) -> Plain:
    made = plain(step)
    if not isinstance(made, dict) or not made:
        raise Unfit("A step does one thing; this one is empty.")
    return made


def _may_rename_answer(steps: Plain, old: str, new: str) -> bool:
    """Whether the answer's name can follow the step's: nobody else keeps the old one, and the new one is free."""
    if new in NAMES | FUNCTIONS or not any(kept_answer(name, step) == old for name, step in steps.items()):
        return False
    others = {kept_answer(name, step) for name, step in steps.items() if name != old}
    if {old, new} & others:
        return False
    # A text may also fill in an answer of a flow around this one, whose name would then be hidden.
    probe = "x" if new != "x" else "y"
    return not any(
        with_answer_renamed(text, new, probe, is_condition=kind is Kind.CONDITION) != text
        for step in steps.values() for kind, _, text in mentions(step) if kind is not Kind.STEP
    )  # fmt: skip
