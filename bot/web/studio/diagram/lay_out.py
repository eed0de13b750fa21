"""The layout program: reads sizes from standard input and writes positions to standard output, as JSON.

A program of its own, because Graphviz holds the interpreter lock while it works, for minutes on a tangled graph; inside the
web process that would block every text message. It gets numbers only, so no author's text ever reaches Graphviz. It imports
none of our modules, so that it starts quickly and sees no settings.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from typing import Any

import pygraphviz

CPU_SECONDS = 8
"""The parent stops it sooner; this limit is for the case that the parent was killed."""
MAX_MEMORY = 1 << 30
_SETTINGS = (
    "graph [rankdir=TB, nodesep=0.3, ranksep=0.34, splines={splines}, nslimit={limit}, nslimit1={limit}, mclimit={effort}, "
    "searchsize=20, outputorder=nodesfirst, pad=0, margin=0];"
)
_MANY_BOXES = 60
"""With more boxes than this, a quick layout is preferred to a tidy one."""
_POINTS = 72.0


def to_dot(layout_input: dict[str, Any]) -> str:
    """The graph in Graphviz's DOT language.

    Boxes are [width, height]; arrows are [source, target, label width, label height, weight]. Sizes are in pixels.
    """
    many = len(layout_input["boxes"]) > _MANY_BOXES or len(layout_input["arrows"]) > 2 * _MANY_BOXES
    lines = [_SETTINGS.format(splines="polyline" if many else "true", limit=2 if many else 20, effort=0.3 if many else 2)]
    lines.append('node [shape=box, fixedsize=true, label=""]; edge [label="", arrowhead=normal, arrowsize=0.7];')
    for number, (width, height) in enumerate(layout_input["boxes"]):
        lines.append(f"n{number} [width={width / _POINTS:.4f}, height={height / _POINTS:.4f}];")
    if layout_input["is_first_on_top"]:
        lines.append("{rank=source; n0;}")
    for number, (source, target, width, height, weight) in enumerate(layout_input["arrows"]):
        room = f"label={_empty_label(width, height)}, " if width else ""
        lines.append(f"n{source:d} -> n{target:d} [{room}id={number}, weight={weight:d}];")
    return "digraph {\n" + "\n".join(lines) + "\n}\n"


def _empty_label(width: float, height: float) -> str:
    """An empty label of exactly this size; we measure and draw its text ourselves."""
    cell = f'<TD WIDTH="{width:.0f}" HEIGHT="{height:.0f}" FIXEDSIZE="TRUE"></TD>'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>{cell}</TR></TABLE>>'


def read_layout(laid: dict[str, Any]) -> dict[str, Any]:
    """Graphviz's layout with the y axis pointing down: the size, the centres of the boxes, the curves of the arrows."""
    _, _, width, height = _numbers(laid["bb"])

    def place(text: str) -> list[float]:
        x, y = _numbers(text)
        return [round(x, 1), round(height - y, 1)]

    boxes = sorted((int(box["name"][1:]), place(box["pos"])) for box in laid.get("objects", []) if "pos" in box)
    arrows = []
    for arrow in laid.get("edges", []):
        curve = [point for point in arrow["pos"].split() if not point.startswith("s,")]
        tip = next((place(point[2:]) for point in curve if point.startswith("e,")), None)
        line = [place(point) for point in curve if not point.startswith("e,")]
        arrows.append((int(arrow["id"]), line, tip or line[-1], place(arrow["lp"]) if "lp" in arrow else None))
    return {
        "size": [round(width, 1), round(height, 1)],
        "boxes": [where for _, where in boxes],
        "arrows": [list(arrow[1:]) for arrow in sorted(arrows)],
    }


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def main() -> None:
    """Read the request from standard input and write the layout to standard output."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    graph = pygraphviz.AGraph(string=to_dot(json.load(sys.stdin)))
    laid = json.loads(graph.draw(format="json0", prog="dot"))
    json.dump(read_layout(laid), sys.stdout)


if __name__ == "__main__":
    main()
