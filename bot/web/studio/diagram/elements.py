"""The parts of a drawing before the layout: boxes with their texts and sizes, arrows with their labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.domain.flows.graph import TERMINALS, Edge, Graph, StepNode
from bot.web.studio.diagram import lettering

NAME_SIZE, SMALL_SIZE = 14.0, 12.0
"""Font sizes in pixels; none may be smaller than 12."""
LINE_HEIGHT = 16.0
HEAD_HEIGHT = 30.0
PADDING = 13.0
ICON_WIDTH = 22.0
_MIN_TEXT_WIDTH, _MAX_TEXT_WIDTH = 136.0, 196.0
_LABEL_WIDTH, _ASIDE_LABEL_WIDTH = 116.0, 66.0
_MAX_LINES = 3
KIND_VERBS = {
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
    """One box of the layout: a step, or a mark (`start`, `:ended`, `:human`, `hidden`)."""

    width: float
    height: float
    node: StepNode | None = None
    mark: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow between two boxes, by their indexes."""

    source: int
    target: int
    lines: tuple[str, ...] = ()
    edge: Edge | None = None

    @property
    def label_size(self) -> tuple[float, float]:
        """Width and height of the label; 0 if there is none."""
        if not self.lines:
            return 0, 0
        return max(lettering.text_width(line, SMALL_SIZE) for line in self.lines) + 12, len(self.lines) * 15 + 2


@dataclass(slots=True)
class DrawingParts:
    """Boxes and arrows. A mark gets its own box at each step that leads to it, so that no arrow has to cross the page."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def layout_input(self) -> dict[str, Any]:
        """The input of the layout program: numbers only."""
        return {
            "is_first_on_top": bool(self.boxes) and self.boxes[0].mark == "start",
            "boxes": [[round(box.width), round(box.height)] for box in self.boxes],
            "arrows": [
                [each.source, each.target, *map(round, each.label_size), 1 if each.edge and each.edge.is_side_way else 4]
                for each in self.arrows
            ],
        }


@dataclass(frozen=True, slots=True)
class DrawingLayout:
    """The positions of the parts, in pixels from the upper left, in the order of the parts."""

    size: tuple[float, float]
    boxes: list[tuple[float, float]]
    arrows: list[tuple[list[tuple[float, float]], tuple[float, float], tuple[float, float] | None]]
    """The curve's points, its tip, and the middle of its label."""


def parts_of(graph: Graph) -> DrawingParts:
    """The parts of a graph."""
    parts = DrawingParts()
    if graph.start:
        parts.boxes.append(Box(16, 16, mark="start"))
    number = {}
    for node in graph.nodes:
        number[node.name] = len(parts.boxes)
        parts.boxes.append(box_of(node))
    if graph.start:
        parts.arrows.append(Arrow(0, number[graph.start]))
    for edge in graph.edges:
        if edge.target in TERMINALS:
            target = len(parts.boxes)
            parts.boxes.append(
                Box(20, 20, mark=edge.target) if edge.target == TERMINALS[0] else Box(26, 26, mark=edge.target)
            )
        else:
            target = number[edge.target]
        parts.arrows.append(Arrow(number[edge.source], target, label_of(edge), edge))
    for name, count in graph.hidden.items():
        words = f"{count} more"
        parts.boxes.append(Box(lettering.text_width(words, SMALL_SIZE) + 20, 24, mark="hidden", lines=(words,)))
        parts.arrows.append(Arrow(number[name], len(parts.boxes) - 1))
    return parts


def box_of(node: StepNode) -> Box:
    """A step's box: at least as wide as its name, with the beginning of its text."""
    head = (
        lettering.text_width(node.name, NAME_SIZE, is_bold=True)
        + lettering.text_width(KIND_VERBS.get(node.kind, ""), SMALL_SIZE)
        + ICON_WIDTH
        + 14
    )
    words = lettering.clean(node.text)
    inner = max(head, min(_MAX_TEXT_WIDTH, max(_MIN_TEXT_WIDTH, lettering.text_width(words, SMALL_SIZE) / 2)))
    lines = tuple(lettering.wrap(words, SMALL_SIZE, inner, _MAX_LINES))
    side = PADDING + (10 if node.kind in ("decide", "run") else 0)
    return Box(inner + 2 * side, HEAD_HEIGHT + len(lines) * LINE_HEIGHT + (10 if lines else 4), node, lines=lines)


def label_of(edge: Edge) -> tuple[str, ...]:
    """An arrow's label in at most three short lines; the arrow's title has all of it."""
    words = [lettering.clean(words) for words in edge.words]
    if not words:
        return ()
    if len(words) == 1:
        return tuple(lettering.wrap(words[0], SMALL_SIZE, _ASIDE_LABEL_WIDTH if edge.is_side_way else _LABEL_WIDTH, 2))
    shown = words if len(words) == 2 else [*words[:2], f"and {len(words) - 2} more"]
    return tuple(lettering.truncate(each, SMALL_SIZE, _LABEL_WIDTH) for each in shown)
