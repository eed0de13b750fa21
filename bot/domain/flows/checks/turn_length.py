"""How many steps one turn of a flow can take without waiting for the person, and whether it says anything.

The engine ends a turn with too many steps, and the person is told that something broke. Here that is found beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from bot.domain.flows.language.machine import can_end, next_steps
from bot.domain.flows.language.script import Ask, End, Handoff, Refer, Run, Say, Script, Step, Wait

MAX_STEPS_PER_TURN = 60
"""Steps in one turn. A script that goes further without asking is in a loop; the engine ends the turn there."""

TurnPosition = tuple[str, bool]
"""A step, and whether the person's text has answered a question already: it answers one in each flow that it reaches."""


def answer_targets(step: Ask) -> Iterator[str]:
    """Every step to which an answer to this question may lead."""
    for choice in step.choices.values():
        if choice.go:
            yield choice.go
    if not step.choices or any(choice.go is None for choice in step.choices.values()):
        yield from (branch.go for branch in step.next)


def may_finish(step: Step) -> bool:
    """Whether the flow can end at this step."""
    if can_end(step):
        return True
    return not step.next and not isinstance(step, Handoff) and (not isinstance(step, Ask) or any(_leads_nowhere(step)))


def _leads_nowhere(step: Ask) -> Iterator[bool]:
    yield not step.choices
    yield from (choice.go is None for choice in step.choices.values())


def flows_passed_through(names: Iterable[str], flows: Mapping[str, Script]) -> frozenset[str]:
    """Those of these flows that a turn can run through without waiting."""
    known: dict[str, bool] = {}
    return frozenset(name for name in names if _is_passed_through(name, flows, known))


def _is_passed_through(name: str, flows: Mapping[str, Script], known: dict[str, bool]) -> bool:
    """Whether a turn can run through the whole flow: without a question, or with one that the text which led into the
    flow answers.
    """
    script = flows.get(name)
    if script is None or name in known:
        return known.get(name, False)
    # Flows that run each other without end are reported elsewhere.
    known[name] = False
    known[name] = _can_run_through(script, flows, known)
    return known[name]


def _can_run_through(script: Script, flows: Mapping[str, Script], known: dict[str, bool]) -> bool:
    found: set[TurnPosition] = {(script.start, False)}
    waiting = list(found)
    while waiting:
        here, used = waiting.pop()
        step = script.steps[here]
        if isinstance(step, Wait) or (isinstance(step, Ask) and (used or not step.choices)):
            continue
        if isinstance(step, Run) and not _is_passed_through(step.run, flows, known):
            continue
        if may_finish(step):
            return True
        used = used or isinstance(step, (Ask, Run))
        for way in answer_targets(step) if isinstance(step, Ask) else next_steps(step):
            if (way, used) not in found:
                found.add((way, used))
                waiting.append((way, used))
    return False


def longest_turn(script: Script) -> tuple[int, str]:
    """The most steps of one turn within this flow, and the step where they start.

    (0, "") where a loop never waits: that is reported elsewhere.
    """
    graph: dict[TurnPosition, list[TurnPosition]] = {}
    for name, step in script.steps.items():
        for used in (False, True):
            graph[name, used] = [(way, used or isinstance(step, Ask)) for way in _immediate_next(step, used)]
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError:
        return 0, ""
    longest: dict[TurnPosition, int] = {}
    for place in order:
        longest[place] = 1 + max((longest[way] for way in graph[place]), default=0)
    most, start = max((longest[place], -number) for number, place in enumerate(order))
    return most, order[-start][0]


def _immediate_next(step: Step, used: bool) -> Iterable[str]:
    """Where a turn goes on by itself. After a lookup or a flow that is run, counting starts again."""
    if isinstance(step, (Wait, Run, Refer)):
        return ()
    if isinstance(step, Ask):
        return () if used or not step.choices else answer_targets(step)
    return next_steps(step)


def deepest_run(name: str, flows: Mapping[str, Script]) -> int:
    """How deep flows are nested from this one on, itself included; 0 where they run each other in a loop, which is reported
    elsewhere.
    """
    inner: dict[str, set[str]] = {}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here not in inner:
            steps = flows[here].steps.values() if here in flows else ()
            inner[here] = {step.run for step in steps if isinstance(step, Run)}
            waiting += inner[here]
    deepest: dict[str, int] = {}
    try:
        for flow in TopologicalSorter(inner).static_order():
            deepest[flow] = 1 + max((deepest[one] for one in inner[flow]), default=0)
    except CycleError:
        return 0
    return deepest[name]


def ends_in_silence(script: Script) -> list[str]:
    """Questions after which the flow may end without a text; includes the start if nothing is said from there."""
    found = []
    for name, step in script.steps.items():
        if isinstance(step, Ask) and _is_silent(script, answer_targets(step)):
            found.append(name)
    if not isinstance(script.steps[script.start], Ask) and _is_silent(script, [script.start]):
        found.append(script.start)
    return found


def _is_silent(script: Script, first: Iterable[str]) -> bool:
    waiting, seen = list(first), set[str]()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        step = script.steps[here]
        if isinstance(step, End):
            return True
        if isinstance(step, Refer):
            waiting.append(step.none)
        elif not isinstance(step, (Ask, Say, Handoff, Run, Wait)):
            waiting += next_steps(step)
    return False
