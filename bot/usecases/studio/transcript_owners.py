"""Which flow owns a transcript named by a check, and the results of other flows' transcripts that pass through one flow."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.conversation.transcript import read_transcript
from bot.domain.flows.checks.coverage import TranscriptCoverage
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem
from bot.usecases.studio.check_draft import CheckReport, reported_names
from bot.usecases.studio.flow_sets import FlowSet
from bot.usecases.studio.manage_transcripts import TranscriptResult, problem_file


@dataclass(frozen=True, slots=True)
class OwnedTranscript:
    """A transcript's own name, and the flow that owns it with that flow's title."""

    flow: str
    title: str
    name: str


@dataclass(frozen=True, slots=True)
class PassingTranscript:
    """A transcript of another flow; `problem` is where it differs from what is written, None if it passed."""

    owned: OwnedTranscript
    problem: FlowProblem | None


def find_owners(flow_set: FlowSet) -> dict[str, OwnedTranscript]:
    """Every transcript of the flow set, by the file name that its problems carry."""
    return {
        problem_file(shown): OwnedTranscript(flow, flow_set.flows[flow].script.title, name)
        for shown, flow, name in reported_names(flow_set)
    }


def own_results(flow_set: FlowSet, report: CheckReport, flow: str) -> list[TranscriptResult]:
    """The check results of the flow's own transcripts, failed ones first. Plays nothing."""
    problems = _problem_by_file(report)
    texts = flow_set.flows[flow].content.transcripts
    found = [
        _result(name, texts[name], problems.get(problem_file(shown)))
        for shown, owner, name in reported_names(flow_set)
        if owner == flow
    ]
    return sorted(found, key=lambda one: (not one.problems, one.name))


def _result(name: str, text: str, problem: FlowProblem | None) -> TranscriptResult:
    try:
        return TranscriptResult(name, text, read_transcript(text, problem_file(name)), (problem,) if problem else ())
    except FlowError as error:
        return TranscriptResult(name, text, None, tuple(error.problems))


def _problem_by_file(report: CheckReport) -> dict[str, FlowProblem]:
    """The first problem of each file."""
    problems: dict[str, FlowProblem] = {}
    for problem in report.problems:
        problems.setdefault(problem.file, problem)
    return problems


def passing_transcripts(flow_set: FlowSet, report: CheckReport, flow: str) -> list[PassingTranscript]:
    """The transcripts of other flows that concern this one, failed ones first.

    Includes all that failed, even if they no longer reach this flow: each of them prevents its publication.
    """
    problems = _problem_by_file(report)
    through = {problem_file(shown) for shown in report.coverage.get(flow, TranscriptCoverage()).transcripts}
    found = [
        PassingTranscript(owned, problems.get(file))
        for file, owned in find_owners(flow_set).items()
        if owned.flow != flow and (file in through or file in problems)
    ]
    return sorted(found, key=lambda one: (one.problem is None, one.owned.flow, one.owned.name))
