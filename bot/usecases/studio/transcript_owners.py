"""Whose transcript it is that a check names, and how those of other flows go that lead through one flow."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.flow_watch import Coverage
from bot.domain.flow_yaml import FlowError, Problem
from bot.domain.transcript import read_transcript
from bot.usecases.studio.check_draft import Report, shown_names
from bot.usecases.studio.keep_transcripts import Result, file_of
from bot.usecases.studio.world import World


@dataclass(frozen=True, slots=True)
class Owned:
    """A transcript by its own name, and the flow that keeps it with that flow's title."""

    flow: str
    title: str
    name: str


@dataclass(frozen=True, slots=True)
class Passing:
    """A transcript of another flow; `problem` is where it goes otherwise than written, None where it passed."""

    owned: Owned
    problem: Problem | None


def owners(world: World) -> dict[str, Owned]:
    """Every transcript of the world by the file that a problem of it names."""
    return {file_of(shown): Owned(flow, world.flows[flow].script.title, name) for shown, flow, name in shown_names(world)}


def own(world: World, report: Report, flow: str) -> list[Result]:
    """The flow's own transcripts as the check played them, those that failed first. Nothing is played for it."""
    problems = _by_file(report)
    texts = world.flows[flow].content.transcripts
    found = [
        _result(name, texts[name], problems.get(file_of(shown)))
        for shown, owner, name in shown_names(world)
        if owner == flow
    ]
    return sorted(found, key=lambda one: (not one.problems, one.name))


def _result(name: str, text: str, problem: Problem | None) -> Result:
    try:
        return Result(name, text, read_transcript(text, file_of(name)), (problem,) if problem else ())
    except FlowError as error:
        return Result(name, text, None, tuple(error.problems))


def _by_file(report: Report) -> dict[str, Problem]:
    """The first problem of each file."""
    problems: dict[str, Problem] = {}
    for problem in report.problems:
        problems.setdefault(problem.file, problem)
    return problems


def passing(world: World, report: Report, flow: str) -> list[Passing]:
    """The transcripts of other flows that concern this one, those that failed first.

    All that failed are among them, also where they no longer come as far as this flow: each stops its publication.
    """
    problems = _by_file(report)
    through = {file_of(shown) for shown in report.coverage.get(flow, Coverage()).transcripts}
    found = [
        Passing(owned, problems.get(file))
        for file, owned in owners(world).items()
        if owned.flow != flow and (file in through or file in problems)
    ]
    return sorted(found, key=lambda one: (one.problem is None, one.owned.flow, one.owned.name))
