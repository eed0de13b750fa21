"""A flow as a graph: its steps, and the ways between them with the reasons in an author's words.

Its ways are those of the machine that runs the flow (a test holds the two together), with one exception: from each
step the word PERSON leads to a human, which would hide every other way. So `:human` is reached here only where the
flow itself gives up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from bot.domain.machine import ENDED, HUMAN
from bot.domain.script import (
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

MARKS = (ENDED, HUMAN)
"""Where a way may lead that is no step."""
_KIND_OF = {model: kind for kind, model in STEP_KINDS.items()}
_URGENCY = {"quarter_hour": "within 15 minutes", "this_shift": "this shift", "minutes": "within minutes"}


_COURSE: dict[type[Step], str] = {Ask: "any answer", Refer: "some found"}
"""How the usual way on is called beside other reasons to take it."""
_FROM = {"w": 4, "d": 2}
"""24h and 14d are how authors write a day and a fortnight; longer units begin with so many."""


class Why(StrEnum):
    """What makes a conversation take a way."""

    ALWAYS = "always"
    CHOICE = "choice"
    WHEN = "when"
    OTHERWISE = "otherwise"
    NOT_UNDERSTOOD = "not_understood"
    SILENCE = "silence"
    NONE = "none"
    END = "end"


_ASIDE = frozenset({Why.NOT_UNDERSTOOD, Why.SILENCE, Why.NONE})


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to take a way: in words, and the name of the choice where it is one."""

    why: Why
    words: str = ""
    choice: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A step. `text` is what it says, asks or does, in one line of any length."""

    name: str
    kind: str
    text: str = ""
    is_start: bool = False
    rests: bool = False
    """Whether the conversation stays here with a human."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A way; there is one for a source and a target, with all its reasons in the order of the file."""

    source: str
    target: str
    reasons: tuple[Reason, ...] = (Reason(Why.ALWAYS),)

    @property
    def words(self) -> tuple[str, ...]:
        """The reasons in words, each once; none for a way that is taken as a matter of course."""
        if [reason.why for reason in self.reasons] == [Why.ALWAYS]:
            return ()
        return tuple(dict.fromkeys(reason.words for reason in self.reasons if reason.words))

    @property
    def label(self) -> str:
        """The reasons in one line."""
        return " / ".join(self.words)

    @property
    def kind(self) -> Why:
        """The reason that is meant to be taken, before silence, misunderstanding and nothing found."""
        meant = [reason.why for reason in self.reasons if reason.why not in _ASIDE]
        return (meant or [self.reasons[0].why])[0]

    @property
    def is_aside(self) -> bool:
        """Whether it is only taken where things go another way than was hoped."""
        return self.kind in _ASIDE


@dataclass(frozen=True, slots=True)
class Graph:
    """A flow, or a part of it."""

    flow: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    hidden: Mapping[str, int] = field(default_factory=dict)
    """For each step that is shown, how many of its ways lead to or come from steps that are not."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)

    @property
    def start(self) -> str:
        """The step that the flow starts with; empty where this part does not show it."""
        return next((node.name for node in self.nodes if node.is_start), "")


def graph_of(script: Script) -> Graph:
    """The whole flow, its steps in the order of the file."""
    nodes = tuple(
        Node(name, kind_of(step), text_of(step), name == script.start, isinstance(step, Handoff) and not step.next)
        for name, step in script.steps.items()
    )
    edges = tuple(edge for name, step in script.steps.items() for edge in _edges(name, step))
    return Graph(script.flow, nodes, edges)


def around(graph: Graph, step: str, hops: int, most: int = 60) -> Graph:
    """What lies within so many ways of a step, forwards or backwards, but no more steps than `most`, the nearest first.

    A step that is not there gives what lies around the start.
    """
    near = _near(graph, step if step in graph.names else graph.start or graph.names[0], hops, most)
    nodes = tuple(node for node in graph.nodes if node.name in near)
    edges = tuple(edge for edge in graph.edges if edge.source in near and edge.target in near | set(MARKS))
    hidden: dict[str, int] = dict(graph.hidden)
    for edge in graph.edges:
        if edge.target not in MARKS and (edge.source in near) != (edge.target in near):
            seen = edge.source if edge.source in near else edge.target
            hidden[seen] = hidden.get(seen, 0) + 1
    return Graph(graph.flow, nodes, edges, {name: count for name, count in hidden.items() if name in near})


def neighbourhood(graph: Graph, step: str, most: int) -> Graph:
    """As much around a step as fits into so many steps: whole rings of neighbours, where not even the first is too big."""
    best = around(graph, step, 1, most)
    for hops in range(2, most):
        wider = around(graph, step, hops, most + 1)
        if len(wider.nodes) > most or len(wider.nodes) == len(best.nodes):
            break
        best = wider
    return best


def together(before: Graph, after: Graph, removed: Collection[str], renamed: Mapping[str, str]) -> Graph:
    """The flow as it becomes, with the steps and ways that it loses. `renamed`: old name -> new name."""
    kept = set(after.names)
    lost = tuple(replace(node, is_start=False) for node in before.nodes if node.name in removed and node.name not in kept)
    shown = kept | {node.name for node in lost} | set(MARKS)
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
    """The key that names a step's kind in the file, like `ask`."""
    return _KIND_OF[type(step)]


