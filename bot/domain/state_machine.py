"""State machines, of flows and of handoffs; the only module that imports `transitions`.

The library is wrapped because it looks up string callbacks as imports, adds dozens of methods to a model, and keeps every
model it is given. So it gets no model: one machine per flow version, built once, and a throw-away cursor for each move.
Trigger names are generated, never taken from an author's text.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from transitions import Machine as StateMachine
from transitions import MachineError

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


class StepTransitions:
    """A state machine whose moves are named by their target, such as that of a flow: `targets` has the targets of each
    state.

    ENDED is a possible target; HUMAN can be reached from every state. Moves only read it, so threads share it.
    """

    def __init__(self, what: str, start: str, targets: Mapping[str, Sequence[str]]) -> None:
        self._what = what
        self._triggers: dict[tuple[str, str], str] = {}
        moves: list[dict[str, str]] = []
        for name, ways in targets.items():
            for number, way in enumerate(ways):
                self._triggers[name, way] = f"exit_{number}"
                moves.append({"trigger": f"exit_{number}", "source": name, "dest": way})
            moves.append({"trigger": _CALL_HUMAN, "source": name, "dest": HUMAN})
        self._machine = StateMachine(
            model=None,
            states=[*targets, ENDED, HUMAN],
            transitions=moves,
            initial=start,
            auto_transitions=False,
        )

    def move(self, state: str, target: str) -> str:
        """The state reached. Raises IllegalMove where there is no such transition (a bug, or a row of another flow)."""
        trigger = _CALL_HUMAN if target == HUMAN else self._triggers.get((state, target))
        if trigger is None:
            raise IllegalMove(f"{self._what}: no way from {state} to {target}")
        cursor = _Cursor(state)
        try:
            self._machine.events[trigger].trigger(cursor)
        except (MachineError, ValueError) as error:
            raise IllegalMove(f"{self._what}: {error}") from error
        return cursor.state

    def transitions(self) -> tuple[tuple[str, str], ...]:
        """Every (source, target) that the machine allows, HUMAN from each step included; tests compare diagrams with it."""
        return tuple((move.source, move.dest) for move in self._machine.get_transitions() if move.dest is not None)


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
