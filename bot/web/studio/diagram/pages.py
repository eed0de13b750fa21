"""The diagram of a flow: as a figure on the studio's pages, with a legend and a description in words, and as an SVG file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from flask import Blueprint, Response, make_response, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from bot.domain.flows.checks.coverage import TranscriptCoverage
from bot.domain.flows.graph import Edge, Graph, StepNode, graph_of, merge_graphs
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem, Severity
from bot.domain.staff.permissions import Permission
from bot.domain.state_machine import ENDED, HUMAN
from bot.usecases.studio.flow_sets import parse_source
from bot.usecases.studio.open_flow import open_flow
from bot.web.access import require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame
from bot.web.studio.diagram import colours
from bot.web.studio.diagram.drawing import Drawing, draw
from bot.web.studio.diagram.elements import KIND_VERBS
from bot.web.studio.diagram.shapes import ICONS, DrawingOverlay, describe_step

diagram = Blueprint("diagram", __name__, url_prefix="/console")
_UNREADABLE = "There is no drawing while the file cannot be read. What is wrong is said beside it."
StepProblems = Mapping[str, str | Collection[FlowProblem]]
"""Step -> its problems, or only `error` or `warning`."""


@diagram.get("/flows/<string:flow>/diagram.svg")
@require_permission(Permission.SEE_FLOWS)
def download(flow: str) -> ResponseReturnValue:
    """The diagram as a standalone SVG file with its own colours."""
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
    if opened is None:
        return frame.not_found()
    drawn = drawing_of(opened.content, flow)
    if drawn is None or drawn.svg is None:
        svg = colours.message_file(drawn.words if drawn else _UNREADABLE)
    else:
        svg = colours.standalone(drawn.svg)
    response: Response = make_response(svg)
    response.mimetype = "image/svg+xml"
    response.headers["Content-Disposition"] = f'inline; filename="{flow}.svg"'
    return response


def figure(
    content: FlowContent,
    flow: str,
    selected: str | None = None,
    coverage: TranscriptCoverage | None = None,
    marks: Mapping[str, str] | None = None,
    problems: StepProblems | None = None,
    *,
    before: FlowContent | None = None,
    renamed: Mapping[str, str] | None = None,
    near: bool = False,
) -> Markup:
    """The diagram with its legend and its description in words, for a page of the studio.

    `marks`: step -> `added`, `removed`, `changed` or `renamed`. With `before`, the earlier content, removed steps and edges
    are drawn too; `renamed` (old name -> new) keeps the edges of a renamed step from being marked as new.
    `near` draws only as much as fits beside a form.
    """
    path = f"/console/flows/{flow}"
    whole = _graph(content, flow)
    if whole is None:
        return _render_figure(flow=flow, drawn=None, words=_UNREADABLE)
    graph, ways = _with_removed(whole, before, flow, marks or {}, renamed or {})
    shown = DrawingOverlay(
        selected=selected or "", path=path, coverage=coverage, changes=marks or {}, edge_changes=ways,
        problems={name: _worst(found) for name, found in (problems or {}).items() if found}, title=flow,
    )  # fmt: skip
    drawn = draw(graph, shown, near=near)
    lines = [(node.name, describe_step(node, graph, shown)) for node in graph.nodes]
    return _render_figure(
        flow=flow,
        path=path,
        drawn=drawn,
        svg=Markup(drawn.svg or ""),  # noqa: S704 - made by drawing_shapes, which escapes every word
        words=drawn.words,
        lines=lines,
        legend=_legend(drawn, shown),
        selected=selected or "",
    )


def _render_figure(**values: object) -> Markup:
    return Markup(render_template("studio/diagram_figure.html", **values))  # noqa: S704 - the template escapes


def drawing_of(content: FlowContent, flow: str) -> Drawing | None:
    """The drawing of a flow with no step selected; None if its file cannot be read."""
    graph = _graph(content, flow)
    return draw(graph, DrawingOverlay(title=flow)) if graph is not None else None


@lru_cache(maxsize=64)
def _parse_graph(source: str, flow: str) -> Graph | None:
    try:
        return graph_of(parse_source(source, f"{flow}.yaml")[0])
    except FlowError:
        return None


def _graph(content: FlowContent, flow: str) -> Graph | None:
    return _parse_graph(content.source, flow)


def _with_removed(
    after: Graph, before: FlowContent | None, flow: str, marks: Mapping[str, str], renamed: Mapping[str, str]
) -> tuple[Graph, dict[tuple[str, str], str]]:
    """The graph with the removed steps and edges, and (source, target) -> `added` or `removed`."""
    earlier = _graph(before, flow) if before is not None else None
    if earlier is None:
        return after, {}
    both = merge_graphs(earlier, after, [name for name, mark in marks.items() if mark == "removed"], renamed)
    was = {_edge_key(edge, renamed) for edge in earlier.edges}
    becomes = {_edge_key(edge, {}) for edge in after.edges}
    ways = dict.fromkeys(becomes - was, "added") | dict.fromkeys(was - becomes, "removed")
    return both, ways


def _edge_key(edge: Edge, renamed: Mapping[str, str]) -> tuple[str, str]:
    return renamed.get(edge.source, edge.source), renamed.get(edge.target, edge.target)


def _worst(found: str | Collection[FlowProblem]) -> str:
    if isinstance(found, str):
        return found
    return "error" if any(problem.severity == Severity.ERROR for problem in found) else "warning"


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One line of the legend: a mark of the diagram and its meaning."""

    shape: str
    words: str
    icon: str = ""


def _legend(drawn: Drawing, shown: DrawingOverlay) -> list[LegendEntry]:
    """The legend of the marks that this drawing contains."""
    graph = drawn.graph
    kinds = dict.fromkeys(node.kind for node in graph.nodes)
    signs = [LegendEntry("kind", KIND_VERBS.get(kind, kind), ICONS.get(kind, "")) for kind in ICONS if kind in kinds]
    targets = {edge.target for edge in graph.edges}
    signs += [LegendEntry("ended", "the flow ends")] if ENDED in targets else []
    signs += [LegendEntry("human", "a human takes over", ICONS["handoff"])] if HUMAN in targets else []
    signs += (
        [LegendEntry("aside", "no answer, not understood or nothing found")]
        if any(e.is_side_way for e in graph.edges)
        else []
    )
    return signs + _mark_legend(graph.nodes, shown)


def _mark_legend(nodes: tuple[StepNode, ...], shown: DrawingOverlay) -> list[LegendEntry]:
    names = {node.name for node in nodes}
    here = {mark for name, mark in shown.changes.items() if name in names}
    wrong = {mark for name, mark in shown.problems.items() if name in names}
    signs = [LegendEntry("selected", "the step that is open")] if shown.selected in names else []
    signs += [
        LegendEntry(mark, f"{mark} in this draft") for mark in ("added", "removed", "changed", "renamed") if mark in here
    ]
    signs += [
        LegendEntry(mark, f"has {'an' if mark == 'error' else 'a'} {mark}") for mark in ("error", "warning") if mark in wrong
    ]
    if shown.coverage is not None:
        signs += [
            LegendEntry("covered", "covered by a transcript"),
            LegendEntry("missed", "not covered; (?) at an answer that none picks"),
        ]  # fmt: skip
    return signs
