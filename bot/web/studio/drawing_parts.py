"""What a drawing is made of before it is laid out: boxes with their words and sizes, arrows with their labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.domain.flow_graph import MARKS, Edge, Graph, Node
from bot.web.studio import lettering

NAME, SMALL = 14.0, 12.0
"""Sizes of letters, in pixels; none is smaller than 12."""
LINE = 16.0
HEAD = 30.0
PAD = 13.0
ICON = 22.0
_NARROW, _WIDE = 136.0, 196.0
_LABEL, _ASIDE = 116.0, 66.0
_MOST_LINES = 3
KINDS = {
    "ask": "asks",
    "say": "says",
    "decide": "decides",
    "handoff": "calls a human",
    "refer": "offers services",
    "referral": "referral news",
    "check_in": "plans check-ins",
    "measure": "measures",
    "run": "runs a flow",
    "consent": "consent",
    "erase": "erases",
    "wait": "waits",
    "end": "ends",
}


@dataclass(frozen=True, slots=True)
class Box:
    """One thing that is placed: a step, or a mark (`start`, `:ended`, `:human`, `hidden`)."""

    width: float
    height: float
    node: Node | None = None
    mark: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrow:
    """One way from box to box, by their numbers."""

    source: int
    target: int
    lines: tuple[str, ...] = ()
    edge: Edge | None = None

    @property
    def room(self) -> tuple[float, float]:
        """Width and height of the label; nothing where there is none."""
        if not self.lines:
            return 0, 0
        return max(lettering.width_of(line, SMALL) for line in self.lines) + 12, len(self.lines) * 15 + 2


@dataclass(slots=True)
class Parts:
    """Boxes and arrows; a mark gets its own box at each step that leads to it, so that no arrow crosses the page for it."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def wanted(self) -> dict[str, Any]:
        """What is laid out: numbers only."""
        return {
            "is_first_on_top": bool(self.boxes) and self.boxes[0].mark == "start",
            "boxes": [[round(box.width), round(box.height)] for box in self.boxes],
            "arrows": [
                [each.source, each.target, *map(round, each.room), 1 if each.edge and each.edge.is_aside else 4]
                for each in self.arrows
            ],
        }


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts go, in pixels from the upper left; in the order of the parts."""

    size: tuple[float, float]
    boxes: list[tuple[float, float]]
    arrows: list[tuple[list[tuple[float, float]], tuple[float, float], tuple[float, float] | None]]
    """The curve's points, its tip, and the middle of its label."""


def of(graph: Graph) -> Parts:
    """The parts of a graph."""
    parts = Parts()
    if graph.start:
        parts.boxes.append(Box(16, 16, mark="start"))
    number = {}
    for node in graph.nodes:
        number[node.name] = len(parts.boxes)
        parts.boxes.append(box_of(node))
    if graph.start:
        parts.arrows.append(Arrow(0, number[graph.start]))
    for edge in graph.edges:
        if edge.target in MARKS:
            target = len(parts.boxes)
            parts.boxes.append(Box(20, 20, mark=edge.target) if edge.target == MARKS[0] else Box(26, 26, mark=edge.target))
        else:
            target = number[edge.target]
        parts.arrows.append(Arrow(number[edge.source], target, label_of(edge), edge))
    for name, count in graph.hidden.items():
        words = f"{count} more"
        parts.boxes.append(Box(lettering.width_of(words, SMALL) + 20, 24, mark="hidden", lines=(words,)))
        parts.arrows.append(Arrow(number[name], len(parts.boxes) - 1))
    return parts


def box_of(node: Node) -> Box:
    """A step's box: as wide as its name needs, with the first words of its text."""
    head = (
        lettering.width_of(node.name, NAME, is_bold=True) + lettering.width_of(KINDS.get(node.kind, ""), SMALL) + ICON + 14
    )
    words = lettering.clean(node.text)
    inner = max(head, min(_WIDE, max(_NARROW, lettering.width_of(words, SMALL) / 2)))
    lines = tuple(lettering.wrap(words, SMALL, inner, _MOST_LINES))
    side = PAD + (10 if node.kind in ("decide", "run") else 0)
    return Box(inner + 2 * side, HEAD + len(lines) * LINE + (10 if lines else 4), node, lines=lines)


def label_of(edge: Edge) -> tuple[str, ...]:
    """An arrow's label in at most three short lines; the rest of it is told by the arrow's title."""
    words = [lettering.clean(words) for words in edge.words]
    if not words:
        return ()
    if len(words) == 1:
        return tuple(lettering.wrap(words[0], SMALL, _ASIDE if edge.is_aside else _LABEL, 2))
    shown = words if len(words) == 2 else [*words[:2], f"and {len(words) - 2} more"]
    return tuple(lettering.cut(each, SMALL, _LABEL) for each in shown)
