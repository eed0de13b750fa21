"""State machines, of scripts and of handoffs; the only module that knows `transitions`.

The library is kept behind these few lines for reasons that were seen: it looks string callbacks up as imports, puts
dozens of methods on a model, and remembers every model it is given. So it is given none: one machine a flow version,
built once, and a throw-away cursor for each move. Triggers have made-up names, never an author's words.
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

# It reports every move at the level of information, on the path of every text.
logging.getLogger("transitions").setLevel(logging.WARNING)

ENDED = ":ended"
HUMAN = ":human"
_CALL_HUMAN = "call_human"


class IllegalMove(Exception):
    """A step was asked to lead where its script has no way."""


@dataclass(slots=True)
class _Cursor:
    state: str


def leads_to(step: Step) -> tuple[str, ...]:
    """Every step that this one may lead to, in the order of the file, each once."""
    ways = [branch.go for branch in step.next]
    if isinstance(step, Ask):
        ways += [choice.go for choice in step.choices.values() if choice.go]
        ways += [step.not_understood.go] if step.not_understood.go else []
        ways += [step.wait.go] if step.wait else []
    if isinstance(step, Refer):
        ways.append(step.none)
    return tuple(dict.fromkeys(ways))


def ends(step: Step) -> bool:
    """Whether the flow can end at this step."""
    return isinstance(step, EndStep) or (isinstance(step, Say) and step.end is not None)


class Machine:
    """The moves that a script allows; shared by all threads, since a move only reads it."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._triggers: dict[tuple[str, str], str] = {}
        moves: list[dict[str, str]] = []
        for name, step in script.steps.items():
            ways = [*leads_to(step), *([ENDED] if ends(step) else [])]
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
        """The step reached; raises IllegalMove where the script has no such way (a worker's bug, or a foreign row)."""
        trigger = _CALL_HUMAN if way == HUMAN else self._triggers.get((step, way))
        if trigger is None:
            raise IllegalMove(f"{self._script.flow}: no way from {step} to {way}")
        cursor = _Cursor(step)
        try:
            self._machine.events[trigger].trigger(cursor)
        except (MachineError, ValueError) as error:
            raise IllegalMove(f"{self._script.flow}: {error}") from error
        return cursor.state

    def ways(self) -> tuple[tuple[str, str], ...]:
        """Every (step, way) that the machine itself allows, HUMAN from each step among them; a drawing is held to it."""
        return tuple((move.source, move.dest) for move in self._machine.get_transitions() if move.dest is not None)

    @cached_property
    def waits_for_human(self) -> frozenset[str]:
        """Steps at which the conversation rests with a human."""
        return frozenset(n for n, s in self._script.steps.items() if isinstance(s, Handoff) and not s.next)


class NamedMoves:
    """A machine whose moves have names, such as the life of a handoff: `(name, from which states, to which state)`.

    Built once and shared by all threads, like a flow's.
    """

    def __init__(self, what: str, states: Iterable[str], moves: Iterable[tuple[str, Iterable[str], str]]) -> None:
        self._what = what
        # The library takes the members of an enumeration by their names; rows hold the values.
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
        """The state reached; raises IllegalMove where this state does not allow that move."""
        if not self.allows(state, name):
            raise IllegalMove(f"{self._what}: {name} is not possible when {state}")
        cursor = _Cursor(state)
        self._machine.events[name].trigger(cursor)
        return cursor.state

    def allows(self, state: str, name: str) -> bool:
        """Whether the move is possible from this state."""
        event = self._machine.events.get(name)
        return event is not None and state in event.transitions
