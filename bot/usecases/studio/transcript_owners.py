"""Whose transcript it is that a check names, and how those of other flows go that lead through one flow."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.flow_watch import Coverage
from bot.domain.flow_yaml import Problem
from bot.usecases.studio.check_draft import Report, shown_names
from bot.usecases.studio.keep_transcripts import file_of
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


def passing(world: World, report: Report, flow: str) -> list[Passing]:
    """The transcripts of other flows that concern this one, those that failed first.

    All that failed are among them, also where they no longer come as far as this flow: each stops its publication.
    """
    problems: dict[str, Problem] = {}
    for problem in report.problems:
        problems.setdefault(problem.file, problem)
    through = {file_of(shown) for shown in report.coverage.get(flow, Coverage()).transcripts}
    found = [
        Passing(owned, problems.get(file))
        for file, owned in owners(world).items()
        if owned.flow != flow and (file in through or file in problems)
    ]
    return sorted(found, key=lambda one: (one.problem is None, one.owned.flow, one.owned.name))
