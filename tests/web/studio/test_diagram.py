"""The diagram of a flow: really laid out, in time, with every word escaped, and nothing shown by colour alone."""

from __future__ import annotations

import contextlib
import os
import random
import re
import subprocess
import time
from pathlib import Path
from xml.etree.ElementTree import fromstring

import psutil
import pytest

from bot.domain.flows.checks.coverage import TranscriptCoverage
from bot.domain.flows.graph import Edge, EdgeKind, EdgeReason, Graph, StepNode, graph_of
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.reader import read_flow
from bot.web.studio.diagram import drawing, pages
from bot.web.studio.diagram.drawing import draw
from bot.web.studio.diagram.shapes import DrawingOverlay
from tests.paths import ROOT
from tests.support.console import make_staff, signed_in
from tests.support.demo import Demo

FLOWS = sorted((ROOT / "flows").glob("*.yaml"))
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "</svg><script>alert(1)</script>",
    "\"quoted\" and 'quoted'\nand\ta tab",
    "word " * 320,
    "x" * 1600,
    "<b>bold</b>",
    r"\N \G \E \l \n",
    "&amp; ]]> <!-- -->",
    "bell \x07 and \ud800 and \ufffe",
    "",
    "早上好 صباح الخير",
]


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "layout_cache", drawing._LayoutCache())


def shipped(path: Path) -> Graph:
    return graph_of(read_flow(path.read_text(), path.name))


def small() -> Graph:
    nodes = (StepNode("a", "ask", "What?", is_start=True), StepNode("b", "say", "Good."), StepNode("c", "end", "done"))
    return Graph("small", nodes, (Edge("a", "b", (EdgeReason(EdgeKind.CHOICE, "Yes", "yes"),)), Edge("b", "c")))


def tangle(steps: int, ways: int) -> Graph:
    """A large tangled flow, always the same."""
    draw_ = random.Random(7)
    nodes = tuple(StepNode(f"s{at}", "ask", f"Question {at}", is_start=at == 0) for at in range(steps))
    pairs = dict.fromkeys((f"s{draw_.randrange(steps)}", f"s{draw_.randrange(steps)}") for _ in range(ways))
    return Graph(
        "tangle", nodes, tuple(Edge(*pair, (EdgeReason(EdgeKind.CHOICE, "Some answer", "some"),)) for pair in pairs)
    )


def work_done() -> float:
    """CPU seconds of this process and of those that it has started, however busy the machine is."""
    done = os.times()
    return done.user + done.system + done.children_user + done.children_system


def classes(svg: str, element: str) -> set[str]:
    found = next(each for each in fromstring(svg).iter(f"{SVG}g") if each.get("id") == element)
    return set((found.get("class") or "").split())


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_it_draws_every_shipped_flow_whole_and_quickly(path: Path) -> None:
    graph = shipped(path)
    began = work_done()
    drawn = draw(graph)
    assert drawn.is_whole and drawn.svg is not None
    assert work_done() - began < 2
    root = fromstring(drawn.svg)
    assert {each.get("id") for each in root.iter(f"{SVG}g")} >= {f"step-{name}" for name in graph.names}
    arrows = [each for each in root.iter(f"{SVG}path") if each.get("class") == "fd-line"]
    assert len(arrows) == len(graph.edges) + 1


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_it_lets_no_two_boxes_overlap(path: Path) -> None:
    svg = draw(shipped(path)).svg
    assert svg is not None
    boxes = []
    for rect in fromstring(svg).iter(f"{SVG}rect"):
        x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        boxes.append((x, y, x + width, y + height))
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_it_obeys_a_policy_without_styles_in_the_page() -> None:
    svg = draw(shipped(FLOWS[0]), DrawingOverlay(path="/console/flows/x")).svg
    assert svg is not None
    assert "style" not in svg and "<script" not in svg and " on" not in re.sub(r">[^<]*<|\"[^\"]*\"", "", svg)
    assert min(float(size) for size in re.findall(r'font-size="([0-9.]+)"', svg)) >= 12


