"""What deleting a step would break, told before it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.domain.flow_expressions import names_in
from bot.domain.flow_reader import targets
from bot.domain.flow_texts import conditions, texts
from bot.domain.flow_yaml import Path
from bot.domain.machine import leads_to
from bot.domain.script import Ask, Script


def breaks(script: Script, name: str) -> list[str]:
    """Sentences, with the places: what leads to the step, what needs its answer, and what only it leads to.

    Empty where nothing would miss it. The script may be one whose checks fail.
    """
    if name not in script.steps:
        return []
    return [*_led_here(script, name), *_answer_needed(script, name), *_lost(script, name)]


def used_elsewhere(name: str, scripts: Mapping[str, Script]) -> list[str]:
    """Where other flows name the answer `name` without keeping one of that name themselves: in conditions and texts."""
    found: list[str] = []
    for flow, script in scripts.items():
        if name not in _kept(script):
            found += [f"Flow `{flow}`: {_small(said)}" for said in _mentions_of(script, name, leaving_out="")]
    return found


def _led_here(script: Script, name: str) -> Iterator[str]:
    for path, target in targets(script):
        if target == name and not (len(path) > 1 and path[1] == name):
            yield _way_in_words(script, path)


def _way_in_words(script: Script, path: Path) -> str:
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


def _kept(script: Script) -> dict[str, list[str]]:
    """Answer -> the steps that keep it."""
    found: dict[str, list[str]] = {}
    for name, step in script.steps.items():
        if isinstance(step, Ask) and (step.save or step.choices):
            found.setdefault(step.save or name, []).append(name)
    return found


def _answer_needed(script: Script, name: str) -> Iterator[str]:
    for answer, steps in _kept(script).items():
        if steps == [name]:
            for said in _mentions_of(script, answer, leaving_out=name):
                yield f"{said} Nobody else keeps this answer."


def _mentions_of(script: Script, answer: str, leaving_out: str) -> Iterator[str]:
    for path, condition in conditions(script):
        if path[1] != leaving_out and answer in names_in(condition, is_condition=True):
            yield f"The condition `{condition}` of `{path[1]}` needs the answer `{answer}`."
    for context, path, source in texts(script):
        if path[1] != leaving_out and answer in names_in(source):
            yield f"The text `{context}` fills in the answer `{answer}`."


def _lost(script: Script, name: str) -> Iterator[str]:
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
            waiting += leads_to(script.steps[name])
    return found


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
