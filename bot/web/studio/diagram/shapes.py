"""The SVG of a drawing after its layout. Elements carry classes; `diagram.css` gives them their light and dark colours.

Colour is never the only sign: missing coverage, changes and problems also have dashes, a mark and words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from bot.domain.flows.checks.coverage import TranscriptCoverage
from bot.domain.flows.graph import Edge, Graph, StepNode
from bot.domain.state_machine import ENDED, HUMAN
from bot.web.studio.diagram import lettering
from bot.web.studio.diagram.elements import (
    HEAD_HEIGHT,
    ICON_WIDTH,
    KIND_VERBS,
    LINE_HEIGHT,
    NAME_SIZE,
    PADDING,
    SMALL_SIZE,
    Arrow,
    Box,
    DrawingLayout,
    DrawingParts,
)

MARGIN = 16.0
ICONS = {
    "ask": (
        "M8 1.5a6.5 6.5 0 1 1-3.4 12L1.5 14.5l1-3.1A6.5 6.5 0 0 1 8 1.5"
        "M6.2 6.2a1.9 1.9 0 1 1 2.6 1.8c-.6.3-.8.6-.8 1.2M8 11.4v.2"
    ),
    "say": "M2.5 2.5h11v8h-6l-3 3v-3h-2zM5 5.3h6M5 7.7h4",
    "decide": "M8 1.5 14.5 8 8 14.5 1.5 8zM8 5.5v5",
    "handoff": "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8M2.5 14.2c.4-3 2.6-4.4 5.5-4.4s5.1 1.4 5.5 4.4z",
    "refer": (
        "M8 14.5C5 11 3.5 8.7 3.5 6.3a4.5 4.5 0 0 1 9 0C12.5 8.7 11 11 8 14.5M8 7.9a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.2"
    ),
    "referral": "M3 2.5h10v11H3zM5.5 8l2 2 3.2-4",
    "check_in": "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 1.8v3M10.5 1.8v3M8 8.2v2l1.5.8",
    "measure": "M2.5 13.5h11M4.5 13V9.5M8 13V6M11.5 13V2.5",
    "run": "M2.5 8h8M7.5 4.5 11 8l-3.5 3.5M13.5 3v10",
    "consent": "M8 1.5 13.5 3.5v4c0 3.5-2.3 6-5.5 7-3.2-1-5.5-3.5-5.5-7v-4zM5.5 7.8l1.8 1.8 3.2-3.6",
    "erase": "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.6 9.5h5.8l.6-9.5M7 7v4.5M9 7v4.5",
    "wait": "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13M8 4.5V8l2.5 1.5",
    "end": "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13M5.5 5.5h5v5h-5z",
}
CHANGE_BADGES = {"added": "+", "removed": "-", "changed": "~", "renamed": "=", "moved": "~"}
"""The badge of a changed step."""
_CORNER_RADII = {"ask": 12, "say": 12, "wait": 40, "end": 40, "check_in": 18, "handoff": 8}
_MARK_NAMES = {ENDED: "the end", HUMAN: "a human"}


@dataclass(frozen=True, slots=True)
class DrawingOverlay:
    """What the drawing shows besides the flow itself."""

    selected: str = ""
    path: str = ""
    """The page that steps link to, like `/console/flows/welcome`; "" for no links."""
    coverage: TranscriptCoverage | None = None
    """What the transcripts cover."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """Step -> one of CHANGES."""
    edge_changes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(Source step, target step) -> `added` or `removed`."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Step -> `error` or `warning`."""
    title: str = ""


