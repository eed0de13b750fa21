"""A flow's graph as an SVG drawing: laid out by Graphviz in a program of its own, within a time, and kept.

What is laid out is the structure alone, so that to choose a step or to show what transcripts cover costs no new layout.
Why a program of its own: docs/decisions/diagram-in-a-child-process.md.
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

from bot.domain.flow_graph import Graph, around, neighbourhood
from bot.web.studio import drawing_parts, drawing_shapes
from bot.web.studio.drawing_parts import Parts, Places
from bot.web.studio.drawing_shapes import Shown

SECONDS = 4.0
"""The longest that a page waits for a whole flow; a neighbourhood gets half of it."""
MOST_WHOLE = 120
"""More steps than these nobody reads as one picture."""
MOST_AROUND = (40, 14)
"""Steps of a neighbourhood; the smaller where the bigger takes too long."""
MOST_KEPT = 64
_MOST_AT_ONCE = 2
_PROGRAM = Path(__file__).with_name("lay_out.py")


class TooSlow(Exception):
    """The layout was stopped: it took too long, or too much memory."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The SVG, or None; `words` says why there is none, or that it is only a part. `graph` is what was drawn."""

    svg: str | None
    words: str
    graph: Graph

    @property
    def is_whole(self) -> bool:
        return self.svg is not None and not self.words


@dataclass(frozen=True, slots=True)
class _Kept:
    places: Places | None
    """None: it took too long, and would again."""


class _Memory:
    """Layouts by the digest of what was laid out; the oldest use goes first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def get(self, key: str) -> _Kept | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: str, places: Places | None) -> None:
        with self._lock:
            self._kept[key] = _Kept(places)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


memory = _Memory()
_turns = BoundedSemaphore(_MOST_AT_ONCE)
"""Two cores answer people too: no more layouts at once than these in one process."""


def draw(graph: Graph, shown: Shown | None = None, *, seconds: float = SECONDS, near: bool = False) -> Drawing:
    """The drawing of a flow, or of what lies around the selected step, or none; `words` then says why. With `near`, only
    the steps right beside the selected one: what fits beside a form.

    Takes no longer than twice `seconds`, however tangled the flow is.
    """
    shown = shown or Shown()
    if near and shown.selected in graph.names:
        graph = around(graph, shown.selected, 1, MOST_AROUND[1])
    if len(graph.nodes) <= MOST_WHOLE:
        drawn = _drawn(graph, shown, seconds)
        if drawn is not None:
            return Drawing(drawn, "", graph)
    centre = shown.selected if shown.selected in graph.names else graph.start or graph.names[0]
    for most in MOST_AROUND:
        if most < len(graph.nodes):
            part = neighbourhood(graph, centre, most)
            drawn = _drawn(part, shown, seconds / 2)
            if drawn is not None:
                return Drawing(drawn, f"The flow is too big to be drawn whole: this is what lies around `{centre}`.", part)
    return Drawing(None, "The flow is too tangled to be drawn, so it is told in words.", graph)


def _drawn(graph: Graph, shown: Shown, seconds: float) -> str | None:
    parts = drawing_parts.of(graph)
    try:
        places = _places(parts, seconds)
    except TooSlow:
        return None
    return drawing_shapes.svg(graph, parts, places, shown)


def _places(parts: Parts, seconds: float) -> Places:
    """Where things go; raises TooSlow, at once where that was found out before."""
    wanted = json.dumps(parts.wanted)
    key = sha256(wanted.encode()).hexdigest()
    found = memory.get(key)
    if found is None:
        if not _turns.acquire(timeout=seconds):
            # Others' layouts took all the time there was. That says nothing about this one.
            raise TooSlow
        try:
            places = _laid_out(wanted, seconds)
        finally:
            _turns.release()
        memory.put(key, places)
        found = _Kept(places)
    if found.places is None:
        raise TooSlow
    return found.places


def _laid_out(wanted: str, seconds: float) -> Places | None:
    """What the child program answers; None where it was stopped. It is handed no setting, and no secret."""
    command = [sys.executable, "-I", str(_PROGRAM)]
    try:
        done = subprocess.run(command, input=wanted, capture_output=True, text=True, timeout=seconds, env={}, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError, OSError):
        return None
    return Places(tuple(answer["size"]), answer["boxes"], answer["arrows"])
