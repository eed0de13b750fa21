"""A flow as a drawing: on the studio's pages, with its legend and the same in words, and as a file of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from flask import Blueprint, Response, make_response, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from bot.domain.flow_content import FlowContent
from bot.domain.flow_graph import Edge, Graph, Node, graph_of, together
from bot.domain.flow_watch import Coverage
from bot.domain.flow_yaml import FlowError, Problem, Severity
from bot.domain.machine import ENDED, HUMAN
from bot.domain.permissions import Permission
from bot.usecases.studio.world import read_source
from bot.web.console.access import needs
from bot.web.forms import runtime
from bot.web.studio import drawing_colours, frame
from bot.web.studio.drawing import Drawing, draw
from bot.web.studio.drawing_parts import KINDS
from bot.web.studio.drawing_shapes import ICONS, Shown, said_of

diagram = Blueprint("diagram", __name__, url_prefix="/console")
_UNREADABLE = "There is no drawing while the file cannot be read. What is wrong is said beside it."
Problems = Mapping[str, str | Collection[Problem]]
"""Step -> what is wrong with it: the problems themselves, or only `error` or `warning`."""


@diagram.get("/flows/<string:flow>/diagram.svg")
@needs(Permission.SEE_FLOWS)
def download(flow: str) -> ResponseReturnValue:
    """The drawing as a file that shows its colours anywhere."""
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
    if opened is None:
        return frame.not_there()
    drawn = drawing_of(opened.content, flow)
    if drawn is None or drawn.svg is None:
        svg = drawing_colours.in_words(drawn.words if drawn else _UNREADABLE)
    else:
        svg = drawing_colours.alone(drawn.svg)
    response: Response = make_response(svg)
    response.mimetype = "image/svg+xml"
    response.headers["Content-Disposition"] = f'inline; filename="{flow}.svg"'
    return response


def figure(
    content: FlowContent,
    flow: str,
    selected: str | None = None,
    coverage: Coverage | None = None,
    marks: Mapping[str, str] | None = None,
    problems: Problems | None = None,
    *,
    before: FlowContent | None = None,
    renamed: Mapping[str, str] | None = None,
    near: bool = False,
) -> Markup:
    """The drawing with its legend and its words, for a page of the studio.

    `marks`: step -> `added`, `removed`, `changed` or `renamed`. With `before`, what the flow was, the steps and ways that it
    loses are drawn too; `renamed` (old name -> new) keeps the ways of a renamed step from being told as new.
    `near` draws what fits beside a form.
    """
    path = f"/console/flows/{flow}"
    whole = _graph(content, flow)
    if whole is None:
        return _page_part(flow=flow, drawn=None, words=_UNREADABLE)
    graph, ways = _compared(whole, before, flow, marks or {}, renamed or {})
    shown = Shown(
        selected=selected or "", path=path, coverage=coverage, changes=marks or {}, ways=ways,
        problems={name: _worst(found) for name, found in (problems or {}).items() if found}, title=flow,
    )  # fmt: skip
    drawn = draw(graph, shown, near=near)
    lines = [(node.name, said_of(node, graph, shown)) for node in graph.nodes]
    return _page_part(
        flow=flow,
        path=path,
        drawn=drawn,
        svg=Markup(drawn.svg or ""),  # noqa: S704 - made by drawing_shapes, which escapes every word
        words=drawn.words,
        lines=lines,
        legend=_legend(drawn, shown),
        selected=selected or "",
    )


def _page_part(**values: object) -> Markup:
    return Markup(render_template("studio/diagram_figure.html", **values))  # noqa: S704 - the template escapes


def drawing_of(content: FlowContent, flow: str) -> Drawing | None:
    """The drawing of a flow with nothing chosen; None where its file cannot be read."""
    graph = _graph(content, flow)
    return draw(graph, Shown(title=flow)) if graph is not None else None


@lru_cache(maxsize=64)
def _read(source: str, flow: str) -> Graph | None:
    try:
        return graph_of(read_source(source, f"{flow}.yaml")[0])
    except FlowError:
        return None


def _graph(content: FlowContent, flow: str) -> Graph | None:
    return _read(content.source, flow)


def _compared(
    after: Graph, before: FlowContent | None, flow: str, marks: Mapping[str, str], renamed: Mapping[str, str]
) -> tuple[Graph, dict[tuple[str, str], str]]:
    """The graph with what is lost, and which ways are new or lost."""
    earlier = _graph(before, flow) if before is not None else None
    if earlier is None:
        return after, {}
    both = together(earlier, after, [name for name, mark in marks.items() if mark == "removed"], renamed)
    was = {_pair(edge, renamed) for edge in earlier.edges}
    becomes = {_pair(edge, {}) for edge in after.edges}
    ways = dict.fromkeys(becomes - was, "added") | dict.fromkeys(was - becomes, "removed")
    return both, ways


def _pair(edge: Edge, renamed: Mapping[str, str]) -> tuple[str, str]:
    return renamed.get(edge.source, edge.source), renamed.get(edge.target, edge.target)


def _worst(found: str | Collection[Problem]) -> str:
    if isinstance(found, str):
        return found
    return "error" if any(problem.severity == Severity.ERROR for problem in found) else "warning"


@dataclass(frozen=True, slots=True)
class Sign:
    """One line of the legend: a mark as it is drawn, and what it means."""

    shape: str
    words: str
    icon: str = ""


def _legend(drawn: Drawing, shown: Shown) -> list[Sign]:
    """The marks that this drawing really has."""
    graph = drawn.graph
    kinds = dict.fromkeys(node.kind for node in graph.nodes)
    signs = [Sign("kind", KINDS.get(kind, kind), ICONS.get(kind, "")) for kind in ICONS if kind in kinds]
    targets = {edge.target for edge in graph.edges}
    signs += [Sign("ended", "the flow ends")] if ENDED in targets else []
    signs += [Sign("human", "a human takes over", ICONS["handoff"])] if HUMAN in targets else []
    signs += [Sign("aside", "no answer, not understood or nothing found")] if any(e.is_aside for e in graph.edges) else []
    return signs + _legend_of_marks(graph.nodes, shown)


def _legend_of_marks(nodes: tuple[Node, ...], shown: Shown) -> list[Sign]:
    names = {node.name for node in nodes}
    here = {mark for name, mark in shown.changes.items() if name in names}
    wrong = {mark for name, mark in shown.problems.items() if name in names}
    signs = [Sign("selected", "the step that is open")] if shown.selected in names else []
    signs += [Sign(mark, f"{mark} in this draft") for mark in ("added", "removed", "changed", "renamed") if mark in here]
    signs += [Sign(mark, f"has {'an' if mark == 'error' else 'a'} {mark}") for mark in ("error", "warning") if mark in wrong]
    if shown.coverage is not None:
        signs += [
            Sign("covered", "covered by a transcript"),
            Sign("missed", "not covered; (?) at an answer that none picks"),
        ]  # fmt: skip
    return signs