def text_of(step: Step) -> str:
    """What a step says or does, in one line; a `decide` says nothing."""
    return " ".join(_text(step).split())


def spoken(length: timedelta) -> str:
    """A length of time as an author writes it: `3d`, `90m`."""
    seconds = int(length.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0 and seconds >= _FROM.get(unit, 1) * size:
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
            return f"{step.check_in.flow}, after {', '.join(map(spoken, step.check_in.after))}"
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
            return spoken(step.wait)
        case Consent():
            return f"{'Takes back' if step.withdrawn else 'Agrees to'} {step.consent}"
        case Erase():
            return f"Deletes {step.erase}"
        case End():
            return step.end
        case _:
            return ""


def _edges(name: str, step: Step) -> list[Edge]:
    ways: dict[str, list[Reason]] = {}
    for target, reason in _ways(step):
        ways.setdefault(target, []).append(reason)
    return [Edge(name, target, tuple(reasons)) for target, reasons in ways.items()]


def _ways(step: Step) -> Iterator[tuple[str, Reason]]:
    """Every way with each of its reasons, what is meant first."""
    choices = step.choices if isinstance(step, Ask) else {}
    for key, choice in choices.items():
        if choice.go:
            yield choice.go, Reason(Why.CHOICE, choice.label, key)
    yield from _branches(step, {key: choice for key, choice in choices.items() if not choice.go}, bool(choices))
    if isinstance(step, Refer):
        yield step.none, Reason(Why.NONE, "none found")
    if isinstance(step, Ask):
        yield step.not_understood.go or HUMAN, Reason(Why.NOT_UNDERSTOOD, "not understood")
        if step.wait:
            yield step.wait.go, Reason(Why.SILENCE, f"no answer for {spoken(step.wait.after)}")
    if isinstance(step, End):
        yield ENDED, Reason(Why.END)
    if isinstance(step, Say) and step.end is not None:
        yield ENDED, Reason(Why.END, step.end)


def _branches(step: Step, open_choices: Mapping[str, Choice], has_choices: bool) -> Iterator[tuple[str, Reason]]:
    """The ways of `next`; one that is taken by the choices that lead nowhere themselves is told by them."""
    for at, branch in enumerate(step.next):
        if branch.when is not None:
            yield branch.go, Reason(Why.WHEN, f"if {' '.join(branch.when.split())}")
        elif at:
            yield branch.go, Reason(Why.OTHERWISE, "otherwise")
        elif has_choices and open_choices:
            for key, choice in open_choices.items():
                yield branch.go, Reason(Why.CHOICE, choice.label, key)
        else:
            yield branch.go, Reason(Why.ALWAYS, _COURSE.get(type(step), ""))


def _near(graph: Graph, step: str, hops: int, most: int) -> set[str]:
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
