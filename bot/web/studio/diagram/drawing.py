"""A flow's graph as an SVG drawing: laid out by Graphviz in a child process with a time limit, and cached.

The layout depends on the structure alone, so selecting a step or showing the transcripts' coverage needs no new layout.
Why a child process: docs/decisions/diagram-in-a-child-process.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any

from bot.domain.flows.graph import Graph, subgraph_around, widest_subgraph
from bot.web.studio.diagram import elements, shapes
from bot.web.studio.diagram.elements import DrawingLayout, DrawingParts
from bot.web.studio.diagram.shapes import DrawingOverlay

LAYOUT_SECONDS = 4.0
"""The longest that a page waits for the layout of a whole flow; a neighbourhood gets half of it."""
MAX_STEPS = 120
"""A diagram with more steps than this is unreadable, so only a neighbourhood is drawn."""
NEIGHBOURHOOD_SIZES = (40, 14)
"""Sizes of a neighbourhood in steps; the smaller is tried if the bigger takes too long."""
MAX_CACHED = 64
_MAX_PARALLEL = 2
_PROGRAM = Path(__file__).with_name("lay_out.py")


class LayoutTooSlow(Exception):
    """The layout was stopped because it took too long or too much memory."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The SVG or None; `words` says why there is none, or that it shows only a part. `graph` is what was drawn."""

    svg: str | None
    words: str
    graph: Graph

    @property
    def is_whole(self) -> bool:
        return self.svg is not None and not self.words


@dataclass(frozen=True, slots=True)
class _CachedLayout:
    layout: DrawingLayout | None
    """None: it took too long, and would do so again."""


class _LayoutCache:
    """An LRU cache of layouts by the digest of their input."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._layouts: OrderedDict[str, _CachedLayout] = OrderedDict()

    def get(self, key: str) -> _CachedLayout | None:
        with self._lock:
            found = self._layouts.get(key)
            if found is not None:
                self._layouts.move_to_end(key)
            return found

    def put(self, key: str, layout: DrawingLayout | None) -> None:
        with self._lock:
            self._layouts[key] = _CachedLayout(layout)
            while len(self._layouts) > MAX_CACHED:
                self._layouts.popitem(last=False)

    def __len__(self) -> int:
        return len(self._layouts)


layout_cache = _LayoutCache()
_layout_slots = BoundedSemaphore(_MAX_PARALLEL)
"""Limits the parallel layouts of one process, because the same two cores also answer people."""


def draw(
    graph: Graph, shown: DrawingOverlay | None = None, *, seconds: float = LAYOUT_SECONDS, near: bool = False
) -> Drawing:
    """The drawing of a flow, or of the part around the selected step, or none; `words` then says why. With `near`, only
    the steps next to the selected one, which fit beside a form.

    Takes at most twice `seconds`, however tangled the flow is.
    """
    shown = shown or DrawingOverlay()
    if near and shown.selected in graph.names:
        graph = subgraph_around(graph, shown.selected, 1, NEIGHBOURHOOD_SIZES[1])
    if len(graph.nodes) <= MAX_STEPS:
        drawn = _draw_svg(graph, shown, seconds)
        if drawn is not None:
            return Drawing(drawn, "", graph)
    centre = shown.selected if shown.selected in graph.names else graph.start or graph.names[0]
    for most in NEIGHBOURHOOD_SIZES:
        if most < len(graph.nodes):
            part = widest_subgraph(graph, centre, most)
            drawn = _draw_svg(part, shown, seconds / 2)
            if drawn is not None:
                return Drawing(drawn, f"The flow is too big to be drawn whole: this is what lies around `{centre}`.", part)
    return Drawing(None, "The flow is too tangled to be drawn, so it is told in words.", graph)


def _draw_svg(graph: Graph, shown: DrawingOverlay, seconds: float) -> str | None:
    parts = elements.parts_of(graph)
    try:
        places = _find_layout(parts, seconds)
    except LayoutTooSlow:
        return None
    return shapes.render_svg(graph, parts, places, shown)


def _find_layout(parts: DrawingParts, seconds: float) -> DrawingLayout:
    """The layout; raises TooSlow, at once if the same layout was too slow before."""
    wanted = json.dumps(parts.layout_input)
    key = sha256(wanted.encode()).hexdigest()
    found = layout_cache.get(key)
    if found is None:
        if not _layout_slots.acquire(timeout=seconds):
            # Other layouts used up the time. That says nothing about this one, so nothing is cached.
            raise LayoutTooSlow
        try:
            places = _run_layout(wanted, seconds)
        finally:
            _layout_slots.release()
        layout_cache.put(key, places)
        found = _CachedLayout(places)
    if found.layout is None:
        raise LayoutTooSlow
    return found.layout


def _run_layout(layout_input: str, seconds: float) -> DrawingLayout | None:
    """The child process's layout; None if it was stopped. It gets an empty environment, so no settings and no secrets."""
    command = [sys.executable, "-I", str(_PROGRAM)]
    try:
        done = subprocess.run(
            command, input=layout_input, capture_output=True, text=True, timeout=seconds, env={}, check=True
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError, OSError):
        return None
    return DrawingLayout(tuple(answer["size"]), answer["boxes"], answer["arrows"])
