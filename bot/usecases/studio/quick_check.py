"""Checks one flow without playing its transcripts: fast enough for every page of the editor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.domain.flows.checks import checks
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.script import Script
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem
from bot.domain.flows.outline import OutlineRow
from bot.storage.flows import drafts, flows
from bot.storage.handoff import board
from bot.usecases.context import Context
from bot.usecases.studio import flow_sets
from bot.usecases.studio.flow_sets import FlowSet


@dataclass(frozen=True, slots=True)
class FlowCheck:
    """The problems found; `script` is None if the flow could not be read."""

    problems: tuple[FlowProblem, ...]
    script: Script | None
    flow_set: FlowSet
    """The published flows, with the drafts of flows that were never published."""
    unpublished: frozenset[str] = frozenset()
    """The flows that were never published."""


_problem_cache: dict[str, tuple[FlowProblem, ...]] = {}
_MAX_CACHED = 100


def check_flow(db: Session, context: Context, flow: str, content: FlowContent) -> FlowCheck:
    """Reads and checks this content of a flow among the published flows and the drafts of new ones."""
    live = flows.current_versions(db)
    new = {draft.flow: draft.revision.content for draft in drafts.list_all(db) if draft.flow not in {*live, flow}}
    # A flow may lead to one that is only drafted: both are published together.
    around = flow_sets.flow_set_with(db, new)
    try:
        read = flow_sets.parse_flow(flow, content)
    except FlowError as error:
        return FlowCheck(error.problems, None, around, frozenset(new))
    teams = frozenset(board.team_names(db))
    digests = [flow_sets.flow_digest(one.name, one.content) for _, one in sorted(around.flows.items())]
    key = "".join([flow_sets.flow_digest(flow, content), *digests, *sorted(teams)])
    problems = _problem_cache.get(key)
    if problems is None:
        problems = tuple(
            checks.check_flow(
                read.script,
                read.translations,
                {**around.scripts, flow: read.script},
                file=f"{flow}.yaml",
                lines=read.lines,
                languages=context.system_texts.languages,
                teams=teams or None,
            )
        )
        if len(_problem_cache) >= _MAX_CACHED:
            _problem_cache.clear()
        _problem_cache[key] = problems
    return FlowCheck(problems, read.script, around, frozenset(new))


def problems_by_step(
    rows: tuple[OutlineRow, ...], problems: tuple[FlowProblem, ...], file: str
) -> Mapping[str, list[FlowProblem]]:
    """The problems of each step by the lines of the file; under "" those of no step."""
    found: dict[str, list[FlowProblem]] = {}
    for problem in problems:
        name = ""
        if problem.file == file:
            for row in rows:
                if row.line > problem.line:
                    break
                name = row.name
        found.setdefault(name, []).append(problem)
    return found
