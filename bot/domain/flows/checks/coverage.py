"""Records which steps, choices and ways of a flow are used: what the conversation tests cover.

A watched flow behaves exactly like the flow itself; the engine does not notice. Only for transcripts and trials, never for
a person's conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.machine import FlowMachine
from bot.domain.flows.language.script import Ask, Script
from bot.domain.listening.understanding import ChoiceMatcher, ChoiceReading, PickedOption
from bot.domain.state_machine import ENDED, HUMAN


@dataclass(slots=True)
class UsageLog:
    """What was used. Filled by one thread; `ways` may lead to ENDED and HUMAN."""

    steps: set[tuple[str, str]] = field(default_factory=set)
    """(flow, step) that was entered."""
    choices: set[tuple[str, str, str]] = field(default_factory=set)
    """(flow, step, choice) that was picked."""
    ways: set[tuple[str, str, str]] = field(default_factory=set)
    """(flow, step, where it led)."""

    def drain(self) -> UsageLog:
        """A copy of the log, which is then cleared. One library plays many transcripts and takes the log after each."""
        taken = UsageLog(set(self.steps), set(self.choices), set(self.ways))
        for used in (self.steps, self.choices, self.ways):
            used.clear()
        return taken


@dataclass(frozen=True, slots=True)
class TranscriptCoverage:
    """What conversation tests cover of one flow."""

    steps: frozenset[str] = frozenset()
    choices: frozenset[tuple[str, str]] = frozenset()
    ways: frozenset[tuple[str, str]] = frozenset()
    transcripts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Transcript -> the steps of this flow that it passes."""


@dataclass(frozen=True, slots=True)
class CoverageGaps:
    """What no conversation test covers, in the order of the file."""

    steps: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]


def watch_flow(flow: Flow, log: UsageLog) -> Flow:
    """The same flow, which records in `log` what is used. It shares the compiled texts of `flow`."""
    return _WatchedFlow(flow, log)


def coverage_of(flow: str, logs: Mapping[str, UsageLog]) -> TranscriptCoverage:
    """What these transcripts (name -> what it used) cover of this flow."""
    passed = {name: frozenset(step for at, step in watch.steps if at == flow) for name, watch in logs.items()}
    every = logs.values()
    return TranscriptCoverage(
        frozenset(step for steps in passed.values() for step in steps),
        frozenset((step, choice) for watch in every for at, step, choice in watch.choices if at == flow),
        frozenset((step, way) for watch in every for at, step, way in watch.ways if at == flow),
        {name: steps for name, steps in passed.items() if steps},
    )


def coverage_gaps(script: Script, covered: TranscriptCoverage) -> CoverageGaps:
    """The steps and choices that no transcript covers; information for the author, not a problem."""
    return CoverageGaps(
        tuple(name for name in script.steps if name not in covered.steps),
        tuple(choice for choice in _all_choices(script) if choice not in covered.choices),
    )


def _all_choices(script: Script) -> Iterator[tuple[str, str]]:
    for name, step in script.steps.items():
        if isinstance(step, Ask):
            yield from ((name, choice) for choice in step.choices)


class _WatchedFlow(Flow):
    def __init__(self, flow: Flow, watch: UsageLog) -> None:
        # A copy and no wrapper: callers may use anything of a Flow.
        self.__dict__.update(flow.__dict__)
        self._watch = watch
        self._unwatched = flow
        self.script = flow.script.model_copy(update={"steps": _WatchedSteps(flow, watch)})
        self.machine = _WatchedMachine(flow, watch)

    def matcher(self, step: str, language: str) -> ChoiceMatcher:
        return _WatchedMatcher(self._unwatched.matcher(step, language), self.name, step, self._watch)


class _WatchedSteps(dict[str, object]):
    """The engine calls `get` for each step that is entered, the first one included, to which no move leads."""

    def __init__(self, flow: Flow, watch: UsageLog) -> None:
        super().__init__(flow.script.steps)
        self._flow, self._watch = flow.name, watch

    def get(self, key: str, default: object = None) -> object:
        if key in self:
            self._watch.steps.add((self._flow, key))
        return super().get(key, default)


class _WatchedMachine(FlowMachine):
    def __init__(self, flow: Flow, watch: UsageLog) -> None:
        self.__dict__.update(flow.machine.__dict__)
        self._flow, self._watch = flow.name, watch

    def move(self, step: str, way: str) -> str:
        reached = super().move(step, way)
        self._watch.ways.add((self._flow, step, way))
        if reached not in (ENDED, HUMAN):
            self._watch.steps.add((self._flow, reached))
        return reached


class _WatchedMatcher(ChoiceMatcher):
    def __init__(self, matcher: ChoiceMatcher, flow: str, step: str, watch: UsageLog) -> None:
        self.__dict__.update(matcher.__dict__)
        self._flow, self._step, self._watch = flow, step, watch

    def read(self, text: str) -> ChoiceReading:
        reading = super().read(text)
        if isinstance(reading, PickedOption):
            self._watch.choices.add((self._flow, self._step, reading.name))
        return reading
