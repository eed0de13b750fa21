"""A flow as a graph: its steps, and the edges between them with their reasons in the author's words.

The edges are those of the state machine that runs the flow (a test compares the two), with one exception: the keyword
PERSON leads from every step to a human, which would hide all other edges. So `:human` is a target here only where the flow
itself gives up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from bot.domain.flows.language.script import (
    STEP_KINDS,
    Ask,
    CheckIn,
    Choice,
    Consent,
    End,
    Erase,
    Handoff,
    Measure,
    Refer,
    Run,
    Say,
    Script,
    Step,
    TellReferral,
    Wait,
)
from bot.domain.state_machine import ENDED, HUMAN

TERMINALS = (ENDED, HUMAN)
"""Targets of edges that are not steps."""
_KIND_OF = {model: kind for kind, model in STEP_KINDS.items()}
_URGENCY = {"quarter_hour": "within 15 minutes", "this_shift": "this shift", "minutes": "within minutes"}

_DEFAULT_WAY: dict[type[Step], str] = {Ask: "any answer", Refer: "some found"}
"""Label of the default edge, next to other edges."""
_MIN_UNITS = {"w": 4, "d": 2}
"""The least number of a unit: authors write 24h and 14d for one day and two weeks."""


class EdgeKind(StrEnum):
    """What makes a conversation take an edge."""

    ALWAYS = "always"
    CHOICE = "choice"
    WHEN = "when"
    OTHERWISE = "otherwise"
    NOT_UNDERSTOOD = "not_understood"
    SILENCE = "silence"
    NONE = "none"
    END = "end"


_SIDE_WAYS = frozenset({EdgeKind.NOT_UNDERSTOOD, EdgeKind.SILENCE, EdgeKind.NONE})


@dataclass(frozen=True, slots=True)
class EdgeReason:
    """One reason to take an edge: in words, and the name of the choice where it is one."""

    kind: EdgeKind
    words: str = ""
    choice: str = ""


@dataclass(frozen=True, slots=True)
class StepNode:
    """A step. `text` is what it says, asks or does, in one line."""

    name: str
    kind: str
    text: str = ""
    is_start: bool = False
    waits_for_human: bool = False
    """Whether the conversation stays here with a human, and the flow does not go on."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The only edge from source to target, with all its reasons in the order of the file."""

    source: str
    target: str
    reasons: tuple[EdgeReason, ...] = (EdgeReason(EdgeKind.ALWAYS),)

    @property
    def words(self) -> tuple[str, ...]:
        """The reasons in words, each once; none for an edge that is always taken."""
        if [reason.kind for reason in self.reasons] == [EdgeKind.ALWAYS]:
            return ()
        return tuple(dict.fromkeys(reason.words for reason in self.reasons if reason.words))

    @property
    def label(self) -> str:
        """The reasons in one line."""
        return " / ".join(self.words)

    @property
    def kind(self) -> EdgeKind:
        """The main reason: one that is not silence, misunderstanding or nothing found, if there is one."""
        meant = [reason.kind for reason in self.reasons if reason.kind not in _SIDE_WAYS]
        return (meant or [self.reasons[0].kind])[0]

    @property
    def is_side_way(self) -> bool:
        """Whether it is taken only on silence, misunderstanding or nothing found."""
        return self.kind in _SIDE_WAYS