def render_svg(graph: Graph, parts: DrawingParts, layout: DrawingLayout, shown: DrawingOverlay) -> str:
    """The drawing as SVG text. All texts in it are escaped, and it contains no styles."""
    width, height = (round(side + 2 * MARGIN) for side in layout.size)
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "flow-drawing",
            "width": str(width),
            "height": str(height),
            "viewBox": f"{-MARGIN:g} {-MARGIN:g} {width} {height}",
            "role": "group",
            "aria-label": lettering.clean(f"Drawing of the flow {shown.title or graph.flow}"),
        },
    )
    # Arrows first, so that boxes cover their ends, and labels last, over everything.
    for arrow, (curve, tip, _) in zip(parts.arrows, layout.arrows, strict=True):
        _arrow(root, arrow, curve, tip, shown)
    for box, where in zip(parts.boxes, layout.boxes, strict=True):
        if box.node is None:
            _mark(root, box, where)
        else:
            _step(root, box, box.node, where, graph, shown)
    for arrow, (_, _, middle) in zip(parts.arrows, layout.arrows, strict=True):
        if middle is not None:
            _label(root, arrow, middle, shown)
    return tostring(root, encoding="unicode")


def describe_step(node: StepNode, graph: Graph, shown: DrawingOverlay) -> str:
    """A step in words, for screen readers and as its tooltip."""
    kind = "start of the flow, " if node.is_start else ""
    words = [f"{node.name}, {kind}{KIND_VERBS.get(node.kind, node.kind)}{': ' if node.text else ''}{_shorten(node.text)}"]
    words += [f"{word} in this draft" for word in [shown.changes.get(node.name)] if word]
    words += [f"has an {word}" if word == "error" else f"has a {word}" for word in [shown.problems.get(node.name)] if word]
    if shown.coverage is not None and shown.changes.get(node.name) != "removed":
        words.append("covered by a transcript" if node.name in shown.coverage.steps else "not covered by any transcript")
    ways = [
        f"{_MARK_NAMES.get(edge.target, edge.target)}{_reason_suffix(edge)}"
        for edge in graph.edges
        if edge.source == node.name
    ]
    words += ["leads to " + "; ".join(ways)] if ways else []
    return lettering.clean(". ".join(word.rstrip(".") for word in words) + ".")


def _reason_suffix(edge: Edge) -> str:
    return f" ({edge.label})" if edge.label else ""


def _shorten(words: str) -> str:
    return words if len(words) <= 160 else words[:157].rstrip() + lettering.ELLIPSIS


def _step(
    root: Element, box: Box, node: StepNode, where: tuple[float, float], graph: Graph, shown: DrawingOverlay
) -> None:  # fmt: skip
    group = SubElement(root, "g", {"id": f"step-{node.name}", "class": _step_class(node, shown)})
    description = describe_step(node, graph, shown)
    holder = group
    if shown.path:
        link = {"href": f"{shown.path}?step={quote(node.name, safe='')}#step", "aria-label": description}
        holder = SubElement(group, "a", link | ({"aria-current": "true"} if node.name == shown.selected else {}))
    SubElement(holder, "title").text = description
    left, top = where[0] - box.width / 2, where[1] - box.height / 2
    _outline(holder, node.kind, left, top, box)
    inset = PADDING + (10 if node.kind in ("decide", "run") else 0)
    _icon(holder, node.kind, left + inset, top + 8)
    _text(holder, left + inset + ICON_WIDTH, top + 21, node.name, "fd-name", NAME_SIZE)
    _text(holder, left + box.width - inset, top + 21, KIND_VERBS.get(node.kind, node.kind), "fd-kind", SMALL_SIZE, "end")
    for number, line in enumerate(box.lines):
        _text(holder, left + inset, top + HEAD_HEIGHT + 11 + number * LINE_HEIGHT, line, "fd-words", SMALL_SIZE)
    _badges(holder, node, left, top, box, shown)


def _step_class(node: StepNode, shown: DrawingOverlay) -> str:
    words = ["fd-step", f"fd-{node.kind.replace('_', '-')}"]
    words += ["is-start"] if node.is_start else []
    words += ["is-selected"] if node.name == shown.selected else []
    words += [f"is-{shown.changes[node.name]}"] if node.name in shown.changes else []
    words += [f"has-{shown.problems[node.name]}"] if node.name in shown.problems else []
    if shown.coverage is not None and shown.changes.get(node.name) != "removed":
        words.append("is-covered" if node.name in shown.coverage.steps else "is-missed")
    return " ".join(words)


