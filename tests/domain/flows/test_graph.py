"""A flow as a graph: it has exactly the engine's ways, its labels say why, and a part of it says how much is hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.flows.graph import Edge, EdgeKind, Graph, StepNode, graph_of, merge_graphs, subgraph_around, widest_subgraph
from bot.domain.flows.language.machine import FlowMachine
from bot.domain.flows.language.reader import read_flow
from bot.domain.flows.language.script import Script
from bot.domain.state_machine import ENDED, HUMAN
from tests.paths import ROOT

FLOWS = sorted((ROOT / "flows").glob("*.yaml"))
SMALL = """
flow: small
title: Small
start: need
steps:
  need:
    ask: What is it?
    choices:
      rent: {label: Rent, go: court}
      food: {label: Food}
      heat: {label: Heat}
    wait: {after: 3d, go: quiet}
    next: places
  court:
    ask: When?
    answer: date
    not_understood: {go: places}
    next:
      - {when: court and days_until(court) <= 7, go: person}
      - {go: places}
  places: {refer: {need: "{{ need }}"}, none: person, next: bye}
  person: {handoff: {team: housing, urgency: now}}
  bye: {say: Take care., end: referred}
  quiet: {end: no_reply}
"""


def small() -> Graph:
    return graph_of(read_flow(SMALL, "small.yaml"))


def way(graph: Graph, source: str, target: str) -> Edge:
    return next(edge for edge in graph.edges if (edge.source, edge.target) == (source, target))


def line(length: int) -> Graph:
    """Steps s0 to s<length>, each leading to the next."""
    nodes = tuple(StepNode(f"s{at}", "say", is_start=at == 0) for at in range(length))
    return Graph("line", nodes, tuple(Edge(f"s{at}", f"s{at + 1}") for at in range(length - 1)))


def script(path: Path) -> Script:
    return read_flow(path.read_text(), path.name)


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_it_has_exactly_the_ways_of_the_machine(path: Path) -> None:
    flow = script(path)
    drawn = [(edge.source, edge.target) for edge in graph_of(flow).edges]
    real = FlowMachine(flow).transitions()
    assert len(drawn) == len(set(drawn))
    # The state machine leads from every step to a human, because PERSON is understood at each.
    assert {pair for pair in drawn if pair[1] != HUMAN} == {pair for pair in real if pair[1] != HUMAN}
    assert set(drawn) <= set(real)


def test_it_says_why_a_way_is_taken() -> None:
    graph = small()
    assert way(graph, "need", "court").label == "Rent"
    assert way(graph, "need", "places").label == "Food / Heat"
    assert way(graph, "need", "quiet").label == "no answer for 3d"
    assert way(graph, "court", "person").label == "if court and days_until(court) <= 7"
    assert way(graph, "court", "places").label == "otherwise / not understood"
    assert way(graph, "places", "person").label == "none found"
    assert way(graph, "bye", ENDED).label == "referred"


def test_it_leads_to_a_human_only_where_the_flow_itself_gives_up() -> None:
    assert [edge.source for edge in small().edges if edge.target == HUMAN] == ["need"]


def test_it_tells_expected_ways_from_the_others() -> None:
    graph = small()
    assert way(graph, "court", "places").kind is EdgeKind.OTHERWISE
    assert way(graph, "need", "quiet").is_side_way and not way(graph, "need", "places").is_side_way


def test_it_shows_the_surroundings_of_a_step_and_how_much_is_hidden() -> None:
    part = subgraph_around(line(10), "s5", 2)
    assert part.names == ("s3", "s4", "s5", "s6", "s7")
    assert dict(part.hidden) == {"s3": 1, "s7": 1}
    assert part.start == ""


def test_it_shows_the_surroundings_of_the_start_for_a_step_that_is_gone() -> None:
    assert subgraph_around(line(10), "nowhere", 1).names == ("s0", "s1")


def test_it_takes_as_many_rings_as_fit_and_never_more_steps_than_asked() -> None:
    assert widest_subgraph(line(50), "s20", 7).names == tuple(f"s{at}" for at in range(17, 24))
    nodes = tuple(StepNode(f"s{at}", "say") for at in range(90))
    star = Graph("star", nodes, tuple(Edge("s0", f"s{at}") for at in range(1, 90)))
    part = widest_subgraph(star, "s0", 40)
    assert len(part.nodes) == 40 and part.hidden["s0"] == 50


def test_it_shows_removed_steps_beside_new_ones() -> None:
    before = small()
    after = graph_of(
        read_flow(SMALL.replace("  quiet: {end", "  silent: {end").replace("go: quiet", "go: silent"), "s.yaml")
    )
    both = merge_graphs(before, after, ["quiet"], {})
    assert both.names == (*after.names, "quiet")
    assert way(both, "need", "quiet") and way(both, "need", "silent")
    assert merge_graphs(before, after, [], {"quiet": "silent"}) == after
