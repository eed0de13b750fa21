"""What one turn of a flow can come to: how far it goes without waiting for the person, and whether it says anything.

The engine ends a turn that goes too far, and then the person is told that something broke. Here it is found beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from bot.domain.machine import ends, leads_to
from bot.domain.script import Ask, End, Handoff, Refer, Run, Say, Script, Step, Wait

Place = tuple[str, bool]
"""A step, and whether the person's words have answered a question already: they answer one in each flow they reach."""


def after_answer(step: Ask) -> Iterator[str]:
    """Every step to which an answer to this question may lead."""
    for choice in step.choices.values():
        if choice.go:
            yield choice.go
    if not step.choices or any(choice.go is None for choice in step.choices.values()):
        yield from (branch.go for branch in step.next)


def may_finish(step: Step) -> bool:
    """Whether the flow can be over with this step."""
    if ends(step):
        return True
    return not step.next and not isinstance(step, Handoff) and (not isinstance(step, Ask) or any(_bare(step)))


def _bare(step: Ask) -> Iterator[bool]:
    yield not step.choices
    yield from (choice.go is None for choice in step.choices.values())


def passed(names: Iterable[str], flows: Mapping[str, Script]) -> frozenset[str]:
    """Those of these flows through which some way leads at once."""
    known: dict[str, bool] = {}
    return frozenset(name for name in names if _is_passed(name, flows, known))


def _is_passed(name: str, flows: Mapping[str, Script], known: dict[str, bool]) -> bool:
    """Whether some way leads through the whole flow at once: without a question, or with one that the words which led into
    the flow have answered.
    """
    script = flows.get(name)
    if script is None or name in known:
        return known.get(name, False)
    # Flows that run each other without end are complained about by themselves.
    known[name] = False
    known[name] = _leads_through(script, flows, known)
    return known[name]


def _leads_through(script: Script, flows: Mapping[str, Script], known: dict[str, bool]) -> bool:
    found: set[Place] = {(script.start, False)}
    waiting = list(found)
    while waiting:
        here, used = waiting.pop()
        step = script.steps[here]
        if isinstance(step, Wait) or (isinstance(step, Ask) and (used or not step.choices)):
            continue
        if isinstance(step, Run) and not _is_passed(step.run, flows, known):
            continue
        if may_finish(step):
            return True
        used = used or isinstance(step, (Ask, Run))
        for way in after_answer(step) if isinstance(step, Ask) else leads_to(step):
            if (way, used) not in found:
                found.add((way, used))
                waiting.append((way, used))
    return False


def longest_turn(script: Script) -> tuple[int, str]:
    """How many steps one turn may go through within this flow at most, and where those begin.

    (0, "") where some circle never waits: that is complained about by itself.
    """
    graph: dict[Place, list[Place]] = {}
    for name, step in script.steps.items():
        for used in (False, True):
            graph[name, used] = [(way, used or isinstance(step, Ask)) for way in _on(step, used)]
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError:
        return 0, ""
    longest: dict[Place, int] = {}
    for place in order:
        longest[place] = 1 + max((longest[way] for way in graph[place]), default=0)
    most, start = max((longest[place], -number) for number, place in enumerate(order))
    return most, order[-start][0]


def _on(step: Step, used: bool) -> Iterable[str]:
    """Where a turn goes on by itself. What is looked up, and a flow that is run, begin to count anew."""
    if isinstance(step, (Wait, Run, Refer)):
        return ()
    if isinstance(step, Ask):
        return () if used or not step.choices else after_answer(step)
    return leads_to(step)


def deepest_run(name: str, flows: Mapping[str, Script]) -> int:
    """How many flows may be open within one another from this one on, itself counted; 0 where they run in a circle, which is
    complained about by itself.
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
    """The questions whose answer may be followed by the end of the flow without a word; the start where that is silent."""
    found = []
    for name, step in script.steps.items():
        if isinstance(step, Ask) and _is_silent(script, after_answer(step)):
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
            waiting += leads_to(step)
    return False
