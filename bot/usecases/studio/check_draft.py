"""Runs all checks on drafts before publication: reading, checking, and playing the conversation tests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from zoneinfo import ZoneInfo

from bot.domain.conversation.transcript import read_transcript
from bot.domain.flows.checks import checks
from bot.domain.flows.checks.coverage import CoverageGaps, TranscriptCoverage, UsageLog, coverage_gaps, coverage_of
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem, Severity
from bot.usecases.conversation.rehearsal import replay
from bot.usecases.studio.flow_sets import FlowSet, flow_digest, rehearsal_cards
from bot.usecases.system_texts import SystemTexts

__all__ = ["CheckReport", "CoverageGaps", "TranscriptCoverage", "check_drafts", "coverage_gaps", "warning_key"]

MAX_CACHED = 50
"""Reports cached per process; one is a few hundred short texts."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The findings, errors first. `played` counts the transcripts, `failed` names those that did not go as written."""

    problems: tuple[FlowProblem, ...]
    coverage: dict[str, TranscriptCoverage]
    played: int
    failed: tuple[str, ...]

    @property
    def errors(self) -> tuple[FlowProblem, ...]:
        """The problems that prevent publication."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[FlowProblem, ...]:
        """The problems that need a reason if published anyway."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)


class _ReportCache:
    def __init__(self) -> None:
        self._lock = Lock()
        self._reports: OrderedDict[str, CheckReport] = OrderedDict()

    def get(self, digest: str) -> CheckReport | None:
        with self._lock:
            if digest in self._reports:
                self._reports.move_to_end(digest)
            return self._reports.get(digest)

    def put(self, digest: str, report: CheckReport) -> None:
        with self._lock:
            self._reports[digest] = report
            while len(self._reports) > MAX_CACHED:
                self._reports.popitem(last=False)


_report_cache = _ReportCache()


def check_drafts(
    flow_set: FlowSet,
    flows: Collection[str],
    system_texts: SystemTexts,
    zone: ZoneInfo,
    line_name: str,
    *,
    teams: Collection[str] | None = None,
) -> CheckReport:
    """Checks these flows among all flows of the set, and plays every transcript of the set. Never raises for a flow's
    content.

    Plays all transcripts, not only those of `flows`: they lead through each other, and all of them take a second or two. The
    report is cached in the process until anything in the set changes.
    """
    digest = _digest(flow_set, flows, system_texts, zone, line_name, teams)
    report = _report_cache.get(digest)
    if report is None:
        report = _run_checks(flow_set, flows, system_texts, zone, line_name, teams)
        _report_cache.put(digest, report)
    return report


def warning_key(problem: FlowProblem) -> str:
    """The same key for the same warning wherever it moves in its file, so that a reason is asked for only once."""
    return sha256(f"{problem.file}\n{problem.what}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _digest(
    flow_set: FlowSet,
    flows: Collection[str],
    system_texts: SystemTexts,
    zone: ZoneInfo,
    line_name: str,
    teams: Collection[str] | None,
) -> str:
    parts = [flow_digest(name, flow.content, flow.version) for name, flow in sorted(flow_set.flows.items())]
    parts += [str(problem) for problem in flow_set.problems]
    # The system texts are read once per process, so their object identity is enough.
    parts += [*sorted(flows), str(id(system_texts)), *system_texts.languages, str(zone), line_name]
    parts += ["no teams known"] if teams is None else sorted(teams)
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _run_checks(
    flow_set: FlowSet,
    flows: Collection[str],
    system_texts: SystemTexts,
    zone: ZoneInfo,
    line_name: str,
    teams: Collection[str] | None,
) -> CheckReport:
    problems = [*flow_set.problems, *_menu_problems(flow_set, flows)]
    for name in sorted(flows):
        flow = flow_set.flows.get(name)
        if flow is not None:
            problems += checks.check_flow(
                flow.script, flow.translations, flow_set.scripts, file=f"{name}.yaml", lines=flow.lines,
                languages=system_texts.languages, teams=teams,
            )  # fmt: skip
    played = _TranscriptRun(flow_set, system_texts, zone, line_name)
    problems += played.problems
    return CheckReport(
        # Sorting keeps the order of lines within a file: `sorted` is stable.
        tuple(sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)),
        {name: coverage_of(name, played.watches) for name in sorted(flows)},
        len(played.watches),
        tuple(played.failed),
    )


def _menu_problems(flow_set: FlowSet, flows: Collection[str]) -> Iterator[FlowProblem]:
    """Exactly one flow must be the menu that people meet first."""
    menus = sorted(name for name, flow in flow_set.flows.items() if flow.script.menu)
    ours = next((name for name in menus if name in flows), min(flows, default=""))
    if len(menus) == 1 or not ours or flow_set.problems:
        return
    named = " and ".join(f"`{name}`" for name in menus)
    what = f"{named} both have `menu: true`." if menus else "No flow has `menu: true`."
    where = flow_set.flows[ours].lines.of(("menu",)) if ours in flow_set.flows else 1
    yield FlowProblem(f"{ours}.yaml", where, what, "Set it in the one flow that people meet first.")


class _TranscriptRun:
    """The replayed transcripts. Nothing is played if any flow can't be read, because transcripts run across flows."""

    def __init__(self, flow_set: FlowSet, system_texts: SystemTexts, zone: ZoneInfo, line_name: str) -> None:
        self.problems: list[FlowProblem] = []
        self.watches: dict[str, UsageLog] = {}
        self.failed: list[str] = []
        watch = UsageLog()
        library = None if flow_set.problems else flow_set.library(zone, line_name, rehearsal_cards(zone), watch)
        for name, text in _transcripts(flow_set):
            file = f"transcripts/{name}.txt"
            try:
                transcript = read_transcript(text, file)
            except FlowError as error:
                self.problems += error.problems
                continue
            if library is not None:
                found = replay(transcript, file, system_texts, library, zone)
                self.watches[name] = watch.drain()
                self.problems += found
                self.failed += [name] if found else []


def _transcripts(flow_set: FlowSet) -> Iterator[tuple[str, str]]:
    """(name as reported, text) of all transcripts."""
    for shown, flow, name in reported_names(flow_set):
        yield shown, flow_set.flows[flow].content.transcripts[name]


def reported_names(flow_set: FlowSet) -> Iterator[tuple[str, str, str]]:
    """(name as reported, its flow, its own name) of all transcripts, in playing order.

    If two flows have a transcript of the same name, later ones are prefixed with their flow.
    """
    seen: set[str] = set()
    for flow, read_flow in sorted(flow_set.flows.items()):
        for name in sorted(read_flow.content.transcripts):
            yield (f"{flow}/{name}" if name in seen else name), flow, name
            seen.add(name)
