"""Describes what deleting a step would break, before it is deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.domain.flows.language.expressions import names_in
from bot.domain.flows.language.machine import next_steps
from bot.domain.flows.language.reader import step_references
from bot.domain.flows.language.script import Ask, Script
from bot.domain.flows.language.texts import conditions, templates
from bot.domain.flows.language.yaml_source import YamlPath


def deletion_problems(script: Script, name: str) -> list[str]:
    """Sentences naming what leads to the step, what needs its answer, and what is reachable only through it.

    Empty if nothing depends on the step. The script need not pass its checks.
    """
    if name not in script.steps:
        return []
    return [*_incoming_transitions(script, name), *_answer_uses(script, name), *_steps_cut_off(script, name)]


def uses_in_other_flows(name: str, scripts: Mapping[str, Script]) -> list[str]:
    """The conditions and texts of other flows that use the answer `name` without saving one of that name themselves."""
    found: list[str] = []
    for flow, script in scripts.items():
        if name not in _saving_steps(script):
            found += [
                f"Flow `{flow}`: {_lower_first_letter(sentence)}" for sentence in _mentions_of(script, name, leaving_out="")
            ]
    return found


def _incoming_transitions(script: Script, name: str) -> Iterator[str]:
    for path, target in step_references(script):
        if target == name and not (len(path) > 1 and path[1] == name):
            yield _describe_transition(script, path)


def _describe_transition(script: Script, path: YamlPath) -> str:
    if path == ("start",):
        return "The flow begins with it."
    step, kind = path[1], path[2]
    if kind == "choices":
        return f"`{step}`, choice `{path[3]}`, leads to it."
    if kind == "none":
        return f"`{step}` leads to it when there is no service to offer."
    if kind == "not_understood":
        return f"`{step}` leads to it when the answer is not understood."
    if kind == "wait":
        return f"`{step}` leads to it when nobody answers."
    branch = script.steps[str(step)].next[int(path[3])]
    return f"`{step}` leads to it" + (f" when `{branch.when}`." if branch.when else ".")


def _saving_steps(script: Script) -> dict[str, list[str]]:
    """Answer -> the steps that save it."""
    found: dict[str, list[str]] = {}
    for name, step in script.steps.items():
        if isinstance(step, Ask) and (step.save or step.choices):
            found.setdefault(step.save or name, []).append(name)
    return found


def _answer_uses(script: Script, name: str) -> Iterator[str]:
    for answer, steps in _saving_steps(script).items():
        if steps == [name]:
            for sentence in _mentions_of(script, answer, leaving_out=name):
                yield f"{sentence} Nobody else keeps this answer."


def _mentions_of(script: Script, answer: str, leaving_out: str) -> Iterator[str]:
    for path, condition in conditions(script):
        if path[1] != leaving_out and answer in names_in(condition, is_condition=True):
            yield f"The condition `{condition}` of `{path[1]}` needs the answer `{answer}`."
    for context, path, source in templates(script):
        if path[1] != leaving_out and answer in names_in(source):
            yield f"The text `{context}` fills in the answer `{answer}`."


def _steps_cut_off(script: Script, name: str) -> Iterator[str]:
    before = _reached(script, without="")
    after = _reached(script, without=name)
    for other in script.steps:
        if other != name and other in before and other not in after and script.start != name:
            yield f"Nothing leads to `{other}` any more."


def _reached(script: Script, without: str) -> set[str]:
    found: set[str] = set()
    waiting = [script.start]
    while waiting:
        name = waiting.pop()
        if name not in found and name != without and name in script.steps:
            found.add(name)
            waiting += next_steps(script.steps[name])
    return found


def _lower_first_letter(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
