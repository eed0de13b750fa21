"""Says where the boxes and arrows of a drawing go: sizes in, places out, as JSON. Run as a program of its own.

Graphviz holds the interpreter's lock while it works, and on a tangled graph it works for minutes: inside the web
process it would stop every message of the line. It is given numbers alone, so no author's text is ever read by it.
It imports nothing of ours, so that it starts quickly and sees no setting.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from typing import Any

import pygraphviz

CPU_SECONDS = 8
"""The parent ends it sooner. This is for the one whose parent was killed."""
MOST_MEMORY = 1 << 30
_SETTINGS = (
    "graph [rankdir=TB, nodesep=0.3, ranksep=0.34, splines={splines}, nslimit={limit}, nslimit1={limit}, mclimit={effort}, "
    "searchsize=20, outputorder=nodesfirst, pad=0, margin=0];"
)
_MANY = 60
"""From so many boxes on, quick matters more than tidy."""
_POINTS = 72.0


def dot_of(wanted: dict[str, Any]) -> str:
    """The graph in Graphviz's own language.

    Boxes are [width, height]; arrows are [from, to, width and height of the label, weight].
    """
    many = len(wanted["boxes"]) > _MANY or len(wanted["arrows"]) > 2 * _MANY
    lines = [_SETTINGS.format(splines="polyline" if many else "true", limit=2 if many else 20, effort=0.3 if many else 2)]
    lines.append('node [shape=box, fixedsize=true, label=""]; edge [label="", arrowhead=normal, arrowsize=0.7];')
    for number, (width, height) in enumerate(wanted["boxes"]):
        lines.append(f"n{number} [width={width / _POINTS:.4f}, height={height / _POINTS:.4f}];")
    if wanted["is_first_on_top"]:
        lines.append("{rank=source; n0;}")
    for number, (source, target, width, height, weight) in enumerate(wanted["arrows"]):
        room = f"label={_room(width, height)}, " if width else ""
        lines.append(f"n{source:d} -> n{target:d} [{room}id={number}, weight={weight:d}];")
    return "digraph {\n" + "\n".join(lines) + "\n}\n"


def _room(width: float, height: float) -> str:
    """An empty label of exactly this size: what will stand there is measured and written by us."""
    cell = f'<TD WIDTH="{width:.0f}" HEIGHT="{height:.0f}" FIXEDSIZE="TRUE"></TD>'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>{cell}</TR></TABLE>>'


def places_of(laid: dict[str, Any]) -> dict[str, Any]:
    """What Graphviz found, with the y axis pointing down: the size, the middles of the boxes, the arrows' curves."""
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
    """Read what is wanted from the standard input, and write the places to the standard output."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    graph = pygraphviz.AGraph(string=dot_of(json.load(sys.stdin)))
    laid = json.loads(graph.draw(format="json0", prog="dot"))
    json.dump(places_of(laid), sys.stdout)


if __name__ == "__main__":
    main()
