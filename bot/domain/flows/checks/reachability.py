"""Ways through a flow and between flows, each found in one pass: an author waits while 2,000 steps are checked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from bot.domain.flows.checks.turn_length import flows_passed_through
from bot.domain.flows.language.machine import next_steps
from bot.domain.flows.language.script import Ask, CheckIn, Handoff, Run, Script, Step, Wait


def reachable(script: Script) -> set[str]:
    """The steps that can be reached from the start."""
    found = {script.start}
    waiting = [script.start]
    while waiting:
        for way in next_steps(script.steps[waiting.pop()]):
            if way not in found:
                found.add(way)
                waiting.append(way)
    return found


def find_loops(script: Script, flows: Mapping[str, Script]) -> list[list[str]]:
    """A shortest loop, in order, for each strongly connected set of steps that never wait.

    Only one for each set: there can be exponentially many, and fixing one shows the next.
    """
    at_once = flows_passed_through({step.run for step in script.steps.values() if isinstance(step, Run)}, flows)

    def waits(step: Step) -> bool:
        # A flow that does not exist is reported elsewhere.
        return isinstance(step, (Ask, Wait)) or (isinstance(step, Run) and step.run not in at_once)

    ways = {name: [] if waits(step) else list(next_steps(step)) for name, step in script.steps.items()}
    order = {name: number for number, name in enumerate(script.steps)}
    found = []
    for knot in _strongly_connected(ways):
        first = min(knot, key=order.__getitem__)
        if len(knot) > 1 or first in ways[first]:
            found.append(_shortest_loop(first, ways, set(knot)))
    return sorted(found, key=lambda circle: order[circle[0]])


def _strongly_connected(ways: Mapping[str, list[str]]) -> list[list[str]]:
    """Strongly connected components (Tarjan, Depth-First Search and Linear Graph Algorithms, 1972), without recursion."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_ones: list[str] = []
    is_open: set[str] = set()
    knots: list[list[str]] = []
    for root in ways:
        if root in number:
            continue
        going = [(root, iter(ways[root]))]
        number[root] = lowest[root] = len(number)
        open_ones.append(root)
        is_open.add(root)
        while going:
            here, rest = going[-1]
            for there in rest:
                if there not in number:
                    number[there] = lowest[there] = len(number)
                    open_ones.append(there)
                    is_open.add(there)
                    going.append((there, iter(ways[there])))
                    break
                if there in is_open:
                    lowest[here] = min(lowest[here], number[there])
            else:
                going.pop()
                if going:
                    before = going[-1][0]
                    lowest[before] = min(lowest[before], lowest[here])
                if lowest[here] == number[here]:
                    knots.append(_pop_component(here, open_ones, is_open))
    return knots


def _pop_component(root: str, open_ones: list[str], is_open: set[str]) -> list[str]:
    knot = []
    while True:
        name = open_ones.pop()
        is_open.discard(name)
        knot.append(name)
        if name == root:
            return knot


def _shortest_loop(start: str, ways: Mapping[str, list[str]], knot: set[str]) -> list[str]:
    before: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for way in ways[here]:
            if way == start:
                circle = [here]
                while circle[-1] != start:
                    circle.append(before[circle[-1]])
                return circle[::-1]
            if way in knot and way not in before:
                before[way] = here
                waiting.append(way)
    raise AssertionError("a knot always leads back")


def flows_run_by(name: str, flows: Mapping[str, Script]) -> set[str]:
    """The flows that this one runs at any depth, and itself."""
    return _closure(name, lambda flow: _flows_named(flows.get(flow), (Run,)))


def flows_leading_to(name: str, flows: Mapping[str, Script]) -> set[str]:
    """The flows that run this one or plan it as a check-in, at any depth, and itself."""
    from_whom: dict[str, list[str]] = {}
    for flow, script in flows.items():
        for inner in _flows_named(script, (Run, CheckIn)):
            from_whom.setdefault(inner, []).append(flow)
    return _closure(name, lambda flow: from_whom.get(flow, []))


def can_reach_human(name: str, flows: Mapping[str, Script]) -> bool:
    """Whether a human can be called in this flow, or in one that it runs."""

    def inner(flow: str) -> list[str]:
        script = flows.get(flow)
        steps = (script.steps[step] for step in reachable(script)) if script else ()
        return [step.run for step in steps if isinstance(step, Run)]

    def calls(script: Script) -> bool:
        steps = (script.steps[step] for step in reachable(script))
        return any(isinstance(s, Handoff) or (isinstance(s, Ask) and s.not_understood.go is None) for s in steps)

    return any(flow in flows and calls(flows[flow]) for flow in _closure(name, inner))


def _flows_named(script: Script | None, kinds: tuple[type[Step], ...]) -> list[str]:
    found = []
    for step in script.steps.values() if script else ():
        if isinstance(step, kinds):
            found.append(step.run if isinstance(step, Run) else step.check_in.flow if isinstance(step, CheckIn) else "")
    return list(dict.fromkeys(found))


def _closure(first: str, further: Callable[[str], list[str]]) -> set[str]:
    found = {first}
    waiting = [first]
    while waiting:
        for other in further(waiting.pop()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found
