"""The state machine of a script: which step may follow which."""

from __future__ import annotations

from functools import cached_property

from bot.domain.flows.language.script import Ask, Handoff, Refer, Say, Script, Step
from bot.domain.flows.language.script import End as EndStep
from bot.domain.state_machine import ENDED, StepTransitions


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


class FlowMachine(StepTransitions):
    """The transitions that a script allows, built once for each flow version."""

    def __init__(self, script: Script) -> None:
        super().__init__(
            script.flow,
            script.start,
            {name: [*next_steps(step), *([ENDED] if can_end(step) else [])] for name, step in script.steps.items()},
        )
        self._script = script

    @cached_property
    def waits_for_human(self) -> frozenset[str]:
        """Steps at which the conversation stays with a human."""
        return frozenset(n for n, s in self._script.steps.items() if isinstance(s, Handoff) and not s.next)