def _outline(holder: Element, kind: str, left: float, top: float, box: Box) -> None:
    width, height = box.width, box.height
    if kind == "decide":
        slant, right, bottom, middle = 13, left + width, top + height, top + height / 2
        corners = [(left + slant, top), (right - slant, top), (right, middle), (right - slant, bottom),
                   (left + slant, bottom), (left, middle)]  # fmt: skip
        SubElement(holder, "polygon", {"class": "fd-box", "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)})
        return
    corner = min(_CORNER_RADII.get(kind, 3), height / 2)
    _rect(holder, "fd-box", left, top, width, height, corner)
    if kind == "run":
        for x in (left + 8, left + width - 8):
            SubElement(holder, "path", {"class": "fd-rail", "d": f"M{x:.1f} {top:.1f}v{height:.1f}"})
    if kind == "ask":
        SubElement(holder, "path", {"class": "fd-rail", "d": f"M{left + 5:.1f} {top + 11:.1f}v{height - 22:.1f}"})


def _rect(holder: Element, name: str, left: float, top: float, width: float, height: float, corner: float) -> None:
    numbers = {"x": left, "y": top, "width": width, "height": height, "rx": corner}
    SubElement(holder, "rect", {"class": name, **{key: f"{number:.1f}" for key, number in numbers.items()}})


def _icon(holder: Element, kind: str, left: float, top: float) -> None:
    SubElement(
        holder,
        "path",
        {"class": "fd-icon", "transform": f"translate({left:.1f} {top:.1f})", "d": ICONS.get(kind, ICONS["end"])},
    )


def _text(
    holder: Element, x: float, y: float, words: str, name: str, size: float, anchor: str = "start"
) -> None:  # fmt: skip
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "font-size": f"{size:g}", "class": name}
    SubElement(holder, "text", place | ({"text-anchor": anchor} if anchor != "start" else {})).text = words


def _badges(holder: Element, node: StepNode, left: float, top: float, box: Box, shown: DrawingOverlay) -> None:
    right, bottom = left + box.width - 6, top + box.height - 1
    if node.name in shown.changes:
        _badge(holder, left + 6, top + 1, "fd-badge-change", CHANGE_BADGES.get(shown.changes[node.name], "~"))
    if node.name in shown.problems:
        _badge(holder, right, top + 1, f"fd-badge-{shown.problems[node.name]}", "!")
    if shown.coverage is not None and shown.changes.get(node.name) != "removed":
        covered = node.name in shown.coverage.steps
        _badge(holder, right, bottom, "fd-badge-covered" if covered else "fd-badge-missed", "✓" if covered else "?")


def _badge(holder: Element, x: float, y: float, name: str, letter: str) -> None:
    group = SubElement(holder, "g", {"class": f"fd-badge {name}"})
    SubElement(group, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "9"})
    if letter == "✓":
        SubElement(group, "path", {"d": f"M{x - 4:.1f} {y + 0.5:.1f}l2.8 2.8 5-6"})
    else:
        _text(group, x, y + 4.5, letter, "fd-sign", 13, "middle")


def _mark(root: Element, box: Box, where: tuple[float, float]) -> None:
    x, y = where
    group = SubElement(root, "g", {"class": f"fd-mark fd-mark-{box.mark.lstrip(':')}", "aria-hidden": "true"})
    place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}"}
    if box.mark == "start":
        SubElement(group, "title").text = "The flow starts here"
        SubElement(group, "circle", {"class": "fd-dot", **place, "r": "7"})
    elif box.mark == ENDED:
        SubElement(group, "title").text = "The flow ends"
        SubElement(group, "circle", {"class": "fd-ring", **place, "r": "9"})
        SubElement(group, "circle", {"class": "fd-dot", **place, "r": "5"})
    elif box.mark == HUMAN:
        SubElement(group, "title").text = "A human takes over"
        SubElement(group, "circle", {"class": "fd-ring", **place, "r": "12"})
        _icon(group, "handoff", x - 8, y - 8.5)
    else:
        SubElement(group, "title").text = "Ways that lead to or come from steps that are not shown"
        _rect(group, "fd-ring", x - box.width / 2, y - box.height / 2, box.width, box.height, 12)
        _text(group, x, y + 4, box.lines[0], "fd-words", SMALL_SIZE, "middle")


