"""All that the checks say of drafts before they are published: reading, checking, and playing the conversation tests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from zoneinfo import ZoneInfo

from bot.domain import flow_checks
from bot.domain.flow_watch import Coverage, Uncovered, Watch, coverage, uncovered
from bot.domain.flow_yaml import FlowError, Problem, Severity
from bot.domain.transcript import read_transcript
from bot.usecases.line import Line
from bot.usecases.rehearse import replay
from bot.usecases.studio.world import World, digest_of, rehearsal_cards

__all__ = ["Coverage", "Report", "Uncovered", "check", "uncovered", "warning_key"]

MOST_KEPT = 50
"""Reports that the process keeps; one is a few hundred short texts."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: errors first. `played` counts the transcripts, `failed` names those that did not go as written."""

    problems: tuple[Problem, ...]
    coverage: dict[str, Coverage]
    played: int
    failed: tuple[str, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What stops publishing."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What needs a word why."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)


class _Kept:
    def __init__(self) -> None:
        self._lock = Lock()
        self._reports: OrderedDict[str, Report] = OrderedDict()

    def get(self, digest: str) -> Report | None:
        with self._lock:
            if digest in self._reports:
                self._reports.move_to_end(digest)
            return self._reports.get(digest)

    def put(self, digest: str, report: Report) -> None:
        with self._lock:
            self._reports[digest] = report
            while len(self._reports) > MOST_KEPT:
                self._reports.popitem(last=False)


_kept = _Kept()


def check(
    world: World, flows: Collection[str], line: Line, zone: ZoneInfo, line_name: str, *, teams: Collection[str] | None = None
) -> Report:
    """Check these flows among all of the world, and play every transcript of it. Never raises for what a flow holds.

    All transcripts are played and not only those of `flows`: they lead through each other, and all take a second or two.
    A report is kept in the process as long as nothing of the world changes.
    """
    digest = _digest(world, flows, line, zone, line_name, teams)
    report = _kept.get(digest)
    if report is None:
        report = _checked(world, flows, line, zone, line_name, teams)
        _kept.put(digest, report)
    return report


def warning_key(problem: Problem) -> str:
    """The same for the same warning wherever it has moved in its file, so that a word why is asked for once."""
    return sha256(f"{problem.file}\n{problem.what}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _digest(
    world: World, flows: Collection[str], line: Line, zone: ZoneInfo, line_name: str, teams: Collection[str] | None
) -> str:
    parts = [digest_of(name, flow.content, flow.version) for name, flow in sorted(world.flows.items())]
    parts += [str(problem) for problem in world.problems]
    # The line's own words are read once in a process, so which object they are tells them apart.
    parts += [*sorted(flows), str(id(line)), *line.languages, str(zone), line_name]
    parts += ["no teams known"] if teams is None else sorted(teams)
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _checked(
    world: World, flows: Collection[str], line: Line, zone: ZoneInfo, line_name: str, teams: Collection[str] | None
) -> Report:
    problems = [*world.problems, *_menus(world, flows)]
    for name in sorted(flows):
        flow = world.flows.get(name)
        if flow is not None:
            problems += flow_checks.check(
                flow.script, flow.translations, world.scripts, file=f"{name}.yaml", lines=flow.lines,
                languages=line.languages, teams=teams,
            )  # fmt: skip
    played = _Played(world, line, zone, line_name)
    problems += played.problems
    return Report(
        # Sorting keeps the order of lines within a file: `sorted` is stable.
        tuple(sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)),
        {name: coverage(name, played.watches) for name in sorted(flows)},
        len(played.watches),
        tuple(played.failed),
    )


def _menus(world: World, flows: Collection[str]) -> Iterator[Problem]:
    """One flow is what people meet first, and there must be no doubt which."""
    menus = sorted(name for name, flow in world.flows.items() if flow.script.menu)
    ours = next((name for name in menus if name in flows), min(flows, default=""))
    if len(menus) == 1 or not ours or world.problems:
        return
    named = " and ".join(f"`{name}`" for name in menus)
    what = f"{named} both have `menu: true`." if menus else "No flow has `menu: true`."
    where = world.flows[ours].lines.of(("menu",)) if ours in world.flows else 1
    yield Problem(f"{ours}.yaml", where, what, "Set it in the one flow that people meet first.")


class _Played:
    """The transcripts of a world as they went; nothing is played where a flow can't be read, for they run across flows."""

    def __init__(self, world: World, line: Line, zone: ZoneInfo, line_name: str) -> None:
        self.problems: list[Problem] = []
        self.watches: dict[str, Watch] = {}
        self.failed: list[str] = []
        watch = Watch()
        library = None if world.problems else world.library(zone, line_name, rehearsal_cards(zone), watch)
        for name, text in _transcripts(world):
            file = f"transcripts/{name}.txt"
            try:
                transcript = read_transcript(text, file)
            except FlowError as error:
                self.problems += error.problems
                continue
            if library is not None:
                found = replay(transcript, file, line, library, zone)
                self.watches[name] = watch.take()
                self.problems += found
                self.failed += [name] if found else []


def _transcripts(world: World) -> Iterator[tuple[str, str]]:
    """(name, text) of all."""
    for shown, flow, name in shown_names(world):
        yield shown, world.flows[flow].content.transcripts[name]


def shown_names(world: World) -> Iterator[tuple[str, str, str]]:
    """(name as a report shows it, its flow, its own name) of all transcripts, in the order in which they are played.

    Where two flows have one of the same name, the flow stands before it.
    """
    seen: set[str] = set()
    for flow, read_flow in sorted(world.flows.items()):
        for name in sorted(read_flow.content.transcripts):
            yield (f"{flow}/{name}" if name in seen else name), flow, name
            seen.add(name)
