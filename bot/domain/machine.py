"""State machines, of flows and of handoffs; the only module that imports `transitions`.

The library is wrapped because it looks up string callbacks as imports, adds dozens of methods to a model, and keeps every
model it is given. So it gets no model: one machine per flow version, built once, and a throw-away cursor for each move.
Trigger names are generated, never taken from an author's text.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from transitions import Machine as StateMachine
from transitions import MachineError

from bot.domain.script import Ask, Handoff, Refer, Say, Script, Step
from bot.domain.script import End as EndStep

# It logs every move at INFO level, several for each text.
logging.getLogger("transitions").setLevel(logging.WARNING)

ENDED = ":ended"
HUMAN = ":human"
_CALL_HUMAN = "call_human"


class IllegalMove(Exception):
    """The script or state machine has no such transition."""


@dataclass(slots=True)
class _Cursor:
    state: str


def next_steps(step: Step) -> tuple[str, ...]:
    """Every step that may follow this one, each once, in the order of the file."""
    ways = [branch.go for branch in step.next]
    if isinstance(step, Ask):
        ways += [choice.go for choice in step.choices.values() if choice.go]
        ways += [step.not_understood.go] if step.not_understood.go else []
        ways += [step.wait.go] if step.wait else []
    if isinstance(step, Refer):
        ways.append(step.none)
    return tuple(dict.fromkeys(ways))


def can_end(step: Step) -> bool:
    """Whether the flow can end at this step."""
    return isinstance(step, EndStep) or (isinstance(step, Say) and step.end is not None)


class FlowMachine:
    """The transitions that a script allows. Moves only read it, so threads share it."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._triggers: dict[tuple[str, str], str] = {}
        moves: list[dict[str, str]] = []
        for name, step in script.steps.items():
            ways = [*next_steps(step), *([ENDED] if can_end(step) else [])]
            for number, way in enumerate(ways):
                self._triggers[name, way] = f"exit_{number}"
                moves.append({"trigger": f"exit_{number}", "source": name, "dest": way})
            moves.append({"trigger": _CALL_HUMAN, "source": name, "dest": HUMAN})
        self._machine = StateMachine(
            model=None,
            states=[*script.steps, ENDED, HUMAN],
            transitions=moves,
            initial=script.start,
            auto_transitions=False,
        )

    def move(self, step: str, way: str) -> str:
        """The step reached. Raises IllegalMove where the script has no such transition (a bug, or a row of another flow)."""
        trigger = _CALL_HUMAN if way == HUMAN else self._triggers.get((step, way))
        if trigger is None:
            raise IllegalMove(f"{self._script.flow}: no way from {step} to {way}")
        cursor = _Cursor(step)
        try:
            self._machine.events[trigger].trigger(cursor)
        except (MachineError, ValueError) as error:
            raise IllegalMove(f"{self._script.flow}: {error}") from error
        return cursor.state

    def transitions(self) -> tuple[tuple[str, str], ...]:
        """Every (source, target) that the machine allows, HUMAN from each step included; tests compare diagrams with it."""
        return tuple((move.source, move.dest) for move in self._machine.get_transitions() if move.dest is not None)

    @cached_property
    def waits_for_human(self) -> frozenset[str]:
        """Steps at which the conversation stays with a human."""
        return frozenset(n for n, s in self._script.steps.items() if isinstance(s, Handoff) and not s.next)


class NamedTransitions:
    """A state machine whose moves have names, such as that of a handoff: `(name, source states, target state)`.

    Built once and shared by all threads.
    """

    def __init__(self, what: str, states: Iterable[str], moves: Iterable[tuple[str, Iterable[str], str]]) -> None:
        self._what = what
        # The library would use the names of enum members; rows hold their values.
        names = [str(state) for state in states]
        self._machine = StateMachine(
            model=None,
            states=names,
            transitions=[
                {"trigger": name, "source": [str(source) for source in sources], "dest": str(dest)}
                for name, sources, dest in moves
            ],
            initial=names[0],
            auto_transitions=False,
        )

    def move(self, state: str, name: str) -> str:
        """The state reached. Raises IllegalMove where this state does not allow the move."""
        if not self.allows(state, name):
            raise IllegalMove(f"{self._what}: {name} is not possible when {state}")
        cursor = _Cursor(state)
        self._machine.events[name].trigger(cursor)
        return cursor.state

    def allows(self, state: str, name: str) -> bool:
        """Whether the move is possible from this state."""
        event = self._machine.events.get(name)
        return event is not None and state in event.transitions