@dataclass(frozen=True, slots=True)
class Graph:
    """A flow or a part of it."""

    flow: str
    nodes: tuple[StepNode, ...]
    edges: tuple[Edge, ...]
    hidden: Mapping[str, int] = field(default_factory=dict)
    """Step -> how many of its edges lead to or come from steps that are not in this part."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)

    @property
    def start(self) -> str:
        """The first step of the flow; empty where it is not in this part."""
        return next((node.name for node in self.nodes if node.is_start), "")


def graph_of(script: Script) -> Graph:
    """The whole flow, steps in the order of the file."""
    nodes = tuple(
        StepNode(name, kind_of(step), text_of(step), name == script.start, isinstance(step, Handoff) and not step.next)
        for name, step in script.steps.items()
    )
    edges = tuple(edge for name, step in script.steps.items() for edge in _edges(name, step))
    return Graph(script.flow, nodes, edges)


def subgraph_around(graph: Graph, step: str, hops: int, most: int = 60) -> Graph:
    """The steps within `hops` edges of a step, in both directions, but at most `most`, the nearest first.

    For a step that does not exist, the start is taken.
    """
    near = _steps_within(graph, step if step in graph.names else graph.start or graph.names[0], hops, most)
    nodes = tuple(node for node in graph.nodes if node.name in near)
    edges = tuple(edge for edge in graph.edges if edge.source in near and edge.target in near | set(TERMINALS))
    hidden: dict[str, int] = dict(graph.hidden)
    for edge in graph.edges:
        if edge.target not in TERMINALS and (edge.source in near) != (edge.target in near):
            seen = edge.source if edge.source in near else edge.target
            hidden[seen] = hidden.get(seen, 0) + 1
    return Graph(graph.flow, nodes, edges, {name: count for name, count in hidden.items() if name in near})


def widest_subgraph(graph: Graph, step: str, most: int) -> Graph:
    """As many whole rings of neighbours around a step as fit into `most` steps; the first ring is cut if it is too big."""
    best = subgraph_around(graph, step, 1, most)
    for hops in range(2, most):
        wider = subgraph_around(graph, step, hops, most + 1)
        if len(wider.nodes) > most or len(wider.nodes) == len(best.nodes):
            break
        best = wider
    return best


def merge_graphs(before: Graph, after: Graph, removed: Collection[str], renamed: Mapping[str, str]) -> Graph:
    """The new graph plus the removed steps and edges of the old one. `renamed`: old name -> new name."""
    kept = set(after.names)
    lost = tuple(replace(node, is_start=False) for node in before.nodes if node.name in removed and node.name not in kept)
    shown = kept | {node.name for node in lost} | set(TERMINALS)
    known = {(edge.source, edge.target) for edge in after.edges}
    moved = (
        replace(edge, source=renamed.get(edge.source, edge.source), target=renamed.get(edge.target, edge.target))
        for edge in before.edges
    )
    gone = tuple(
        edge
        for edge in moved
        if (edge.source, edge.target) not in known and edge.source in shown and edge.target in shown
    )  # fmt: skip
    return Graph(after.flow, after.nodes + lost, after.edges + gone)


def kind_of(step: Step) -> str:
    """The key of the step in the file, like `ask`."""
    return _KIND_OF[type(step)]


def text_of(step: Step) -> str:
    """What a step says or does, in one line; empty for `decide`."""
    return " ".join(_text(step).split())


def format_duration(length: timedelta) -> str:
    """A duration as an author writes it: `3d`, `90m`."""
    seconds = int(length.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0 and seconds >= _MIN_UNITS.get(unit, 1) * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _text(step: Step) -> str:
    match step:
        case Ask():
            return step.ask
        case Say():
            return step.say
        case Refer():
            return f"For {step.refer.need}" + (f", near {step.refer.near}" if step.refer.near else "")
        case TellReferral():
            return step.referral.outcome.replace("_", " ")
        case CheckIn():
            return f"{step.check_in.flow}, after {', '.join(map(format_duration, step.check_in.after))}"
        case Measure():
            return f"{step.measure.name}: {step.measure.value}"
        case Handoff():
            urgency = step.handoff.urgency.value
            return f"Team {step.handoff.team}, {_URGENCY.get(urgency, urgency)}"
        case _:
            return _short_text(step)


def _short_text(step: Step) -> str:
    match step:
        case Run():
            return step.run
        case Wait():
            return format_duration(step.wait)
        case Consent():
            return f"{'Takes back' if step.withdrawn else 'Agrees to'} {step.consent}"
        case Erase():
            return f"Deletes {step.erase}"
        case End():
            return step.end
        case _:
            return ""


def _edges(name: str, step: Step) -> list[Edge]:
    ways: dict[str, list[EdgeReason]] = {}
    for target, reason in _ways(step):
        ways.setdefault(target, []).append(reason)
    return [Edge(name, target, tuple(reasons)) for target, reasons in ways.items()]


def _ways(step: Step) -> Iterator[tuple[str, EdgeReason]]:
    """Every target with each of its reasons, the main ones first."""
    choices = step.choices if isinstance(step, Ask) else {}
    for key, choice in choices.items():
        if choice.go:
            yield choice.go, EdgeReason(EdgeKind.CHOICE, choice.label, key)
    yield from _branches(step, {key: choice for key, choice in choices.items() if not choice.go}, bool(choices))
    if isinstance(step, Refer):
        yield step.none, EdgeReason(EdgeKind.NONE, "none found")
    if isinstance(step, Ask):
        yield step.not_understood.go or HUMAN, EdgeReason(EdgeKind.NOT_UNDERSTOOD, "not understood")
        if step.wait:
            yield step.wait.go, EdgeReason(EdgeKind.SILENCE, f"no answer for {format_duration(step.wait.after)}")
    if isinstance(step, End):
        yield ENDED, EdgeReason(EdgeKind.END)
    if isinstance(step, Say) and step.end is not None:
        yield ENDED, EdgeReason(EdgeKind.END, step.end)


def _branches(step: Step, open_choices: Mapping[str, Choice], has_choices: bool) -> Iterator[tuple[str, EdgeReason]]:
    """The targets of `next`; an unconditional one is labelled with the choices that have no `go` of their own."""
    for at, branch in enumerate(step.next):
        if branch.when is not None:
            yield branch.go, EdgeReason(EdgeKind.WHEN, f"if {' '.join(branch.when.split())}")
        elif at:
            yield branch.go, EdgeReason(EdgeKind.OTHERWISE, "otherwise")
        elif has_choices and open_choices:
            for key, choice in open_choices.items():
                yield branch.go, EdgeReason(EdgeKind.CHOICE, choice.label, key)
        else:
            yield branch.go, EdgeReason(EdgeKind.ALWAYS, _DEFAULT_WAY.get(type(step), ""))


def _steps_within(graph: Graph, step: str, hops: int, most: int) -> set[str]:
    beside: dict[str, list[str]] = {name: [] for name in graph.names}
    for edge in graph.edges:
        if edge.target in beside and edge.source in beside:
            beside[edge.source].append(edge.target)
            beside[edge.target].append(edge.source)
    near, edge_of = {step}, [step]
    for _ in range(hops):
        ring = dict.fromkeys(other for name in edge_of for other in beside[name] if other not in near)
        edge_of = list(ring)[: most - len(near)]
        near |= set(edge_of)
    return near