def _arrow(
    root: Element, arrow: Arrow, curve: list[tuple[float, float]], tip: tuple[float, float], shown: DrawingOverlay
) -> None:  # fmt: skip
    group = SubElement(root, "g", {"class": _arrow_class(arrow, shown)})
    if arrow.edge is not None:
        SubElement(group, "title").text = _describe_edge(arrow.edge, shown)
    start, *rest = curve
    path = f"M{start[0]:g},{start[1]:g}C" + " ".join(f"{x:g},{y:g}" for x, y in rest)
    SubElement(group, "path", {"class": "fd-line", "d": path})
    SubElement(
        group, "polygon", {"class": "fd-head", "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in _head(curve[-1], tip))}
    )


def _head(end: tuple[float, float], tip: tuple[float, float]) -> list[tuple[float, float]]:
    """The corners of a slim arrowhead at the end of the curve."""
    angle = math.atan2(tip[1] - end[1], tip[0] - end[0])
    sides = (angle + 0.42, angle - 0.42)
    return [tip, *((tip[0] - 8.5 * math.cos(side), tip[1] - 8.5 * math.sin(side)) for side in sides)]


def _arrow_class(arrow: Arrow, shown: DrawingOverlay) -> str:
    words = ["fd-way"]
    if arrow.edge is None:
        return "fd-way"
    edge = arrow.edge
    words.append(f"fd-why-{edge.kind.value.replace('_', '-')}")
    words += ["is-aside"] if edge.is_side_way else []
    words += ["is-near"] if shown.selected in (edge.source, edge.target) and shown.selected else []
    change = shown.edge_changes.get((edge.source, edge.target))
    words += [f"is-{change}"] if change else []
    if shown.coverage is not None and change != "removed":
        words.append("is-covered" if (edge.source, edge.target) in shown.coverage.ways else "is-missed")
    return " ".join(words)


def _describe_edge(edge: Edge, shown: DrawingOverlay) -> str:
    words = f"{edge.source} leads to {_MARK_NAMES.get(edge.target, edge.target)}{_reason_suffix(edge)}"
    change = shown.edge_changes.get((edge.source, edge.target))
    words += f", {change} in this draft" if change else ""
    if shown.coverage is not None and change != "removed":
        covered = (edge.source, edge.target) in shown.coverage.ways
        words += ", covered by a transcript" if covered else ", not covered by any transcript"
        missed = missed_choices(edge, shown.coverage)
        words += f"; never picked there: {', '.join(missed)}" if covered and missed else ""
    return lettering.clean(words)


def missed_choices(edge: Edge, coverage: TranscriptCoverage) -> tuple[str, ...]:
    """The labels of this edge's choices that no transcript picks."""
    picked = coverage.choices
    return tuple(each.words for each in edge.reasons if each.choice and (edge.source, each.choice) not in picked)


def _label(root: Element, arrow: Arrow, middle: tuple[float, float], shown: DrawingOverlay) -> None:
    group = SubElement(root, "g", {"class": _arrow_class(arrow, shown) + " fd-way-label", "aria-hidden": "true"})
    top = middle[1] - len(arrow.lines) * 15 / 2 + 11
    missed = missed_choices(arrow.edge, shown.coverage) if arrow.edge and shown.coverage is not None else ()
    for number, line in enumerate(arrow.lines):
        is_last = number == len(arrow.lines) - 1
        _text(
            group,
            middle[0],
            top + number * 15,
            f"{line} (?)" if missed and is_last else line,
            "fd-label",
            SMALL_SIZE,
            "middle",
        )
