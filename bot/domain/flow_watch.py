"""Which steps, choices and ways of a flow are used while it is played: what conversation tests cover.

A watched flow does exactly what the flow itself does; the engine knows of nothing. Watching is for rehearsals, never for
a person's conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.domain.flow import Flow
from bot.domain.machine import ENDED, HUMAN, Machine
from bot.domain.script import Ask, Script
from bot.domain.understanding import Matcher, Picked, Reading


@dataclass(slots=True)
class Watch:
    """What was used, by the name of the flow first. Filled by one thread; `ways` may lead to ENDED and HUMAN."""

    steps: set[tuple[str, str]] = field(default_factory=set)
    """(flow, step) that was entered."""
    choices: set[tuple[str, str, str]] = field(default_factory=set)
    """(flow, step, choice) that was picked."""
    ways: set[tuple[str, str, str]] = field(default_factory=set)
    """(flow, step, where it led)."""

    def take(self) -> Watch:
        """What was written down so far; afterwards nothing is. One library plays many transcripts, each with its own."""
        taken = Watch(set(self.steps), set(self.choices), set(self.ways))
        for used in (self.steps, self.choices, self.ways):
            used.clear()
        return taken


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of one flow is covered by conversation tests."""

    steps: frozenset[str] = frozenset()
    choices: frozenset[tuple[str, str]] = frozenset()
    ways: frozenset[tuple[str, str]] = frozenset()
    transcripts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name of each transcript that passes through this flow -> the steps of it that it passes."""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """What no conversation test passes, in the order of the file."""

    steps: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]


def watched(flow: Flow, watch: Watch) -> Flow:
    """The same flow, written down in `watch` as it is played. It shares the compiled texts of `flow`."""
    return _WatchedFlow(flow, watch)


def coverage(flow: str, watches: Mapping[str, Watch]) -> Coverage:
    """What these transcripts (name -> what was used while it was played) cover of this flow."""
    passed = {name: frozenset(step for at, step in watch.steps if at == flow) for name, watch in watches.items()}
    every = watches.values()
    return Coverage(
        frozenset(step for steps in passed.values() for step in steps),
        frozenset((step, choice) for watch in every for at, step, choice in watch.choices if at == flow),
        frozenset((step, way) for watch in every for at, step, way in watch.ways if at == flow),
        {name: steps for name, steps in passed.items() if steps},
    )


def uncovered(script: Script, covered: Coverage) -> Uncovered:
    """The steps and choices that no transcript passes: shown to the author, never held against the flow."""
    return Uncovered(
        tuple(name for name in script.steps if name not in covered.steps),
        tuple(choice for choice in _choices(script) if choice not in covered.choices),
    )


def _choices(script: Script) -> Iterator[tuple[str, str]]:
    for name, step in script.steps.items():
        if isinstance(step, Ask):
            yield from ((name, choice) for choice in step.choices)


class _WatchedFlow(Flow):
    def __init__(self, flow: Flow, watch: Watch) -> None:
        # A twin and no wrapper: whoever is handed a Flow may use all of it.
        self.__dict__.update(flow.__dict__)
        self._watch = watch
        self._unwatched = flow
        self.script = flow.script.model_copy(update={"steps": _WatchedSteps(flow, watch)})
        self.machine = _WatchedMachine(flow, watch)

    def matcher(self, step: str, language: str) -> Matcher:
        return _WatchedMatcher(self._unwatched.matcher(step, language), self.name, step, self._watch)


class _WatchedSteps(dict[str, object]):
    """The engine asks for a step by `get` when a person is at it: also for the first one, to which no move leads."""

    def __init__(self, flow: Flow, watch: Watch) -> None:
        super().__init__(flow.script.steps)
        self._flow, self._watch = flow.name, watch

    def get(self, key: str, default: object = None) -> object:
        if key in self:
            self._watch.steps.add((self._flow, key))
        return super().get(key, default)


class _WatchedMachine(Machine):
    def __init__(self, flow: Flow, watch: Watch) -> None:
        self.__dict__.update(flow.machine.__dict__)
        self._flow, self._watch = flow.name, watch

    def move(self, step: str, way: str) -> str:
        reached = super().move(step, way)
        self._watch.ways.add((self._flow, step, way))
        if reached not in (ENDED, HUMAN):
            self._watch.steps.add((self._flow, reached))
        return reached


class _WatchedMatcher(Matcher):
    def __init__(self, matcher: Matcher, flow: str, step: str, watch: Watch) -> None:
        self.__dict__.update(matcher.__dict__)
        self._flow, self._step, self._watch = flow, step, watch

    def read(self, text: str) -> Reading:
        reading = super().read(text)
        if isinstance(reading, Picked):
            self._watch.choices.add((self._flow, self._step, reading.name))
        return reading