def running() -> list[str]:
    """Layout programs of this process that still run, apart from the servers of other tests."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found += [line for line in (" ".join(child.cmdline()),) if "lay_out" in line or "spy.py" in line]
    return found


def test_it_draws_what_lies_around_a_step_where_the_whole_takes_too_long() -> None:
    began = time.perf_counter()
    drawn = draw(tangle(110, 400), DrawingOverlay(selected="s7"), seconds=1)
    assert time.perf_counter() - began < 5
    assert drawn.words.startswith("The flow is too big to be drawn whole") or drawn.svg is None
    assert running() == []


def test_it_does_not_try_again_what_took_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = tangle(110, 400)
    first = draw(graph, seconds=0.3)

    def again(*_: object, **__: object) -> None:
        raise AssertionError("it is laid out a second time")

    monkeypatch.setattr(subprocess, "run", again)
    assert draw(graph, seconds=0.3).words == first.words


def test_it_draws_the_neighbourhood_of_a_flow_of_two_thousand_steps() -> None:
    nodes = tuple(StepNode(f"s{at}", "say", is_start=at == 0) for at in range(2000))
    graph = Graph("long", nodes, tuple(Edge(f"s{at}", f"s{at + 1}") for at in range(1999)))
    drawn = draw(graph, DrawingOverlay(selected="s900"))
    assert drawn.words == "The flow is too big to be drawn whole: this is what lies around `s900`."
    assert drawn.svg is not None and "s900" in drawn.graph.names and "1 more" in drawn.svg


def test_it_describes_the_flow_in_words_where_even_a_part_takes_too_long() -> None:
    drawn = draw(tangle(60, 200), seconds=0.001)
    assert drawn.svg is None and "told in words" in drawn.words


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_it_escapes_whatever_an_author_writes(words: str) -> None:
    graph = Graph(
        "hostile",
        (StepNode("a", "ask", words, is_start=True), StepNode("b", "say", words)),
        (
            Edge("a", "b", (EdgeReason(EdgeKind.CHOICE, words, "x"),)),
            Edge("b", "a", (EdgeReason(EdgeKind.WHEN, f"if {words}"),)),
        ),
    )
    drawn = draw(graph, DrawingOverlay(path="/console/flows/hostile", title=words))
    assert drawn.svg is not None
    root = fromstring(drawn.svg)
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
        "svg", "g", "a", "title", "text", "path", "polygon", "rect", "circle",
    }  # fmt: skip
    assert all(len(each.text or "") < 100 for each in root.iter(f"{SVG}text"))
    assert float(root.attrib["width"]) < 1200


def test_it_lays_out_a_structure_once_whatever_is_shown_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = draw(small()).svg
    monkeypatch.setattr(drawing, "_PROGRAM", Path("/nowhere"))
    chosen = draw(small(), DrawingOverlay(selected="b", coverage=TranscriptCoverage(), problems={"a": "error"})).svg
    assert first is not None and chosen is not None and first != chosen
    assert "is-selected" in classes(chosen, "step-b")


def test_it_keeps_no_more_layouts_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "MAX_CACHED", 2)
    for at in range(4):
        drawing.layout_cache.put(str(at), None)
    assert len(drawing.layout_cache) == 2 and drawing.layout_cache.get("3") is not None


def test_it_shows_what_transcripts_cover_by_mark_and_words() -> None:
    coverage = TranscriptCoverage(frozenset({"a", "b"}), frozenset(), frozenset({("a", "b")}))
    svg = draw(small(), DrawingOverlay(coverage=coverage)).svg
    assert svg is not None
    assert "is-covered" in classes(svg, "step-a") and "is-missed" in classes(svg, "step-c")
    assert "fd-badge-missed" in svg and "not covered by any transcript" in svg
    # The way was taken, but never by this answer.
    assert "never picked there: Yes" in svg and "Yes (?)" in svg


def test_it_gives_the_child_program_no_setting_and_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spy = tmp_path / "spy.py"
    spy.write_text("import json, os\nprint(json.dumps({'size': [1, 1], 'boxes': sorted(os.environ), 'arrows': []}))")
    monkeypatch.setattr(drawing, "_PROGRAM", spy)
    monkeypatch.setenv("SECRET_KEY", "not to be seen")
    found = drawing._run_layout("{}", 4)
    assert found is not None and "SECRET_KEY" not in str(found.boxes)
    assert running() == []


def test_it_links_each_step_and_says_the_same_in_words(demo: Demo) -> None:
    with demo.app.test_request_context():
        page = pages.figure(content("welcome"), "welcome", selected="topic", problems={"goal": "warning"})
    assert 'href="/console/flows/welcome?step=topic#step"' in page
    assert 'aria-current="true"' in page and "fd-badge-warning" in page and "has a warning" in page
    assert 'tabindex="0"' in page and "The drawing in words" in page and " style=" not in page


def test_it_shows_what_a_draft_adds_and_loses(demo: Demo) -> None:
    before = content("crisis")
    source = before.source.replace("steps:\n", "steps:\n  fresh: {say: New words., end: fine}\n", 1)
    with demo.app.test_request_context():
        added = pages.figure(FlowContent(source), "crisis", marks={"fresh": "added"}, before=before)
        lost = pages.figure(before, "crisis", marks={"fresh": "removed"}, before=FlowContent(source))
    assert "is-added" in classes(str(added)[added.index("<svg") : added.index("</svg>") + 6], "step-fresh")
    assert "is-removed" in classes(str(lost)[lost.index("<svg") : lost.index("</svg>") + 6], "step-fresh")
    assert "removed in this draft" in lost and "added in this draft" in added


def test_it_says_so_where_the_file_cannot_be_read(demo: Demo) -> None:
    with demo.app.test_request_context():
        page = pages.figure(FlowContent("flow: [\n"), "broken")
    assert "cannot be read" in page and "<svg" not in page


def test_it_gives_the_drawing_as_a_file_with_its_colours(demo: Demo) -> None:
    if "diagram" not in demo.app.blueprints:
        demo.app.register_blueprint(pages.diagram)
    client = signed_in(demo.app, make_staff(demo.runtime, "ada@example.org", ["admin"]))
    answer = client.get("/console/flows/welcome/diagram.svg")
    assert answer.status_code == 200 and answer.mimetype == "image/svg+xml"
    root = fromstring(answer.data)
    boxes = [each for each in root.iter(f"{SVG}rect") if each.get("class") == "fd-box"]
    assert boxes and all(box.get("fill") for box in boxes)
    assert client.get("/console/flows/nowhere/diagram.svg").status_code == 404
    other = signed_in(demo.app, make_staff(demo.runtime, "rosa@example.org"))
    assert other.get("/console/flows/welcome/diagram.svg").status_code == 403


def content(flow: str) -> FlowContent:
    return FlowContent(next(path for path in FLOWS if path.stem == flow).read_text())
